//! The command line: global options, verbs and their help texts.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::options::{
    BackupOptions, ChangesOptions, CompletionsOptions, DemoOptions, InitOptions, ListingOptions,
    ManOptions, RefreshOptions, ReportOptions, SimulateOptions, SyncOptions, VerifyOptions,
};

/// Keeps an exact local copy of an MLS's RESO Web API feed in one SQLite file.
#[derive(Debug, Parser)]
#[command(name = "mlsmirror", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Arguments {
    /// Configuration file [default: $MLSMIRROR_CONFIG, else ./mlsmirror.toml]
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Print the result as one JSON document on stdout
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// Print only errors on stderr; results still go to stdout
    #[arg(short, long, global = true, help_heading = GLOBAL, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more on stderr; -vv logs every request
    #[arg(short, long, global = true, help_heading = GLOBAL, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Format of log lines on stderr
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The formats of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain text
    Text,
    /// One JSON object per line
    Json,
}

/// The heading of the options that every verb takes.
const GLOBAL: &str = "Global options";

const AFTER_HELP: &str = "\
Examples:
  mlsmirror demo
  mlsmirror init && mlsmirror check && mlsmirror sync
  mlsmirror status

Exit codes:
  0    done
  1    failed; run the command again to resume
  2    wrong usage or configuration
  3    partly done: rejected records, failed photos, a resource that did
       not answer, answers that contradict each other, or deletions that
       were held back; for verify, differences; for export, values
       that do not fit their columns; for status, something needs
       attention
  4    another process is syncing this mirror
  5    the feed refused the credentials
  130  interrupted (SIGINT), after the current page was committed
  143  terminated (SIGTERM), after the current page was committed
       (watch exits with 0 after either signal)

Start with `mlsmirror demo`: it needs no configuration and no token.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Try mlsmirror with a simulated feed; needs no configuration and no token
    ///
    /// The feed begins 31 days ago. The first sync reads everything; each later day has changes
    /// and a sync. With --serve, the feed stays up and keeps moving.
    #[command(after_help = "Examples:\n  mlsmirror demo --listings 500\n  mlsmirror demo --serve")]
    Demo(DemoOptions),
    /// Write a commented mlsmirror.toml; never overwrites a file
    #[command(
        after_help = "Examples:\n  mlsmirror init\n  mlsmirror --config trestle.toml init --profile reso\n  mlsmirror init --datasette"
    )]
    Init(InitOptions),
    /// Check the configuration, the token and every resource, and print the plan of a full sync
    #[command(after_help = "Example:\n  mlsmirror --config utah.toml check")]
    Check,
    /// Bring the mirror up to date
    ///
    /// Without JOB, sync runs incremental, or full for resources whose first full sync is not
    /// complete; then deletions; then media, unless sync.download_media is false. If the feed
    /// announces no deletions, sync compares the counts of the feed and the mirror, and
    /// reconciles the resources whose counts differ.
    #[command(
        after_help = "Examples:\n  mlsmirror sync --dry-run\n  mlsmirror sync\n  mlsmirror sync reconcile\n  mlsmirror sync full --only Property,Media\n  mlsmirror sync media --prune --dry-run"
    )]
    Sync(SyncOptions),
    /// Read single listings again, with their photos, photo files and open houses
    ///
    /// If one listing fails, the others are still read.
    #[command(after_help = "Example:\n  mlsmirror refresh 1611952 1611953 --workers 2")]
    Refresh(RefreshOptions),
    /// Run the jobs of [schedule] until SIGTERM or SIGINT
    ///
    /// Jobs run one at a time. A job that is due while another one runs, or while the machine
    /// sleeps, runs once afterwards. A job that fails is retried after growing delays. Each job
    /// prints one log line on stderr; the changes that [monitor] and [[alerts]] select are printed on
    /// stdout. SIGHUP reloads the configuration.
    #[command(
        after_help = "Examples:\n  mlsmirror watch\n  mlsmirror watch --log-format json 2>> mirror.log"
    )]
    Watch,
    /// Show the state of the mirror and anything that needs attention
    ///
    /// Shows the watermark and age of each resource, the row counts, the last run of each job,
    /// the photos still to download and the remaining rate budget. Exits with 3 if something
    /// needs attention, and names each condition and what to do: for example a resource that does
    /// not answer, records that could not be stored, failed photos, or refused credentials.
    #[command(after_help = "Example:\n  mlsmirror status --json")]
    Status,
    /// Print the change log, newest last
    ///
    /// Prints one line for every field that changed and for every record that was inserted,
    /// deleted or restored. With several options, prints the changes that match all of them.
    /// Needs no token and changes nothing; you can run it during a sync.
    #[command(after_help = CHANGES_EXAMPLES)]
    Changes(ChangesOptions),
    /// Show one listing with its photos, open houses and history, now or at an earlier time
    ///
    /// Begins with a summary: address, status, price and its history. The fields follow in the
    /// groups of the RESO Data Dictionary; --fields and --json show all of them. If several
    /// listings have the address, they are listed with their keys, and the exit code is 1.
    /// With --at, the listing is rebuilt from the change log, as far back as the log goes.
    /// Needs no token and changes nothing; you can run it during a sync.
    #[command(
        after_help = "Examples:\n  mlsmirror listing 1611952\n  mlsmirror listing '551 Wasatch CT, Sandy'\n  mlsmirror listing 1611952 --at 2026-11-01\n  mlsmirror listing 1611952 --at 7d --json"
    )]
    Listing(ListingOptions),
    /// Report how the syncs performed and how the market moved
    ///
    /// For residential listings, or those of --type and --where: sold price, sale price to list
    /// price, days to contract, months of supply and other figures next to those of the period
    /// before; inventory by status and day, new, closed and withdrawn listings, price cuts, status
    /// changes, active listings by city, and the newest listings. For each job: runs, success
    /// rate, durations, records, requests and errors. Days are those of the feed's time zone. A
    /// change counts on the day when the mirror found it. Needs no token and changes nothing; you
    /// can run it during a sync.
    #[command(
        after_help = "Examples:\n  mlsmirror report\n  mlsmirror report --since 7d --html report.html\n  mlsmirror report --since 2026-01-01 --json\n  mlsmirror report --type all --where 'ListPrice < 600000'"
    )]
    Report(ReportOptions),
    /// Compare the mirror with the feed and list every difference
    ///
    /// Compares the counts and the newest timestamps of ranges of keys, some random records
    /// field by field, and the photo files with their hashes. Reads keys only where counts
    /// differ or prove nothing; --deep reads every key and timestamp. Changes nothing; you can
    /// run it during a sync. Exits with 3 if there are differences.
    #[command(
        after_help = "Examples:\n  mlsmirror verify\n  mlsmirror verify --deep\n  mlsmirror verify --sample 1000 --json"
    )]
    Verify(VerifyOptions),
    /// Publish the tables and the change log as Delta tables
    ///
    /// Writes typed Parquet files and a Delta log for DuckDB, Spark, ClickHouse, polars and
    /// others. The first export writes all rows; later ones rewrite only the files whose rows
    /// changed. Readers see a table before or after an export, never in between. Exits with 3
    /// if values do not fit the types of their columns; the table misfits lists them. Needs no
    /// token; you can run it during a sync.
    #[cfg(feature = "export")]
    #[command(
        after_help = "Examples:\n  mlsmirror export --dry-run\n  mlsmirror export\n  mlsmirror export --dir /data/lake/wfrmls"
    )]
    Export(super::options::ExportOptions),
    /// Copy the database to a file, even during a sync
    ///
    /// The copy is consistent and checked. It replaces an earlier copy at FILE once it is
    /// complete. It does not include the photo files: copy their folder after the database.
    /// Needs no token.
    #[command(after_help = "Example:\n  mlsmirror backup /backups/mirror.db")]
    Backup(BackupOptions),
    /// Serve a simulated feed on 127.0.0.1 until it is stopped
    #[command(
        after_help = "Examples:\n  mlsmirror simulate --port 8080 --listings 100000\n  mlsmirror simulate --move-every 10s"
    )]
    Simulate(SimulateOptions),
    /// Print shell completions
    #[command(
        after_help = "Examples:\n  mlsmirror completions bash > ~/.local/share/bash-completion/completions/mlsmirror\n  mlsmirror completions zsh > /usr/local/share/zsh/site-functions/_mlsmirror\n  mlsmirror completions fish > ~/.config/fish/completions/mlsmirror.fish"
    )]
    Completions(CompletionsOptions),
    /// Write a man page for each verb
    ///
    /// Without DIR, prints the man page of mlsmirror itself.
    #[command(
        after_help = "Examples:\n  mkdir -p ~/.local/share/man/man1\n  mlsmirror man ~/.local/share/man/man1\n  mlsmirror man | man -l -"
    )]
    Man(ManOptions),
}

const CHANGES_EXAMPLES: &str = "\
Examples:
  mlsmirror changes --since 24h --kind price,status
  mlsmirror changes --listing 1611952
  mlsmirror changes --transition 'Active>Pending' --since 2026-03-01
  mlsmirror changes --resource Property --kind new --limit 20 --csv > new.csv";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Splits a line into its commands, as a shell does. Redirections, pipes and comments
    /// are dropped.
    fn commands(line: &str) -> Vec<Vec<String>> {
        let mut commands = vec![Vec::new()];
        let (mut word, mut is_quoted, mut is_ignored) = (String::new(), false, false);
        for letter in line.chars().chain([' ']) {
            match letter {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => {
                    let word = std::mem::take(&mut word);
                    match &*word {
                        "" => {}
                        "&&" => {
                            commands.push(Vec::new());
                            is_ignored = false;
                        }
                        ">" | "2>>" | "|" | "#" => is_ignored = true,
                        _ if is_ignored => {}
                        _ => {
                            if let Some(last) = commands.last_mut() {
                                last.push(word);
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
