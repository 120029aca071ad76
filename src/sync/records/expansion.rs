//! Whether children are read with their listings.

use super::catalog::Catalog;
use crate::feed::Feed;
use crate::resource::Resource;

/// Returns why a child is always read separately, if it is.
pub(in crate::sync) fn why_separate(
    feed: &Feed,
    catalog: &Catalog,
    child: Resource,
) -> Option<String> {
    if catalog.filter(child).is_some() {
        // $expand sends all children.
        return Some("it has its own filter".to_owned());
    }
    feed.capabilities().why_not_expanded(child)
}
