//! `report`: compares its numbers with the changes that the test made in the feed.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::America::Denver;
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use simulator::Simulator;

use crate::support::*;

/// The number of days of a story. Today is the last one.
const DAYS: u64 = 6;

/// The number of listings by status, now and for each day of a story.
type Statuses = BTreeMap<String, u64>;

/// A mirror that followed its feed for some days, with the feed's counts after each day.
pub struct Story {
    pub mirror: Mirror,
    pub feed: Simulator,
    today: NaiveDate,
    statuses: Vec<Statuses>,
    prices: [f64; 2],
    /// The newest run and the newest change of the previous day.
    known: [i64; 2],
}

fn price(feed: &Simulator, key: i64) -> f64 {
    let key = key.to_string();
    let listings = truth(feed, "Property");
    let (_, listing) = listings.iter().find(|(own, _)| *own == key).unwrap();
    listing["ListPrice"].as_f64().unwrap()
}

fn statuses(feed: &Simulator) -> Statuses {
    let mut statuses = Statuses::new();
    for listing in feed.truth("Property") {
        let status = listing["StandardStatus"].as_str().unwrap().to_owned();
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

/// Changes the price of a listing by this amount.
fn reprice(feed: &Simulator, key: i64, by: f64) {
    let price = price(feed, key) + by;
    edit(feed, key, json!({ "ListPrice": price }));
}

fn edit(feed: &Simulator, key: i64, change: Json) {
    feed.edit("Property", &key.to_string(), fields(change))
        .unwrap();
}

fn set_status(feed: &Simulator, key: i64, status: &str) {
    edit(feed, key, json!({ "StandardStatus": status }));
}

impl Story {
    /// Makes six days: the first sync, three price cuts and an increase, two closings, a
    /// withdrawal, a new listing, a deletion that is undone, and a quiet day.
    pub fn of_six_days() -> Story {
        let feed = feed_of_today(60);
        let keys = feed.listing_keys();
        for key in &keys[..6] {
            set_status(&feed, *key, "Active");
        }
        let mut story = Story::of(feed);
        let events: [&dyn Fn(&Simulator); 6] = [
            &|_| {},
            &|feed| {
                reprice(feed, keys[0], -10_000.0);
                reprice(feed, keys[1], -20_000.0);
                feed.insert_listing().unwrap();
            },
            &|feed| {
                set_status(feed, keys[2], "Pending");
                set_status(feed, keys[3], "Closed");
            },
            &|feed| {
                feed.delete("Property", &keys[4].to_string(), true).unwrap();
                set_status(feed, keys[2], "Closed");
                reprice(feed, keys[0], -5_000.0);
                reprice(feed, keys[1], 7_000.0);
            },
            &|feed| {
                feed.bring_back(keys[4]).unwrap();
                set_status(feed, keys[5], "Withdrawn");
            },
            &|_| {},
        ];
        for (day, happens) in events.into_iter().enumerate() {
            happens(&story.feed);
            story.sync(day as u64);
        }
        story.mirror.token = None;
        story
    }

    /// Makes days in which the feed's clock is that of the days, and every property type moves.
    pub fn of_a_market(seed: u64) -> Story {
        let start = Utc::now() - chrono::Duration::days(DAYS as i64 - 1);
        let feed = feed_with(500, |options| {
            options.seed = seed;
            options.clock = simulator::Clock::At(start);
        });
        let mut story = Story::of(feed);
        for day in 0..DAYS {
            if day > 0 {
                story.feed.move_market(150);
            }
            story.sync(day);
            story.feed.advance(chrono::Duration::hours(22));
        }
        story
    }

    /// A day without changes.
    fn of(feed: Simulator) -> Story {
        let keys = feed.listing_keys();
        Story {
            mirror: Mirror::of(&feed),
            today: Utc::now().with_timezone(&Denver).date_naive(),
            statuses: Vec::new(),
            prices: [price(&feed, keys[0]), price(&feed, keys[1])],
            known: [0, 0],
            feed,
        }
    }

    fn day(&self, day: u64) -> NaiveDate {
        self.today - Days::new(DAYS - 1 - day)
    }

    /// Returns a time of a day in Denver, in storage form.
    fn at(&self, day: u64, hour: u32) -> String {
        let local = self.day(day).and_hms_opt(hour, 0, 0).unwrap();
        let at = local
            .and_local_timezone(Denver)
            .earliest()
            .unwrap()
            .to_utc();
        at.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Syncs as if it were six o'clock on a day in Denver.
    fn sync(&mut self, day: u64) {
        self.mirror.sync();
        self.statuses.push(statuses(&self.feed));
        self.feed.advance(chrono::Duration::hours(2));
        let then = self.at(day, 6);
        let db = self.write();
        let moved = [
            ("sync_runs", "started_at = ?1, finished_at = ?1"),
            ("changes", "recorded_at = ?1"),
        ];
        for ((table, set), known) in moved.into_iter().zip(&mut self.known) {
            let sql = format!("UPDATE {table} SET {set} WHERE id > ?2");
            db.execute(&sql, rusqlite::params![then, *known]).unwrap();
            *known = number(&db, &format!("SELECT coalesce(max(id), 0) FROM {table}"));
        }
    }

    /// Opens the database for writing.
    pub fn write(&self) -> Connection {
        Connection::open(self.mirror.database_path()).unwrap()
    }

    /// Fails unless an inventory has the feed's counts at the end of each day.
    #[track_caller]
    fn assert_inventory(&self, inventory: &Json) {
        let names: Vec<&str> = inventory["statuses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        for day in 0..DAYS {
            let counts = of_day(&inventory["days"], self.day(day));
            let counts = counts["listings"].as_array().unwrap().iter();
            let counts = counts.map(|count| count.as_u64().unwrap());
            let mut shown: Statuses = names
                .iter()
                .map(|name| (*name).to_owned())
                .zip(counts)
                .collect();
            shown.retain(|_, count| *count > 0);
            assert_eq!(shown, self.statuses[day as usize], "day {day}");
        }
    }

    /// Returns the report on all property types.
    fn report(&self, arguments: &[&str]) -> Json {
        self.report_on("all", arguments)
    }

    fn report_on(&self, types: &str, arguments: &[&str]) -> Json {
        let ended = self
            .mirror
            .run(&[&["report", "--json", "--type", types], arguments].concat());
        ended.says(0, &[]);
        ended.json()
    }
}

/// Returns the entry of a day in a list.
#[track_caller]
fn of_day(list: &Json, day: NaiveDate) -> Json {
    let mut entries = list.as_array().unwrap().iter();
    let day = day.to_string();
    entries
        .find(|entry| entry["day"] == day)
        .unwrap_or_else(|| panic!("no {day} in {list}"))
        .clone()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() % 2 {
        1 => numbers[middle],
        _ => (numbers[middle - 1] + numbers[middle]) / 2.0,
    }
}

#[test]
fn each_days_inventory_equals_the_feed_on_that_day() {
    let story = Story::of_six_days();
    let report = story.report(&[]);
    let inventory = &report["market"]["inventory"];
    story.assert_inventory(inventory);
    assert_eq!(report["market"]["live"], story.feed.count("Property"));
    // A shorter span has the same numbers for its days.
    let since = story.day(3).to_string();
    let part = story.report(&["--since", &since]);
    let days = part["market"]["inventory"]["days"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(days[0]["day"], since);
    let first = of_day(&inventory["days"], story.day(3));
    let sum = |day: &Json| -> u64 {
        let counts = day["listings"].as_array().unwrap().iter();
        counts.map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&days[0]), sum(&first));
    // Before its first full sync, a mirror has no market data.
    let db = story.write();
    let later = story.at(2, 6);
    db.execute(
        "UPDATE sync_runs SET finished_at = ?1 WHERE job = 'full'",
        [later],
    )
    .unwrap();
    let inventory = &story.report(&[])["market"]["inventory"]["days"];
    assert_eq!(inventory[0]["day"], story.day(2).to_string());
}

#[test]
fn each_days_inventory_equals_the_feed_after_random_changes() {
    for seed in 1..=3 {
        let mut story = Story::of(feed_with(80, |options| options.seed = seed));
        for day in 0..DAYS {
            if day > 0 {
                story.feed.move_market(60);
            }
            story.sync(day);
        }
        let inventory = story.report(&[])["market"]["inventory"].clone();
        story.assert_inventory(&inventory);
        let days = inventory["days"].as_array().unwrap();
        assert_ne!(days[0], days[5], "seed {seed}");
    }
}

#[test]
fn the_daily_counts_equal_the_changes_of_the_feed() {
    let story = Story::of_six_days();
    let market = story.report(&["--since", "60d"])["market"].clone();
    let expected = [
        (1, json!({ "new": 1, "price_cuts": 2 })),
        (2, json!({ "closed": 1 })),
        (
            3,
            json!({ "closed": 1, "deleted": 1, "price_cuts": 1, "price_increases": 1 }),
        ),
        (4, json!({ "restored": 1, "withdrawn": 1 })),
        (5, json!({})),
    ];
    for (day, happened) in expected {
        let shown = of_day(&market["days"], story.day(day));
        for (name, count) in shown.as_object().unwrap() {
            if name != "day" {
                let expected = happened.get(name).unwrap_or(&json!(0)).clone();
                assert_eq!(*count, expected, "{name} on day {day}");
            }
        }
    }
    let cuts = &market["prices"]["cuts"];
    assert_eq!(cuts["count"], 3);
    assert_eq!(cuts["total_amount"].as_f64(), Some(35_000.0));
    assert_eq!(cuts["median_amount"].as_f64(), Some(10_000.0));
    let [first, second] = story.prices;
    let percent = median(vec![
        10_000.0 / first * 100.0,
        20_000.0 / second * 100.0,
        5_000.0 / (first - 10_000.0) * 100.0,
    ]);
    let shown = cuts["median_percent"].as_f64().unwrap();
    assert!((shown - percent).abs() < 1e-9, "{shown} for {percent}");
    assert_eq!(market["prices"]["increases"]["count"], 1);
    assert_eq!(
        market["prices"]["increases"]["total_amount"].as_f64(),
        Some(7_000.0)
    );
    let transitions = json!([
        { "from": "Active", "to": "Closed", "count": 1 },
        { "from": "Active", "to": "Pending", "count": 1 },
        { "from": "Active", "to": "Withdrawn", "count": 1 },
        { "from": "Pending", "to": "Closed", "count": 1 },
    ]);
    assert_eq!(market["transitions"], transitions);
    // The report shows no earlier day.
    let since = story.day(3).to_string();
    let market = story.report(&["--since", &since])["market"].clone();
    assert_eq!(market["prices"]["cuts"]["count"], 1);
    assert_eq!(market["days"][0]["day"], story.day(3).to_string());
}

#[test]
fn active_listings_are_those_of_the_feed_by_city() {
    let story = Story::of_six_days();
    let active = story.report(&[])["market"]["active"].clone();
    let mut cities: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for listing in story.feed.truth("Property") {
        if listing["StandardStatus"] == "Active" {
            let city = listing["City"].as_str().unwrap().to_owned();
            let numbers = ["ListPrice", "DaysOnMarket"].map(|field| listing[field].as_f64());
            cities
                .entry(city)
                .or_default()
                .push((numbers[0].unwrap(), numbers[1].unwrap()));
        }
    }
    let group = |listings: &[(f64, f64)]| {
        let prices = median(listings.iter().map(|listing| listing.0).collect());
        let days = median(listings.iter().map(|listing| listing.1).collect());
        (listings.len() as u64, prices, days)
    };
    let shown = |group: &Json| {
        (
            group["listings"].as_u64().unwrap(),
            group["median_list_price"].as_f64().unwrap(),
            group["median_days_on_market"].as_f64().unwrap(),
        )
    };
    let all: Vec<(f64, f64)> = cities.values().flatten().copied().collect();
    assert_eq!(shown(&active["all"]), group(&all));
    let shown_cities = active["cities"].as_array().unwrap();
    assert_eq!(shown_cities.len(), cities.len().min(20));
    let counts = shown_cities.iter().map(|city| shown(city).0);
    assert!(counts.is_sorted_by(|a, b| a >= b), "{shown_cities:?}");
    for city in shown_cities {
        let name = city["city"].as_str().unwrap();
        assert_eq!(shown(city), group(&cities[name]), "{name}");
    }
}

#[test]
fn runs_and_lag_are_those_of_the_table() {
    let story = Story::of_six_days();
    let db = story.write();
    let failed = story.at(4, 7);
    db.execute(
        "INSERT INTO sync_runs (job, resource, status, started_at, finished_at, duration_ms,
                                requests, retries, throttled_ms, error)
         VALUES ('incremental', 'Property', 'failed', ?1, ?1, 60000, 5, 4, 1500, 'a cut answer')",
        [&failed],
    )
    .unwrap();
    let syncs = story.report(&[])["syncs"].clone();
    let jobs = texts(&db, "SELECT DISTINCT job FROM sync_runs ORDER BY 1");
    let shown: Vec<&Json> = syncs["jobs"].as_array().unwrap().iter().collect();
    assert_eq!(shown.len(), jobs.len());
    for (job, shown) in jobs.iter().zip(shown) {
        assert_eq!(shown["job"], **job);
        let of = format!("FROM sync_runs WHERE job = '{job}'");
        for (name, sql) in [
            ("runs", "count(*)"),
            ("succeeded", "sum(status = 'succeeded')"),
            ("failed", "sum(status = 'failed')"),
            ("longest_duration_ms", "max(duration_ms)"),
            ("records_seen", "sum(records_seen)"),
            ("requests", "sum(requests)"),
            ("retries", "sum(retries)"),
            ("throttled_ms", "sum(throttled_ms)"),
            ("bytes_received", "sum(bytes_received)"),
        ] {
            let expected = number(&db, &format!("SELECT {sql} {of}"));
            assert_eq!(shown[name], expected, "{name} of {job}");
        }
        let runs = number(&db, &format!("SELECT count(*) {of}")) as f64;
        let succeeded = number(&db, &format!("SELECT sum(status = 'succeeded') {of}")) as f64;
        assert_eq!(shown["success_rate"].as_f64(), Some(succeeded / runs));
        let durations = texts(&db, &format!("SELECT duration_ms {of}"));
        let durations = durations.iter().map(|ms| ms.parse().unwrap()).collect();
        assert_eq!(
            shown["median_duration_ms"].as_f64(),
            Some(median(durations))
        );
    }
    let failure = json!({
        "job": "incremental", "resource": "Property", "status": "failed",
        "started_at": failed, "error": "a cut answer",
    });
    assert_eq!(syncs["failures"], json!([failure]));
    // Each sync runs at six o'clock, so the first day has a lag of 18 hours.
    for day in [0, 1, 4] {
        let lag = of_day(&syncs["lag"], story.day(day));
        let ends = if day == 0 {
            story.at(1, 0)
        } else {
            story.at(day, 6)
        };
        let begins = story.at(day.saturating_sub(1), 6);
        let sql = format!("SELECT unixepoch('{ends}') - unixepoch('{begins}')");
        assert_eq!(lag["lag_seconds"], number(&db, &sql), "day {day}");
    }
    let text = story.mirror.run(&["report"]);
    text.says(0, &[]);
    for part in ["a cut answer", "Syncs", "Market", "America/Denver"] {
        assert!(text.stdout.contains(part), "no `{part}`: {text}");
    }
}

#[test]
fn it_fits_a_terminal_of_80_columns() {
    let story = Story::of_six_days();
    let db = story.write();
    db.execute_batch(
        "UPDATE listings SET City = 'A city of a very long name, without any end of it', ListPrice = 123456789;
         UPDATE listings SET StandardStatus = 'A status of ' || (rowid % 20) || ' words';
         UPDATE changes SET new_value = 'Incomprehensibilities ' || id WHERE field = 'StandardStatus';
         UPDATE sync_runs SET requests = 1234567890, bytes_received = 999999999999, retries = 123456789,
                duration_ms = 99999999, throttled_ms = 9999999999,
                status = 'failed', error = 'it went wrong ' || hex(randomblob(30)) || ' and so on and on'",
    )
    .unwrap();
    for since in ["1d", "30d", "99999d"] {
        let ended = story.mirror.run(&["report", "--since", since]);
        ended.says(0, &[]);
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}\n{ended}");
            assert_eq!(line, line.trim_end());
        }
    }
}

#[test]
fn undeclared_fields_are_left_out_with_a_note() {
    let feed = feed(20);
    for field in ["City", "DaysOnMarket"] {
        feed.undeclare_field("Property", field).unwrap();
    }
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let report = mirror.run(&["report", "--json", "--type", "all"]).json();
    let active = &report["market"]["active"];
    assert_eq!(active["cities"], Json::Null);
    assert_eq!(active["all"]["median_days_on_market"], Json::Null);
    assert!(active["all"]["median_list_price"].is_number());
    for field in ["ListPrice", "StandardStatus"] {
        feed.undeclare_field("Property", field).unwrap();
    }
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let ended = mirror.run(&["report", "--json", "--type", "all"]);
    ended.says(0, &[]);
    let report = ended.json();
    for section in ["inventory", "prices", "active", "transitions"] {
        assert_eq!(report["market"][section], Json::Null, "{section}");
    }
    assert_eq!(report["market"]["live"], 20);
    assert_eq!(report["market"]["days"][0]["closed"], Json::Null);
    let ended = mirror.run(&["report"]);
    ended.says(0, &[]);
    for field in ["StandardStatus", "ListPrice"] {
        let shown = format!("the feed does not declare {field}");
        assert!(ended.stdout.contains(&shown), "{ended}");
    }
}

#[test]
fn days_outside_the_log_have_no_numbers() {
    let mut story = Story::of_six_days();
    let kept = "\n[retention]\nchanges = \"2d\"\n";
    story
        .mirror
        .configure(|settings| settings.sync = kept.to_owned());
    // The report depends on purged changes, and none are purged yet.
    let report = story.report(&[]);
    story.assert_inventory(&report["market"]["inventory"]);
    assert_eq!(report["left_out"], json!([]));

    story.mirror.token = Some(story.feed.token().to_owned());
    story.mirror.sync();
    for kept in ["\n[retention]\nchanges = \"2d\"\n", ""] {
        story
            .mirror
            .configure(|settings| settings.sync = kept.to_owned());
        let report = story.report(&[]);
        let market = &report["market"];
        let first = "SELECT value || '+00:00' FROM _state WHERE name = 'log_begins'";
        let first: DateTime<Utc> = text(&story.write(), first).parse().unwrap();
        let first = first.with_timezone(&Denver).date_naive().to_string();
        assert!(first >= story.day(DAYS - 3).to_string(), "{first}");
        assert_eq!(market["inventory"]["days"][0]["day"], first);
        let shown = report["left_out"][0].as_str().unwrap();
        assert!(shown.contains("`[retention] changes` removed"), "{shown}");
        assert!(shown.contains(" UTC: "), "{shown}");
        for day in 0..DAYS {
            let shown = of_day(&market["days"], story.day(day));
            let is_shown = story.day(day).to_string() > first;
            for count in ["new", "closed", "deleted", "restored", "price_cuts"] {
                assert_eq!(shown[count].is_u64(), is_shown, "{count} of day {day}");
            }
        }
        let cuts = market["days"].as_array().unwrap().iter();
        let cuts = cuts
            .filter_map(|day| day["price_cuts"].as_u64())
            .sum::<u64>();
        assert_eq!(market["prices"]["cuts"]["count"], cuts);
        let text = story.mirror.run(&["report"]);
        text.says(0, &[]);
        assert!(!text.stdout.contains("no listing was added"), "{text}");
        assert!(
            !text.stdout.contains("UTC"),
            "people read local time: {text}"
        );
        let line = text.stdout.lines().find(|line| line.starts_with(&first));
        assert!(line.is_some(), "{text}");
    }
}

#[test]
fn changes_that_are_not_logged_are_not_reported_as_zero() {
    let mut story = Story::of_six_days();
    let ignored = "ignore_fields = [\"StandardStatus\", \"ListPrice\"]";
    story
        .mirror
        .configure(|settings| settings.sync = ignored.to_owned());
    let report = story.report(&[]);
    let market = &report["market"];
    for section in ["inventory", "prices", "transitions"] {
        assert_eq!(market[section], Json::Null, "{section}");
    }
    for count in ["closed", "withdrawn", "price_cuts", "price_increases"] {
        let shown = of_day(&market["days"], story.day(1));
        assert_eq!(shown[count], Json::Null, "{count}");
    }
    assert!(market["active"]["all"]["median_list_price"].is_number());
    for (place, field) in ["StandardStatus", "ListPrice"].into_iter().enumerate() {
        let shown = report["left_out"][place].as_str().unwrap();
        let names = format!("sync.ignore_fields names {field}");
        assert!(shown.contains(&names), "{shown}");
    }
    let quiet = story.mirror.run(&["report", "--since", "0"]);
    assert!(!quiet.stdout.contains("no status changed"), "{quiet}");
}

#[test]
fn a_report_needs_no_token_works_during_a_sync_and_writes_nothing() {
    let story = Story::of_six_days();
    let asked = story.feed.request_count();
    let before = std::fs::read(story.mirror.database_path()).unwrap();
    let db = story.write();
    db.execute_batch("BEGIN IMMEDIATE; DELETE FROM changes")
        .unwrap();
    let report = story.report(&[]);
    db.execute_batch("ROLLBACK").unwrap();
    drop(db);
    assert_eq!(report["market"]["prices"]["cuts"]["count"], 3);
    assert_eq!(story.feed.request_count(), asked);
    let after = std::fs::read(story.mirror.database_path()).unwrap();
    assert!(before == after, "the database was changed");
}

#[test]
fn a_missing_or_too_old_mirror_is_reported() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror
        .run(&["report"])
        .says(2, &["there is no mirror yet", "`mlsmirror sync`"]);
    mirror
        .run(&["report", "--since", "lately"])
        .says(2, &["24h"]);
    mirror.sync();
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute_batch(
        "DELETE FROM refinery_schema_history
         WHERE version = (SELECT max(version) FROM refinery_schema_history)",
    )
    .unwrap();
    mirror
        .run(&["report"])
        .says(2, &["earlier version", "mlsmirror sync"]);
}

/// Returns the median of an expression over sales, computed by SQL.
fn median_of(db: &Connection, expression: &str, sales: &str) -> Option<f64> {
    let sql = format!(
        "WITH one AS (SELECT {expression} AS x FROM listings WHERE {sales} AND {expression} IS NOT NULL),
              placed AS (SELECT x, row_number() OVER (ORDER BY x) AS place, count(*) OVER () AS n FROM one)
         SELECT avg(x) FROM placed WHERE place IN ((n + 1) / 2, (n + 2) / 2)"
    );
    db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// Returns an expression for a field as it was at the start of a day, by the log.
fn field_at(field: &str, start: &str) -> String {
    format!(
        "coalesce((SELECT old_value FROM changes WHERE record_key = ListingKey AND field = '{field}'
                   AND resource = 'Property' AND recorded_at >= '{start}' ORDER BY id LIMIT 1), {field})"
    )
}

/// Compares the figures of a period with SQL. Without `start`, the active listings are those of
/// now, else those at the start of that day.
#[track_caller]
fn assert_figures(db: &Connection, figures: &Json, filter: &str, start: Option<&str>) {
    let [first, last] = ["first_day", "last_day"].map(|name| figures[name].as_str().unwrap());
    let days = number(
        db,
        &format!("SELECT CAST(julianday('{last}') - julianday('{first}') AS INTEGER) + 1"),
    );
    let sales = format!(
        "deleted_at IS NULL AND StandardStatus = 'Closed' AND {filter}
         AND CloseDate BETWEEN '{first}' AND '{last}'"
    );
    let sold = number(db, &format!("SELECT count(*) FROM listings WHERE {sales}"));
    let new = number(
        db,
        &format!(
            "SELECT count(*) FROM changes JOIN listings ON ListingKey = record_key
             WHERE resource = 'Property' AND change = 'insert' AND {filter}
               AND substr(recorded_at, 1, 10) BETWEEN '{first}' AND '{last}'"
        ),
    );
    let now = ["deleted_at IS NULL", "StandardStatus", "ListPrice"].map(str::to_owned);
    let [is_live, status, price] = match start {
        None => now,
        Some(start) => [
            format!(
                "coalesce((SELECT change = 'delete' FROM changes WHERE record_key = ListingKey
                           AND resource = 'Property' AND change <> 'update'
                           AND recorded_at >= '{start}' ORDER BY id LIMIT 1), deleted_at IS NULL)"
            ),
            field_at("StandardStatus", start),
            field_at("ListPrice", start),
        ],
    };
    let active = format!("FROM listings WHERE {is_live} AND {status} = 'Active' AND {filter}");
    let count = number(db, &format!("SELECT count(*) {active}"));
    let cut = number(
        db,
        &format!("SELECT count(*) {active} AND {price} < OriginalListPrice"),
    );
    assert_eq!(
        (&figures["sold"], &figures["new"]),
        (&json!(sold), &json!(new)),
        "{filter}"
    );
    assert_eq!(figures["active"], count, "{filter}");

    let expected = [
        ("median_sold_price", median_of(db, "ClosePrice", &sales)),
        (
            "median_sale_to_list",
            median_of(db, "1.0 * ClosePrice / ListPrice", &sales),
        ),
        (
            "median_days_to_contract",
            median_of(
                db,
                "julianday(PurchaseContractDate) - julianday(OnMarketDate)",
                &sales,
            ),
        ),
        (
            "median_price_per_square_foot",
            median_of(db, "1.0 * ClosePrice / nullif(LivingArea, 0)", &sales),
        ),
        (
            "months_of_supply",
            (sold > 0).then(|| count as f64 / (sold as f64 * 30.4375 / days as f64)),
        ),
        (
            "share_with_price_cuts",
            (count > 0).then(|| cut as f64 / count as f64),
        ),
    ];
    for (name, expected) in expected {
        let shown = figures[name].as_f64();
        let is_equal = match (shown, expected) {
            (Some(shown), Some(expected)) => (shown - expected).abs() < 1e-9 * expected.abs(),
            (shown, expected) => shown == expected,
        };
        assert!(
            is_equal,
            "{name} of {filter}: {shown:?} instead of {expected:?}"
        );
    }
}

#[test]
fn the_headline_figures_of_both_periods_equal_sql() {
    for seed in sample([11, 12, 13], 2) {
        println!("seed {seed}");
        let story = Story::of_a_market(seed);
        let db = story.write();
        let since = story.day(4).to_string();
        let cases = [
            ("Residential", None, "PropertyType = 'Residential'"),
            (
                "residential lease,Land",
                None,
                "PropertyType IN ('Residential Lease', 'Land')",
            ),
            ("all", None, "true"),
            (
                "all",
                Some("City < 'N' OR ListPrice > 500000"),
                "(City < 'N' OR ListPrice > 500000)",
            ),
        ];
        let mut sold = 0;
        for (types, condition, filter) in cases {
            let mut arguments = vec!["--since", &since];
            arguments.extend(
                condition
                    .iter()
                    .flat_map(|condition| ["--where", *condition]),
            );
            let report = story.report_on(types, &arguments);
            let headline = &report["market"]["headline"];
            assert_eq!(headline["current"]["first_day"], since);
            assert_eq!(headline["previous"]["last_day"], story.day(3).to_string());
            assert_figures(&db, &headline["current"], filter, None);
            let start = format!("{since} 00:00:00");
            assert_figures(&db, &headline["previous"], filter, Some(&start));
            sold += headline["previous"]["sold"].as_u64().unwrap();

            let live =
                format!("SELECT count(*) FROM listings WHERE deleted_at IS NULL AND {filter}");
            assert_eq!(report["market"]["live"], number(&db, &live));
            let closed = format!(
                "SELECT count(*) FROM changes JOIN listings ON ListingKey = record_key
                 WHERE field = 'StandardStatus' AND new_value = 'Closed' AND {filter}
                   AND recorded_at >= '{start}'"
            );
            let days = report["market"]["days"].as_array().unwrap().iter();
            let shown: u64 = days.map(|day| day["closed"].as_u64().unwrap()).sum();
            assert_eq!(json!(shown), number(&db, &closed), "{filter}");
        }
        assert!(sold > 0, "seed {seed} has no sale in the previous period");
    }
}

#[test]
fn the_largest_cuts_and_the_newest_listings_equal_sql() {
    let story = Story::of_a_market(14);
    let db = story.write();
    let market = story.report_on("Residential", &[])["market"].clone();
    let cuts = rows(
        &db,
        "SELECT record_key, old_value, new_value FROM changes JOIN listings ON ListingKey = record_key
         WHERE field = 'ListPrice' AND new_value < old_value AND PropertyType = 'Residential'
         ORDER BY old_value - new_value DESC, changes.id DESC LIMIT 10",
    );
    let shown = market["largest_cuts"].as_array().unwrap();
    assert_eq!((shown.len(), cuts.len()), (10, 10));
    for (shown, cut) in shown.iter().zip(&cuts) {
        let amount = |name: &str| match &cut[name] {
            rusqlite::types::Value::Integer(number) => *number as f64,
            rusqlite::types::Value::Real(number) => *number,
            other => panic!("{other:?} is no price"),
        };
        assert_eq!(shown["old_price"].as_f64(), Some(amount("old_value")));
        assert_eq!(shown["new_price"].as_f64(), Some(amount("new_value")));
        assert_eq!(shown["listing"]["listing_key"], as_text(&cut["record_key"]));
        assert!(shown["listing"]["city"].is_string(), "{shown}");
    }
    let newest = texts(
        &db,
        "SELECT ListingKey FROM active_listings WHERE PropertyType = 'Residential' LIMIT 10",
    );
    let shown = market["newest"].as_array().unwrap().iter();
    let shown: Vec<&str> = shown
        .map(|one| one["listing_key"].as_str().unwrap())
        .collect();
    assert_eq!(shown, newest);
}

#[test]
fn a_filter_that_cannot_be_used_is_refused() {
    let story = Story::of_six_days();
    for (arguments, part) in [
        (["--where", "Citty = 'Sandy'"], "did you mean City?"),
        (["--where", "1); DELETE FROM listings; --"], "--where"),
        (["--type", "Castle"], "known are only"),
    ] {
        let ended = story.mirror.run(&[&["report"], &arguments[..]].concat());
        ended.says(2, &[part]);
    }
}

#[test]
fn a_change_in_the_evening_counts_for_the_local_day() {
    let story = Story::of_six_days();
    let evening = story.at(2, 22);
    story
        .write()
        .execute(
            "UPDATE changes SET recorded_at = ?1 WHERE change = 'insert'",
            [evening],
        )
        .unwrap();
    let days = story.report(&[])["market"]["days"].clone();
    // In UTC it is the next day.
    let next_day = story.day(3).to_string();
    let found = "SELECT DISTINCT substr(recorded_at, 1, 10) FROM changes WHERE change = 'insert'";
    assert_eq!(text(&story.write(), found), next_day);
    assert_eq!(of_day(&days, story.day(2))["new"], 1);
    assert_eq!(of_day(&days, story.day(3))["new"], 0);
}
