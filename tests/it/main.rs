//! The program as its users meet it: the real binary against a simulated feed, over HTTP.

mod support;

mod brake;
mod changes;
mod children;
mod deletions;
mod faults;
mod fields;
mod full_sync;
mod house;
mod incremental;
mod interruption;
mod market;
mod migration;
mod moves;
mod output;
mod paging;
mod photo_files;
mod photos;
mod photos_names;
mod photos_removed;
mod photos_stopped;
mod photos_wrong;
mod reconcile;
mod refresh;
mod rejects;
mod replay;
mod secrecy;
mod stopped;
mod usage;
mod verify;
mod watermark;
