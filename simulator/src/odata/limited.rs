//! How behaviours refuse requests, and change what a query means.

use super::answer::Answer;
use super::query::Query;
use crate::behaviour::{Behaviour, DeletedNames, ServerBehaviour};
use crate::fields::Set;
use crate::market::Market;

/// The maximum `$skip` of a service that limits it, and of its Deleted feed.
const SKIP_MAX: usize = 10;
const DELETED_SKIP_MAX: usize = 3;

/// The maximum number of records per page of a service with short pages.
const SHORT_PAGE: usize = 7;

/// Refuses a request that the service does not answer.
pub fn check(market: &Market, set: Set, query: &Query) -> Result<(), Answer> {
    let server = &market.behaviour;
    check_expand(server, query)?;
    if let Some(missing) = query.expand.iter().find(|one| lacks(server, one.set)) {
        let name = missing.set.name();
        let message = format!("Could not find a property named '{name}' to expand");
        return Err(Answer::error(400, &message));
    }
    let expands = |set| query.expand.iter().any(|one| one.set == set);
    if server.has(Behaviour::ChildForbidden) && (set == Set::OpenHouse || expands(Set::OpenHouse)) {
        return Err(Answer::error(403, "The account may not read OpenHouse"));
    }
    let skip_max = match set {
        Set::Deleted if server.has(Behaviour::DeletedSkipCapped) => DELETED_SKIP_MAX,
        _ if server.has(Behaviour::SkipCapped) => SKIP_MAX,
        _ => usize::MAX,
    };
    if query.skip > skip_max {
        let message = format!("$skip cannot exceed {skip_max}");
        return Err(Answer::error(400, &message));
    }
    Ok(())
}

fn check_expand(server: &ServerBehaviour, query: &Query) -> Result<(), Answer> {
    if query.expand.is_empty() {
        return Ok(());
    }
    let refused = server.has(Behaviour::ExpandRefused).then_some(400);
    if let Some(status) = server.expand_refused.or(refused) {
        return Err(Answer::error(status, "$expand is not supported"));
    }
    if let Some(status) = server.media_expand_status
        && query.expand.iter().any(|one| one.set == Set::Media)
    {
        return Err(Answer::error(status, "The resource does not answer"));
    }
    Ok(())
}

/// Returns whether the service has no such entity set.
pub fn lacks(server: &ServerBehaviour, set: Set) -> bool {
    match set {
        Set::OpenHouse => server.has(Behaviour::UndeclaredChild),
        Set::Deleted => {
            server.deleted_names == DeletedNames::Absent
                || server.has(Behaviour::NoDeletionsAnnounced)
                || server.has(Behaviour::DeletedByFlag)
        }
        _ => false,
    }
}

/// Removes the options that the service ignores.
pub fn ignore(server: &ServerBehaviour, query: &mut Query) {
    if server.has(Behaviour::OrderbyIgnored) {
        query.order.clear();
    }
    if server.has(Behaviour::OrderbyFirstFieldOnly) {
        query.order.truncate(1);
    }
    if server.has(Behaviour::ExpandIgnored) {
        query.expand.clear();
    }
}

/// Returns the maximum number of records per page.
pub fn page_size(server: &ServerBehaviour, page_size: usize) -> usize {
    let short = server.has(Behaviour::ShortPagesWithoutLink);
    let caps = [server.page_cap, short.then_some(SHORT_PAGE)];
    let caps = caps.into_iter().flatten();
    caps.fold(page_size, usize::min).max(1)
}
