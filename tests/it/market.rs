//! Makes random changes in random order, with syncs and faults between them, on a server with
//! a behaviour that clients did not expect, or with the habits of a vendor's servers, or with
//! neither. After each sync that succeeds, the mirror equals the feed and the log holds the
//! difference.
//!
//! `MLSMIRROR_CASES=10000 cargo test --release --test it market` runs more cases, with more steps.
//! `MLSMIRROR_SEED=N` starts at a case that failed.
//! `MLSMIRROR_DIALECT=NAME` runs each case in the dialect of a vendor, and
//! `MLSMIRROR_DIALECT=all` in one of all dialects.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering};

use mlsmirror::config::Config;
use mlsmirror::feed::{Credentials, Feed, FeedError, Token};
use mlsmirror::resource::Resource;
use mlsmirror::stop::Stop;
use mlsmirror::sync::{self, Context, Ending, Unwatched};
use rusqlite::Connection;
use serde_json::json;
use simulator::{Behaviour, Dialect, Fault, FaultRule, Host, Simulator};

use crate::behaviours::EXACT;
use crate::moves::{Copy, assert_log_equals_the_difference, copy, last_change};
use crate::photo_files::{assert_files_as_named, assert_files_equal_feed};
use crate::support::*;

const CASES: u64 = 300;

/// The steps of a case: by default, and where the number of cases is given.
const STEPS: usize = 7;
const STEPS_ON_DEMAND: usize = 30;

const RESOURCES: [Resource; 3] = [Resource::PROPERTY, Resource::MEDIA, Resource::OPEN_HOUSE];

/// The behaviours that are not drawn: the comparisons below expect every resource, the same
/// declarations in each answer, the same URLs, and announced deletions.
const NOT_DRAWN: [Behaviour; 5] = [
    Behaviour::OrderbyRefused,
    Behaviour::UndeclaredChild,
    Behaviour::MetadataAlternates,
    Behaviour::MediaUrlSignedAnew,
    Behaviour::NoDeletionsAnnounced,
];

/// Random numbers from a seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn one<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        match of.len() {
            0 => None,
            sides => of.get(self.roll(sides)),
        }
    }
}

/// Changes of the feed that neither a timestamp nor an announcement shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Untold {
    Nothing,
    /// Records disappeared, or appeared with old timestamps.
    Keys,
    /// Fields changed without a new timestamp.
    Values,
}

/// Returns the dialect of a third of the cases, or a dialect that is asked for.
fn drawn_dialect(dice: &mut Dice) -> Option<&'static Dialect> {
    let asked = dialects(0, 0);
    if asked.is_empty() && dice.roll(3) > 0 {
        return None;
    }
    let all: Vec<&Dialect> = Dialect::ALL.iter().collect();
    let drawn = if asked.is_empty() { all } else { asked };
    dice.one(&drawn).copied()
}

struct Market {
    dice: Dice,
    feed: Simulator,
    mirror: Mirror,
    /// A reader of the mirror, once it exists.
    db: OnceCell<Connection>,
    /// The rows and the newest log entry after the last sync.
    held: (Copy, i64),
    config: Config,
    /// The mirror's connection to the feed, opened once as `watch` does.
    client: Feed,
    stop: Stop,
    untold: Untold,
    is_held: bool,
    gone: Vec<i64>,
    trail: Vec<String>,
    /// The fields declared by the test, and the number of them that ever existed.
    declared: Vec<(&'static str, String)>,
    fields_ever: u64,
    /// Whether declarations have changed since the last full sync. A value that moves
    /// between a column and `extra` is not logged.
    has_moving_fields: bool,
    /// Whether the feed has no Deleted resource, or the profile is one for such feeds.
    is_silent: bool,
    /// Whether marks show the deletions of listings and open houses, and nothing those of photos.
    marks_listings: bool,
    /// Whether the mirror downloads photos.
    has_files: bool,
    /// Whether `$expand` shows which photos were removed.
    has_whole_lists: bool,
}

impl Market {
    fn new(seed: u64) -> Market {
        let mut dice = Dice(seed);
        let feed = feed_with(4 + dice.roll(14) as u64, |options| options.seed = seed);
        let dialect = drawn_dialect(&mut dice);
        let page_size = 2 + dice.roll(9);
        let has_files = dice.roll(4) == 0;
        let refuse_or = dialect.is_none() && dice.roll(4) == 0;
        feed.set_server(|server| server.refuse_or = refuse_or);
        let drawn = EXACT.iter().filter(|one| !NOT_DRAWN.contains(one));
        let drawn: Vec<Behaviour> = drawn.copied().collect();
        let drawn = drawn.get(dice.roll(2 * drawn.len()));
        let behaviours = match dialect {
            Some(dialect) => dialect.behaviours,
            None => drawn.map_or(&[][..], std::slice::from_ref),
        };
        match dialect {
            Some(dialect) => feed.speak(dialect),
            None => feed.behave(behaviours),
        }
        let profile = match dialect {
            Some(dialect) => dialect.name,
            None => dice.one(&["reso", "wfrmls"]).unwrap(),
        };
        let mirror = Mirror::with(&feed, |settings| {
            settings.sync = "max_delete_percent = 100\n".to_owned();
            match dialect {
                Some(dialect) => speak(settings, dialect),
                None => {
                    settings.set("profile", format!("{profile:?}"));
                    expect_marks(settings, behaviours);
                }
            }
            settings.set("page_size", page_size);
            settings.set("max_retries", 1);
            settings.media = has_files;
        });
        let mut config = Config::load(&mirror.folder.path().join("mlsmirror.toml")).unwrap();
        config.mirror.database = mirror.database_path().to_owned();
        let stop = Stop::never();
        let token = Token::checked(TOKEN, "the test").unwrap();
        let credentials = Credentials::of_token(&config.feed, token).unwrap();
        let client = Feed::open(&config.feed, credentials, stop.clone()).unwrap();
        let names: Vec<&str> = behaviours.iter().map(|one| one.name()).collect();
        let what = format!(
            "{profile}, {page_size} a page, refuses or: {refuse_or}, files: {has_files}, behaviours: {names:?}"
        );
        Market {
            dice,
            feed,
            mirror,
            db: OnceCell::new(),
            held: (Copy::new(), 0),
            config,
            client,
            stop,
            untold: Untold::Nothing,
            is_held: false,
            gone: Vec::new(),
            trail: vec![what],
            declared: Vec::new(),
            fields_ever: 0,
            has_moving_fields: false,
            is_silent: profile == "reso" || behaviours.contains(&Behaviour::NoDeletionsAnnounced),
            marks_listings: behaviours.contains(&Behaviour::DeletedByFlag),
            has_files,
            has_whole_lists: !names.iter().any(|name| name.starts_with("expand-")),
        }
    }

    fn step(&mut self) {
        let keys = self.feed.listing_keys();
        let listing = self.dice.one(&keys).copied();
        let announced = self.dice.roll(4) > 0 && !self.is_silent;
        let what = self.dice.roll(16);
        match (what, listing) {
            (0 | 1, Some(key)) => self.edit(key),
            (2, Some(_)) => self.ties(&keys),
            (3, _) => {
                let key = self.feed.insert_listing().unwrap();
                self.trail.push(format!("insert {key}"));
            }
            (4, Some(key)) if keys.len() > 3 && !self.is_held => {
                self.trail
                    .push(format!("delete {key}, announced: {announced}"));
                self.feed
                    .delete("Property", &key.to_string(), announced)
                    .unwrap();
                self.gone.push(key);
                if !announced {
                    self.is_untold(Untold::Keys);
                }
            }
            (5, _) if !self.gone.is_empty() && !self.is_held => {
                let at = self.dice.roll(self.gone.len());
                let key = self.gone.remove(at);
                self.trail.push(format!("bring back {key}"));
                self.feed.bring_back(key).unwrap();
            }
            (6 | 7, Some(key)) if !self.is_held => {
                self.photos(key, announced && !self.marks_listings);
            }
            (8, Some(key)) if !self.is_held => self.open_houses(key, announced),
            (9, Some(key)) if self.dice.roll(4) == 0 => {
                self.trail.push(format!("edit {key} silently"));
                let price = 1_000 + self.dice.roll(1_000_000);
                let fields = fields(json!({ "ListPrice": price }));
                self.feed
                    .edit_silently("Property", &key.to_string(), fields)
                    .unwrap();
                self.is_untold(Untold::Values);
            }
            (10, _) => self.hold_or_release(),
            (11, _) => self.fault(),
            (12, _) => {
                let minutes = self.dice.roll(600) as i64;
                if !self.is_held {
                    self.trail.push(format!("{minutes} minutes pass"));
                    self.feed.advance(chrono::Duration::minutes(minutes));
                }
            }
            (13, _) if self.dice.roll(3) == 0 => self.declare(),
            _ => self.sync(),
        }
    }

    /// Declares a field in `$metadata`, or removes a declared one.
    fn declare(&mut self) {
        self.has_moving_fields = true;
        if !self.declared.is_empty() && self.dice.coin() {
            let at = self.dice.roll(self.declared.len());
            let (set, field) = self.declared.remove(at);
            self.trail.push(format!("undeclare {set} {field}"));
            self.feed.undeclare_field(set, &field).unwrap();
            // The value moves to `extra` when its record is read again.
            self.is_untold(Untold::Values);
            return;
        }
        let set = *self.dice.one(&["Property", "Media"]).unwrap();
        let edm_type = *self.dice.one(&["Edm.Int32", "Edm.String"]).unwrap();
        self.fields_ever += 1;
        let field = format!("Declared{}", self.fields_ever);
        self.trail.push(format!("declare {set} {field}"));
        self.feed.declare_field(set, &field, edm_type).unwrap();
        self.declared.push((set, field));
    }

    fn is_untold(&mut self, untold: Untold) {
        self.untold = self.untold.max(untold);
    }

    fn edit(&mut self, key: i64) {
        let price = 1_000 + self.dice.roll(1_000_000);
        let status = *self.dice.one(&["Active", "Pending", "Closed"]).unwrap();
        self.trail.push(format!("edit {key}"));
        let fields = fields(json!({ "ListPrice": price, "StandardStatus": status }));
        self.feed
            .edit("Property", &key.to_string(), fields)
            .unwrap();
    }

    /// Edits more records with one timestamp than a page holds.
    fn ties(&mut self, keys: &[i64]) {
        let price = 1_000 + self.dice.roll(1_000_000);
        self.trail.push("edit all".to_owned());
        for key in keys {
            let fields = fields(json!({ "ListPrice": price }));
            self.feed
                .edit("Property", &key.to_string(), fields)
                .unwrap();
        }
    }

    fn photos(&mut self, listing: i64, announced: bool) {
        let photos = self.feed.truth_children(listing, "Media");
        let photo = self
            .dice
            .one(&photos)
            .map(|photo| key_text(&photo["MediaKey"]));
        let touches = self.dice.coin();
        match (self.dice.roll(4), photo) {
            (0, Some(photo)) => {
                self.trail
                    .push(format!("remove photo {photo}, announced: {announced}"));
                self.feed.remove_photo(&photo, announced, true).unwrap();
                if !announced && !self.has_whole_lists {
                    self.is_untold(Untold::Keys);
                }
            }
            (1, Some(photo)) => {
                self.trail.push(format!("replace photo {photo}"));
                // Another file with the same key and timestamp is the same photo.
                self.feed.advance(chrono::Duration::seconds(1));
                self.feed.replace_photo(&photo, touches).unwrap();
            }
            (2, Some(_)) => {
                self.trail.push(format!("reorder photos of {listing}"));
                self.feed.reorder_photos(listing, touches).unwrap();
            }
            _ => {
                self.trail.push(format!("add a photo to {listing}"));
                self.feed.add_photo(listing, true).unwrap();
            }
        }
    }

    fn open_houses(&mut self, listing: i64, announced: bool) {
        let held = self.feed.truth_children(listing, "OpenHouse");
        let held = self
            .dice
            .one(&held)
            .map(|held| key_text(&held["OpenHouseKey"]));
        match (self.dice.coin(), held) {
            (true, Some(key)) => {
                self.trail
                    .push(format!("remove open house {key}, announced: {announced}"));
                self.feed.delete("OpenHouse", &key, announced).unwrap();
                if !announced {
                    self.is_untold(Untold::Keys);
                }
            }
            _ => {
                self.trail.push(format!("add an open house to {listing}"));
                self.feed.add_open_house(listing).unwrap();
            }
        }
    }

    /// Makes changes that become visible late, within the time that an incremental looks back.
    fn hold_or_release(&mut self) {
        if self.is_held {
            self.trail.push("release".to_owned());
            self.feed.release();
        } else {
            self.trail.push("hold, and 5 minutes pass".to_owned());
            self.feed.advance(chrono::Duration::minutes(5));
            self.feed.hold();
        }
        self.is_held = !self.is_held;
    }

    fn fault(&mut self) {
        let kinds = [
            Fault::Status(401),
            Fault::Status(429),
            Fault::Status(500),
            Fault::Status(503),
            Fault::HtmlOk,
            Fault::EmptyOk,
        ];
        let kind = self.dice.one(&kinds).unwrap().clone();
        let (skip, times) = (self.dice.roll(8) as u64, 1 + self.dice.roll(3) as u64);
        let on = if self.has_files && self.dice.coin() {
            Host::Assets
        } else {
            Host::Feed
        };
        self.trail.push(format!(
            "{kind:?} of {on:?} after {skip} requests, {times} times"
        ));
        self.feed.fault(FaultRule {
            skip,
            times,
            on,
            ..FaultRule::once(kind)
        });
    }

    fn sync(&mut self) {
        let job = match self.dice.roll(12) {
            0 => "full",
            1 => "reconcile",
            2 => "incremental",
            3 => "deletions",
            _ => "all",
        };
        let goes_on = self.has_unfinished_sweep();
        let ending = self.run(job);
        self.trail.push(format!("sync {job}: {ending:?}"));
        let held = self.held();
        let (before, since) = std::mem::replace(&mut self.held, held);
        let after = &self.held.0;
        assert_files_as_named(&self.mirror);
        let db = self.db.get_or_init(|| self.mirror.open());
        if !before.is_empty() && !self.has_moving_fields {
            assert_log_equals_the_difference(db, since, &before, after);
        }
        // A record that comes back may have been deleted before the field was declared.
        let moved = format!(
            "SELECT count(*) FROM changes AS found
             WHERE id > {since} AND field LIKE 'Declared%' AND old_value IS NULL
               AND NOT EXISTS (SELECT 1 FROM changes AS back
                               WHERE back.id > {since} AND back.change = 'restore'
                                 AND back.resource = found.resource
                                 AND back.record_key = found.record_key)"
        );
        assert_eq!(
            number(db, &moved),
            0,
            "a declaration was logged as a change"
        );
        let twice = number(
            db,
            &format!(
                "SELECT count(*) FROM (SELECT 1 FROM changes WHERE id > {since}
                 GROUP BY resource, record_key, change, field HAVING count(*) > 1)"
            ),
        );
        assert_eq!(twice, 0, "a change was logged twice");
        if ending != Ending::Done {
            return;
        }
        // Without an answer for $metadata, a sync uses the saved one.
        let knows_fields = self.declared.iter().all(|(set, field)| {
            let known = format!(
                "SELECT count(*) FROM _fields WHERE resource = '{set}' AND field = '{field}'"
            );
            number(db, &known) > 0
        });
        // Silent changes to records that an interrupted sweep had read, or that are not
        // visible yet, are found by the next sweep.
        match job {
            _ if goes_on || self.is_held => {}
            "full" => {
                self.untold = Untold::Nothing;
                self.has_moving_fields &= !knows_fields;
            }
            "reconcile" if self.untold < Untold::Values => self.untold = Untold::Nothing,
            _ => {}
        }
        let is_whole = job == "full" || (job == "all" && !before.is_empty());
        if is_whole && self.untold == Untold::Nothing && !self.is_held && knows_fields {
            assert_mirror_equals_feed(db, &self.feed, &MAIN);
            let has_files = job == "all" && self.has_files;
            if has_files && self.refresh_failed_photos(db) == Ending::Done {
                assert_files_equal_feed(&self.mirror, &self.feed);
            }
        }
    }

    /// Returns whether the next sweep resumes an interrupted one.
    fn has_unfinished_sweep(&self) -> bool {
        self.mirror.database_path().exists()
            && number(
                self.db.get_or_init(|| self.mirror.open()),
                "SELECT count(*) FROM sync_runs AS run
                 WHERE job IN ('full', 'reconcile') AND checkpoint IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM sync_runs AS later
                                   WHERE later.job = run.job AND later.resource = run.resource
                                     AND later.id > run.id)",
            ) > 0
    }

    /// Returns the rows and the newest log entry, once a full sync has succeeded.
    fn held(&self) -> (Copy, i64) {
        if !self.mirror.database_path().exists() {
            return (Copy::new(), 0);
        }
        let db = self.db.get_or_init(|| self.mirror.open());
        let tables =
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('listings', 'media', 'open_houses')";
        if number(db, tables) < 3 {
            return (Copy::new(), 0);
        }
        let finished = "SELECT count(DISTINCT resource) FROM sync_runs WHERE job = 'full'
                        AND status IN ('succeeded', 'partial') AND checkpoint IS NULL";
        match number(db, finished) {
            3 => (copy(db, &MAIN), last_change(db)),
            _ => (Copy::new(), last_change(db)),
        }
    }

    /// Requests photos again whose host did not have them, because their listing was away. A sync
    /// waits for hours before it does so.
    fn refresh_failed_photos(&self, db: &Connection) -> Ending {
        let failed = "SELECT DISTINCT listing_key FROM media
                      WHERE deleted_at IS NULL AND download_error IS NOT NULL";
        let listings = texts(db, failed);
        if listings.is_empty() {
            return Ending::Done;
        }
        let mut mirror = sync::open_for_sync(&self.config, false).unwrap();
        let done = sync::refresh(&self.context(), &mut mirror, &RESOURCES, &listings, 1);
        ending(done, |(done, _)| done.ending)
    }

    fn context(&self) -> Context<'_> {
        Context {
            config: &self.config,
            feed: &self.client,
            stop: &self.stop,
            progress: &Unwatched,
            allow_deletes: 0,
        }
    }

    fn run(&self, job: &str) -> Ending {
        let context = self.context();
        let mut mirror = sync::open_for_sync(&self.config, false).unwrap();
        let done = match job {
            "full" => sync::full(&context, &mut mirror, &RESOURCES),
            "reconcile" => sync::reconcile(&context, &mut mirror, &RESOURCES),
            "incremental" => sync::incremental(&context, &mut mirror, &RESOURCES),
            "deletions" => sync::deletions(&context, &mut mirror, &RESOURCES),
            _ => sync::up_to_date(&context, &mut mirror, &RESOURCES),
        };
        ending(done, |done| done.ending)
    }
}

/// Returns how a job ended. A refusal of the credentials before its first record is an error.
fn ending<T>(done: anyhow::Result<T>, of: impl Fn(T) -> Ending) -> Ending {
    let refused = |error: &anyhow::Error| {
        matches!(error.downcast_ref(), Some(FeedError::Unauthorized { .. }))
    };
    match done {
        Ok(done) => of(done),
        Err(error) if refused(&error) => Ending::Unauthorized,
        Err(error) => panic!("{error:#}"),
    }
}

/// Prints the seed of the case if it fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("MLSMIRROR_SEED={} runs this case again", self.0);
        }
    }
}

#[test]
fn after_random_changes_the_mirror_equals_the_feed_and_the_log_explains_it() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = number("MLSMIRROR_SEED").unwrap_or(1);
    let (cases, steps) = match number("MLSMIRROR_CASES") {
        Some(cases) => (cases, STEPS_ON_DEMAND),
        None => (CASES, STEPS),
    };
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + cases {
                        break;
                    }
                    tell(seed, steps);
                }
            });
        }
    });
}

/// Runs one case. Prints its seed and its steps if it fails.
fn tell(seed: u64, steps: usize) {
    let _told = Told(seed);
    let mut market = Market::new(seed);
    let moves = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        market.sync();
        for _ in 0..steps {
            market.step();
        }
    }));
    if let Err(panic) = moves {
        println!("{}", market.trail.join("\n"));
        std::panic::resume_unwind(panic);
    }
}
