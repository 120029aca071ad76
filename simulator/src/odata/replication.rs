//! Endpoints for a whole copy of an entity set.

use super::answer::Answer;
use super::asked::Asked;
use super::page::page;
use super::query::{self, Query};
use crate::behaviour::Behaviour;
use crate::fields::{MODIFICATION_TIMESTAMP, Set};
use crate::market::Market;

/// An endpoint that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// `Property?replication=true`, and then one URL for all further pages. Source:
    /// trestle-documentation.corelogic.com
    Parameter,
    /// `Property/replication`, with the next link in the `Link` header. Source:
    /// bridgedataoutput.com/docs/platform
    Path,
    /// `PropertyReplication()`: the keys and timestamps of all records. Source:
    /// ddfapi-docs.realtor.ca
    KeyList,
}

impl Replication {
    /// Returns the endpoint and the entity set of a path, if the service has the endpoint.
    pub fn of<'p>(market: &Market, asked: &Asked<'_>, path: &'p str) -> Option<(Self, &'p str)> {
        let has = |behaviour| market.behaviour.has(behaviour);
        if let Some(name) = path.strip_suffix("Replication()")
            && has(Behaviour::KeyListFunction)
            && ["Property", "Member", "Office"].contains(&name)
        {
            return Some((Replication::KeyList, name));
        }
        let name = path.strip_suffix("/replication");
        if let Some(name) = name.filter(|_| has(Behaviour::ReplicationPath)) {
            return Some((Replication::Path, name));
        }
        if !has(Behaviour::ReplicationParameter) {
            return None;
        }
        let starts = asked
            .raw_query
            .split('&')
            .any(|part| part == "replication=true");
        let name = name.or_else(|| starts.then_some(path))?;
        Some((Replication::Parameter, name))
    }

    /// Returns a page with its next link where the endpoint has it.
    pub fn finished(self, mut answer: Answer) -> Answer {
        if self == Replication::Path {
            answer.next_link = take_link(&mut answer);
        }
        answer
    }

    /// Returns one page.
    pub fn page(
        self,
        market: &Market,
        asked: &Asked<'_>,
        set: Set,
        query: &mut Query,
    ) -> Result<Answer, Answer> {
        match self {
            Replication::KeyList => Ok(key_list(market, asked, set, query)),
            Replication::Parameter => {
                let Some(id) = parameter(asked, "id") else {
                    let id = format!("{}-of-the-simulator", asked.number);
                    return Ok(one_of(market, asked, set, query, 0, &format!("id={id}")));
                };
                // Each request for the URL gets the page after the one before.
                let before = asked.earlier as usize + 1;
                Ok(one_of(
                    market,
                    asked,
                    set,
                    query,
                    before,
                    &format!("id={id}"),
                ))
            }
            Replication::Path => {
                let is_refused = !query.order.is_empty()
                    || query.skip > 0
                    || asked.raw_query.contains(MODIFICATION_TIMESTAMP);
                if is_refused {
                    let message = "/replication takes no order, no $skip and no timestamp";
                    return Err(Answer::error(400, message));
                }
                let number = parameter(asked, "next").and_then(|next| next.parse().ok());
                let number: usize = number.unwrap_or(0);
                let table = market.table(set);
                // From the oldest to the newest.
                query.order = table.timestamp.map(|at| (at, false)).into_iter().collect();
                query.order.extend(
                    table
                        .fields
                        .iter()
                        .position(|field| field.is_key)
                        .map(|at| (at, false)),
                );
                let next = format!("next={}", number + 1);
                Ok(one_of(market, asked, set, query, number, &next))
            }
        }
    }
}

/// Returns the page with this number. Each page with records has a link to `next`.
fn one_of(
    market: &Market,
    asked: &Asked<'_>,
    set: Set,
    query: &mut Query,
    number: usize,
    next: &str,
) -> Answer {
    let limit = query.top.unwrap_or(asked.page_size).min(asked.page_size);
    query.top = Some(limit);
    query.skip = number * limit;
    let answer = page(market, asked, set, query);
    let Ok(serde_json::Value::Object(mut document)) = serde_json::from_slice(&answer.body) else {
        return answer;
    };
    document.remove("@odata.nextLink");
    if document["value"]
        .as_array()
        .is_some_and(|records| !records.is_empty())
    {
        let kept = asked.raw_query.split('&').filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !part.is_empty() && !["replication", "id", "next"].contains(&name)
        });
        let query: Vec<&str> = [next].into_iter().chain(kept).collect();
        let link = format!(
            "{}/{}/replication?{}",
            asked.root,
            set.name(),
            query.join("&")
        );
        document.insert("@odata.nextLink".to_owned(), link.into());
    }
    Answer::json(serde_json::Value::Object(document).to_string().into_bytes())
}

/// Returns all records in one answer, with their keys and timestamps only.
fn key_list(market: &Market, asked: &Asked<'_>, set: Set, query: &mut Query) -> Answer {
    let table = market.table(set);
    let is_named = |field: &crate::fields::Field| {
        field.is_key
            || field.name == MODIFICATION_TIMESTAMP
            || field.name == format!("{}Key", base(set))
    };
    query.select = Some(table.fields.iter().map(is_named).collect());
    query.order = table.timestamp.map(|at| (at, false)).into_iter().collect();
    let all = Asked {
        page_size: usize::MAX,
        ..*asked
    };
    page(market, &all, set, query)
}

/// Returns the name of a set in the names of its keys.
fn base(set: Set) -> &'static str {
    match set {
        Set::Property => "Listing",
        set => set.name(),
    }
}

fn parameter(asked: &Asked<'_>, name: &str) -> Option<String> {
    let pairs = query::pairs(asked.raw_query).ok()?;
    let found = pairs.into_iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value)
}

/// Moves the next link from the body to the `Link` header.
fn take_link(answer: &mut Answer) -> Option<String> {
    let mut document: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let link = document.as_object_mut()?.remove("@odata.nextLink")?;
    answer.body = document.to_string().into_bytes();
    link.as_str().map(str::to_owned)
}
