//! The fields of a listing that describe its agents and their offices.

use super::facts::ListingMaker as Make;
use super::plausible::{anything, member};
use crate::fields::Value;
use crate::world::Agent;
use crate::world::Listing;

/// An agent's role in a sale.
trait Role {
    fn agent<'m>(listing: &Listing<'m>) -> Option<Agent<'m>>;
}

struct Lists;
struct CoLists;
struct Buys;
struct CoBuys;

impl Role for Lists {
    fn agent<'m>(listing: &Listing<'m>) -> Option<Agent<'m>> {
        Some(listing.agent)
    }
}

impl Role for CoLists {
    fn agent<'m>(listing: &Listing<'m>) -> Option<Agent<'m>> {
        listing.co_agent
    }
}

impl Role for Buys {
    fn agent<'m>(listing: &Listing<'m>) -> Option<Agent<'m>> {
        listing.buyer_agent
    }
}

impl Role for CoBuys {
    fn agent<'m>(_: &Listing<'m>) -> Option<Agent<'m>> {
        None
    }
}

/// Returns the maker of a field that describes an agent or an office.
pub fn maker(name: &str) -> Option<Make> {
    None.or_else(|| name.strip_prefix("ListAgent").and_then(agent_of::<Lists>))
        .or_else(|| name.strip_prefix("ListOffice").and_then(office_of::<Lists>))
        .or_else(|| {
            name.strip_prefix("CoListAgent")
                .and_then(agent_of::<CoLists>)
        })
        .or_else(|| {
            name.strip_prefix("CoListOffice")
                .and_then(office_of::<CoLists>)
        })
        .or_else(|| name.strip_prefix("BuyerAgent").and_then(agent_of::<Buys>))
        .or_else(|| name.strip_prefix("BuyerOffice").and_then(office_of::<Buys>))
        .or_else(|| {
            name.strip_prefix("CoBuyerAgent")
                .and_then(agent_of::<CoBuys>)
        })
        .or_else(|| {
            name.strip_prefix("CoBuyerOffice")
                .and_then(office_of::<CoBuys>)
        })
}

fn agent_of<R: Role>(suffix: &str) -> Option<Make> {
    Some(match suffix {
        "KeyNumeric" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::Int(a.key)),
        "Key" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.key.to_string())),
        "FirstName" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::text(a.first)),
        "LastName" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::text(a.last)),
        "FullName" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.full_name())),
        "MlsId" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.mls_id())),
        "StateLicense" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.license())),
        "PreferredPhone" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.phone(1))),
        "OfficePhone" => {
            |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.in_office().phone(1)))
        }
        "URL" => |l, _| {
            R::agent(l).map_or(Value::Null, |a| {
                Value::owned(format!("https://agents.example/{}?lang=en&ref=feed", a.key))
            })
        },
        "AOR" => {
            |l, field| R::agent(l).map_or(Value::Null, |a| member(field, a.in_office().place.board))
        }
        "Designation" => |l, field| R::agent(l).map_or(Value::Null, |a| anything(a.dice, 0, field)),
        "Fax" | "MiddleName" => |_, _| Value::Null,
        _ => return None,
    })
}

fn office_of<R: Role>(suffix: &str) -> Option<Make> {
    Some(match suffix {
        "KeyNumeric" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::Int(a.in_office().key)),
        "Key" => {
            |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.in_office().key.to_string()))
        }
        "MlsId" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.in_office().mls_id())),
        "Name" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.in_office().name())),
        "Phone" => |l, _| R::agent(l).map_or(Value::Null, |a| Value::owned(a.in_office().phone(1))),
        "AOR" => {
            |l, field| R::agent(l).map_or(Value::Null, |a| member(field, a.in_office().place.board))
        }
        "Fax" | "URL" => |_, _| Value::Null,
        _ => return None,
    })
}
