//! The arguments and options of each verb.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::since::{Since, since};
use crate::config::{self, PROFILES, Profile};
use crate::mirror::StatusChange;
use crate::resource::Resource;
use simulator::{Behaviour, Dialect};

/// The options of `demo`.
#[derive(Args, Debug)]
pub struct DemoOptions {
    /// Folder for the mirror; it must be empty or not exist yet [default: mlsmirror-demo, or
    /// mlsmirror-demo-2 and so on if that exists]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Number of listings in the simulated feed
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=LISTINGS_MAX))]
    pub listings: u64,
    /// Keep the feed up after the demo, and change its records every ten seconds, until Ctrl-C. The
    /// folder's mlsmirror.toml then works for sync, watch and verify
    #[arg(long)]
    pub serve: bool,
}

/// The keys of simulated listings have seven digits.
const LISTINGS_MAX: u64 = 2_900_000;

/// The options of `init`.
#[derive(Args, Debug)]
pub struct InitOptions {
    /// Profile of the feed, which sets the defaults in the file
    #[arg(long, value_name = "NAME", default_value = PROFILES[0].name, value_parser = profile())]
    pub profile: &'static Profile,
    /// Write metadata.yaml instead: a description of the tables, views and columns for Datasette.
    /// Never overwrites a file
    #[arg(long, conflicts_with = "profile")]
    pub datasette: bool,
}

fn profile() -> impl TypedValueParser<Value = &'static Profile> {
    PossibleValuesParser::new(PROFILES.iter().map(|profile| profile.name))
        .try_map(|name| config::profile(&name))
}

/// The arguments and options of `sync`.
#[derive(Args, Debug)]
pub struct SyncOptions {
    /// Run only this job; by default, run the jobs that bring the mirror up to date
    pub job: Option<SyncJob>,
    /// Sync only these resources; each must be in sync.resources
    #[arg(long, value_name = "R,…", value_delimiter = ',', value_parser = resource())]
    pub only: Vec<Resource>,
    /// Change nothing; print the plan of a full sync, with the job media of the downloads, or
    /// with the job reconcile what it would delete, restore and read again
    #[arg(long)]
    pub dry_run: bool,
    /// Allow up to N deletions for each resource, even above sync.max_delete_percent
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub allow_deletes: u64,
    /// With the job media: remove files that no row names; with --dry-run, only list them
    #[arg(long)]
    pub prune: bool,
    /// The feed has moved to another feed.base_url: keep the rows of this mirror
    #[arg(long)]
    pub feed_moved: bool,
}

fn not_blank(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("it is blank");
    }
    Ok(text.to_owned())
}

fn resource() -> impl TypedValueParser<Value = Resource> {
    NonEmptyStringValueParser::new().try_map(|name| name.parse::<Resource>())
}

/// A job that `sync` can run on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncJob {
    /// Read every record of every resource, and soft-delete the records that are missing
    Full,
    /// Read the records that changed since the last sync
    Incremental,
    /// Soft-delete the records that the feed announces as deleted
    Deletions,
    /// Compare counts, or else keys and timestamps, with the feed, and fix the differences
    Reconcile,
    /// Download photo files that are missing or have changed
    Media,
    /// Read changed listings, and report the changes that [monitor] and [[alerts]] select
    Monitor,
}

/// The arguments and options of `refresh`.
#[derive(Args, Debug)]
pub struct RefreshOptions {
    /// ListingKey or ListingId (MLS number) of each listing to read again
    #[arg(required = true, value_name = "KEY", value_parser = not_blank)]
    pub keys: Vec<String>,
    /// Number of listings to request at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
}

/// The options of `verify`.
#[derive(Args, Debug)]
pub struct VerifyOptions {
    /// Compare every key and timestamp, and not only counts
    #[arg(long)]
    pub deep: bool,
    /// Number of random records of each resource to compare field by field; 0 for none
    /// [default: 100; 0 with --deep]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=SAMPLE_MAX))]
    pub sample: Option<u64>,
    /// Also download every photo that has a file, and compare both
    #[arg(long)]
    pub photos: bool,
}

/// More records than any feed has. The number fits an SQLite integer.
const SAMPLE_MAX: u64 = 1_000_000_000;

/// The options of `changes`.
#[derive(Args, Debug)]
pub struct ChangesOptions {
    /// Only changes found at or after this time: a date or timestamp (in the time zone of the feed
    /// unless it has its own), how long ago, such as 24h, 7d, 1w or 1y, or today or yesterday
    #[arg(long, value_name = "T", value_parser = since, allow_hyphen_values = true)]
    pub since: Option<Since>,
    /// Only changes of this listing, its photos and its open houses: its ListingKey or ListingId
    #[arg(long, value_name = "KEY", value_parser = not_blank)]
    pub listing: Option<String>,
    /// Only changes of this resource
    #[arg(long, value_name = "R", value_parser = resource())]
    pub resource: Option<Resource>,
    /// Only changes of this field, spelled exactly
    #[arg(long, value_name = "F")]
    pub field: Option<String>,
    /// Only these kinds of change
    #[arg(long, value_name = "K,…", value_delimiter = ',')]
    pub kind: Vec<ChangeKind>,
    /// Only changes from one status to another, such as 'Active>Pending'. Use quotes, because
    /// the shell interprets >. You may omit one side: '>Closed'. Case and spaces do not matter
    #[arg(long, value_name = "CHANGE", value_parser = status_change)]
    pub transition: Option<StatusChange>,
    /// Only the newest N changes; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub limit: u64,
    /// Print CSV with a header line, and with the address and the city of each listing. An
    /// apostrophe precedes texts that a spreadsheet would run as a formula
    #[arg(long)]
    pub csv: bool,
}

/// The kinds of change that `changes --kind` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChangeKind {
    /// New records
    New,
    /// Changes of any field
    Updated,
    /// Changes of StandardStatus
    Status,
    /// Changes of ListPrice
    Price,
    /// Deleted records
    Deleted,
    /// Restored records: deleted earlier, and in the feed again
    Restored,
}

fn status_change(text: &str) -> Result<StatusChange, String> {
    let expected = "write it as 'Active>Pending', '>Pending' or 'Active>', in quotes";
    let (from, to) = text.split_once('>').ok_or(expected)?;

    let status = |text: &str| Some(text.trim().to_owned()).filter(|status| !status.is_empty());
    let change = StatusChange {
        from: status(from),
        to: status(to),
    };
    if to.contains('>') || change == StatusChange::default() {
        return Err(expected.to_owned());
    }
    Ok(change)
}

/// The arguments and options of `listing`.
#[derive(Args, Debug)]
pub struct ListingOptions {
    /// The listing's ListingKey, ListingId (the MLS number) or address, such as '551 Wasatch CT'
    #[arg(value_name = "KEY", value_parser = not_blank)]
    pub key: String,
    /// Show every column that has a value, as it is stored
    #[arg(long)]
    pub fields: bool,
    /// Show the listing as the mirror had it at this time: a date or timestamp (in the time zone of
    /// the feed unless it has its own), how long ago, such as 24h, 7d, 1w or 1y, or the start of
    /// today or yesterday
    #[arg(long, value_name = "T", value_parser = since, allow_hyphen_values = true)]
    pub at: Option<Since>,
}

/// The options of `report`.
#[derive(Args, Debug)]
pub struct ReportOptions {
    /// First day of the report, in the time zone of the feed: a date, the day of a timestamp, how
    /// long ago, such as 24h, 7d, 1w or 1y, or today or yesterday
    #[arg(long, value_name = "T", default_value = "30d", value_parser = since, allow_hyphen_values = true)]
    pub since: Since,
    /// Only listings with these values of PropertyType; all for every type [default: Residential]
    #[arg(long = "type", value_name = "T,…", value_delimiter = ',', value_parser = not_blank)]
    pub types: Vec<String>,
    /// Only listings for which this SQL condition over listings holds, such as "City = 'Sandy'"
    #[arg(long = "where", value_name = "SQL", value_parser = not_blank)]
    pub condition: Option<String>,
    /// Write the report to this file as an HTML page with charts; - for standard output. The page
    /// loads nothing from the network. Only an earlier report or an empty file is replaced
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// The arguments of `backup`.
#[derive(Args, Debug)]
pub struct BackupOptions {
    /// File to write the copy to
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The options of `export`.
#[cfg(feature = "export")]
#[derive(Args, Debug)]
pub struct ExportOptions {
    /// Folder of the tables, instead of export.dir
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Write nothing; print which tables would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// The options of `simulate`.
#[derive(Args, Debug)]
pub struct SimulateOptions {
    /// Port on 127.0.0.1; 0 for any free port
    #[arg(long, value_name = "P", default_value_t = 8080)]
    pub port: u16,
    /// Number of listings at the start
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=LISTINGS_MAX))]
    pub listings: u64,
    /// Greatest number of photos of a listing
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub photos: u32,
    /// Smallest size of a photo file, in bytes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub photo_bytes: u32,
    /// Seed of the random market; the same seed gives the same market
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Serve listings without photos, open houses and other children
    #[arg(long)]
    pub bare: bool,
    /// Make ten changes to the market each time that this time has passed, such as 10s
    #[arg(long, value_name = "T", value_parser = interval)]
    pub move_every: Option<Duration>,
    /// Answer 429 after this number of requests in a minute; 0 for the limits of the dialect
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub requests_per_minute: u64,
    /// Behave like a server that clients did not expect; can be given several times
    #[arg(long = "behaviour", value_name = "NAME", value_parser = behaviour())]
    pub behaviours: Vec<Behaviour>,
    /// Answer like the servers of a vendor, with its rate limits, as far as the simulator can
    #[arg(long, value_name = "VENDOR", value_parser = dialect())]
    pub dialect: Option<&'static Dialect>,
}

/// Parses a time that is longer than zero.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = config::duration(text).filter(|interval| !interval.is_zero());
    interval.ok_or_else(|| "give a time above zero, such as 500ms, 10s or 5m".to_owned())
}

/// Returns the parser of a dialect's name.
fn dialect() -> impl TypedValueParser<Value = &'static Dialect> {
    PossibleValuesParser::new(Dialect::ALL.iter().map(|one| one.name))
        .try_map(|name| Dialect::named(&name).ok_or("no such dialect"))
}

/// Returns the parser of a behaviour's name.
fn behaviour() -> impl TypedValueParser<Value = Behaviour> {
    PossibleValuesParser::new(Behaviour::ALL.iter().map(|one| one.name()))
        .try_map(|name| Behaviour::named(&name).ok_or("no such behaviour"))
}

/// The arguments of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsOptions {
    /// Shell to print completions for
    pub shell: Shell,
}

/// The arguments of `man`.
#[derive(Args, Debug)]
pub struct ManOptions {
    /// Folder to write the pages to; it must exist
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
