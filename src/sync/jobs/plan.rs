//! Plans a full sync: its requests, bytes and time.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use crate::config;
use crate::feed::{Position, Tries};
use crate::mirror::Mirror;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::{Misconfigured, Verdict, judge};
use crate::sync::progress::Note;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::survey::survey;
use crate::sync::sync_error::{Result, SyncError};

/// The requests of a full sync.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// One entry per resource.
    pub resources: Vec<ResourcePlan>,
    /// The number of requests, without those of resources that the feed does not count.
    pub requests: u64,
    /// The time that they take at the rate limits, in seconds: 0 if they are within all
    /// of them, `None` without limits.
    pub seconds: Option<u64>,
    /// The limit that decides the time, such as "100 a minute".
    pub rate: Option<String>,
    /// Bytes of bodies, estimated from one page of each resource; `None` where no page
    /// was read.
    pub bytes: Option<u64>,
}

/// The requests of a full sync for one resource.
#[derive(Clone, Debug, Serialize)]
pub struct ResourcePlan {
    /// The entity set.
    pub resource: &'static str,
    /// The number of records, if the feed counts them.
    pub records: Option<u64>,
    /// The newest ModificationTimestamp.
    pub newest: Option<String>,
    /// Whether its records come with their listings, without requests of their own.
    pub with_listings: bool,
    /// The requests for its pages; `None` if the feed does not count its records.
    pub requests: Option<u64>,
    /// Bytes of bodies, estimated from its first page.
    pub bytes: Option<u64>,
    /// The number of fields of its records, if a page was read.
    pub fields: Option<usize>,
    /// Why it does not answer.
    pub error: Option<String>,
}

/// Plans a full sync of `resources` by their counts.
///
/// # Errors
/// [`Misconfigured`]; an error of the feed if it refuses the credentials or has no
/// `$metadata`.
pub fn plan(context: &Context<'_>, resources: &[Resource]) -> anyhow::Result<Plan> {
    make(context, resources, false).map_err(SyncError::into_anyhow)
}

/// Plans a full sync of `resources`, and reads one page of each.
///
/// # Errors
/// As [`plan`].
pub fn check(context: &Context<'_>, resources: &[Resource]) -> anyhow::Result<Plan> {
    make(context, resources, true).map_err(SyncError::into_anyhow)
}

fn make(context: &Context<'_>, resources: &[Resource], read_pages: bool) -> Result<Plan> {
    let mirror = Mirror::open_to_read(&context.config.mirror.database).ok();
    let catalog = Catalog::ask_only(context.feed, mirror.as_ref(), &context.config.sync)?;
    let mut plans = Vec::new();
    for &resource in resources {
        if resource.is_child() && !catalog.declares(resource) {
            context.progress.note(&Note::NotDeclared(resource));
            continue;
        }
        catalog.note_fields_without_column(context, resource);
        let mut planning = Planning::new(context, &catalog, resources, resource);
        let is_child = planning.plan.with_listings;
        match planning.ask(read_pages && !is_child) {
            Ok(()) => {}
            // A child need not answer separately.
            Err(_) if is_child => {}
            Err(error) if error.ends_job(resource == resources[0]) => return Err(error),
            Err(error) => match judge(context, resource, &error) {
                (Verdict::Misconfigured, text) => {
                    return Err(anyhow::Error::new(Misconfigured(text)).into());
                }
                (_, text) => planning.plan.error = Some(text),
            },
        }
        plans.push(planning.plan);
    }

    // $metadata is one request.
    let requests = 1 + plans.iter().filter_map(|plan| plan.requests).sum::<u64>();
    let time = time_at(requests, &context.config.feed);
    let bytes = plans.iter().filter_map(|plan| plan.bytes);
    Ok(Plan {
        bytes: bytes.reduce(|sum, bytes| sum + bytes),
        resources: plans,
        requests,
        seconds: time.as_ref().map(|(time, _)| time.as_secs()),
        rate: time.map(|(_, rate)| rate),
    })
}

/// Plans one resource.
struct Planning<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    resource: Resource,
    /// The children that are asked for along with it.
    children: Vec<Resource>,
    plan: ResourcePlan,
}

impl<'a> Planning<'a> {
    fn new(
        context: &'a Context<'a>,
        catalog: &'a Catalog,
        resources: &[Resource],
        resource: Resource,
    ) -> Planning<'a> {
        let with_listings = resources.contains(&Resource::Property) && resource.is_child();
        let children = resources
            .iter()
            .copied()
            .filter(|child| resource == Resource::Property && child.is_child());
        Planning {
            context,
            catalog,
            resource,
            children: children.collect(),
            plan: ResourcePlan {
                resource: resource.entity_set(),
                records: None,
                newest: None,
                with_listings,
                requests: with_listings.then_some(0),
                bytes: None,
                fields: None,
                error: None,
            },
        }
    }

    /// Asks the feed for the count, and for a page if wanted.
    fn ask(&mut self, read_page: bool) -> Result<()> {
        let feed = self.context.feed;
        let keys = self.catalog.key_shape(self.resource)?;
        let filter = self.catalog.filter(self.resource);
        let with_listings = self.plan.with_listings;
        if with_listings && self.resource == Resource::Adu {
            return Ok(());
        }
        let tries = if with_listings {
            Tries::Once
        } else {
            Tries::Configured
        };
        let found = survey(feed, &keys, filter, tries)?;
        self.plan.records = found.count;
        self.plan.newest = found.newest;
        if with_listings {
            return Ok(());
        }
        let page_size = feed.page_size().into();
        self.plan.requests = found.count.map(|count| count.div_ceil(page_size));
        if read_page {
            self.read_page(found.count)?;
        }
        Ok(())
    }

    fn read_page(&mut self, count: Option<u64>) -> Result<()> {
        let feed = self.context.feed;
        let shape = self.catalog.shape(self.resource, &self.children)?;
        let start = Position::start(false);
        self.plan.fields = Some(shape.fields.len());
        let filter = self.catalog.filter(self.resource).map(str::to_owned);
        let sweep = feed.sweep(shape, filter, self.catalog.selects(self.resource));
        let before = feed.traffic();
        let step = match feed.step(&sweep, 0, &start) {
            Err(error) if error.may_refuse_order() => feed.step(&sweep, 0, &Position::start(true)),
            step => step,
        }?;
        let bytes = (feed.traffic() - before).bytes_received;
        let entries = step.page.entries as u64;
        self.plan.bytes = count.map(|count| match entries {
            0 => 0,
            entries => (bytes as f64 / entries as f64 * count as f64) as u64,
        });
        Ok(())
    }
}

/// Returns the time that a number of requests takes at the configured limits, and the
/// limit that decides it: no time if they are within all of them. `None` without limits.
pub fn time_at(requests: u64, feed: &config::Feed) -> Option<(Duration, String)> {
    let limits = [
        (feed.requests_per_minute, 60_u64, "a minute"),
        (feed.requests_per_hour, 3_600, "an hour"),
        (feed.requests_per_day, 86_400, "a day"),
    ];
    let times =
        limits
            .into_iter()
            .filter_map(|(limit, seconds, unit): (Option<NonZeroU32>, _, _)| {
                let limit = u64::from(limit?.get());
                let time_ms = if requests > limit {
                    requests.saturating_mul(seconds * 1_000) / limit
                } else {
                    0
                };
                Some((time_ms, format!("{limit} {unit}")))
            });
    // Of equal times, the shorter window is named.
    let (time_ms, limit) = times.reduce(
        |longest, other| {
            if other.0 > longest.0 { other } else { longest }
        },
    )?;
    Some((Duration::from_millis(time_ms), limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_decides_the_time() {
        let config = crate::config::Config::parse("", std::path::Path::new("mlsmirror.toml"))
            .expect("an empty configuration has defaults");
        let cases = [
            (8_656, 5_193, "100 a minute"),
            (50, 0, "100 a minute"),
            (100_000, 172_800, "50000 a day"),
        ];
        for (requests, seconds, rate) in cases {
            let (time, limit) = time_at(requests, &config.feed).expect("there are limits");
            assert_eq!((time.as_secs(), limit.as_str()), (seconds, rate));
        }
    }
}
