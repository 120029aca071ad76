//! Control over HTTP, for a feed that runs as a separate process.

use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use serde_json::{Map, Value as Json, json};

use super::faults::FaultRule;
use super::shared::Shared;
use crate::behaviour::Behaviour;
use crate::fields::Set;
use crate::market::{Moves, trade};
use crate::odata::pairs;

/// The maximum number of moves per request.
const MAX_STEPS: u32 = 1_000_000;

/// Answers a control request. Returns the status and the document.
pub fn answer(shared: &Shared, method: &str, path: &str, query: &str, body: &[u8]) -> (u16, Json) {
    match act(shared, method, path, query, body) {
        Ok(Some(done)) => (200, done),
        Ok(None) => (
            404,
            json!({"error": format!("there is no {method} {path}")}),
        ),
        Err(error) => (400, json!({"error": format!("{error:#}")})),
    }
}

fn act(
    shared: &Shared,
    method: &str,
    path: &str,
    query: &str,
    body: &[u8],
) -> anyhow::Result<Option<Json>> {
    let query = pairs(query).map_err(|bad| anyhow::anyhow!(bad.0))?;
    let given = |name: &str| {
        let found = query
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str());
        found.with_context(|| format!("`{name}` is missing in the query"))
    };
    let now = shared.now().timestamp();
    let done = match (method, path.strip_prefix("/simulator/").unwrap_or_default()) {
        ("GET", "state") => return Ok(Some(state(shared))),
        ("POST", "move") => {
            let steps = given("steps")
                .unwrap_or("1")
                .parse::<u32>()
                .context("reading `steps`")?;
            let moved = trade::move_market(&mut shared.market_mut(), steps.min(MAX_STEPS), now);
            serde_json::to_value(moved)?
        }
        ("POST", "advance") => {
            let seconds = given("seconds")?.parse().context("reading `seconds`")?;
            shared.advance(chrono::Duration::try_seconds(seconds).context("too many seconds")?);
            json!({"now": shared.now().to_rfc3339()})
        }
        ("POST", "fault") => {
            let rule: FaultRule = serde_json::from_slice(body).context("reading the fault")?;
            shared.faults().add(rule);
            json!({"added": true})
        }
        ("POST", "clear-faults") => {
            shared.faults().clear();
            json!({"cleared": true})
        }
        ("POST", "delete") => {
            let announced = given("announced")
                .unwrap_or("true")
                .parse()
                .context("reading `announced`")?;
            let (set, key) = (set(given("resource")?)?, given("key")?);
            Moves::at(now, &mut shared.market_mut()).delete(set, key, announced)?;
            json!({"deleted": true})
        }
        ("POST", "edit") => {
            let fields: Map<String, Json> =
                serde_json::from_slice(body).context("reading the fields")?;
            let (set, key) = (set(given("resource")?)?, given("key")?);
            Moves::at(now, &mut shared.market_mut()).edit(set, key, fields)?;
            json!({"edited": true})
        }
        ("POST", "behave") => {
            let behaviours: Vec<Behaviour> =
                serde_json::from_slice(body).context("reading the behaviours")?;
            shared.behave(&behaviours);
            serde_json::to_value(&behaviours)?
        }
        ("POST", "server") => {
            let changes: Map<String, Json> =
                serde_json::from_slice(body).context("reading the behaviour")?;
            let mut market = shared.market_mut();
            let Json::Object(mut behaviour) = serde_json::to_value(&market.behaviour)? else {
                bail!("the behaviour cannot be written");
            };
            behaviour.extend(changes);
            let behaviour =
                serde_json::from_value(Json::Object(behaviour)).context("reading the behaviour")?;
            market.set_server(|server| *server = behaviour);
            serde_json::to_value(&market.behaviour)?
        }
        _ => return Ok(None),
    };
    Ok(Some(done))
}

/// Returns the entity set with this name.
pub fn set(name: &str) -> anyhow::Result<Set> {
    Set::named(name).with_context(|| format!("the feed has no entity set `{name}`"))
}

fn state(shared: &Shared) -> Json {
    let market = shared.market();
    let counts: Map<String, Json> = Set::ALL
        .into_iter()
        .map(|set| (set.name().to_owned(), market.count(set).into()))
        .collect();
    json!({
        "now": shared.now().to_rfc3339(),
        "base_url": shared.base_url,
        "asset_url": shared.asset_url,
        "counts": counts,
        "requests": shared.feed.requests.load(Ordering::SeqCst),
        "bytes_sent": shared.feed.bytes.load(Ordering::SeqCst),
        "answered_429": shared.feed.answered_429.load(Ordering::SeqCst),
        "asset_requests": shared.assets.requests.load(Ordering::SeqCst),
        "asset_saw_token": shared.assets.saw_token.load(Ordering::SeqCst),
        "max_concurrent": shared.feed.most_busy.load(Ordering::SeqCst),
    })
}
