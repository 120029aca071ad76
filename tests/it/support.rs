//! What the tests share: a feed, a folder with a configuration, the program,
//! and the comparison of a mirror with its feed, which shares no code with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request as HttpRequest;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use mlsmirror::simulator::{Clock, Options, Request, Simulator};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value as Json};
use tempfile::TempDir;

/// How long any one thing may take before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The token of every simulated feed here: one that is easily found where it must not be.
pub const TOKEN: &str = "tok3n-that-must-never-show";

pub const ALL: [&str; 8] = [
    "Property",
    "Media",
    "OpenHouse",
    "PropertyUnitTypes",
    "Adu",
    "Member",
    "Office",
    "Lookup",
];

pub const MAIN: [&str; 3] = ["Property", "Media", "OpenHouse"];

pub type Record = Map<String, Json>;

// The feed.

/// A feed of this many listings, each with few photos, whose clock stands.
pub fn feed(listings: u64) -> Simulator {
    feed_with(listings, |_| {})
}

pub fn feed_with(listings: u64, change: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options {
        listings,
        photos: 3,
        bytes_per_listing: 0,
        token: TOKEN.to_owned(),
        clock: Clock::At(instant("2026-03-04T19:00:00Z")),
        ..Options::default()
    };
    change(&mut options);
    let seed = options.seed;
    Simulator::start(options).unwrap_or_else(|error| panic!("starting feed {seed}: {error:#}"))
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn fields(json: Json) -> Record {
    json.as_object().unwrap().clone()
}

/// The requests for pages of a resource: not for its count, nor for where to cut it.
pub fn pages_of(feed: &Simulator, entity_set: &str) -> Vec<Request> {
    let path = format!("/reso/odata/{entity_set}");
    let is_page = |request: &Request| {
        request.path == path
            && !request.query.contains("$count=true")
            && !request.query.contains(" desc")
            && !request.query.ends_with("$top=1")
    };
    feed.requests().into_iter().filter(is_page).collect()
}

/// Waits until something is so; polling it, for a bounded time.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Serves answers over HTTP, and returns the server's root, which `answer` is told too.
pub fn serve(answer: impl Fn(&str, &HttpRequest) -> Response + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    let (tell, told) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let root = format!("http://{}", listener.local_addr().unwrap());
            tell.send(root.clone()).unwrap();
            let router = Router::new().fallback(move |request: HttpRequest| {
                let (answer, root) = (answer.clone(), root.clone());
                async move { answer(&root, &request) }
            });
            axum::serve(listener, router).await.unwrap();
        });
    });
    told.recv().unwrap()
}

// The program.

/// What stands in a configuration.
pub struct Settings {
    pub resources: Vec<&'static str>,
    pub base_url: String,
    /// Lines for `[feed]`, by key.
    pub feed: BTreeMap<&'static str, String>,
    pub database: String,
    /// Whether the files of photos are fetched.
    pub media: bool,
    /// Further lines for `[sync]`, and tables behind it.
    pub sync: String,
}

impl Settings {
    pub fn set(&mut self, key: &'static str, value: impl ToString) {
        self.feed.insert(key, value.to_string());
    }

    fn text(&self) -> String {
        let mut text = format!("[feed]\nbase_url = {:?}\n", self.base_url);
        for (key, value) in &self.feed {
            let _ = writeln!(text, "{key} = {value}");
        }
        let _ = write!(
            text,
            "\n[mirror]\ndatabase = {:?}\n\n[sync]\nresources = {:?}\ndownload_media = {}\n{}\n",
            self.database, self.resources, self.media, self.sync
        );
        text
    }
}

/// A folder with a configuration, from which the program is run.
pub struct Mirror {
    pub folder: TempDir,
    pub token: Option<String>,
    database: PathBuf,
    settings: Settings,
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program while it runs.
pub struct Running {
    child: Child,
    streams: [Receiver<String>; 2],
    command: String,
}

impl Mirror {
    /// Of listings, photos and open houses, 20 a page.
    pub fn of(feed: &Simulator) -> Mirror {
        Mirror::with(feed, |_| {})
    }

    pub fn with(feed: &Simulator, change: impl FnOnce(&mut Settings)) -> Mirror {
        Mirror::at(&feed.base_url(), change)
    }

    pub fn at(base_url: &str, change: impl FnOnce(&mut Settings)) -> Mirror {
        let lines = [
            ("page_size", "20"),
            ("timeout", "\"30s\""),
            ("max_retries", "2"),
            ("retry_delay", "\"1ms\""),
            ("requests_per_minute", "0"),
            ("requests_per_hour", "0"),
            ("requests_per_day", "0"),
        ];
        let mut settings = Settings {
            resources: MAIN.to_vec(),
            base_url: base_url.to_owned(),
            feed: lines
                .into_iter()
                .map(|(key, value)| (key, value.to_owned()))
                .collect(),
            database: "mirror.db".to_owned(),
            media: false,
            sync: String::new(),
        };
        change(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mlsmirror.toml"), settings.text()).unwrap();
        let database = folder.path().join(&settings.database);
        Mirror {
            folder,
            token: Some(TOKEN.to_owned()),
            database,
            settings,
        }
    }

    /// Writes another configuration over the first.
    pub fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        let path = self.folder.path().join("mlsmirror.toml");
        std::fs::write(path, self.settings.text()).unwrap();
    }

    pub fn database_path(&self) -> &Path {
        &self.database
    }

    /// The database, to be read.
    pub fn open(&self) -> Connection {
        Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap_or_else(|error| panic!("opening {}: {error}", self.database.display()))
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, |_| {})
    }

    /// Starts the program, with more said about how.
    pub fn start_with(&self, arguments: &[&str], more: impl FnOnce(&mut Command)) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlsmirror"));
        command.args(arguments);
        self.start_command(command, arguments, more)
    }

    /// Runs a shell script that may call the program as `"$0"`.
    pub fn run_script(&self, script: &str) -> Ended {
        let mut command = Command::new("bash");
        command.args(["-c", script, env!("CARGO_BIN_EXE_mlsmirror")]);
        self.start_command(command, &[script], |_| {}).wait()
    }

    fn start_command(
        &self,
        mut command: Command,
        arguments: &[&str],
        more: impl FnOnce(&mut Command),
    ) -> Running {
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("MLSMIRROR_CONFIG")
            .env_remove("WFRMLS_BEARER_TOKEN")
            .env_remove("RESO_BEARER_TOKEN")
            .env("NO_PROXY", "127.0.0.1")
            .env("NO_COLOR", "1")
            // Variables that colour the output whatever the terminal can.
            .env_remove("CI")
            .env_remove("CLICOLOR")
            .env_remove("CLICOLOR_FORCE");
        if let Some(token) = &self.token {
            command
                .env("WFRMLS_BEARER_TOKEN", token)
                .env("RESO_BEARER_TOKEN", token);
        }
        more(&mut command);
        let mut child = command.spawn().unwrap();
        let streams = [
            read_to_end(child.stdout.take().unwrap()),
            read_to_end(child.stderr.take().unwrap()),
        ];
        Running {
            child,
            streams,
            command: arguments.join(" "),
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// `sync` with these arguments, which is to end so.
    pub fn sync_ends(&self, code: i32, arguments: &[&str]) -> Ended {
        let ended = self.run(&[&["sync"], arguments].concat());
        assert_eq!(ended.code, Some(code), "sync {arguments:?}: {ended}");
        ended
    }

    /// `sync full`, which is to do all.
    pub fn sync_full(&self) -> Ended {
        self.sync_ends(0, &["full"])
    }

    /// `sync`, which is to do all.
    pub fn sync(&self) -> Ended {
        self.sync_ends(0, &[])
    }

    /// Waits until a run that is under way has committed so many pages of a resource.
    pub fn wait_for_pages(&self, entity_set: &str, pages: i64) {
        wait_until(
            &format!("{pages} pages of {entity_set} are in the mirror"),
            || {
                let Ok(db) =
                    Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)
                else {
                    return false;
                };
                let sql =
                    "SELECT pages FROM sync_runs WHERE resource = ?1 ORDER BY id DESC LIMIT 1";
                db.query_row(sql, [entity_set], |row| row.get::<_, i64>(0)) == Ok(pages)
            },
        );
    }
}

fn read_to_end(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}");
    }

    /// Sends a signal, unless it has ended.
    pub fn signal_if_alive(&self, name: &str) {
        let kill = format!("kill -{name} {} 2> /dev/null", self.child.id());
        Command::new("sh").args(["-c", &kill]).status().unwrap();
    }

    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let streams = self
            .streams
            .each_ref()
            .map(|stream| stream.recv_timeout(deadline.saturating_duration_since(Instant::now())));
        let [Ok(stdout), Ok(stderr)] = streams else {
            let _ = self.child.kill();
            panic!(
                "`mlsmirror {}` did not end within {PATIENCE:?}",
                self.command
            );
        };
        let code = self.child.wait().unwrap().code();
        Ended {
            code,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left to kill if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The one JSON document on stdout.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}: {self}"))
    }

    /// Fails unless it ended so, and its stderr holds all of this.
    #[track_caller]
    pub fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "no `{part}` on stderr: {self}");
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ended {
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "ended with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

// The database.

pub fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// A column of texts; NULL is "NULL".
pub fn texts(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = statement.query_map([], |row| row.get::<_, Sql>(0)).unwrap();
    rows.map(|value| match value.unwrap() {
        Sql::Null => "NULL".to_owned(),
        Sql::Integer(number) => number.to_string(),
        Sql::Real(number) => number.to_string(),
        Sql::Text(text) => text,
        Sql::Blob(_) => panic!("a blob from {sql}"),
    })
    .collect()
}

/// The one text that a query gives.
#[track_caller]
pub fn text(db: &Connection, sql: &str) -> String {
    let found = texts(db, sql);
    assert_eq!(found.len(), 1, "{sql}: {found:?}");
    found.into_iter().next().unwrap()
}

pub type Row = BTreeMap<String, Sql>;

/// The rows of a query, each with its columns by name.
pub fn rows(db: &Connection, sql: &str) -> Vec<Row> {
    let mut statement = db
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| {
        names
            .iter()
            .enumerate()
            .map(|(at, name)| Ok((name.clone(), row.get(at)?)))
            .collect()
    };
    let rows = statement.query_map([], read).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

pub fn table(entity_set: &str) -> (&'static str, &'static str) {
    match entity_set {
        "Property" => ("listings", "ListingKey"),
        "Media" => ("media", "MediaKey"),
        "OpenHouse" => ("open_houses", "OpenHouseKey"),
        "PropertyUnitTypes" => ("unit_types", "UnitTypeKey"),
        "Adu" => ("adus", "AduKeyNumeric"),
        "Member" => ("members", "MemberKey"),
        "Office" => ("offices", "OfficeKey"),
        "Lookup" => ("lookups", "LookupKey"),
        other => panic!("no table for {other}"),
    }
}

pub fn is_child(entity_set: &str) -> bool {
    matches!(
        entity_set,
        "Media" | "OpenHouse" | "PropertyUnitTypes" | "Adu"
    )
}

pub fn live(db: &Connection, entity_set: &str) -> i64 {
    let (table, _) = table(entity_set);
    number(
        db,
        &format!("SELECT count(*) FROM {table} WHERE deleted_at IS NULL"),
    )
}

/// Every column of every row of these resources and of the log, as text.
pub fn dump(db: &Connection, entity_sets: &[&str]) -> String {
    let mut text = String::new();
    let tables = entity_sets.iter().map(|set| table(set));
    for (table, key) in tables.chain([("changes", "id")]) {
        for row in rows(db, &format!("SELECT * FROM {table} ORDER BY {key}")) {
            let _ = writeln!(text, "{table} {row:?}");
        }
    }
    text
}

/// The newest run of a resource that read its records.
pub fn last_run(db: &Connection, entity_set: &str) -> Row {
    let sql = format!(
        "SELECT * FROM sync_runs WHERE resource = '{entity_set}' AND job <> 'deletions' ORDER BY id DESC LIMIT 1"
    );
    rows(db, &sql)
        .pop()
        .unwrap_or_else(|| panic!("no run of {entity_set}"))
}

pub fn as_text(value: &Sql) -> &str {
    match value {
        Sql::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

// The comparison.

/// Fails unless the live rows of each resource are what the feed holds, field by field.
#[track_caller]
pub fn assert_mirror_equals_feed(db: &Connection, feed: &Simulator, entity_sets: &[&str]) {
    assert_mirror_equals_part(db, feed, entity_sets, |_, _| true);
}

/// The same for a part of the feed: `wanted` is asked of each record with the
/// key of its listing (that of a record without a listing is its own).
#[track_caller]
pub fn assert_mirror_equals_part(
    db: &Connection,
    feed: &Simulator,
    entity_sets: &[&str],
    wanted: impl Fn(&str, &Record) -> bool,
) {
    let mut differences = Vec::new();
    for &set in entity_sets {
        compare(db, feed, set, &wanted, &mut differences);
    }
    let count = differences.len();
    differences.truncate(12);
    assert!(
        count == 0,
        "{count} differences between mirror and feed:\n{}",
        differences.join("\n")
    );
}

/// What the feed holds of a resource: the key of each record's listing, and the record.
pub fn truth(feed: &Simulator, entity_set: &str) -> Vec<(String, Record)> {
    if is_child(entity_set) {
        let of = |listing: i64| {
            let children = feed.truth_children(listing, entity_set);
            children
                .into_iter()
                .map(move |child| (listing.to_string(), child))
        };
        let all: Vec<_> = feed.listing_keys().into_iter().flat_map(of).collect();
        assert_eq!(all.len(), feed.truth(entity_set).len());
        return all;
    }
    let (_, key) = table(entity_set);
    let records = feed.truth(entity_set).into_iter();
    records
        .map(|record| (key_text(&record[key]), record))
        .collect()
}

pub fn key_text(key: &Json) -> String {
    match key {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn compare(
    db: &Connection,
    feed: &Simulator,
    set: &str,
    wanted: &impl Fn(&str, &Record) -> bool,
    differences: &mut Vec<String>,
) {
    let (table, key) = table(set);
    let types: BTreeMap<String, String> = rows(
        db,
        &format!("SELECT field, edm_type FROM _fields WHERE resource = '{set}'"),
    )
    .into_iter()
    .map(|row| {
        (
            as_text(&row["field"]).to_owned(),
            as_text(&row["edm_type"]).to_owned(),
        )
    })
    // One that is declared no longer comes into `extra`.
    .filter(|(field, _)| feed.declares(set, field))
    .collect();
    assert!(types.contains_key(key), "_fields does not describe {set}");
    let sql =
        format!("SELECT *, CAST({key} AS TEXT) AS the_key FROM {table} WHERE deleted_at IS NULL");
    let mut held: BTreeMap<String, Row> = rows(db, &sql)
        .into_iter()
        .map(|row| (as_text(&row["the_key"]).to_owned(), row))
        .collect();
    for (listing, record) in truth(feed, set) {
        if !wanted(&listing, &record) {
            continue;
        }
        let key = key_text(&record[key]);
        let Some(row) = held.remove(&key) else {
            differences.push(format!("{set} {key} is not in the mirror"));
            continue;
        };
        compare_record(set, &key, &types, &record, &row, differences);
        if is_child(set) && row["listing_key"] != Sql::Text(listing.clone()) {
            differences.push(format!(
                "{set} {key}: listing_key {:?}, not {listing}",
                row["listing_key"]
            ));
        }
    }
    differences.extend(
        held.keys()
            .map(|key| format!("{set} {key} is not in the feed")),
    );
}

fn compare_record(
    set: &str,
    key: &str,
    types: &BTreeMap<String, String>,
    record: &Record,
    row: &Row,
    differences: &mut Vec<String>,
) {
    for (field, edm_type) in types {
        let sent = record.get(field).unwrap_or(&Json::Null);
        let Some(stored) = row.get(field) else {
            differences.push(format!("{set} has no column {field}"));
            continue;
        };
        if !is_stored_as(edm_type, sent, stored) {
            differences.push(format!(
                "{set} {key}: {field} is {stored:?}, the feed has {sent} ({edm_type})"
            ));
        }
    }
    let undeclared: Record = record
        .iter()
        .filter(|(name, value)| !types.contains_key(*name) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let extra = match &row["extra"] {
        Sql::Null => Record::new(),
        other => serde_json::from_str(as_text(other)).unwrap(),
    };
    if extra != undeclared {
        differences.push(format!(
            "{set} {key}: extra is {extra:?}, the feed has {undeclared:?}"
        ));
    }
}

/// Whether a column holds what the feed sent, as the contract says how.
fn is_stored_as(edm_type: &str, sent: &Json, stored: &Sql) -> bool {
    let sent = match sent {
        Json::Null => return *stored == Sql::Null,
        sent => sent,
    };
    match edm_type {
        "Edm.Boolean" => {
            *stored == Sql::Integer(i64::from(sent == &Json::Bool(true))) && sent.is_boolean()
        }
        "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => sent
            .as_i64()
            .is_some_and(|sent| *stored == Sql::Integer(sent)),
        "Edm.Decimal" | "Edm.Double" => match (stored, sent.as_f64()) {
            (Sql::Integer(stored), Some(sent)) => *stored as f64 == sent,
            (Sql::Real(stored), Some(sent)) => *stored == sent,
            _ => false,
        },
        "Edm.Date" => {
            let date = sent
                .as_str()
                .filter(|text| text.parse::<NaiveDate>().is_ok());
            date.is_some_and(|date| *stored == Sql::Text(date.to_owned()))
        }
        "Edm.DateTimeOffset" => sent
            .as_str()
            .is_some_and(|sent| *stored == Sql::Text(stored_stamp(sent))),
        point if point.starts_with("Edm.Geography") => match stored {
            Sql::Text(text) => {
                serde_json::from_str::<Json>(text).is_ok_and(|json| same(&json, sent))
            }
            _ => false,
        },
        // Text and enumerations.
        _ => sent
            .as_str()
            .is_some_and(|sent| *stored == Sql::Text(sent.to_owned())),
    }
}

/// The same JSON, numbers by their value.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// A timestamp of the feed as a column holds it.
pub fn stored_stamp(sent: &str) -> String {
    let at = instant(sent);
    let text = at.format("%Y-%m-%d %H:%M:%S").to_string();
    match at.timestamp_subsec_nanos() {
        0 => text,
        nanos => format!("{text}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// The newest stamp of a resource that is not later than the feed's now, in storage form.
pub fn newest_stamp(feed: &Simulator, entity_set: &str) -> String {
    let now = feed.now();
    let stamps = feed.truth(entity_set).into_iter().filter_map(|record| {
        let stamp = record.get("ModificationTimestamp")?.as_str()?.to_owned();
        (instant(&stamp) <= now).then(|| stored_stamp(&stamp))
    });
    stamps.max().unwrap()
}

/// The names of all that is in a folder.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
