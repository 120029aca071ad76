//! The jobs: they decide what to ask the feed for, and apply the answers to the mirror.
//!
//! In order, each module uses only those before it:
//!
//! 1. `clock`, `context`, `sync_error`, `media_folder`, `outcome`, `progress`, `open_for_sync`,
//!    `saved_capabilities`, `workers`: what all jobs share
//! 2. `records`: reads the records of one resource, and applies them
//! 3. `photos`: downloads and removes the files of photos
//! 4. `verify`: compares the mirror with the feed, and the files with their hashes
//! 5. `jobs`: one thin file per job
//!
//! Functions that return `anyhow::Result` return errors of the database. Errors of the
//! feed are part of a job's [`Report`], unless a function says otherwise.

mod clock;
mod context;
mod feed_address;
mod media_folder;
mod open_for_sync;
mod outcome;
mod progress;
mod saved_capabilities;
mod sync_error;
mod time_zone;
mod workers;

mod records;

mod glossary;

mod photos;
mod verify;

mod jobs;

pub use clock::clock_ahead_days;
pub use context::Context;
pub use feed_address::{OtherFeed, check_feed_address};
pub use jobs::alert_report::{AlertHost, AlertLine, AlertSubject, AttentionChange, ReportError};
pub use jobs::condition_check::{check_conditions, check_kept_photos};
pub use jobs::deletions::deletions;
pub use jobs::full::full;
pub use jobs::incremental::{downloads_photos, incremental, up_to_date};
pub use jobs::media::media;
pub use jobs::monitor::{monitor, report_missing_token};
pub use jobs::plan::plan;
pub use jobs::planned::{
    DeletionsWay, JobWay, KeptPlan, PhotoPlan, Plan, ReadingWay, ResourcePlan,
};
pub use jobs::prune::{Pruned, Unnamed, prune, unnamed};
pub use jobs::reconcile::reconcile;
pub use jobs::reconcile_plan::{ReconcilePlan, Repairs, plan_reconcile};
pub use jobs::refresh::{Refreshed, refresh};
pub use media_folder::{
    FolderProblem, MediaFolder, UnusableFolder, find_media_folder, inspect_media_folder,
};
pub use open_for_sync::{
    CredentialsProblem, DatabaseUnwritable, credentials_problem, naming_database, open_for_sync,
    share_budget,
};
pub use outcome::{Advice, DeletedCount, Ending, ExportCounts, FileCounts, Misconfigured, Report};
pub use photos::missing_files::count_missing;
pub use progress::{Note, PhotoProgress, Progress, Unwatched};
pub use records::audit::Depth;
pub use records::catalog::left_out;
pub use records::counts::count_difference;
pub use records::held_deletions::{HeldDeletions, held_deletions};
pub use saved_capabilities::remember_capabilities;
pub use verify::compare_feed::verify;
pub use verify::difference::{
    Difference, FileDifference, FileDifferenceKind, Verified, VerifiedFiles, VerifiedResource,
};
