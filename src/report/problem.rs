//! The problems of the last runs that no later success has settled.

use serde::Serialize;

use crate::mirror::RunSummary;

/// A run that failed or left something out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The job of the run.
    #[serde(skip)]
    pub job: String,
    /// Its resource.
    pub resource: String,
    /// `failed` or `partial`.
    pub status: String,
    /// When it started, UTC.
    pub started_at: String,
    /// Its error.
    pub error: String,
}

/// Returns the problems that no later run has settled. `runs` has the newest ended run of
/// each job on each resource, oldest first.
pub fn unsettled(runs: &[RunSummary]) -> Vec<Problem> {
    let is_open = |index: usize, run: &RunSummary| {
        let later = &runs[index + 1..];
        run.status != "succeeded" && !later.iter().any(|later| settles(later, run))
    };
    let open = runs
        .iter()
        .enumerate()
        .filter(|(index, run)| is_open(*index, run));
    open.map(|(_, run)| Problem {
        job: run.job.clone(),
        resource: run.resource.clone(),
        status: run.status.clone(),
        started_at: run.started_at.clone(),
        error: run.error.clone().unwrap_or_default(),
    })
    .collect()
}

/// Returns whether a later run of another job settles the problem of a run. A resource
/// that failed is settled by any later answer, and records that were left out by a job
/// that reads as much.
fn settles(later: &RunSummary, run: &RunSummary) -> bool {
    let is_one_of = |jobs: &[&str]| jobs.contains(&later.job.as_str());
    let covers = match (run.job.as_str(), run.status.as_str()) {
        ("media" | "monitor", _) => false,
        ("deletions", _) | ("full" | "reconcile", "partial") => is_one_of(&["full", "reconcile"]),
        _ => is_one_of(&["full", "reconcile", "incremental"]),
    };
    let answered =
        later.status == "succeeded" || run.status == "failed" && later.status == "partial";
    later.resource == run.resource && covers && answered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(job: &str, resource: &str, status: &str) -> RunSummary {
        RunSummary {
            job: job.to_owned(),
            resource: resource.to_owned(),
            status: status.to_owned(),
            error: (status != "succeeded").then(|| "a reason".to_owned()),
            ..RunSummary::default()
        }
    }

    #[test]
    fn a_later_success_that_reads_as_much_settles_a_problem() {
        let cases = [
            ("incremental failed", "full succeeded", true),
            ("refresh failed", "incremental succeeded", true),
            ("full failed", "incremental partial", true),
            ("full failed", "media succeeded", false),
            ("full partial", "incremental succeeded", false),
            ("reconcile partial", "full succeeded", true),
            ("reconcile partial", "full partial", false),
            ("incremental partial", "reconcile succeeded", true),
            ("media partial", "full succeeded", false),
            ("monitor partial", "incremental succeeded", false),
            ("deletions failed", "incremental succeeded", false),
        ];
        for (first, later, is_settled) in cases {
            let parsed = [first, later].map(|text| {
                let (job, status) = text.split_once(' ').unwrap_or_default();
                run(job, "Property", status)
            });
            let open = unsettled(&parsed);
            let is_open = open.iter().any(|problem| first.starts_with(&problem.job));
            assert_eq!(is_open, !is_settled, "{first}, then {later}");
        }
        let other = [
            run("full", "Media", "failed"),
            run("full", "Property", "succeeded"),
        ];
        assert_eq!(
            unsettled(&other).len(),
            1,
            "another resource settles nothing"
        );
    }
}
