//! `listing`: shows one listing with its children and history, now or at an earlier time.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::arguments::Arguments;
use crate::cli::change_table::ChangeTable;
use crate::cli::display_text::{counted, printable};
use crate::cli::exit::Exit;
use crate::cli::listing_groups::{Shown, grouped};
use crate::cli::listing_summary::{SUMMARIZED, shown, summary};
use crate::cli::local_times::LocalTimes;
use crate::cli::named_listing::{line, several_match};
use crate::cli::options::ListingOptions;
use crate::cli::output::{Output, terminal_columns};
use crate::cli::session::configuration;
use crate::config::Config;
use crate::mirror::{
    ChangeRow, FoundListing, HeldRecord, Mirror, NamedListing, NoListing, WholeListing,
};
use crate::resource::Resource;
use crate::value::instant;

/// The JSON document of `listing`.
#[derive(Serialize)]
struct Document<'a> {
    listing_key: &'a str,
    at: Option<&'a str>,
    is_deleted: bool,
    deleted_at: Option<&'a str>,
    address: Option<&'a str>,
    listing: &'a HeldRecord,
    /// The children by table name.
    #[serde(flatten)]
    children: BTreeMap<&'static str, Vec<&'a HeldRecord>>,
    removed_for_good: usize,
    history: &'a [ChangeRow],
}

/// The JSON document of `listing` if several listings match.
#[derive(Serialize)]
struct Matches<'a> {
    matches: &'a [FoundListing],
    has_more: bool,
}

pub fn run(
    arguments: &Arguments,
    wanted: &ListingOptions,
    output: &Output,
) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let times = LocalTimes::of(&config);
    let at = wanted.at.as_ref().map(|at| at.stored(times));
    let at = at.as_deref();
    let key = match mirror.find_listing(&wanted.key)? {
        NamedListing::Key(key) => key,
        NamedListing::Several { listings, has_more } => {
            return several(&wanted.key, &listings, has_more, output);
        }
    };
    let in_zone = |error: NoListing| error.with_times(|at| times.named_stored(at)).into();
    let whole = mirror
        .listing(&key, at)
        .map_err(|error| error.downcast().map_or_else(|other| other, in_zone))?;
    let document = Document {
        listing_key: &key,
        at,
        is_deleted: whole.listing.is_deleted,
        deleted_at: whole.listing.deleted_at(),
        address: whole.address.as_deref(),
        listing: &whole.listing,
        children: children(&whole)
            .into_iter()
            .map(|resource| (resource.table(), of(resource, &whole)))
            .collect(),
        removed_for_good: whole.purged,
        history: &whole.history,
    };
    let form = if wanted.fields {
        Shown::All
    } else {
        Shown::Readable
    };
    output.result(&document, &describe(&config, &whole, at, form))?;
    Ok(Exit::Done)
}

/// Prints the listings that match, for the user to name one.
fn several(
    wanted: &str,
    found: &[FoundListing],
    has_more: bool,
    output: &Output,
) -> anyhow::Result<Exit> {
    let text: String = found.iter().map(|one| line(one) + "\n").collect();
    let document = Matches {
        matches: found,
        has_more,
    };
    output.result(&document, &text)?;
    output.complain(&several_match(wanted, found, has_more));
    Ok(Exit::Failed)
}

/// Returns the child resources to show: those with names of their own, and those of the
/// listing.
fn children(whole: &WholeListing) -> BTreeSet<Resource> {
    let held = whole.children.iter().map(|child| child.resource);
    let named = [
        Resource::MEDIA,
        Resource::OPEN_HOUSE,
        Resource::PROPERTY_UNIT_TYPES,
        Resource::ADU,
    ];
    named.into_iter().chain(held).collect()
}

fn of(resource: Resource, whole: &WholeListing) -> Vec<&HeldRecord> {
    let all = whole.children.iter();
    all.filter(|child| child.resource == resource).collect()
}

fn describe(config: &Config, whole: &WholeListing, at: Option<&str>, form: Shown) -> String {
    let times = LocalTimes::of(config);
    let listing = &whole.listing;
    let mut text = summary(whole, times);
    if let Some(at) = at {
        text += &format!("as it was at {}\n", times.named_stored(at));
    }
    if listing.is_deleted {
        text += &match listing.deleted_at() {
            Some(at) => format!("deleted at {}", times.named_stored(at)),
            None => "deleted; the time is no longer in the log".to_owned(),
        };
        if let Some(reason) = shown(listing, "deleted_reason") {
            text += &format!(" ({reason})");
        }
        text.push('\n');
    }
    for resource in children(whole) {
        let of = of(resource, whole);
        if of.is_empty() {
            continue;
        }
        let zone = match resource {
            Resource::OPEN_HOUSE => format!(" ({})", config.schedule.timezone),
            _ => String::new(),
        };
        let count = counted(of.len() as u64, resource.nouns());
        text += &format!("\n{count}{zone}\n");
        for child in of {
            text += &format!("  {}\n", describe_child(config, child, at.is_some()));
        }
    }
    if whole.purged > 0 {
        let count = counted(whole.purged as u64, ("record", "records"));
        text += &format!("\n{count} of that time removed by [retention] since\n");
    }
    text += "\nHistory\n";
    if whole.history.is_empty() {
        text += "  no changes since the mirror first stored it\n";
    }
    let mut table = ChangeTable::of_one_listing(terminal_columns(), times);
    for entry in &whole.history {
        text += &table.row(entry);
    }
    text + &grouped(listing, &SUMMARIZED, form, times)
}

fn describe_child(config: &Config, child: &HeldRecord, is_past: bool) -> String {
    let mut parts = vec![printable(&child.key).into_owned()];
    let names: &[&str] = match child.resource {
        Resource::MEDIA => &["MediaCategory", "ShortDescription"],
        Resource::OPEN_HOUSE => &["OpenHouseType", "OpenHouseStatus", "OpenHouseRemarks"],
        Resource::PROPERTY_UNIT_TYPES => &["UnitTypeType", "UnitTypeBedsTotal"],
        _ => &[],
    };
    if child.resource == Resource::OPEN_HOUSE
        && let Some(time) = local_time(config, child)
    {
        parts.insert(0, time);
    }
    parts.extend(names.iter().filter_map(|name| shown(child, name)));
    if child.resource == Resource::MEDIA && !is_past {
        let path = shown(child, "file_path");
        let in_folder = |path| {
            let path = config.mirror.media_dir.join(path);
            printable(&path.to_string_lossy()).into_owned()
        };
        parts.push(match (path, shown(child, "download_error")) {
            (Some(path), _) => in_folder(path),
            (None, Some(error)) => format!("no file: {error}"),
            (None, None) => "no file yet".to_owned(),
        });
    }
    parts.join("  ")
}

/// Formats the time of an open house in the feed's time zone.
fn local_time(config: &Config, house: &HeldRecord) -> Option<String> {
    let local = |name| {
        let moment = instant(house.value(name)?.as_text()?)?;
        Some(moment.with_timezone(&config.schedule.timezone))
    };
    let start = local("OpenHouseStartTime")?;
    let end =
        local("OpenHouseEndTime").map_or(String::new(), |end| format!("–{}", end.format("%H:%M")));
    Some(format!("{}{end}", start.format("%a %Y-%m-%d %H:%M")))
}
