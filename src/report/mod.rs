//! What there is to say about a mirror, gathered and written as text.

mod metrics;
mod status;

pub use metrics::metrics;
pub use status::{Budget, JobStatus, ResourceStatus, Sizes, Status, status};
