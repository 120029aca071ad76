//! `report --html`: one well-formed page that loads nothing and is replaced as a whole.

use std::path::Path;
use std::process::{Command, Output};

use quick_xml::Reader;
use quick_xml::events::Event;
use rusqlite::Connection;
use simulator::{Fault, FaultRule};

use crate::photo_files::with_photos;
use crate::report::Story;
use crate::support::*;

/// A page, and the number of its elements by name.
struct Page {
    text: String,
    elements: Vec<String>,
}

impl Page {
    fn count(&self, name: &str) -> usize {
        self.elements.iter().filter(|own| *own == name).count()
    }
}

/// The start of a photo that is part of the page.
const PHOTO: &str = "data:image/jpeg;base64,";

/// Removes the data of the photos of a page.
fn without_photos(page: &str) -> String {
    let mut parts = page.split(PHOTO);
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (data, rest) = part.split_once('"').unwrap();
        assert!(
            data.len() > 500 && data.len() < 60_000,
            "{} bytes",
            data.len()
        );
        text += &format!("{PHOTO}\"{rest}");
    }
    text
}

/// Writes a page and checks that every element is closed.
#[track_caller]
fn page(mirror: &Mirror, arguments: &[&str]) -> Page {
    let file = mirror.folder.path().join("report.html");
    let ended = mirror.run(&[&["report", "--html", "report.html"], arguments].concat());
    ended.says(0, &[]);
    assert_eq!(ended.stdout, "the report is in report.html\n");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = without_photos(&text);
    for odd in ["NaN", "inf\"", "inf ", "@import", "url(", "<script"] {
        assert!(!text.contains(odd), "the page holds `{odd}`");
    }
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_end_names = false;
    let mut elements = Vec::new();
    let mut open = Vec::new();
    loop {
        match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error}: {text}"))
        {
            Event::Start(tag) => {
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap();
                    let name = attribute.key.as_ref().to_owned();
                    let value = attribute.value.to_string();
                    if name == "src" {
                        assert_eq!(value, PHOTO);
                        continue;
                    }
                    let loads = ["href", "srcset", "data", "action", "xmlns"];
                    assert!(
                        !loads.contains(&&*name) && !name.starts_with("on"),
                        "{name}"
                    );
                    let is_text = ["aria-label", "content", "data-label"].contains(&&*name);
                    assert!(is_text || !value.contains("//"), "{name}={value}");
                }
                let name = tag.name().as_ref().to_owned();
                // HTML closes these two elements itself.
                if !["meta", "br", "img"].contains(&&*name) {
                    open.push(name.clone());
                }
                elements.push(name);
            }
            Event::End(tag) => {
                let name = tag.name().as_ref().to_owned();
                assert_eq!(open.pop().as_ref(), Some(&name));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    Page { text, elements }
}

#[test]
fn the_page_is_well_formed_and_shows_charts_and_their_numbers() {
    let story = Story::of_six_days();
    let page = page(&story.mirror, &[]);
    let charts = page.text.matches("role=\"img\"").count();
    assert_eq!(charts, 5);
    assert_eq!(page.count("desc"), charts);
    // Each chart has a title and a tooltip for each day.
    let report = story.mirror.run(&["report", "--json"]).json();
    let days = report["market"]["days"].as_array().unwrap().len();
    assert!(days >= 6);
    assert_eq!(page.count("title"), 1 + charts + charts * days);
    assert!(page.count("table") >= 5, "{:?}", page.elements);
    let keys = [
        "viewport",
        "prefers-color-scheme: dark",
        "@media print",
        "lang=\"en\"",
    ];
    for key in keys {
        assert!(page.text.contains(key), "no {key}");
    }
}

#[test]
fn the_page_begins_with_its_scope_and_shows_listings_with_photos() {
    let feed = feed_with(60, |options| options.photos = 2);
    let mirror = with_photos(&feed);
    mirror.sync();
    let page = page(&mirror, &["--type", "all", "--where", "City <> '<b>'"]);
    for part in [
        "Market report: Listings of all property types where City &lt;&gt; '&lt;b&gt;'",
        "UtahRealEstate.com (WFRMLS)",
        "Days are those of America/Denver",
        "median sold price",
        "before: ",
        "Newest active listings",
    ] {
        assert!(page.text.contains(part), "no `{part}`");
    }
    assert!(page.text.matches(PHOTO).count() > 3);
    let shown = page.text.matches(PHOTO).count();
    // A missing file, a file that is no photo, and a path that leaves the folder.
    let db = Connection::open(mirror.database_path()).unwrap();
    let media = mirror.folder.path().join("media");
    std::fs::copy(
        media.join(text(&db, "SELECT max(file_path) FROM media")),
        mirror.folder.path().join("photo.jpg"),
    )
    .unwrap();
    std::fs::write(media.join("text.jpg"), "no photo").unwrap();
    for path in ["missing.jpg", "text.jpg", "../photo.jpg"] {
        db.execute(
            "UPDATE media SET file_path = ?1 WHERE file_path IS NOT NULL",
            [path],
        )
        .unwrap();
        let page = self::page(&mirror, &["--type", "all"]);
        assert_eq!(page.text.matches(PHOTO).count(), 0, "{path}");
        assert!(page.text.matches("no photo").count() >= shown, "{path}");
    }
    let headline = page.text.find("months of supply").unwrap();
    let [charts, newest, syncs] = ["role=\"img\"", "Newest active", "<h2>Syncs</h2>"]
        .map(|part| page.text.find(part).unwrap());
    assert!(headline < charts && charts < newest && newest < syncs);
}

#[test]
fn a_status_has_the_same_colour_and_place_in_every_report() {
    let colours = |statuses: &[&str]| {
        let feed = feed_of_today(40);
        let keys = feed.listing_keys();
        for (at, key) in keys.iter().enumerate() {
            let status = statuses[at % statuses.len()];
            let change = serde_json::json!({ "StandardStatus": status });
            feed.edit("Property", &key.to_string(), fields(change))
                .unwrap();
        }
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let page = page(&mirror, &["--type", "all"]);
        let legend = page.text.split("<ul class=\"legend\">").nth(1).unwrap();
        let legend = legend.split("</ul>").next().unwrap().to_owned();
        ["Active", "Active Under Contract", "Pending"].map(|status| {
            let item = legend
                .split("<li>")
                .find(|item| item.ends_with(&format!("{status}</li>")));
            let item = item.unwrap_or_else(|| panic!("no {status} in {legend}"));
            let class = item
                .split("class=\"s")
                .find(|class| class.starts_with(char::is_numeric));
            (legend.find(item).unwrap(), class.unwrap()[..1].to_owned())
        })
    };
    let many = colours(&["Pending", "Active", "Active Under Contract"]);
    let few = colours(&[
        "Active Under Contract",
        "Active",
        "Closed",
        "Active",
        "Pending",
    ]);
    assert!(many.is_sorted() && few.is_sorted(), "{many:?} {few:?}");
    assert_eq!(many.map(|one| one.1), few.map(|one| one.1));
}

#[test]
fn no_text_of_the_feed_is_markup() {
    let story = Story::of_six_days();
    let db = story.write();
    let odd = r#"<script src="//x">alert('1')</script> & "co" http://x"#;
    for sql in [
        "UPDATE listings SET City = ?1",
        "UPDATE listings SET StandardStatus = ?1 WHERE StandardStatus = 'Pending'",
        "UPDATE changes SET new_value = ?1 WHERE field = 'StandardStatus' AND new_value = 'Pending'",
        "UPDATE sync_runs SET status = 'failed', error = ?1, job = ?1 WHERE job = 'deletions'",
    ] {
        assert!(db.execute(sql, [odd]).unwrap() > 0, "{sql}");
    }
    db.execute("UPDATE listings SET StandardStatus = 'Active'", [])
        .unwrap();
    let page = page(&story.mirror, &[]);
    assert_eq!(page.count("script"), 0);
    assert!(
        page.text
            .contains("&lt;script src=&quot;//x&quot;&gt;alert('1')")
    );
    // The text must not control a terminal either.
    db.execute("UPDATE listings SET City = 'a' || char(27) || '[2J'", [])
        .unwrap();
    let ended = story.mirror.run(&["report"]);
    assert!(!ended.stdout.contains('\u{1b}'), "{ended}");
    assert!(ended.stdout.contains("a [2J"), "{ended}");
    let steers = "'a' || char(27) || '[2J' || char(8238) || char(10) || 'b'";
    let key = text(&db, "SELECT min(ListingKey) FROM listings");
    for sql in [
        format!("UPDATE listings SET StreetNumber = {steers}, UnparsedAddress = {steers}"),
        format!("UPDATE sync_runs SET status = 'failed', error = {steers}"),
    ] {
        assert!(db.execute(&sql, []).unwrap() > 0, "{sql}");
    }
    for arguments in [&["listing", &key][..], &["status"]] {
        let ended = story.mirror.run(arguments);
        assert!(ended.stdout.contains("a [2J  b"), "{ended}");
        assert!(!ended.stdout.contains(['\u{1b}', '\u{202e}']), "{ended}");
    }
}

#[test]
fn an_empty_page_says_that_it_has_no_data() {
    // A mirror whose first sync was refused.
    let feed = feed(10);
    feed.fault(FaultRule::always(Fault::Status(500)));
    let mirror = Mirror::of(&feed);
    mirror.run(&["sync"]);
    let ended = mirror.run(&["report"]);
    ended.says(0, &[]);
    assert!(
        ended.stdout.contains("there are no listings yet"),
        "{ended}"
    );
    page(&mirror, &[]);
    feed.clear_faults();

    mirror.sync();
    for since in ["0", "2999-01-01", "1h"] {
        let shown = mirror.run(&["report", "--since", since]);
        shown.says(0, &[]);
        assert!(shown.stdout.contains("no listing was added"), "{shown}");
        assert!(!shown.stdout.contains("NaN"), "{shown}");
        page(&mirror, &["--since", since]);
    }
    // A mirror without runs and listings.
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM sync_runs; DELETE FROM listings")
        .unwrap();
    let shown = mirror.run(&["report"]);
    shown.says(0, &[]);
    for part in [
        "no job ran",
        "0 listings in the mirror",
        "no listing is active",
    ] {
        assert!(shown.stdout.contains(part), "no `{part}`: {shown}");
    }
    let json = mirror.run(&["report", "--json"]).json();
    assert_eq!(json["market"]["days"].as_array().unwrap().len(), 1);
    page(&mirror, &["--since", "2000-01-01"]);
}

#[test]
fn the_file_is_replaced_whole_or_left_alone() {
    let feed = feed(10);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let folder = mirror.folder.path();
    // SQLite adds its own files next to the mirror while it is read.
    let entries = || {
        let mut names = names_in(folder);
        names.retain(|name| !name.starts_with("mirror.db-"));
        names
    };
    for foreign in [
        "before",
        "<!DOCTYPE html><title>mine</title>",
        "SQLite format 3\0",
    ] {
        std::fs::write(folder.join("report.html"), foreign).unwrap();
        let ended = mirror.run(&["report", "--html", "report.html"]);
        ended.says(2, &["report.html exists and was not written by a report"]);
        let kept = std::fs::read_to_string(folder.join("report.html")).unwrap();
        assert_eq!(kept, foreign);
    }
    std::fs::write(folder.join("report.html"), "").unwrap();
    let before = entries();
    assert!(page(&mirror, &[]).text.starts_with("<!DOCTYPE html>"));
    assert_eq!(entries(), before);

    for (file, shown) in [
        (
            "no/such/folder/report.html",
            "folder no/such/folder cannot be used",
        ),
        (".", "is a folder"),
        // A file does not replace it.
        ("/dev/null", "is not a regular file"),
    ] {
        mirror.run(&["report", "--html", file]).says(2, &[shown]);
    }
    let json = mirror.run(&["report", "--json", "--html", "no/report.html"]);
    assert_eq!(json.json()["exit_code"], 2);
    let written = std::fs::read(folder.join("report.html")).unwrap();
    assert!(written.len() > 8 * 1024, "{}", written.len());
    // The shared-memory file of SQLite is larger, and exists already.
    let db = mirror.open();
    number(&db, "SELECT count(*) FROM listings");
    let full = mirror.run_script("trap '' XFSZ; ulimit -f 8; \"$0\" report --html report.html");
    drop(db);
    full.says(1, &["report.html", "could not be written"]);
    assert_eq!(entries(), before);
    let after = std::fs::read(folder.join("report.html")).unwrap();
    assert!(written == after, "the page was changed");

    let json = mirror.run(&["report", "--json", "--html", "report.html"]);
    assert_eq!(json.json()["html"], "report.html");
    let printed = mirror.run(&["report", "--html", "-"]);
    printed.says(0, &[]);
    assert!(printed.stdout.starts_with("<!DOCTYPE html>"), "{printed}");
    assert!(printed.stdout.ends_with("</html>\n"), "{printed}");
    mirror
        .run(&["report", "--html", "-", "--json"])
        .says(2, &["--html - and --json cannot be combined; omit --json"]);
    assert_eq!(entries(), before);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("report.html", folder.join("link.html")).unwrap();
        std::fs::write(folder.join("report.html"), "").unwrap();
        mirror.run(&["report", "--html", "link.html"]).says(0, &[]);
        let link = std::fs::symlink_metadata(folder.join("link.html")).unwrap();
        assert!(link.is_symlink());
        let written = std::fs::read_to_string(folder.join("report.html")).unwrap();
        assert!(written.starts_with("<!DOCTYPE html>"));
    }
}

/// A page that shows another one at a phone's width, and writes down its layout.
fn on_a_phone(page: &str) -> String {
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><iframe id=\"phone\" style=\"width:390px;height:800px;border:0\" \
         srcdoc=\"{escaped}\"></iframe><pre id=\"found\"></pre><script>onload = () => {{\
         const shown = phone.contentWindow;\
         found.textContent = ['width', shown.document.scrollingElement.scrollWidth, 'loaded', \
         shown.performance.getEntriesByType('resource').length, 'drawn', \
         [...shown.document.querySelectorAll('svg[role=img]')].filter(svg => svg.getBBox().width > 300).length,\
         'cut', [...shown.document.querySelectorAll('table, td, th, .cards li')].filter(\
         one => one.getBoundingClientRect().right > 390).length\
         ].join(' ');}}</script>"
    )
}

/// Runs the test only if a browser is installed.
#[test]
fn a_browser_shows_it_on_a_phone_and_loads_nothing() {
    if Command::new("chromium").arg("--version").output().is_err() {
        eprintln!("skipped: there is no chromium in PATH");
        return;
    }
    let story = Story::of_six_days();
    let db = story.write();
    let long = "Averyveryveryveryveryveryveryveryveryveryveryverylongword of a city";
    db.execute("UPDATE listings SET City = ?1 WHERE rowid % 2", [long])
        .unwrap();
    db.execute(
        "UPDATE sync_runs SET status = 'failed', error = hex(zeroblob(200)) WHERE job = 'deletions'",
        [],
    )
    .unwrap();
    let page = page(&story.mirror, &[]);
    let folder = story.mirror.folder.path();
    let open = page.text.replace("<details", "<details open");
    std::fs::write(folder.join("phone.html"), on_a_phone(&open)).unwrap();
    let shown = browse(
        folder,
        &["--virtual-time-budget=5000", "--dump-dom"],
        "phone.html",
    );
    let dom = String::from_utf8_lossy(&shown.stdout);
    let found = dom
        .split_once("<pre id=\"found\">")
        .and_then(|(_, rest)| rest.split_once("</pre>"))
        .map(|(found, _)| found);
    assert_eq!(found, Some("width 390 loaded 0 drawn 5 cut 0"));
}

/// Opens a page of a folder in a browser.
fn browse(folder: &Path, options: &[&str], page: &str) -> Output {
    Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .arg("--disable-background-networking")
        .args(options)
        .arg(format!(
            "--user-data-dir={}",
            folder.join("browser").display()
        ))
        .arg(format!("file://{}", folder.join(page).display()))
        .output()
        .unwrap()
}

/// Runs the test only if a browser is installed.
#[test]
fn it_prints_on_two_sheets() {
    if Command::new("chromium").arg("--version").output().is_err() {
        eprintln!("skipped: there is no chromium in PATH");
        return;
    }
    let story = Story::of_a_market(21);
    let page = page(&story.mirror, &[]);
    assert!(page.text.matches("<li>").count() > 20);
    let folder = story.mirror.folder.path();
    let pdf = format!("--print-to-pdf={}", folder.join("report.pdf").display());
    browse(folder, &[&pdf], "report.html");
    let pdf = std::fs::read(folder.join("report.pdf")).unwrap();
    let text = String::from_utf8_lossy(&pdf);
    let sheets = text.matches("/Type /Page").count() - text.matches("/Type /Pages").count();
    assert_eq!(sheets, 2);
}
