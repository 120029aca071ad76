//! The way that each job takes for a resource, in words.

use super::planned::{DeletionsWay, JobWay, ReadingWay, ResourcePlan};
use crate::feed::{KeyForm, KeyList};
use crate::sync::records::probes::ChangesWay;

/// Returns why pages are read by next links.
fn why_links(plan: &ResourcePlan) -> String {
    let why = if plan.has_composite_key {
        "its key has several fields"
    } else {
        "the server refuses or ignores $orderby"
    };
    why.to_owned()
}

/// Returns the way of each job for a resource that can be read.
pub(super) fn job_ways(
    plan: &ResourcePlan,
    deletions: Option<DeletionsWay>,
    keys: KeyList,
    page_size: u32,
) -> Vec<JobWay> {
    let Some(reading) = plan.way else {
        return Vec::new();
    };
    let ways = [
        ("full", full(plan, reading)),
        ("incremental", incremental(plan, reading)),
        ("deletions", of_deletions(deletions)),
        ("reconcile", reconcile(plan, reading, keys, page_size)),
    ];
    ways.into_iter()
        .map(|(job, (way, why))| JobWay { job, way, why })
        .collect()
}

/// The description of a way, and the reason for it.
type Way = (String, Option<String>);

fn full(plan: &ResourcePlan, reading: ReadingWay) -> Way {
    let (way, why) = match reading {
        ReadingWay::ByKey => ("pages in the order of keys", None),
        ReadingWay::ByNextLinks => ("pages by next links", Some(why_links(plan))),
        ReadingWay::ByReplication => ("pages of the endpoint for a whole copy", None),
        ReadingWay::WithListings => ("with the listings, by $expand", None),
    };
    (way.to_owned(), why.or_else(|| plan.separate.clone()))
}

fn incremental(plan: &ResourcePlan, reading: ReadingWay) -> Way {
    let (way, why) = match plan.changes {
        None if reading == ReadingWay::WithListings => {
            ("with the changed listings, and then its own changes", None)
        }
        None => ("changes since the watermark", None),
        Some(ChangesWay::InOrder) => (
            "changes since the watermark, in the order of timestamps",
            None,
        ),
        Some(ChangesWay::ByNextLinks) => {
            let way = "changes since the watermark, by next links";
            return (way.to_owned(), Some(why_links(plan)));
        }
        Some(ChangesWay::AllRecords) => ("all records", Some("they have no ModificationTimestamp")),
        Some(ChangesWay::WithListings) => ("with the changed listings, by $expand", None),
    };
    (way.to_owned(), why.map(str::to_owned))
}

fn of_deletions(deletions: Option<DeletionsWay>) -> Way {
    let (way, why) = match deletions {
        Some(DeletionsWay::Events) => ("reads the events of the feed", None),
        Some(DeletionsWay::Announced) => ("reads the announcements of the feed", None),
        Some(DeletionsWay::Marked) => ("in the changes", Some("the feed marks deleted records")),
        Some(DeletionsWay::Reconcile) => (
            "by counts at the end of a sync, and by reconcile",
            Some("the feed has no resource Deleted"),
        ),
        None => ("not known", Some("the resource Deleted did not answer")),
    };
    (way.to_owned(), why.map(str::to_owned))
}

fn reconcile(plan: &ResourcePlan, reading: ReadingWay, keys: KeyList, page_size: u32) -> Way {
    if plan.changes == Some(ChangesWay::WithListings) {
        let why = "the records do not name their listing";
        return ("not compared".to_owned(), Some(why.to_owned()));
    }
    if plan.changes == Some(ChangesWay::AllRecords) {
        let why = "they have no ModificationTimestamp";
        return ("all records".to_owned(), Some(why.to_owned()));
    }
    let by_counts = plan.reconcile.as_ref().filter(|audit| audit.by_counts);
    let (compared, why) = match (by_counts, reading) {
        _ if plan.has_key_list => (
            "keys and timestamps in the list of all keys".to_owned(),
            None,
        ),
        (Some(audit), _) => (
            format!(
                "{} requests for counts, and keys where they differ",
                audit.requests
            ),
            None,
        ),
        (None, ReadingWay::ByNextLinks) => (
            "keys and timestamps by next links".to_owned(),
            Some(why_links(plan)),
        ),
        (None, _) => (
            "keys and timestamps in the order of keys".to_owned(),
            plan.reconcile.as_ref().and_then(|audit| audit.why.clone()),
        ),
    };
    let form = match keys.form {
        KeyForm::In => "in",
        KeyForm::Or => "or",
    };
    let at_once = match keys.keys_max.min(page_size as usize) {
        _ if plan.has_composite_key => 1,
        at_once => at_once,
    };
    let way =
        format!("{compared}; then the records that differ, {at_once} in a request with `{form}`");
    (way, why)
}
