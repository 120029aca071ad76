//! The facts that answers show, and that jobs ask for.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;

use super::capability::{ACCEPTED, Capability, REFUSED};
use super::facts::Capabilities;
use super::key_list::{KeyForm, KeyList};
use crate::feed::http::FeedError;
use crate::feed::odata::Page;
use crate::feed::paging::{Position, Step, Sweep};
use crate::record::Shape;
use crate::resource::Resource;

/// The value of [`Capability::Count`] for a server that counts all matching records.
const ALL_MATCHING: &str = "all matching records";

/// The value of [`Capability::Paging`] for a resource that is not paged by key.
const NEXT_LINKS: &str = "next links";

/// The value of [`Capability::Expand`] for a child whose own resource has more.
const INCOMPLETE: &str = "incomplete";

/// The value of [`Capability::Expand`] for a child that does not come.
const IGNORED: &str = "ignored";

/// The value of [`Capability::Expand`] for a child that is read faster from its own resource.
const SLOW: &str = "slow";

/// The value of [`Capability::TimestampLiteral`] for timestamps with quotes.
const QUOTED: &str = "quoted";

impl Capabilities {
    /// Returns whether `$filter` takes timestamps only with quotes, although the feed does not
    /// declare them as text.
    pub fn quotes_timestamps(&self) -> bool {
        self.get(None, Capability::TimestampLiteral).is_some()
    }

    /// Notes what a page of a walk shows. A page that was asked for by key shows nothing.
    pub(in crate::feed) fn note_step(&self, sweep: &Sweep, step: &Step) {
        let page = &step.page;
        self.note_refused_count();
        if let Some(why) = &step.expand_options_refused {
            let why = Some(why.clone());
            self.note(None, Capability::ExpandSelect, REFUSED, why);
        }
        // The feed declares no text there, so that only a refusal without quotes leads to this.
        let is_quoted = sweep.quotes_timestamps.load(Ordering::Relaxed);
        if step.from.has_time() && is_quoted && !sweep.shape.roles.is_text_timestamp {
            self.note(None, Capability::TimestampLiteral, QUOTED, None);
        }
        match &step.from {
            Position::Keyset { .. } | Position::NextLink { .. }
                if sweep.top.is_none() && !step.to.is_finished() =>
            {
                self.note_page_size(&sweep.shape, page.answered());
            }
            _ => {}
        }
        if let (Some(link), true) = (&page.next_link, page.entries > 0) {
            let is_same = step.from.next_link() == Some(link.as_str());
            self.note_next_link(link, is_same, page.has_link_header);
        }
    }

    /// Notes the number of records in a page that is not the last. The largest one is kept.
    fn note_page_size(&self, shape: &Shape, entries: usize) {
        let capability = match shape.children.as_slice() {
            [] => Capability::PageSize,
            _ => Capability::PageSizeWithChildren,
        };
        let known = self.get(Some(shape.resource), capability);
        let known: usize = known.and_then(|known| known.parse().ok()).unwrap_or(0);
        if entries > known {
            let entries = entries.to_string();
            self.note(Some(shape.resource), capability, &entries, None);
        }
    }

    fn note_next_link(&self, link: &str, is_same: bool, has_header: bool) {
        let link = link.replace("%24", "$");
        let form = match () {
            () if is_same => "the same URL for each page",
            () if link.contains("$skiptoken=") => "$skiptoken",
            () if link.contains("$skip=") => "$skip",
            () => "another form",
        };
        let place = if has_header {
            "in the `Link` header"
        } else {
            "in the body"
        };
        self.note(None, Capability::NextLink, form, Some(place.to_owned()));
    }

    /// Notes what a first page with `$top` shows: a server that follows it with others takes
    /// `$top` as the size of a page.
    pub fn note_top(&self, top: u64, page: &Page) {
        if page.entries as u64 == top && page.count.is_some_and(|count| count > top) {
            let is_page = page.next_link.is_some();
            let value = if is_page { "page" } else { "whole answer" };
            self.note(None, Capability::Top, value, None);
        }
    }

    /// Returns whether the server refuses to put the newest records of a resource first.
    pub fn refuses_newest_first(&self, resource: Resource) -> bool {
        self.get(Some(resource), Capability::NewestFirst).as_deref() == Some(REFUSED)
    }

    /// Returns whether the server puts the newest records of a resource first, if an answer has
    /// shown that.
    pub fn puts_newest_first(&self, resource: Resource) -> Option<bool> {
        let known = self.get(Some(resource), Capability::NewestFirst);
        known.map(|value| value == ACCEPTED)
    }

    /// Notes whether an answer shows that the server puts the newest records of a resource first.
    pub fn note_newest_first(&self, resource: Resource, is_shown: bool) {
        let value = if is_shown { ACCEPTED } else { "not shown" };
        self.note(Some(resource), Capability::NewestFirst, value, None);
    }

    /// Notes that the server refuses to put the newest records of a resource first.
    pub fn note_newest_first_refused(&self, resource: Resource, why: &FeedError) {
        let why = Some(why.to_string());
        self.note(Some(resource), Capability::NewestFirst, REFUSED, why);
    }

    /// Returns whether the server refuses the endpoint for a whole copy of a resource.
    pub fn refuses_replication(&self, resource: Resource) -> bool {
        self.get(Some(resource), Capability::Replication).as_deref() == Some(REFUSED)
    }

    /// Notes whether the server has the endpoint for a whole copy of a resource.
    pub fn note_replication(&self, resource: Resource, refusal: Option<&FeedError>) {
        let value = if refusal.is_some() { REFUSED } else { ACCEPTED };
        let why = refusal.map(FeedError::to_string);
        self.note(Some(resource), Capability::Replication, value, why);
    }

    /// Returns whether the server did not have the resource of a child when its changes were last
    /// asked for.
    pub fn has_refused_changes(&self, child: Resource) -> bool {
        self.get(Some(child), Capability::Changes).is_some()
    }

    /// Notes that the server does not have the resource of a child, or that it sends its changes.
    pub fn note_changes(&self, child: Resource, refusal: Option<&FeedError>) {
        match refusal {
            Some(why) => {
                let why = Some(why.to_string());
                self.note(Some(child), Capability::Changes, REFUSED, why);
            }
            None => self.forget(Some(child), Capability::Changes),
        }
    }

    /// Returns whether changes of a resource appeared later than the overlap after their
    /// timestamps, by the feed's clock.
    pub fn has_late_changes(&self, resource: Resource) -> bool {
        self.get(Some(resource), Capability::LateChanges).is_some()
    }

    /// Notes that a change appeared later than the overlap after its timestamp.
    pub fn note_late_changes(&self, resource: Resource) {
        self.note(Some(resource), Capability::LateChanges, "seen", None);
    }

    /// Notes that the server accepts `$select`.
    pub fn note_select(&self) {
        self.note(None, Capability::Select, ACCEPTED, None);
    }

    /// Notes whether the server compresses its answers.
    pub fn note_gzip(&self) {
        let value = if self.client.has_sent_gzip() {
            "used"
        } else {
            "not used"
        };
        self.note(None, Capability::Gzip, value, None);
    }

    /// Returns whether the server is known to count all matching records, and not only those
    /// of the page.
    pub fn counts_all_matching(&self) -> bool {
        self.get(None, Capability::Count).as_deref() == Some(ALL_MATCHING)
    }

    /// Notes if the server refuses to count.
    pub(in crate::feed) fn note_refused_count(&self) {
        if self.client.counting().is_refused() {
            self.note(None, Capability::Count, REFUSED, None);
        }
    }

    /// Notes what the count of a page with this number of entries shows.
    pub fn note_count(&self, count: Option<u64>, entries: usize) {
        self.note_refused_count();
        let Some(count) = count.filter(|_| !self.client.counting().is_refused()) else {
            return;
        };
        if count > entries as u64 {
            self.note(None, Capability::Count, ALL_MATCHING, None);
        } else if count < entries as u64 {
            self.forget(None, Capability::Count);
        }
    }

    /// Returns why the counts of ranges of keys proved nothing within a day, if they did not.
    pub fn why_no_range_count(&self, resource: Resource) -> Option<String> {
        let known = self.known(Some(resource), Capability::RangeCount)?;
        let is_used =
            known.value == REFUSED && !known.is_older_than(TimeDelta::days(1), self.now());
        known.detail.filter(|_| is_used)
    }

    /// Notes whether the counts of ranges of keys can be compared, and why they cannot.
    pub fn note_range_count(&self, resource: Resource, refused: Option<String>) {
        let value = if refused.is_some() {
            self.forget(Some(resource), Capability::RangeCount);
            REFUSED
        } else {
            ACCEPTED
        };
        self.note(Some(resource), Capability::RangeCount, value, refused);
    }

    /// Returns whether a resource is read by next links, because the server does not take the
    /// order or the filter of a walk by key.
    pub fn is_read_by_links(&self, resource: Resource) -> bool {
        self.get(Some(resource), Capability::Paging).as_deref() == Some(NEXT_LINKS)
    }

    /// Notes how a resource was read to its end.
    pub fn note_paging(&self, resource: Resource, by_links: bool) {
        let value = if by_links { NEXT_LINKS } else { "keys" };
        self.note(Some(resource), Capability::Paging, value, None);
    }

    /// Returns why a child is read separately, if $expand is known not to send all of it.
    pub fn why_not_expanded(&self, child: Resource) -> Option<String> {
        let known = self.known(Some(child), Capability::Expand)?;
        match known.value.as_str() {
            ACCEPTED => None,
            INCOMPLETE => Some("$expand lacks records or fields of it".to_owned()),
            IGNORED => Some("the server ignores $expand".to_owned()),
            _ => known
                .detail
                .or_else(|| Some("the server refuses $expand".to_owned())),
        }
    }

    /// Returns whether records of a child that came with listings were found to be as complete
    /// as those of its own resource.
    pub fn has_compared_expand(&self, child: Resource) -> bool {
        self.get(Some(child), Capability::Expand).as_deref() == Some(ACCEPTED)
    }

    /// Notes that records of a child that came with listings are as complete as those of its
    /// own resource.
    pub fn note_expand_complete(&self, child: Resource) {
        self.note(Some(child), Capability::Expand, ACCEPTED, None);
    }

    /// Notes that $expand lacks records or fields of a child that its own resource has.
    pub fn note_expand_incomplete(&self, child: Resource) {
        self.note(Some(child), Capability::Expand, INCOMPLETE, None);
    }

    /// Notes that the server ignores $expand of a child.
    pub fn note_expand_ignored(&self, child: Resource) {
        self.note(Some(child), Capability::Expand, IGNORED, None);
    }

    /// Notes that a child is read faster from its own resource than by $expand.
    pub fn note_expand_slow(&self, child: Resource, why: &str) {
        self.note(Some(child), Capability::Expand, SLOW, Some(why.to_owned()));
    }

    /// Notes that the server refuses $expand of a child, with this error.
    pub fn note_expand_refused(&self, child: Resource, why: &FeedError) {
        let why = Some(why.to_string());
        self.note(Some(child), Capability::Expand, REFUSED, why);
    }

    /// Returns whether the server refuses `$select` or `$top` within `$expand`.
    pub fn refuses_expand_options(&self) -> bool {
        self.get(None, Capability::ExpandSelect).as_deref() == Some(REFUSED)
    }

    /// Returns how to ask for records of a resource by key.
    pub fn key_list(&self, resource: Resource) -> KeyList {
        let form = self.get(Some(resource), Capability::In);
        let keys_max = self.get(Some(resource), Capability::KeysInOneRequest);
        let keys_max = keys_max.and_then(|keys_max| keys_max.parse().ok());
        KeyList::known(form.map(|form| form == ACCEPTED), keys_max)
    }

    /// Notes the list with which the server has sent records of a resource by key.
    pub fn note_key_list(&self, resource: Resource, list: KeyList) {
        let (value, form) = match list.form {
            KeyForm::In => (ACCEPTED, "in"),
            KeyForm::Or => (REFUSED, "or"),
        };
        self.note(Some(resource), Capability::In, value, None);
        if list.form == KeyForm::Or {
            let value = if list.keys_max > 1 { ACCEPTED } else { REFUSED };
            self.note(None, Capability::Or, value, None);
        }
        let keys_max = list.keys_max.to_string();
        let detail = Some(format!("as a list with `{form}`"));
        self.note(
            Some(resource),
            Capability::KeysInOneRequest,
            &keys_max,
            detail,
        );
    }
}
