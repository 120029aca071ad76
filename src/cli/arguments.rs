//! What stands on the command line.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::since::{Since, since};
use crate::config::Profile;
use crate::mirror::StatusChange;
use crate::resource::Resource;

/// An exact local mirror of an MLS's RESO Web API feed in one SQLite file.
#[derive(Debug, Parser)]
#[command(name = "mlsmirror", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Arguments {
    /// The configuration; else $MLSMIRROR_CONFIG, else ./mlsmirror.toml
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "FILE",
        env = "MLSMIRROR_CONFIG",
        hide_env = true
    )]
    pub config: Option<PathBuf>,
    /// Print exactly one JSON document on stdout
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// Say nothing but errors on stderr; results still go to stdout
    #[arg(short, long, global = true, help_heading = GLOBAL, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more on stderr; twice for every request
    #[arg(short, long, global = true, help_heading = GLOBAL, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How log lines on stderr are written
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub verb: Verb,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// A JSON document a line
    Json,
}

/// Behind the options of each verb.
const GLOBAL: &str = "Options of every verb";

const AFTER_HELP: &str = "\
Examples:
  mlsmirror demo
  mlsmirror init && mlsmirror check && mlsmirror sync
  mlsmirror status

Exit codes:
  0    done
  1    failed; running it again goes on where it stopped
  2    wrong usage or configuration
  3    done in part: rejected records, failed media files, a resource
       that did not answer, deletions held back; for verify, differences;
       for status, something needs a person
  4    another process is syncing this mirror
  5    the feed refused the credentials
  130  interrupted (SIGINT), after the page in hand
  143  terminated (SIGTERM), likewise

Start with `mlsmirror demo`: it needs no configuration and no token.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Try it all against a simulated feed: no configuration, no token
    #[command(after_help = "Example:\n  mlsmirror demo --listings 500")]
    Demo(Demo),
    /// Write a commented mlsmirror.toml; never over one that is there
    #[command(
        after_help = "Examples:\n  mlsmirror init\n  mlsmirror --config trestle.toml init --profile reso\n  mlsmirror init --datasette"
    )]
    Init(Init),
    /// Try the configuration, the token and every resource, and print the plan of a full sync
    #[command(after_help = "Example:\n  mlsmirror --config utah.toml check")]
    Check,
    /// Bring the mirror up to date
    ///
    /// Without a job: reads what changed since the last sync, and all of a resource that was
    /// never read to its end; then what the feed announces as deleted; then the files of photos
    /// (unless sync.download_media is false).
    #[command(
        after_help = "Examples:\n  mlsmirror sync --dry-run\n  mlsmirror sync\n  mlsmirror sync reconcile\n  mlsmirror sync full --only Property,Media\n  mlsmirror sync media --prune --dry-run"
    )]
    Sync(Sync),
    /// Read single listings anew, with their photos, the photos' files and open houses
    #[command(after_help = "Example:\n  mlsmirror refresh 1611952 1611953 --workers 2")]
    Refresh(Refresh),
    /// Run the jobs of [schedule] until SIGTERM or SIGINT
    ///
    /// One job at a time; one that was due while another ran, or while the machine slept, runs
    /// once after. A job that fails is tried again with growing pauses. One log line a job on
    /// stderr; changes of status of [monitor] on stdout. SIGHUP reads the configuration again.
    #[command(
        after_help = "Examples:\n  mlsmirror watch\n  mlsmirror watch --log-format json 2>> mirror.log"
    )]
    Watch,
    /// Tell where the mirror stands, and whether it needs a person
    ///
    /// Watermarks and how long ago each resource was up to date, rows, the last run of each job,
    /// photos still to fetch, and what is left of the rate budget. Exits 3 if something needs a
    /// person: a resource that was not brought up to date for three of its intervals, records
    /// that could not be stored, refused credentials.
    #[command(after_help = "Example:\n  mlsmirror status --json")]
    Status,
    /// Print the change log, newest last
    ///
    /// One line for every field that a sync found changed, and for every record that came,
    /// went or came back. Conditions narrow each other down. Needs the configuration and the
    /// mirror, but no token, and changes nothing; a sync may run.
    #[command(after_help = CHANGES_EXAMPLES)]
    Changes(Changes),
    /// Show one listing with its photos, open houses and history, now or in the past
    ///
    /// As the mirror holds it; with --at as it held it then, rebuilt from the change log. Needs
    /// the configuration and the mirror, but no token, and changes nothing; a sync may run.
    #[command(
        after_help = "Examples:\n  mlsmirror listing 1611952\n  mlsmirror listing 1611952 --at 2026-11-01\n  mlsmirror listing 1611952 --at 7d --json"
    )]
    Listing(Listing),
    /// Tell how the syncs did, and how the market moved
    ///
    /// By job: runs, success, times, records, requests, errors; and how far the mirror lagged.
    /// Of listings: inventory by status day by day, what was new, closed and withdrawn, price
    /// cuts, changes of status, and active listings by city. Days and times are UTC, by when
    /// the mirror found a change. Needs the configuration and the mirror, but no token, and
    /// changes nothing; a sync may run.
    #[command(
        after_help = "Examples:\n  mlsmirror report\n  mlsmirror report --since 7d --html report.html\n  mlsmirror report --since 2026-01-01 --json"
    )]
    Report(ReportWanted),
    /// Hold the mirror against the feed, and name every difference
    ///
    /// Counts, keys and timestamps of every record, a sample of whole records field by field,
    /// and the files of photos against their hashes. Asks for every page of keys; changes
    /// nothing, and a sync may run. Exits 3 if there is a difference.
    #[command(
        after_help = "Examples:\n  mlsmirror verify\n  mlsmirror verify --sample 1000 --json"
    )]
    Verify(Verify),
    /// Copy the database to a file, also while a sync writes it
    ///
    /// The copy is of one moment, checked, and in its place whole or not at all; a copy that is
    /// there is replaced. Photos are not in it: copy their folder after the database. Needs the
    /// configuration and the mirror, but no token.
    #[command(after_help = "Example:\n  mlsmirror backup /backups/mirror.db")]
    Backup(BackupWanted),
    /// Serve the simulated feed on loopback until it is stopped
    #[command(after_help = "Example:\n  mlsmirror simulate --port 8080 --listings 100000")]
    Simulate(Simulate),
    /// Print completions for a shell
    #[command(
        after_help = "Examples:\n  mlsmirror completions bash > ~/.local/share/bash-completion/completions/mlsmirror\n  mlsmirror completions zsh > /usr/local/share/zsh/site-functions/_mlsmirror\n  mlsmirror completions fish > ~/.config/fish/completions/mlsmirror.fish"
    )]
    Completions(Completions),
    /// Write man pages, one for each verb
    ///
    /// Without DIR: print the one of mlsmirror itself.
    #[command(
        after_help = "Examples:\n  mkdir -p ~/.local/share/man/man1\n  mlsmirror man ~/.local/share/man/man1\n  mlsmirror man | man -l -"
    )]
    Man(ManPages),
}

/// `demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// Where to leave the mirror: a new or an empty folder [default: ./mlsmirror-demo, or with
    /// a number behind it if that is there]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// How many listings the feed has
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=LISTINGS_MAX))]
    pub listings: u64,
}

/// The keys of simulated listings have seven digits.
const LISTINGS_MAX: u64 = 2_900_000;

/// `init`
#[derive(Args, Debug)]
pub struct Init {
    /// Whose defaults to write
    #[arg(long, value_name = "NAME", default_value_t = Profile::Wfrmls, value_parser = profile())]
    pub profile: Profile,
    /// Instead, write a metadata.yaml that describes the mirror's tables, views and columns to
    /// Datasette; never over one that is there
    #[arg(long, conflicts_with = "profile")]
    pub datasette: bool,
}

fn profile() -> impl clap::builder::TypedValueParser<Value = Profile> {
    use clap::builder::TypedValueParser;
    PossibleValuesParser::new(Profile::ALL.map(|profile| profile.name()))
        .try_map(|name| name.parse::<Profile>())
}

/// `sync`
#[derive(Args, Debug)]
pub struct Sync {
    /// Only this job; without one, what is needed to bring the mirror up to date
    pub job: Option<SyncJob>,
    /// Only these resources, of those that are configured
    #[arg(long, value_name = "R,…", value_delimiter = ',', value_parser = resource())]
    pub only: Vec<Resource>,
    /// Print the plan of a full sync, or with the job media what that would do, and change
    /// nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Let up to N records be deleted, beyond sync.max_delete_percent
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub allow_deletes: u64,
    /// With the job media: remove files that no row names; with --dry-run only list them
    #[arg(long)]
    pub prune: bool,
}

fn resource() -> impl clap::builder::TypedValueParser<Value = Resource> {
    use clap::builder::TypedValueParser;
    PossibleValuesParser::new(Resource::ALL.map(Resource::entity_set))
        .try_map(|name| name.parse::<Resource>())
}

/// A job of `sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncJob {
    /// Every record of every resource, and soft-delete what is gone
    Full,
    /// What changed since the last sync
    Incremental,
    /// What the feed announces as deleted
    Deletions,
    /// Hold all keys and timestamps against the feed's, and mend what differs
    Reconcile,
    /// The files of photos: fetch what is missing or has changed
    Media,
    /// What changed among listings, and tell of the changes of status of [monitor]
    Monitor,
}

/// `refresh`
#[derive(Args, Debug)]
pub struct Refresh {
    /// The ListingKey of each listing
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<String>,
    /// How many are asked for at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
}

/// `verify`
#[derive(Args, Debug)]
pub struct Verify {
    /// How many whole records of each resource to compare, chosen at random; 0 for none
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=SAMPLE_MAX))]
    pub sample: u64,
}

/// More than any feed has, and within the numbers of a database.
const SAMPLE_MAX: u64 = 1_000_000_000;

const CHANGES_EXAMPLES: &str = "\
Examples:
  mlsmirror changes --since 24h --kind price,status
  mlsmirror changes --listing 1611952
  mlsmirror changes --transition 'Active>Pending' --since 2026-03-01
  mlsmirror changes --resource Property --kind new --limit 20 --csv > new.csv";

/// `changes`
#[derive(Args, Debug)]
pub struct Changes {
    /// Found at this time or later: a date or timestamp (UTC unless it has a zone), or a
    /// duration back from now such as 24h or 7d
    #[arg(long, value_name = "T", value_parser = since)]
    pub since: Option<Since>,
    /// Of this listing, its photos and open houses included
    #[arg(long, value_name = "KEY")]
    pub listing: Option<String>,
    /// Of records of this resource
    #[arg(long, value_name = "R", value_parser = resource())]
    pub resource: Option<Resource>,
    /// Of this field, by its exact name
    #[arg(long, value_name = "F")]
    pub field: Option<String>,
    /// What happened, one or several
    #[arg(long, value_name = "K,…", value_delimiter = ',')]
    pub kind: Vec<Kind>,
    /// From one status to another, 'Active>Pending'; in quotes, or the shell takes the >.
    /// Either end may be left open: '>Closed'. Case and spaces do not matter
    #[arg(long, value_name = "CHANGE", value_parser = status_change)]
    pub transition: Option<StatusChange>,
    /// Only the newest N; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub limit: u64,
    /// Print CSV, with a line of column names
    #[arg(long)]
    pub csv: bool,
}

/// What `changes --kind` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Records that came
    New,
    /// Fields that changed, any
    Updated,
    /// Changes of StandardStatus
    Status,
    /// Changes of ListPrice
    Price,
    /// Records that went
    Deleted,
    /// Records that came back
    Restored,
}

fn status_change(text: &str) -> Result<StatusChange, String> {
    let wrong = "write it as 'Active>Pending', '>Pending' or 'Active>', in quotes";
    let (from, to) = text.split_once('>').ok_or(wrong)?;
    let status = |text: &str| Some(text.trim().to_owned()).filter(|status| !status.is_empty());
    let change = StatusChange {
        from: status(from),
        to: status(to),
    };
    if to.contains('>') || change == StatusChange::default() {
        return Err(wrong.to_owned());
    }
    Ok(change)
}

/// `listing`
#[derive(Args, Debug)]
pub struct Listing {
    /// Its ListingKey
    #[arg(value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    pub key: String,
    /// As the mirror held it at this time: a date or timestamp (UTC unless it has a zone), or a
    /// duration back from now such as 24h or 7d
    #[arg(long, value_name = "T", value_parser = since)]
    pub at: Option<Since>,
}

/// `report`
#[derive(Args, Debug)]
pub struct ReportWanted {
    /// From this time on: a date or timestamp (UTC unless it has a zone), or a duration back
    /// from now such as 24h or 7d
    #[arg(long, value_name = "T", default_value = "30d", value_parser = since)]
    pub since: Since,
    /// Write it to this file, as one page with charts that loads nothing from anywhere; what
    /// was there is replaced
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `backup`
#[derive(Args, Debug)]
pub struct BackupWanted {
    /// Where the copy is to be
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `simulate`
#[derive(Args, Debug)]
pub struct Simulate {
    /// The port on 127.0.0.1; 0 lets the system choose
    #[arg(long, value_name = "P", default_value_t = 8080)]
    pub port: u16,
    /// How many listings there are at first
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=LISTINGS_MAX))]
    pub listings: u64,
    /// Photos a listing at most
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub photos: u32,
    /// Bytes that each photo's file has at least
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub photo_bytes: u32,
    /// The same seed gives the same market
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only listings, without photos, open houses and other children
    #[arg(long)]
    pub bare: bool,
    /// Requests a minute before it answers 429; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub requests_per_minute: u64,
}

/// `completions`
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// `man`
#[derive(Args, Debug)]
pub struct ManPages {
    /// The folder to write them into; it must be there
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The commands of a line, as a shell divides it.
    fn commands(line: &str) -> Vec<Vec<String>> {
        let mut commands = vec![Vec::new()];
        let (mut word, mut is_quoted, mut is_ignored) = (String::new(), false, false);
        for letter in line.chars().chain([' ']) {
            match letter {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => {
                    let done = std::mem::take(&mut word);
                    match &*done {
                        "" => {}
                        "&&" => {
                            commands.push(Vec::new());
                            is_ignored = false;
                        }
                        // Where the output goes, and what is said of it.
                        ">" | "2>>" | "|" | "#" => is_ignored = true,
                        _ if is_ignored => {}
                        _ => {
                            if let Some(last) = commands.last_mut() {
                                last.push(done);
                            }
                        }
                    }
                }
                letter => word.push(letter),
            }
        }
        commands
    }

    #[test]
    fn every_verb_has_examples_that_parse() {
        let command = Arguments::command();
        let verbs = command.get_subcommands().chain([&command]);
        let mut examples = 0;
        for verb in verbs {
            let name = verb.get_name();
            let help = verb.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_else(|| panic!("{name} has no example"));
            let lines = help.lines().map(str::trim);
            let lines: Vec<&str> = lines
                .filter(|line| line.starts_with("mlsmirror "))
                .collect();
            assert!(!lines.is_empty(), "{name} has no example");
            for line in lines {
                for words in commands(line) {
                    if name != "mlsmirror" {
                        assert!(words.iter().any(|word| word == name), "{line}");
                    }
                    Arguments::try_parse_from(&words)
                        .unwrap_or_else(|error| panic!("{line}: {error}"));
                    examples += 1;
                }
            }
        }
        assert!(examples > 20, "{examples}");
    }
}
