use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::*;
use crate::resource::Resource;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("mlsmirror.toml"))
}

fn parsed(text: &str) -> Config {
    parse(text).expect("a valid configuration")
}

#[track_caller]
fn assert_error(text: &str, message: &str) {
    match parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => assert_eq!(
            error.to_string(),
            format!("mlsmirror.toml:{message}"),
            "{text}"
        ),
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let transition = |text| Transition::parse(text).expect("a transition");
    let secs = Duration::from_secs;
    let cron = |text: &str| When::parse(text).expect("cron fields");
    let url = "https://resoapi.utahrealestate.com/reso/odata";
    let contract = Config {
        feed: Feed {
            profile: &PROFILES[0],
            timezone: chrono_tz::America::Denver,
            timestamps: Precision::AsStored,
            deleted_when: None,
            base_url: Url::parse(url).expect("a URL"),
            token: TokenSource::Env("WFRMLS_BEARER_TOKEN".into()),
            filter: None,
            headers: Vec::new(),
            query: Vec::new(),
            page_size: 200,
            timeout: Some(secs(60)),
            max_retries: 3,
            retry_delay: secs(5),
            max_concurrent: 4,
            requests_per_second: None,
            requests_per_minute: NonZeroU32::new(100),
            requests_per_hour: NonZeroU32::new(6_000),
            requests_per_day: NonZeroU32::new(50_000),
            bytes_per_hour: None,
            bytes_per_day: None,
            sets: BTreeMap::new(),
        },
        mirror: Mirror {
            database: "mirror.db".into(),
            media_dir: "media".into(),
            configuration: "mlsmirror.toml".into(),
        },
        sync: Sync {
            resources: vec![Resource::PROPERTY, Resource::MEDIA, Resource::OPEN_HOUSE],
            download_media: true,
            overlap: secs(20 * 60),
            max_delete_percent: 10.0,
            ignore_fields: BTreeSet::new(),
            filter: BTreeMap::new(),
            select: BTreeMap::new(),
        },
        schedule: Schedule {
            timezone: chrono_tz::America::Denver,
            full: cron("0 2 * * SUN"),
            incremental: cron("0 * * * *"),
            monitor: cron("*/15 * * * *"),
            deletions: cron("0 3 * * *"),
            reconcile: When::Never,
            media: When::Never,
            export: When::Never,
        },
        media: Media {
            max_concurrent_downloads: 8,
            requests_per_minute: None,
            requests_per_hour: None,
            shares_limits: false,
            send_token: SendToken::Never,
            token_hosts: Vec::new(),
            size: None,
            url_life: None,
            kept: KeptPhotos::default(),
            max_bytes: NonZeroU64::new(50_000_000),
        },
        export: Export {
            dir: "lake".into(),
            keep: Some(secs(30 * 86_400)),
        },
        retention: Retention {
            deleted: None,
            changes: None,
            runs: Some(secs(400 * 86_400)),
        },
        watch: Watch { metrics: None },
        status: Status { max_age: None },
        alerts: vec![Alert {
            name: MONITOR.to_owned(),
            on: vec![AlertEvent::Status],
            transitions: vec![
                transition("Active>Pending"),
                transition("Pending>Closed"),
                transition("Active>Withdrawn"),
                transition("Active>Expired"),
            ],
            condition: None,
            command: None,
            timeout: Some(secs(60)),
        }],
    };
    assert_eq!(parsed(""), contract);
    assert_eq!(parsed(&template(&PROFILES[0])), contract);
}

#[test]
fn the_template_of_reso_lacks_only_its_base_url() {
    let template = template(profile("reso").expect("a profile"));
    assert_error(
        &template,
        "5: profile \"reso\" needs `base_url`, the root of the service, in [feed]: \
         base_url = \"https://api.example.com/reso/odata\"",
    );
    let filled = template.replace("# base_url", "base_url");
    let url = "[feed]\nprofile = \"reso\"\nbase_url = \"https://api.example.com/reso/odata\"";
    let config = parsed(&filled);
    assert_eq!(config, parsed(url));
    assert_eq!(
        config.feed.token,
        TokenSource::Env("RESO_BEARER_TOKEN".into())
    );
    assert_eq!(
        (config.feed.page_size, config.feed.requests_per_day),
        (500, None)
    );
    assert_eq!(config.schedule.timezone, chrono_tz::UTC);
    // This feed announces no deletions.
    assert_eq!(Some(config.schedule.reconcile), When::parse("0 4 * * *"));
}

#[test]
fn the_template_of_each_profile_has_its_defaults_once_the_user_has_filled_it_in() {
    for profile in &PROFILES {
        let mut template = template(profile);
        for part in ["{dataset}", "{mls}", "{MLS}", "{system}"] {
            template = template.replace(part, "x");
        }
        assert_eq!(placeholders(&template), [""; 0], "{profile}");
        let template = template.replace("# base_url", "base_url");
        let line = |key: &str| template.lines().find(|line| line.starts_with(key));
        let base_url = line("base_url").expect("a line");
        let token_url = line("token_url").unwrap_or_default();
        let filter = line("filter").unwrap_or_default();
        let defaults = format!(
            "[feed]\nprofile = \"{profile}\"\n{base_url}\n{filter}\n[feed.oauth]\n{token_url}"
        );
        assert_eq!(parsed(&template), parsed(&defaults), "{profile}");
        let caution = "nobody has run the profile";
        assert_eq!(template.contains(caution), profile.untried, "{profile}");
    }
}

#[test]
fn an_address_with_a_placeholder_is_refused() {
    let bridge = "https://api.bridgedataoutput.com/api/v2/OData";
    assert_error(
        &template(profile("bridge").expect("a profile")),
        "8: `base_url` still has {dataset}; replace it with the name that the vendor gave you",
    );
    assert_error(
        "[feed]\nprofile = \"bridge\"",
        &format!(
            "1: profile \"bridge\" needs `base_url`, the root of the service, in [feed]: \
             base_url = \"{bridge}/{{dataset}}\""
        ),
    );
}

#[test]
fn a_profile_can_demand_a_filter() {
    let filter = "filter = \"OriginatingSystemName eq '{system}'\"";
    assert_error(
        "[feed]\nprofile = \"mlsgrid\"",
        &format!("1: profile \"mlsgrid\" needs `filter` in [feed]: {filter}"),
    );
    assert_error(
        &format!("[feed]\nprofile = \"mlsgrid\"\n{filter}"),
        "3: `filter` still has {system}; write the vendor's name there",
    );
}

#[test]
fn settings_replace_the_defaults_of_a_profile() {
    let trestle = parsed("[feed]\nprofile = \"trestle\"");
    assert_eq!(trestle.feed.requests_per_hour, NonZeroU32::new(7_200));
    let config = parsed(
        "[feed]\nprofile = \"trestle\"\nbase_url = \"https://api.example.com\"\n\
         page_size = 1000\ntimestamps = \"as-sent\"\nrequests_per_minute = 280\nrequests_per_hour = 0\n\
         [sync]\noverlap = \"1h\"\n[schedule]\ntimezone = \"America/Chicago\"\nreconcile = \"\"",
    );
    assert_eq!(config.feed.base_url.as_str(), "https://api.example.com/");
    assert_eq!(config.feed.page_size, 1_000);
    assert_eq!(trestle.feed.timestamps, Precision::Millis);
    assert_eq!(config.feed.timestamps, Precision::AsStored);
    assert_eq!(config.feed.requests_per_minute, NonZeroU32::new(280));
    assert_eq!(config.feed.requests_per_hour, None);
    assert_eq!(config.sync.overlap, Duration::from_secs(3_600));
    assert_eq!(config.schedule.timezone, chrono_tz::America::Chicago);
    assert_eq!(config.schedule.reconcile, When::Never);
}

#[test]
fn an_export_has_a_folder_of_its_own_and_may_follow_each_sync() {
    let config = parsed("[schedule]\nexport = \"after sync\"\n[export]\ndir = \"a\"\nkeep = \"0\"");
    assert_eq!(config.schedule.export, When::AfterSync);
    assert_eq!(config.export.dir, Path::new("a"));
    assert_eq!(config.export.keep, None);
    assert_error(
        "[export]\ndir = \"media/lake\"",
        "2: `dir` must be a folder of its own: it and `media_dir` share a folder",
    );
    assert_error(
        "[schedule]\nmedia = \"after sync\"",
        "2: `media` must be five cron fields of times that occur, such as \"0 * * * *\", \
         \"every 15m\", or \"\" for never, not \"after sync\"",
    );
}

#[test]
fn the_template_shows_every_key() {
    for profile in &PROFILES {
        let template = template(profile);
        for (section, known) in known_keys::SECTIONS {
            let headings = [format!("\n[{section}]"), format!("\n# [[{section}]]")];
            let is_shown = headings.iter().any(|heading| template.contains(heading));
            assert!(is_shown, "[{section}]");
            for key in known {
                let shown = [
                    format!("\n{key} = "),
                    format!("\n# {key} = "),
                    format!("\n[{section}.{key}]"),
                ];
                assert!(shown.iter().any(|line| template.contains(line)), "{key}");
            }
        }
    }
}

#[test]
fn every_key_is_read() {
    let config = parsed(
        r#"
        [feed]
        profile = "reso"
        base_url = "http://127.0.0.1:8080/odata//"
        token_command = ["pass", "mls/reso"]
        page_size = 1_000
        timeout = "0"
        max_retries = 0
        retry_delay = "250ms"
        max_concurrent = 64
        requests_per_minute = 1
        requests_per_hour = 2
        requests_per_day = 3
        [mirror]
        database = "/var/lib/mirror.db"
        media_dir = "../photos"
        [sync]
        resources = ["Lookup", "Property", "Member"]
        download_media = false
        overlap = "1h30m"
        max_delete_percent = 2.5
        ignore_fields = ["DaysOnMarket"]
        filter.Property = "StandardStatus eq 'Active'"
        [sync.select]
        Member = ["MemberKey", "ModificationTimestamp"]
        [schedule]
        timezone = "Europe/Vienna"
        full = ""
        incremental = "every 15m"
        [media]
        max_concurrent_downloads = 1
        requests_per_minute = 60
        max_bytes = "0"
        [retention]
        deleted = "30d"
        changes = "2d12h"
        runs = "0"
        [watch]
        metrics = "[::1]:9810"
        [monitor]
        transitions = ["Coming Soon > Active"]
        command = ["notify-me", "-v"]
        "#,
    );
    assert_eq!(config.feed.base_url.as_str(), "http://127.0.0.1:8080/odata");
    assert_eq!(
        config.feed.token,
        TokenSource::Command(vec!["pass".into(), "mls/reso".into()])
    );
    assert_eq!(
        (
            config.feed.page_size,
            config.feed.timeout,
            config.feed.max_retries
        ),
        (1000, None, 0)
    );
    assert_eq!(config.feed.retry_delay, Duration::from_millis(250));
    assert_eq!(config.feed.max_concurrent, 64);
    let rates = [
        config.feed.requests_per_minute,
        config.feed.requests_per_hour,
        config.feed.requests_per_day,
    ];
    assert_eq!(rates, [1, 2, 3].map(NonZeroU32::new));
    assert_eq!(config.mirror.database, Path::new("/var/lib/mirror.db"));
    assert_eq!(config.mirror.media_dir, Path::new("../photos"));
    assert_eq!(
        config.sync.resources,
        [Resource::PROPERTY, Resource::MEMBER, Resource::LOOKUP]
    );
    assert!(!config.sync.download_media);
    assert_eq!(config.sync.overlap, Duration::from_secs(5400));
    assert_eq!(config.sync.max_delete_percent, 2.5);
    assert!(config.sync.ignore_fields.contains("DaysOnMarket"));
    assert_eq!(
        config.sync.filter[&Resource::PROPERTY],
        "StandardStatus eq 'Active'"
    );
    assert_eq!(
        config.sync.select[&Resource::MEMBER],
        ["MemberKey", "ModificationTimestamp"]
    );
    assert_eq!(config.schedule.timezone, chrono_tz::Europe::Vienna);
    assert_eq!(config.schedule.full, When::Never);
    assert_eq!(
        config.schedule.incremental,
        When::Every(Duration::from_secs(900))
    );
    assert_eq!(config.media.max_concurrent_downloads, 1);
    assert_eq!(config.media.requests_per_minute, NonZeroU32::new(60));
    assert_eq!(config.media.max_bytes, None);
    assert_eq!(
        config.retention.deleted,
        Some(Duration::from_secs(30 * 86_400))
    );
    assert_eq!(
        config.retention.changes,
        Some(Duration::from_secs(60 * 3600))
    );
    assert_eq!(config.retention.runs, None);
    assert_eq!(
        config.watch.metrics.map(|address| address.port()),
        Some(9810)
    );
    assert_eq!(
        config.alerts[0].transitions[0].to_string(),
        "Coming Soon>Active"
    );
    assert_eq!(
        config.alerts[0].command,
        Some(vec!["notify-me".into(), "-v".into()])
    );
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = Config::parse("", Path::new("/etc/mls/mlsmirror.toml")).expect("valid");
    assert_eq!(config.mirror.database, Path::new("/etc/mls/mirror.db"));
    assert_eq!(config.mirror.media_dir, Path::new("/etc/mls/media"));
}

#[test]
fn an_unknown_key_is_named_with_a_suggestion() {
    assert_error(
        "[feed]\n\npage_sizes = 5\n",
        "3: unknown key `page_sizes` in [feed]; did you mean `page_size`?",
    );
    assert_error(
        "[feed]\npage-size = 5",
        "2: unknown key `page-size` in [feed]; did you mean `page_size`?",
    );
    assert_error(
        "[sync]\npage_size = 5",
        "2: unknown key `page_size` in [sync]; it belongs in [feed]",
    );
    assert_error(
        "requests_per_minute = 5",
        "1: unknown key `requests_per_minute` outside the sections; it belongs in [feed] or [media]",
    );
    assert_error(
        "x = 5",
        "1: unknown key `x` outside the sections; every key belongs in a section such as [feed]",
    );
    assert_error(
        "[watch]\nport = 1",
        "2: unknown key `port` in [watch]; known are `metrics`",
    );
    assert_error(
        "[feeds]",
        "1: unknown section [feeds]; did you mean [feed]?",
    );
    assert_error(
        "[filter]",
        "1: unknown section [filter]; write [sync.filter]",
    );
    assert_error(
        "[other]",
        "1: unknown section [other]; known are [feed], [mirror], [sync], [schedule], [media], \
         [export], [retention], [watch], [status], [monitor], [[alerts]]",
    );
    assert_error("feed = 1", "1: `feed` must be a section: write [feed]");
    assert_error(
        "[watch]\nb = 1\na = 1\n[feed]\nc = 1",
        "2: unknown key `b` in [watch]; known are `metrics`",
    );
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_shown() {
    let message = "must not be in this file; put the token in an environment variable and set `token_env` to its name";
    assert_error(
        "[feed]\ntoken = \"s3cret\"",
        &format!("2: `token` {message}"),
    );
    assert_error(
        "password = \"s3cret\"",
        "1: `password` must not be in this file; put it in an environment variable and set \
         `password_env` in [feed.oauth] to its name",
    );
    let named = "2: `token_env` must be the name of an environment variable, not the token itself";
    assert_error("[feed]\ntoken_env = \"eyJ0.s3cret\"", named);
    assert_error(
        &format!("[feed]\ntoken_env = \"{}\"", "a".repeat(65)),
        named,
    );
    assert_error("[feed]\ntoken_env = 5", named);
    assert_error(
        "[feed]\nbase_url = \"https://me:s3cret@example.com\"",
        "2: `base_url` must hold no user and password; see `token_env`",
    );
    assert_error(
        "[feed]\nbase_url = \"https://example.com/odata?access_token=s3cret\"",
        "2: `base_url` must end before any `?` or `#`",
    );
}

#[test]
fn a_token_endpoint_is_read_with_the_defaults_of_its_profile() {
    let read = |text: &str| match parsed(text).feed.token {
        TokenSource::OAuth(oauth) => oauth,
        other => panic!("{other:?}"),
    };
    let trestle = read("[feed]\nprofile = \"trestle\"");
    assert_eq!(trestle.grant, Grant::ClientCredentials);
    assert_eq!(trestle.scope.as_deref(), Some("api"));
    assert_eq!(trestle.client_auth, ClientAuth::Body);
    let client = trestle.client.expect("a client");
    assert_eq!(client.id_env, "TRESTLE_CLIENT_ID");

    let own = read(
        "[feed]\nbase_url = \"https://h/o\"\n[feed.oauth]\ntoken_url = \"http://127.0.0.1:9/t\"\n\
         grant = \"password\"\nclient_id_env = \"\"\nusername_env = \"U\"\nclient_auth = \"basic\"",
    );
    assert_eq!((own.client, own.scope), (None, None));
    assert_eq!(own.client_auth, ClientAuth::Basic);
    let user = Grant::Password {
        username_env: "U".into(),
        password_env: "WFRMLS_PASSWORD".into(),
    };
    assert_eq!(own.grant, user);
    // A fixed token replaces the endpoint of a profile.
    let fixed = parsed("[feed]\nprofile = \"trestle\"\ntoken_env = \"T\"");
    assert_eq!(fixed.feed.token, TokenSource::Env("T".into()));
}

#[test]
fn an_error_in_a_token_endpoint_shows_no_secret() {
    let cases = [
        (
            "token_url = \"http://example.com/token\"",
            "3: `token_url` must start with https://, because the client's secret is sent there",
        ),
        (
            "token_url = \"https://a:s3cret@h/t\"",
            "3: `token_url` must hold no user and password; see `client_id_env` and `client_secret_env`",
        ),
        (
            "scope = \"api\"",
            "2: [feed.oauth] needs `token_url`, the address that gives tokens: \
             token_url = \"https://example.com/oidc/connect/token\"",
        ),
        (
            "token_url = \"https://h/t\"\nclient_secret = \"s3cret\"",
            "4: `client_secret` must not be in this file; put it in an environment variable \
             and set `client_secret_env` in [feed.oauth] to its name",
        ),
        (
            "token_url = \"https://h/t\"\nclient_secret_env = \"s3cret!\"",
            "4: `client_secret_env` must be the name of an environment variable, not the value itself",
        ),
        (
            "token_url = \"https://h/t\"\npassword_env = \"P\"",
            "4: `password_env` belongs to `grant = \"password\"`",
        ),
        (
            "token_url = \"https://h/t\"\ngrant = \"code\"",
            "4: `grant` must be \"client_credentials\" or \"password\", not \"code\"",
        ),
        (
            "token_urls = \"https://h/t\"",
            "3: unknown key `token_urls` in [feed.oauth]; did you mean `token_url`?",
        ),
    ];
    for (lines, message) in cases {
        assert_error(&format!("[feed]\n[feed.oauth]\n{lines}"), message);
    }
    assert_error(
        "[feed]\ntoken_env = \"T\"\n[feed.oauth]\ntoken_url = \"https://h/t\"",
        "3: [feed.oauth] and `token_env` (line 2) exclude each other; keep one",
    );
    assert_error(
        "[oauth]\n",
        "1: unknown section [oauth]; write [feed.oauth]",
    );
}

#[test]
fn headers_and_query_parameters_are_read_and_reserved_ones_are_refused() {
    let feed = parsed(
        "[feed.headers]\nUser-Agent = \"us\"\nx-api-key = { env = \"KEY\" }\n[feed.query]\nClass = \"A\"",
    )
    .feed;
    let parameter = |name: &str, value| Parameter {
        name: name.into(),
        value,
    };
    let key = ParameterValue::Env("KEY".into());
    let agent = parameter("User-Agent", ParameterValue::Text("us".into()));
    assert_eq!(feed.headers, [agent, parameter("x-api-key", key)]);
    let class = parameter("Class", ParameterValue::Text("A".into()));
    assert_eq!(feed.query, [class]);

    let cases = [
        (
            "[feed.headers]\nAUTHORIZATION = \"s3cret\"",
            "2: `AUTHORIZATION` cannot be set: the token is sent there; see `token_env`",
        ),
        (
            "[feed.headers]\naccept-encoding = \"br\"",
            "2: `accept-encoding` cannot be set: gzip is always requested",
        ),
        (
            "[feed.headers]\nx-api-key = \"s3cret\"",
            "2: `x-api-key` must not be in this file; put it in an environment variable and \
             write x-api-key = { env = \"NAME\" }",
        ),
        (
            "[feed.headers]\n\"a b\" = \"c\"",
            "2: `a b` is not the name of a header",
        ),
        (
            "[feed.query]\n\"$top\" = \"5\"",
            "2: `$top` cannot be set: every request has its own; see [sync.filter], \
             [sync.select] and `page_size`",
        ),
        (
            "[feed.query]\naccess_token = \"s3cret\"",
            "2: `access_token` must not be in this file; put it in an environment variable and \
             write access_token = { env = \"NAME\" }",
        ),
        (
            "[feed.query]\na = { env = \"s3cret!\" }",
            "2: `a` must be the name of an environment variable, not the value itself",
        ),
        (
            "[feed.query]\na = { file = \"x\" }",
            "2: `a` must be text or { env = \"NAME\" }",
        ),
        (
            "[feed]\nquery = 1",
            "2: `query` must be a section: write [feed.query], not 1",
        ),
    ];
    for (text, message) in cases {
        assert_error(text, message);
    }
}

#[test]
fn an_error_says_which_values_are_valid() {
    let cases = [
        (
            "[feed]\nprofile = \"any\"",
            "2: unknown profile `any`; known are wfrmls, rmls, reso, trestle, bridge, spark, mlsgrid, paragon, rapattoni, crea, ampre, constellation, perchwell, realtyna",
        ),
        (
            "[feed]\nprofile = \"Resso\"",
            "2: unknown profile `Resso`; did you mean `reso`?",
        ),
        (
            "[feed]\nbase_url = \"example.com\"",
            "2: `base_url` is no URL (relative URL without a base); such as base_url = \"https://api.example.com/reso/odata\"",
        ),
        (
            "[feed]\nbase_url = \"ftp://example.com\"",
            "2: `base_url` must start with https:// or http://",
        ),
        (
            "[feed]\nbase_url = \"\"",
            "2: `base_url` must not be empty; leave the line out for the default",
        ),
        (
            "[feed]\ntoken_command = [\"a\"]\ntoken_env = \"A\"",
            "3: `token_env` and `token_command` (line 2) exclude each other; keep one",
        ),
        (
            "[feed]\ntoken_command = []",
            "2: `token_command` must list a program and its arguments, such as [\"pass\", \"mls\"]",
        ),
        (
            "[feed]\npage_size = 0",
            "2: `page_size` must be a whole number from 1 to 10000, not 0",
        ),
        (
            "[feed]\npage_size = \"200\"",
            "2: `page_size` must be a whole number from 1 to 10000, not \"200\"",
        ),
        (
            "[feed]\nmax_retries = -1",
            "2: `max_retries` must be a whole number from 0, not -1",
        ),
        (
            "[feed]\nmax_concurrent = 65",
            "2: `max_concurrent` must be a whole number from 1 to 64, not 65",
        ),
        (
            "[feed]\ntimeout = 60",
            "2: `timeout` must be a duration with its unit, such as \"250ms\", \"5s\", \"20m\", \"1h30m\" or \"30d\", not 60",
        ),
        (
            "[mirror]\ndatabase = 1",
            "2: `database` must be text in quotes, not 1",
        ),
        (
            "[mirror]\ndatabase = \"~/m.db\"",
            "2: `database` must be a whole path: `~` is not expanded",
        ),
        (
            "[mirror]\n\nmedia_dir = \"a/..\"",
            "3: `media_dir` must be a folder of its own: `database` would be in it, and files that belong to no photo are removed from it",
        ),
        (
            "[mirror]\ndatabase = \"media/m.db\"",
            "1: `media_dir` must be a folder of its own: `database` would be in it, and files that belong to no photo are removed from it",
        ),
        (
            "[mirror]\ndatabase = \"/m.db\"\nmedia_dir = \".\"",
            "3: `media_dir` must be a folder of its own: this file would be in it, and files that belong to no photo are removed from it",
        ),
        (
            "[mirror]\nmedia_dir = \"..\"",
            "2: `media_dir` must be a folder of its own: `database` would be in it, and files that belong to no photo are removed from it",
        ),
        (
            "[sync]\nresources = []",
            "2: `resources` must name at least one resource, such as [\"Property\"]",
        ),
        (
            "[sync]\nresources = \"Property\"",
            "2: `resources` must be a list of text such as [\"one\", \"two\"], not \"Property\"",
        ),
        (
            "[sync]\nresources = [\"Property\", 1]",
            "2: `resources` must list text that is not empty, each in quotes",
        ),
        (
            "[sync]\nresources = [\n\"Media\",\n\"Property Rooms\"]",
            "4: `Property Rooms` is not the name of a resource",
        ),
        (
            "[sync]\nresources = [\"Room\", \"Rooms\"]",
            "2: `resources` names Room and Rooms, which would have the same table `rooms`",
        ),
        (
            "[sync]\nresources = [\"Media\", \"Media\"]",
            "2: `resources` names Media twice",
        ),
        (
            "[sync]\ndownload_media = 1",
            "2: `download_media` must be true or false, not 1",
        ),
        (
            "[sync]\nmax_delete_percent = 100.5",
            "2: `max_delete_percent` must be a number from 0 to 100, not 100.5",
        ),
        (
            "[sync]\nmax_delete_percent = nan",
            "2: `max_delete_percent` must be a number from 0 to 100, not nan",
        ),
        (
            "[sync]\nignore_fields = [\"a b\"]",
            "2: `ignore_fields` must list names of fields, and \"a b\" is none",
        ),
        (
            "[sync]\nfilter = \"a\"",
            "2: `filter` must be a section: write [sync.filter], not \"a\"",
        ),
        (
            "[sync.filter]\n\"a b\" = \"a eq 1\"",
            "2: `a b` is not the name of a resource",
        ),
        (
            "[sync.filter]\nProperty = \"\"",
            "2: `Property` must not be empty; leave the line out for the default",
        ),
        (
            "[sync.select]\nProperty = []",
            "2: `Property` must list at least one field; leave the line out for all",
        ),
        (
            "[sync.select]\nProperty = [\"A\", \"A\"]",
            "2: `Property` names A twice",
        ),
        (
            "[schedule]\ntimezone = \"\"",
            "2: `timezone` must not be empty; leave the line out for the default",
        ),
        (
            "[schedule]\ntimezone = \"Utah\"",
            "2: `timezone` must be the IANA name of a time zone, such as \"America/Denver\" or \"UTC\", not \"Utah\"",
        ),
        (
            "[schedule]\nfull = \"daily\"",
            "2: `full` must be five cron fields of times that occur, such as \"0 * * * *\", \"every 15m\", or \"\" for never, not \"daily\"",
        ),
        (
            "[media]\nmax_bytes = \"50\"",
            "2: `max_bytes` must be a size with its unit, such as \"256KB\", \"50MB\" or \"1GB\", or \"0\", not \"50\"",
        ),
        (
            "[retention]\nruns = 0",
            "2: `runs` must be a duration with its unit, such as \"250ms\", \"5s\", \"20m\", \"1h30m\" or \"30d\", not 0",
        ),
        (
            "[watch]\nmetrics = \"localhost:9810\"",
            "2: `metrics` must be an IP address and port such as \"127.0.0.1:9810\", not \"localhost:9810\"",
        ),
        (
            "[monitor]\ntransitions = [\"Active\"]",
            "2: `transitions` must list changes such as \"Active>Pending\", and \"Active\" is none",
        ),
        (
            "[monitor]\ntransitions = [\"Active->Pending\"]",
            "2: `transitions` must list changes such as \"Active>Pending\", and \"Active->Pending\" is none; did you mean \"Active>Pending\"?",
        ),
        (
            "[alerts]\nname = \"a\"",
            "1: `alerts` must be a list of sections: write [[alerts]]",
        ),
        (
            "[[alerts]]\non = [\"new\"]",
            "1: an alert needs `name`, such as name = \"price-cuts\"",
        ),
        (
            "[[alerts]]\nname = \"a\"\non = [\"prices\"]",
            "3: `on` must list some of new, price, status, deleted, open_house, attention, not \"prices\"; did you mean \"price\"?",
        ),
        (
            "[[alerts]]\nname = \"a\"\non = [\"new\"]\n[[alerts]]\nname = \"a\"\non = [\"new\"]",
            "4: two alerts have the name \"a\"",
        ),
        (
            "[[alerts]]\nname = \"a\"\non = [\"new\"]\ntransitions = [\"Active>Pending\"]",
            "4: `transitions` needs \"status\" in `on`",
        ),
        (
            "[[alerts]]\nname = \"a\"\nwheres = \"x\"",
            "3: unknown key `wheres` in [[alerts]]; did you mean `where`?",
        ),
        (
            "[monitor]\ncommand = \"x\"",
            "2: `command` must list a program and its arguments, such as [\"pass\", \"mls\"]",
        ),
        (
            "[feed]\npage_size = \n",
            "2: not valid TOML: string values must be quoted, expected literal string",
        ),
        (
            "[feed]\npage_size = 1\npage_size = 2",
            "3: not valid TOML: duplicate key",
        ),
    ];
    for (text, message) in cases {
        assert_error(text, message);
    }
}

#[test]
fn the_error_for_a_missing_file_names_the_file() {
    let error = Config::load(Path::new("nowhere/mlsmirror.toml")).expect_err("no file");
    assert_eq!(error.to_string(), "nowhere/mlsmirror.toml: no such file");
}

#[test]
fn relative_paths_of_a_loaded_file_start_at_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mlsmirror.toml");
    std::fs::write(&path, template(&PROFILES[0])).expect("written");
    let config = Config::load(&path).expect("valid");
    assert_eq!(config.mirror.database, folder.path().join("mirror.db"));
    std::fs::write(&path, b"[feed]\n# \xFF\n").expect("written");
    let error = Config::load(&path).expect_err("not text").to_string();
    assert!(
        error.ends_with("mlsmirror.toml:2: not UTF-8 text; save the file as UTF-8"),
        "{error}"
    );
}

#[test]
fn a_setting_that_is_probably_a_mistake_causes_a_warning() {
    assert_eq!(parsed("").warnings(), [""; 0]);
    let config = parsed(
        "[feed]\nbase_url = \"http://mls.example.com\"\npage_size = 500\n\
         [sync.filter]\nMember = \"a eq 1\"\n[sync.select]\nOffice = [\"OfficeKey\"]",
    );
    let expected = [
        "`base_url` is http: the token travels in clear; use https",
        "`page_size` is 500, but wfrmls servers answer at most 200 records at once",
        "[sync.filter] names Member, which `resources` does not",
        "[sync.select] names Office, which `resources` does not",
    ];
    assert_eq!(config.warnings(), expected);
    for host in ["localhost:80", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(
            parsed(&format!("[feed]\nbase_url = \"http://{host}/\"")).warnings(),
            [""; 0]
        );
    }
}
