//! The printed output, and the absence of writes by commands that only read.

use serde_json::Value as Json;

use crate::support::*;

#[test]
fn json_is_one_document_however_it_ends() {
    let feed = feed_with(40, |options| {
        options.server.media_status = Some(504);
        options.server.media_expand_status = Some(504);
    });
    let mut mirror = Mirror::with(&feed, |settings| settings.set("max_retries", 0));
    let ending = |ended: &Ended| {
        let json = ended.json();
        assert_eq!(
            json["exit_code"],
            Json::from(ended.code.unwrap()),
            "{ended}"
        );
        (ended.code.unwrap(), json)
    };
    let (code, json) = ending(&mirror.run(&["--json", "sync"]));
    assert_eq!((code, &json["status"]), (3, &Json::from("partial")));

    feed.set_server(|server| {
        server.media_status = None;
        server.media_expand_status = None;
    });
    let (code, json) = ending(&mirror.run(&["sync", "full", "--json"]));
    assert_eq!((code, &json["status"]), (0, &Json::from("succeeded")));
    assert_eq!(json["runs"].as_array().unwrap().len(), 3);
    let property = &json["runs"].as_array().unwrap()[0];
    assert_eq!(property["resource"], "Property");
    assert_eq!(property["records_seen"], 40);

    feed.set_server(|server| server.metadata_status = Some(401));
    let (code, json) = ending(&mirror.run(&["--json", "sync"]));
    assert_eq!((code, &json["status"]), (5, &Json::from("failed")));
    mirror.token = None;
    let (code, json) = ending(&mirror.run(&["--json", "sync"]));
    assert_eq!(code, 2);
    assert!(
        json["error"]
            .as_str()
            .unwrap()
            .contains("WFRMLS_BEARER_TOKEN")
    );
}

#[test]
fn a_dry_run_prints_a_plan_and_writes_nothing() {
    let feed = feed(100);
    let mirror = Mirror::with(&feed, |settings| settings.set("requests_per_minute", 100));
    // The record of requests, which all mirrors of an account share, is in another folder.
    let names = || {
        let names = names_in(mirror.folder.path()).into_iter();
        names
            .filter(|name| name != "state")
            .collect::<Vec<String>>()
    };
    let before = names();
    for arguments in [&["check"][..], &["sync", "--dry-run"]] {
        let ended = mirror.run(arguments);
        assert_eq!(ended.code, Some(0), "{ended}");
        for part in [
            "100 listings",
            "8 requests; by key, 20 in a page",
            "with their listings",
            "a full sync: 14 requests",
        ] {
            assert!(ended.stdout.contains(part), "no `{part}`: {ended}");
        }
        assert_eq!(names(), before, "{arguments:?}");
        let json = mirror.run(&[arguments, &["--json"]].concat()).json();
        assert_eq!(json["requests"], 14);
        assert_eq!(json["resources"][0]["records"], 100);
    }
    mirror
        .run(&["sync", "deletions", "--dry-run"])
        .says(2, &["--dry-run works without a job"]);
}

#[test]
fn init_writes_a_valid_file_and_never_overwrites() {
    let feed = feed(1);
    let mut mirror = Mirror::of(&feed);
    mirror.token = None;
    let path = mirror.folder.path().join("new.toml");
    let ended = mirror.run(&["--config", "new.toml", "init"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let written = std::fs::read_to_string(&path).unwrap();
    // The command reaches the token, which it reads after the configuration.
    mirror
        .run(&["--config", "new.toml", "check"])
        .says(2, &["WFRMLS_BEARER_TOKEN is not set"]);

    mirror
        .run(&["--config", "new.toml", "init", "--profile", "reso"])
        .says(2, &["new.toml already exists"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    mirror
        .run(&["init"])
        .says(2, &["mlsmirror.toml already exists"]);
}

#[test]
fn init_names_what_the_profile_needs_next() {
    let feed = feed(1);
    let mut mirror = Mirror::of(&feed);
    mirror.token = None;
    let cases: [(&str, &[&str]); 5] = [
        (
            "trestle",
            &["put the credentials into TRESTLE_CLIENT_ID, TRESTLE_CLIENT_SECRET, then run"],
        ),
        (
            "wfrmls",
            &["next: put the token into WFRMLS_BEARER_TOKEN, then run `mlsmirror check`"],
        ),
        (
            "reso",
            &["next: set feed.base_url, put the token into RESO_BEARER_TOKEN,"],
        ),
        (
            "bridge",
            &["next: replace {dataset} in the file, put the token into BRIDGE_BEARER_TOKEN,"],
        ),
        (
            "ampre",
            &[
                "AMPRE_BEARER_TOKEN",
                "nobody has run the profile ampre against the live service yet",
            ],
        ),
    ];
    for (profile, says) in cases {
        let name = format!("{profile}.toml");
        let ended = mirror.run(&["--config", &name, "init", "--profile", profile]);
        assert_eq!(ended.code, Some(0), "{ended}");
        for text in says {
            assert!(ended.stdout.contains(text), "{text}: {ended}");
        }
    }
    mirror
        .run(&["--config", "bridge.toml", "check"])
        .says(2, &["`base_url` still has {dataset}"]);
    mirror
        .run(&["init", "--profile", "trestel"])
        .says(2, &["a similar value exists: 'trestle'"]);
}

#[test]
fn the_demo_needs_no_configuration_and_creates_a_mirror() {
    let feed = feed(1);
    let mut mirror = Mirror::of(&feed);
    mirror.token = None;
    let ended = mirror.run(&["demo", "--dir", "demo", "--listings", "200"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("sqlite3"), "{ended}");
    let db = rusqlite::Connection::open(mirror.folder.path().join("demo/mirror.db")).unwrap();
    assert!(live(&db, "Property") > 150);
    assert!(number(&db, "SELECT count(*) FROM changes") > 0);
    // The proposed configuration works without a token.
    let lines = ended.stdout.lines().map(str::trim);
    let queries = lines.clone().filter(|line| line.starts_with("sqlite3 "));
    let queries: Vec<&str> = queries
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    assert!(queries.len() > 3, "{ended}");
    for sql in queries {
        assert!(!rows(&db, sql).is_empty(), "{sql}");
    }
    // Nothing is installed, so the commands name the program as it was run.
    let commands: Vec<&str> = lines.filter(|line| line.contains(" --config ")).collect();
    assert!(commands.len() > 2, "{ended}");
    for command in commands {
        mirror.run_script(command).says(0, &[]);
    }
    mirror
        .run(&["demo", "--dir", "demo", "--listings", "5"])
        .says(2, &["is not empty"]);
}

#[test]
fn completions_are_printed() {
    let feed = feed(1);
    let mirror = Mirror::of(&feed);
    for (shell, word) in [
        ("bash", "_mlsmirror()"),
        ("zsh", "#compdef mlsmirror"),
        ("fish", "complete -c mlsmirror"),
    ] {
        let ended = mirror.run(&["completions", shell]);
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(ended.stdout.contains(word), "{ended}");
    }
    // Bash runs the scripts of these tests.
    let loaded = mirror.run_script("source <(\"$0\" completions bash) && complete -p mlsmirror");
    assert_eq!(loaded.code, Some(0), "{loaded}");
}

#[test]
fn every_verb_has_a_man_page() {
    let feed = feed(1);
    let mirror = Mirror::of(&feed);
    let man = mirror.folder.path().join("man");
    mirror
        .run(&["man", "man"])
        .says(2, &["man: no such folder"]);
    std::fs::create_dir(&man).unwrap();
    let ended = mirror.run(&["man", "man"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let main = mirror.run(&["man"]);
    assert_eq!(main.code, Some(0), "{main}");
    assert_eq!(
        std::fs::read_to_string(man.join("mlsmirror.1")).unwrap(),
        main.stdout
    );
    let help = mirror.run(&["--help"]).stdout;
    let verbs = help.split("Commands:\n").nth(1).unwrap().lines();
    let verbs: Vec<&str> = verbs
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() > 14, "{verbs:?}");
    let codes = help.split("Exit codes:\n").nth(1).unwrap().lines();
    let codes = codes.take_while(|line| !line.is_empty());
    let codes = codes.filter_map(|line| line.split_whitespace().next()?.parse().ok());
    assert_eq!(codes.collect::<Vec<u8>>(), [0, 1, 2, 3, 4, 5, 130, 143]);
    assert!(
        help.contains("(watch exits with 0 after either signal)"),
        "{help}"
    );
    for verb in verbs {
        let page = std::fs::read_to_string(man.join(format!("mlsmirror-{verb}.1"))).unwrap();
        for part in [".SH NAME", "Example", &format!("mlsmirror {verb}")] {
            assert!(page.replace("\\-", "-").contains(part), "{verb}: {part}");
        }
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let feed = feed(1);
    let mirror = Mirror::of(&feed);
    // The output is not coloured, because it is no terminal.
    for arguments in [&["--help"][..], &["no-such-verb"], &["status"]] {
        let ended = mirror.run(arguments);
        let said = ended.stdout + &ended.stderr;
        assert!(!said.contains('\u{1b}'), "{arguments:?}: {said:?}");
    }
    // script(1) provides a terminal.
    let on_terminal = |variables: &str| {
        let script =
            format!("unset NO_COLOR TERM; export {variables}; script -qec \"$0 --help\" /dev/null");
        mirror.run_script(&script).stdout.contains('\u{1b}')
    };
    assert!(on_terminal("TERM=xterm"));
    assert!(!on_terminal("TERM=xterm NO_COLOR=1"));
    assert!(!on_terminal("TERM=dumb"));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let key = feed.listing_keys()[0];
    let price = fields(serde_json::json!({ "ListPrice": 123_456 }));
    feed.edit("Property", &key.to_string(), price).unwrap();
    mirror.sync_full();
    let (listing, refresh) = (format!("listing {key} --json"), format!("refresh {key}"));
    for verb in [
        "changes",
        "changes --csv",
        "changes --json",
        "check",
        "sync",
        "sync --dry-run",
        "verify",
        "report --html -",
        &refresh,
        "report",
        "report --json",
        "status",
        &listing,
        "man",
        "completions bash",
        "--help",
        "sync --help",
        "--version",
    ] {
        let full = mirror.run_script(&format!("\"$0\" {verb} > /dev/full"));
        let next_step = "; free space, or redirect it elsewhere";
        full.says(1, &["writing to standard output: No space left", next_step]);
        // A reader that closed the pipe is no failure.
        let gone = mirror.run_script(&format!("\"$0\" {verb} | true; exit ${{PIPESTATUS[0]}}"));
        gone.says(0, &[]);
        assert!(!gone.stderr.contains("standard output"), "{gone}");
    }
}

#[test]
fn json_is_one_document_also_for_wrong_arguments_and_for_a_report_page() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    for arguments in [
        &["--json", "report", "--since", "soon"][..],
        &["listing", "--json"],
        &["--json", "no-such-verb"],
    ] {
        let ended = mirror.run(arguments);
        let json = ended.json();
        assert_eq!(json["exit_code"], 2, "{ended}");
        assert!(json["error"].as_str().unwrap().len() > 10, "{ended}");
        assert!(!ended.stderr.is_empty());
    }
    let page = mirror.run(&["--json", "man"]).json();
    assert!(page["page"].as_str().unwrap().contains(".SH NAME"));
    let script = mirror.run(&["--json", "completions", "bash"]).json();
    assert!(script["script"].as_str().unwrap().contains("mlsmirror"));
}

#[test]
fn paths_that_are_not_unicode_are_used_and_shown() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    for script in [
        "mkdir $'bad\\xff' && \"$0\" man $'bad\\xff'",
        "\"$0\" --json man $'bad\\xff'",
        "\"$0\" --config $'m\\xff.toml' init",
        "\"$0\" --json report --html $'b\\xff.html'",
        "\"$0\" --json backup $'b\\xff.db'",
    ] {
        let ended = mirror.run_script(script);
        ended.says(0, &[]);
        assert!(ended.stdout.contains('\u{fffd}'), "{ended}");
    }
}

#[test]
fn init_leaves_no_incomplete_file() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let db = mirror.open();
    number(&db, "SELECT count(*) FROM listings");
    let before = names_in(mirror.folder.path());
    for (verb, file) in [
        ("--config new.toml init", "new.toml"),
        ("init --datasette", "metadata.yaml"),
    ] {
        let full = mirror.run_script(&format!("trap '' XFSZ; ulimit -f 2; \"$0\" {verb}"));
        full.says(1, &["writing", file]);
        assert_eq!(names_in(mirror.folder.path()), before, "{verb}");
        mirror.run_script(&format!("\"$0\" {verb}")).says(0, &[]);
        std::fs::remove_file(mirror.folder.path().join(file)).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named_as_in_the_arguments() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    let ended = mirror.run(&["--config", "no/new.toml", "init"]);
    ended.says(2, &["no/new.toml: the folder no cannot be used"]);
    assert!(!ended.stderr.contains(".mlsmirror-"), "{ended}");
}
