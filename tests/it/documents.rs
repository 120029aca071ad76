//! Compares the documents with the program that they describe.

use std::path::Path;

use mlsmirror::config::{PROFILES, PhotoDefaults, Profile, profile};
use rusqlite::Connection;

use crate::photo_files::with_photos;
use crate::support::*;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Creates a mirror with records of every kind.
fn lively() -> Mirror {
    let feed = feed_with(200, |options| options.photos = 2);
    let mirror = with_photos(&feed);
    mirror.sync();
    for _ in 0..3 {
        feed.advance(chrono::Duration::hours(1));
        feed.move_market(150);
        mirror.sync();
    }
    mirror
}

/// Returns the queries of a document. Each has its own code block.
fn queries(document: &str) -> Vec<&str> {
    let blocks = document.split("```sql\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_query_of_the_documents_runs() {
    let mirror = lively();
    let db = mirror.open();
    let recipes = document("docs/recipes.md");
    assert!(queries(&recipes).len() >= 20);
    let mut answered = 0;
    for name in [
        "docs/recipes.md",
        "docs/database.md",
        "docs/tools.md",
        "README.md",
    ] {
        let text = document(name);
        let found = queries(&text);
        assert!(!found.is_empty(), "{name} has no query");
        for block in found {
            for sql in block.split(';').filter(|sql| !sql.trim().is_empty()) {
                let mut statement = db
                    .prepare(sql)
                    .unwrap_or_else(|error| panic!("{name}: {error}\n{sql}"));
                let mut rows = statement.query([]).unwrap();
                match rows.next().unwrap() {
                    Some(_) => answered += 1,
                    None => println!("{name}: no answer to\n{sql}"),
                }
            }
        }
    }
    assert!(answered >= 20, "{answered} queries have an answer");
}

/// Returns the section of a document whose heading names something.
fn section<'d>(document: &'d str, name: &str) -> Option<&'d str> {
    let heading = format!("`{name}`");
    let mut parts = document
        .split("\n#")
        .map(|part| part.trim_start_matches('#'));
    parts.find(|part| {
        part.lines()
            .next()
            .is_some_and(|line| line.contains(&heading))
    })
}

#[test]
fn the_documents_name_every_table_view_and_column() {
    let mirror = lively();
    let db = mirror.open();
    let text = document("docs/database.md");
    let objects = rows(
        &db,
        "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
    );
    assert!(objects.len() > 25);
    let records = text.split("\n## Records\n").nth(1).unwrap();
    let records = records.split("\n## ").next().unwrap();
    for object in objects {
        let [kind, name] = ["type", "name"].map(|column| as_text(&object[column]));
        assert!(text.contains(&format!("`{name}`")), "{kind} {name}");
        if name.starts_with('_') || name == "refinery_schema_history" {
            continue;
        }
        // One section describes the columns that all record tables share.
        let is_of_records = ["listings", "media", "open_houses"].contains(&name);
        let described = if is_of_records {
            records
        } else {
            section(&text, name).unwrap_or_else(|| panic!("no section for {name}"))
        };
        let columns = texts(
            &db,
            &format!("SELECT name FROM pragma_table_info('{name}')"),
        );
        for column in columns {
            let is_feeds = column.starts_with(char::is_uppercase);
            if !(is_of_records && is_feeds) {
                let named = format!("`{column}`");
                assert!(described.contains(&named), "{kind} {name}: {column}");
            }
        }
    }
}

#[test]
fn datasette_shows_the_column_descriptions_of_the_document() {
    let text = document("docs/database.md").replace('`', "");
    let descriptions = document("src/report/datasette.tsv");
    for line in descriptions.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [table, column, description] = parts[..] else {
            panic!("three parts: {line}");
        };
        let is_column = !column.is_empty();
        assert!(
            !is_column || text.contains(&format!("| {description} |")),
            "{table}.{column}: {description}"
        );
    }
}

/// Returns the settings for the credentials.
fn access_rows(profile: &Profile) -> Vec<(&'static str, String)> {
    let text = |text: &str| format!("`{text:?}`");
    let Some(oauth) = &profile.oauth else {
        return vec![("feed.token_env", text(&profile.token_env()))];
    };
    let client_auth = if oauth.basic { "basic" } else { "body" };
    let mut rows = vec![
        ("feed.oauth.token_url", text(oauth.token_url)),
        ("feed.oauth.grant", text(oauth.grant)),
        ("feed.oauth.client_auth", text(client_auth)),
        ("feed.oauth.scope", text(oauth.scope.unwrap_or_default())),
        (
            "feed.oauth.client_id_env",
            text(&profile.variable("CLIENT_ID")),
        ),
        (
            "feed.oauth.client_secret_env",
            text(&profile.variable("CLIENT_SECRET")),
        ),
    ];
    if oauth.grant == "password" {
        rows.push((
            "feed.oauth.username_env",
            text(&profile.variable("USERNAME")),
        ));
        rows.push((
            "feed.oauth.password_env",
            text(&profile.variable("PASSWORD")),
        ));
    }
    rows
}

/// Returns the settings for photos that differ from those of `reso`.
fn photo_rows(photos: &PhotoDefaults) -> Vec<(&'static str, String)> {
    let text = |text: &str| format!("`{text:?}`");
    let rows = |photos: &PhotoDefaults| {
        vec![
            (
                "media.requests_per_minute",
                photos.requests_per_minute.to_string(),
            ),
            (
                "media.requests_per_hour",
                photos.requests_per_hour.to_string(),
            ),
            ("media.shares_limits", format!("`{}`", photos.shares_limits)),
            ("media.send_token", text(photos.send_token.name())),
            ("media.token_hosts", format!("`{:?}`", photos.token_hosts)),
            ("media.size", text(photos.size)),
            (
                "media.url_life",
                format!("`\"{}m\"`", photos.url_life.as_secs() / 60),
            ),
        ]
    };
    let usual = rows(&profile("reso").unwrap().photos);
    rows(photos)
        .into_iter()
        .filter(|row| !usual.contains(row))
        .collect()
}

/// Returns the table of a profile's settings.
fn settings_table(profile: &Profile) -> String {
    let text = |text: &str| format!("`{text:?}`");
    let base_url = profile.base_url.map_or("none, required".to_owned(), text);
    let [second, minute, hour, day] = profile.rates;
    let page_size = match profile.largest_page {
        Some(most) => format!("{}, at most {most}", profile.page_size),
        None => profile.page_size.to_string(),
    };
    let rows = [
        ("feed.base_url", base_url),
        ("feed.page_size", page_size),
        ("feed.requests_per_second", second.to_string()),
        ("feed.requests_per_minute", minute.to_string()),
        ("feed.requests_per_hour", hour.to_string()),
        ("feed.requests_per_day", day.to_string()),
        ("feed.timestamps", text(profile.timestamps.name())),
        ("feed.filter", text(profile.filter)),
        ("feed.deleted_when", text(profile.deleted_when)),
        (
            "sync.overlap",
            format!("`\"{}m\"`", profile.overlap.as_secs() / 60),
        ),
        ("schedule.timezone", text(profile.timezone.name())),
        ("schedule.reconcile", text(profile.reconcile)),
    ];
    let access = access_rows(profile);
    let photos = photo_rows(&profile.photos);
    let keys = ["feed.bytes_per_hour", "feed.bytes_per_day"];
    let gigabytes = |bytes: u64| format!("`\"{}GB\"`", bytes / 1_000_000_000);
    let bytes = keys.into_iter().zip(profile.bytes.map(gigabytes));
    let bytes = bytes.filter(|_| profile.bytes != [0, 0]);
    let rows = access.into_iter().chain(rows).chain(bytes).chain(photos);
    let rows: Vec<_> = rows
        .map(|(key, value)| format!("| `{key}` | {value} |\n"))
        .collect();
    format!("| key | default |\n| --- | --- |\n{}", rows.concat())
}

#[test]
fn the_documents_describe_every_profile_with_its_settings() {
    let text = document("docs/feeds.md");
    for profile in &PROFILES {
        let section = section(&text, profile.name);
        let section = section.unwrap_or_else(|| panic!("no section for {profile}"));
        let table = settings_table(profile);
        assert!(section.contains(&table), "{profile} lacks\n{table}");
        let tried = if profile.untried { "no" } else { "yes" };
        let row = format!(
            "| [`{profile}`](#{profile}) | {} | {tried} |",
            profile.service
        );
        assert!(text.contains(&row), "{row}");
    }
}

#[test]
fn the_documents_say_what_every_verb_prints_as_json() {
    let text = document("docs/json.md");
    let headings: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("## "))
        .collect();
    let help = lively().run(&["--help"]).stdout;
    let verbs = help.split("Commands:\n").nth(1).unwrap();
    let verbs = verbs.lines().take_while(|line| !line.is_empty());
    let mut count = 0;
    for verb in verbs.filter_map(|line| line.split_whitespace().next()) {
        let named = format!("`{verb}");
        let is_told = headings.iter().any(|heading| heading.contains(&named));
        assert!(is_told || verb == "help", "{verb}");
        count += 1;
    }
    assert!(count > 14, "{count}");
}

#[test]
fn the_datasette_metadata_describes_every_table_and_column() {
    let mirror = lively();
    // This description lost an apostrophe in a conversion of character sets.
    let astray = Connection::open(mirror.database_path()).unwrap();
    let sql = "UPDATE _fields SET description = 'seller' || char(146) || 's' WHERE field = 'City'";
    assert!(astray.execute(sql, []).unwrap() > 0);
    drop(astray);
    let yaml = mirror.database_path().with_file_name("metadata.yaml");
    mirror.run(&["init", "--datasette"]).says(0, &[]);
    let text = std::fs::read_to_string(&yaml).unwrap();
    // Each line is a name and a text in JSON. The indentation gives the level.
    let named = |line: &str| -> (String, String) {
        let mut values = serde_json::Deserializer::from_str(line.trim()).into_iter::<String>();
        let name = values.next().unwrap().unwrap();
        let rest = line.trim()[values.byte_offset()..]
            .trim_start_matches(':')
            .trim();
        let holds = match rest {
            "" => String::new(),
            rest => serde_json::from_str(rest).unwrap(),
        };
        (name, holds)
    };
    let mut object = String::new();
    let mut shown = std::collections::BTreeMap::new();
    for line in text.lines() {
        if line.starts_with("          \"") {
            let (column, holds) = named(line);
            assert!(!holds.is_empty(), "{line}");
            shown.insert((object.clone(), column), holds);
        } else if line.starts_with("      \"") {
            object = named(line).0;
        } else if let Some(description) = line.strip_prefix("        description: ") {
            let description: String = serde_json::from_str(description).unwrap();
            assert!(description.len() > 10, "{object}: {description}");
            shown.insert((object.clone(), String::new()), description);
        }
    }
    let db = mirror.open();
    let all = "SELECT name FROM sqlite_schema
               WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'";
    let names = texts(&db, all);
    for name in &names {
        assert!(shown.contains_key(&(name.clone(), String::new())), "{name}");
        if name.starts_with('_') || name == "refinery_schema_history" {
            continue;
        }
        let columns = format!("SELECT name FROM pragma_table_info('{name}')");
        for column in texts(&db, &columns) {
            let key = (name.clone(), column);
            assert!(shown.contains_key(&key), "{key:?}");
        }
    }
    // The tables of the mirror's own state are hidden, and no others.
    let hidden = text.matches("        hidden: true\n").count();
    let is_own = |name: &&String| name.starts_with('_') || *name == "refinery_schema_history";
    assert_eq!(hidden, names.iter().filter(is_own).count());
    // Each sorting, facet and query exists.
    let (tables, queries) = text.split_once("    queries:\n").unwrap();
    let mut object = String::new();
    for line in tables.lines() {
        if line.starts_with("      \"") {
            object = named(line).0;
        } else if let Some((key, value)) = line.trim().split_once(": ")
            && ["sort_desc", "facets", "label_column"].contains(&key)
        {
            let names: serde_json::Value = serde_json::from_str(value).unwrap();
            let names = names.as_array().cloned().unwrap_or(vec![names]);
            for name in names {
                let column = name.as_str().unwrap();
                db.prepare(&format!("SELECT \"{column}\" FROM {object}"))
                    .unwrap();
                let known = format!("SELECT name FROM pragma_table_info('{object}')");
                assert!(texts(&db, &known).contains(&column.to_owned()), "{line}");
            }
        }
    }
    let queries = queries
        .lines()
        .filter_map(|line| line.strip_prefix("        sql: "));
    let queries: Vec<String> = queries
        .map(|sql| serde_json::from_str(sql).unwrap())
        .collect();
    assert_eq!(
        queries.len(),
        document("docs/recipes.md").matches("```sql").count()
    );
    for sql in queries {
        let mut query = db.prepare(&sql).unwrap();
        for at in 1..=query.parameter_count() {
            query.raw_bind_parameter(at, "1000002").unwrap();
        }
        query.raw_query().next().unwrap();
    }
    // YAML must escape these characters (YAML 1.2.2, "Character Set").
    let is_odd = |letter: char| letter.is_control() && letter != '\n';
    assert!(!text.contains(is_odd));
    let city = &shown[&("listings".to_owned(), "City".to_owned())];
    assert!(city.starts_with("seller\u{92}s"), "{city}");
    // Selects each column of a view on its own.
    let columns = ["old_price", "new_price", "difference", "percent"];
    let meanings: std::collections::BTreeSet<&str> = columns
        .iter()
        .map(|column| shown[&("price_changes".to_owned(), (*column).to_owned())].as_str())
        .collect();
    assert_eq!(meanings.len(), columns.len(), "{meanings:?}");
    let price = &shown[&("listings".to_owned(), "ListPrice".to_owned())];
    assert!(price.starts_with("Current list price"), "{price}");
    let status = &shown[&("active_listings".to_owned(), "StandardStatus".to_owned())];
    assert!(status.contains("one of Active, "), "{status}");
    mirror
        .run(&["init", "--datasette"])
        .says(2, &["metadata.yaml already exists"]);
    assert_eq!(std::fs::read_to_string(&yaml).unwrap(), text);
}

/// The unit for many feeds differs from the one for a single feed only by its paths.
#[test]
fn the_units_for_one_feed_and_for_many_run_the_daemon_in_the_same_way() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs")
            .join(name);
        let text = std::fs::read_to_string(path).unwrap();
        let (_, service) = text.split_once("[Service]").unwrap();
        service.to_owned()
    };
    let many = read("mlsmirror@.service");
    assert!(many.contains("StateDirectory=mlsmirror/%i"), "{many}");
    let one = many.replace("/%i", "");
    assert_eq!(one, read("mlsmirror.service"));
}

/// systemd has no complaint about the units, and rates their exposure 2.5 or less. Nothing is
/// checked where its tool is missing.
#[test]
fn systemd_accepts_the_units_and_rates_them_as_little_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let analyze = |arguments: &[&str]| {
        let command = std::process::Command::new("systemd-analyze")
            .args(arguments)
            .output();
        command.ok().map(|output| {
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8(text).unwrap())
        })
    };
    if analyze(&["--version"]).is_none() {
        println!("not checked: systemd-analyze is missing");
        return;
    }
    for name in ["mlsmirror.service", "mlsmirror@.service"] {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let unit = std::fs::read_to_string(docs.join(name)).unwrap();
        // systemd 247 does not know `notify-reload`.
        for line in ["Type=notify", "ExecReload=/bin/kill -HUP $MAINPID"] {
            assert!(unit.lines().any(|one| one == line), "{line}: {unit}");
        }
        // The program is not installed here.
        let unit = unit.replace("/usr/local/bin/mlsmirror", env!("CARGO_BIN_EXE_mlsmirror"));
        let path = folder.path().join(name);
        std::fs::write(&path, unit).unwrap();
        let path = path.to_str().unwrap();
        let (is_clean, text) = analyze(&["verify", path]).unwrap();
        assert!(is_clean && text.is_empty(), "{name}: {text}");
        let security = ["security", "--offline=true", "--threshold=25", path];
        let (is_little, text) = analyze(&security).unwrap();
        assert!(is_little, "{name}: {text}");
    }
}
