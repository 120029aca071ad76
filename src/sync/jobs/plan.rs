//! What a full sync would ask for: requests, bytes and time, before any of it.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use crate::config;
use crate::feed::{Paging, Position, Tries};
use crate::resource::Resource;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::survey::survey;
use crate::sync::{Context, Misconfigured, Verdict, is_the_end};

/// What a full sync would ask for.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// One entry a resource.
    pub resources: Vec<ResourcePlan>,
    /// All requests, as far as they can be told.
    pub requests: u64,
    /// How long they take at the rate limits, in seconds: 0 within all of them,
    /// none without limits.
    pub seconds: Option<u64>,
    /// The limit that rules, such as "100 a minute".
    pub rate: Option<String>,
    /// Bytes of bodies, judged by one page of each resource; none where no page was read.
    pub bytes: Option<u64>,
}

/// What a full sync would ask of one resource.
#[derive(Clone, Debug, Serialize)]
pub struct ResourcePlan {
    /// Its entity set.
    pub resource: &'static str,
    /// Its records, if the feed counts them.
    pub records: Option<u64>,
    /// Its newest ModificationTimestamp.
    pub newest: Option<String>,
    /// Whether its records come with their listings and cost no request.
    pub with_listings: bool,
    /// Requests for its pages; none if the feed does not count it.
    pub requests: Option<u64>,
    /// Bytes of bodies, judged by its first page.
    pub bytes: Option<u64>,
    /// Fields of its first page's records, if one was read.
    pub fields: Option<usize>,
    /// Why it does not answer.
    pub error: Option<String>,
}

/// Plans a full sync of `resources`, by their counts.
///
/// # Errors
/// [`Misconfigured`]; or if the feed refuses the credentials or gives no `$metadata`.
pub fn plan(context: &Context<'_>, resources: &[Resource]) -> anyhow::Result<Plan> {
    make(context, resources, false)
}

/// Plans a full sync of `resources`, and reads a page of each.
///
/// # Errors
/// As [`plan`].
pub fn check(context: &Context<'_>, resources: &[Resource]) -> anyhow::Result<Plan> {
    make(context, resources, true)
}

fn make(context: &Context<'_>, resources: &[Resource], pages: bool) -> anyhow::Result<Plan> {
    let catalog = Catalog::ask_only(context.feed, &context.config.sync)?;
    let with_listings = resources.contains(&Resource::Property);
    let children: Vec<Resource> = match with_listings {
        true => resources
            .iter()
            .copied()
            .filter(|resource| resource.is_child())
            .collect(),
        false => Vec::new(),
    };
    let mut plans = Vec::new();
    for &resource in resources {
        let child = with_listings && resource.is_child();
        let children: &[Resource] = if resource == Resource::Property {
            &children
        } else {
            &[]
        };
        let mut plan = ResourcePlan {
            resource: resource.entity_set(),
            records: None,
            newest: None,
            with_listings: child,
            requests: child.then_some(0),
            bytes: None,
            fields: None,
            error: None,
        };
        match look(
            context,
            &catalog,
            resource,
            children,
            pages && !child,
            &mut plan,
        ) {
            Ok(()) => {}
            // A child is none the worse for not answering on its own.
            Err(_) if child => {}
            Err(error) => {
                if is_the_end(&error, resource == resources[0]) {
                    return Err(error);
                }
                let (verdict, text) = context.judge(resource, &error);
                if verdict == Verdict::Misconfigured {
                    return Err(Misconfigured(text).into());
                }
                plan.error = Some(text);
            }
        }
        plans.push(plan);
    }
    // $metadata is asked for once.
    let requests = 1 + plans.iter().filter_map(|plan| plan.requests).sum::<u64>();
    let time = time_at(requests, &context.config.feed);
    let bytes = plans
        .iter()
        .filter_map(|plan| plan.bytes)
        .reduce(|sum, bytes| sum + bytes);
    Ok(Plan {
        resources: plans,
        requests,
        seconds: time.as_ref().map(|(time, _)| time.as_secs()),
        rate: time.map(|(_, rate)| rate),
        bytes,
    })
}

fn look(
    context: &Context<'_>,
    catalog: &Catalog,
    resource: Resource,
    children: &[Resource],
    read_page: bool,
    plan: &mut ResourcePlan,
) -> anyhow::Result<()> {
    let feed = context.feed;
    let stamps = catalog.stamps(resource)?;
    let filter = catalog.filter(resource);
    let tries = if plan.with_listings {
        Tries::Once
    } else {
        Tries::Configured
    };
    if plan.with_listings && resource == Resource::Adu {
        return Ok(());
    }
    let asked = survey(feed, &stamps, filter, tries)?;
    plan.records = asked.count;
    plan.newest = asked.newest;
    if plan.with_listings {
        return Ok(());
    }
    plan.requests = asked
        .count
        .map(|count| count.div_ceil(feed.page_size().into()));
    if read_page {
        let shape = catalog.shape(resource, children)?;
        let start = match feed.dialect().paging {
            Paging::Keyset => Position::Keyset {
                after: None,
                up_to: None,
                skip: 0,
            },
            Paging::NextLink => Position::NextLink { next_link: None },
        };
        plan.fields = Some(shape.fields.len());
        let sweep = feed.sweep(shape, filter.map(str::to_owned), catalog.selects(resource));
        let before = feed.traffic();
        let step = feed.step(&sweep, 0, &start)?;
        let bytes = (feed.traffic() - before).bytes_received;
        let entries = step.page.entries as u64;
        plan.bytes = asked.count.map(|count| match entries {
            0 => 0,
            entries => (bytes as f64 / entries as f64 * count as f64) as u64,
        });
    }
    Ok(())
}

/// How long so many requests take at the configured limits, and the limit that
/// rules: no time at all where they are within all of them. None without limits.
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
                let time_ms = match requests > limit {
                    true => requests.saturating_mul(seconds * 1_000) / limit,
                    false => 0,
                };
                Some((time_ms, format!("{limit} {unit}")))
            });
    // Of equal times the shorter span's is named.
    let ruling = times.reduce(|ruling, other| if other.0 > ruling.0 { other } else { ruling })?;
    Some((Duration::from_millis(ruling.0), ruling.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_tells_the_time() {
        let config = crate::config::Config::parse("", std::path::Path::new("mlsmirror.toml"))
            .expect("an empty configuration has defaults");
        let cases = [
            (8_656, 5_193, "100 a minute"),
            (50, 0, "100 a minute"),
            (100_000, 172_800, "50000 a day"),
        ];
        for (requests, seconds, rate) in cases {
            let (time, ruling) = time_at(requests, &config.feed).expect("there are limits");
            assert_eq!((time.as_secs(), ruling.as_str()), (seconds, rate));
        }
    }
}
