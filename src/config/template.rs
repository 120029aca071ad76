//! The text of a new configuration file.

use super::photo_defaults::PhotoDefaults;
use super::profile::{OAuthDefaults, Profile, placeholders};
use super::units::{duration_text, size_text};

/// Returns a commented `mlsmirror.toml` with every key at the profile's default.
///
/// It parses to exactly the defaults. If the profile has no `base_url`, the user must
/// add one first.
pub fn template(profile: &Profile) -> String {
    let base_url = match profile.base_url {
        Some(url) if placeholders(url).is_empty() => format!("base_url = \"{url}\""),
        Some(url) => format!("base_url = \"{url}\"  # required: replace each part in braces"),
        None => "# base_url = \"https://api.example.com/reso/odata\"  # required: the root of the service"
            .to_owned(),
    };
    let caution = match profile.caution() {
        Some(caution) => format!("# Caution: {caution}.\n"),
        None => String::new(),
    };
    let timestamps = profile.timestamps.name();
    let overlap = duration_text(profile.overlap);
    let token_env = profile.token_env();
    let token = if profile.oauth.is_some() { "# " } else { "" };
    let oauth = oauth(profile);
    let filter = match profile.filter {
        "" => "# filter = \"OriginatingSystemName eq 'x'\"".to_owned(),
        filter => format!("filter = {filter:?}"),
    };
    let Profile {
        service,
        active,
        page_size,
        deleted_when,
        rates: [second, minute, hour, day],
        timezone,
        reconcile,
        photos,
        ..
    } = profile;
    let PhotoDefaults {
        requests_per_minute: photos_per_minute,
        requests_per_hour: photos_per_hour,
        shares_limits,
        token_hosts,
        size,
        ..
    } = photos;
    let [bytes_per_hour, bytes_per_day] = profile.bytes.map(size_text);
    let send_token = photos.send_token.name();
    let url_life = duration_text(photos.url_life);
    format!(
        r#"# The configuration of mlsmirror for {service}. Every key is shown with its default.
# Durations are text such as "250ms", "5s", "20m", "1h30m", "30d"; sizes "256KB",
# "50MB", "1GB". A limit of 0 is no limit. Relative paths start at this folder.
{caution}
[feed]
profile = "{profile}"  # sets the defaults below; docs/feeds.md describes each profile
{base_url}
{token}token_env = "{token_env}"  # the variable that holds the bearer token
# token_command = ["pass", "mls/{profile}"]  # or a program that prints it, or [feed.oauth]
page_size = {page_size}  # records at once, 1 to 10000
deleted_when = "{deleted_when}"  # records that the feed marks as deleted, such as "MlgCanView eq false"
timeout = "60s"  # to connect, and for each read
timestamps = "{timestamps}"  # in filters: "as-sent", or "milliseconds"
max_retries = 3  # after the first try
retry_delay = "5s"  # doubles, with jitter; Retry-After goes first
max_concurrent = 4  # requests at a time, 1 to 64
requests_per_second = {second}
requests_per_minute = {minute}
requests_per_hour = {hour}
requests_per_day = {day}
bytes_per_hour = "{bytes_per_hour}"  # as they are sent, and so compressed
bytes_per_day = "{bytes_per_day}"
{filter}  # in every request for records

{oauth}
[feed.headers]  # sent with every request to the feed
# x-api-key = {{ env = "X_API_KEY" }}  # a secret is in a variable

[feed.query]  # added to every request to the feed
# Class = "Residential"

[feed.sets]  # entity sets with another name than their resource
# Property = "PropertyResi"

[mirror]
database = "mirror.db"
media_dir = "media"  # a folder of its own

[sync]
resources = ["Property", "Media", "OpenHouse"]  # and any other resource of the feed
download_media = true
overlap = "{overlap}"  # how long after its timestamp a record may become visible
max_delete_percent = 10  # a reconcile or full that would delete more, and over 20 rows, is held back
ignore_fields = []  # never logged in `changes`

[sync.filter]  # which records the mirror holds; none = all
# Property = "StandardStatus eq {active}"

[sync.select]  # which fields; none = all
# Property = ["ListingKey", "ListPrice"]

[schedule]  # five-field cron in `timezone`, or "every 15m"; "" = never
timezone = "{timezone}"
full = "0 2 * * SUN"
incremental = "0 * * * *"
monitor = "*/15 * * * *"
deletions = "0 3 * * *"
reconcile = "{reconcile}"
media = ""
export = ""  # or "after sync"

[media]
listings = ""  # whose photos have files, in SQL, such as "StandardStatus = 'Active'"; "" = all
only = "all"  # or "first": the first photo of each listing
max_concurrent_downloads = 8  # 1 to 64
requests_per_minute = {photos_per_minute}  # for each host
requests_per_hour = {photos_per_hour}
shares_limits = {shares_limits}  # photos also count in the limits of [feed]
send_token = "{send_token}"  # or "bearer", "user-agent": how token_hosts receive the token
token_hosts = {token_hosts:?}  # no other host receives it
size = "{size}"  # the ImageSizeDescription to mirror, if a photo has a row for each size; "" = all
url_life = "{url_life}"  # how long a photo's URL works; "0" = without an end
max_bytes = "50MB"  # a larger file is not kept

[export]  # Delta tables of the mirror for other engines; docs/lake.md
dir = "lake"  # a folder of its own
keep = "30d"  # how long past versions stay readable; "0" = for ever

[retention]  # how long they stay; "0" = for ever
deleted = "0"
changes = "0"
runs = "400d"

[watch]
# metrics = "127.0.0.1:9810"  # Prometheus

[status]
max_age = "0"  # needs attention if the last successful sync is older; a licence may say "12h"

[monitor]
transitions = ["Active>Pending", "Pending>Closed", "Active>Withdrawn", "Active>Expired"]
# command = ["notify-me"]  # gets one JSON line per transition on stdin

# [[alerts]]  # any number; each change is reported once per alert
# name = "sandy-under-600k"
# on = ["new", "price", "status", "deleted", "open_house"]  # or "attention": what `status` shows
# where = "City = 'Sandy' AND ListPrice < 600000"  # an SQL condition over `listings`
# command = ["notify-me"]  # gets one JSON line per alert on stdin
"#
    )
}

/// Returns `[feed.oauth]`, as comments if the profile has a fixed token.
fn oauth(profile: &Profile) -> String {
    let example = OAuthDefaults {
        token_url: "https://example.com/oidc/connect/token",
        grant: "client_credentials",
        scope: Some("api"),
        basic: false,
    };
    let values = profile.oauth.as_ref().unwrap_or(&example);
    let [id, secret, user, password] =
        ["CLIENT_ID", "CLIENT_SECRET", "USERNAME", "PASSWORD"].map(|name| profile.variable(name));
    let mark = if profile.oauth.is_some() { "" } else { "# " };
    let user_mark = if values.grant == "password" {
        mark
    } else {
        "# "
    };
    let required = if placeholders(values.token_url).is_empty() {
        ""
    } else {
        "  # required: replace each part in braces"
    };
    let scope = values.scope.unwrap_or_default();
    let client_auth = if values.basic { "basic" } else { "body" };
    format!(
        r#"[feed.oauth]  # OAuth 2.0, instead of a fixed token
{mark}token_url = "{}"{required}
{mark}grant = "{}"  # client_credentials | password
{mark}client_id_env = "{id}"
{mark}client_secret_env = "{secret}"
{user_mark}username_env = "{user}"  # for grant = "password"
{user_mark}password_env = "{password}"
{mark}client_auth = "{client_auth}"  # id and secret in the body of the request, or "basic"
{mark}scope = "{scope}"
"#,
        values.token_url, values.grant
    )
}
