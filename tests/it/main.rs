//! The program as its users meet it: the real binary against a simulated feed, over HTTP.

mod support;

mod children;
mod fields;
mod full_sync;
mod paging;
mod watermark;
