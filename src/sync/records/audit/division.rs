//! How the records of a resource are divided into ranges of keys.

use std::sync::Arc;

use crate::feed::KeyRange;
use crate::mirror::{Mirror, RangedRows, Window};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::catalog::Catalog;
use crate::sync::sync_error::Result;
use crate::value::ValueForm;

/// The number of rows in a range that is compared as a whole.
pub(super) const RANGE_ROWS: u64 = 10_000;

/// The field by whose values records are divided into ranges.
#[derive(Clone, Debug)]
pub struct Division {
    /// Keys and timestamps of the resource.
    pub keys: Arc<Shape>,
    /// The field in filters: the paging key, or the listing of a child.
    pub field: String,
    /// The listings, if the ranges are of their keys.
    listings: Option<Arc<Shape>>,
}

impl Division {
    /// Returns how a resource is divided, or why it cannot be.
    pub fn of(
        catalog: &Catalog,
        mirror: Option<&Mirror>,
        keys: &Arc<Shape>,
        has_listings: bool,
    ) -> Result<std::result::Result<Division, &'static str>> {
        let own = || Division {
            keys: keys.clone(),
            field: keys.paging_field().name.clone(),
            listings: None,
        };
        if keys.has_composite_key() {
            return Ok(Err("its key has several fields"));
        }
        if !keys.is_child() || !has_listings {
            let in_order = has_common_order(mirror, keys)?;
            return Ok(in_order.then(own).ok_or(OTHER_ORDER));
        }
        if catalog.live_filter(Resource::PROPERTY).is_some() {
            return Ok(Err("the listings have a filter"));
        }
        let listings = catalog.key_shape(Resource::PROPERTY)?;
        let Some(field) = listing_field(keys, &listings) else {
            return Ok(Err("no field has the paging key of the listing"));
        };
        if listings.has_composite_key() || !has_common_order(mirror, &listings)? {
            return Ok(Err(OTHER_ORDER));
        }
        let held = mirror.filter(|mirror| mirror.has_table(keys.resource).unwrap_or(false));
        if let Some(mirror) = held
            && mirror.has_rows_without_listing(keys.resource)?
        {
            return Ok(Err("some records belong to no listing"));
        }
        Ok(Ok(Division {
            field,
            listings: Some(listings),
            ..own()
        }))
    }

    /// Returns the number of rows whose keys limit the ranges; 0 without a mirror.
    pub fn limits(&self, mirror: Option<&Mirror>) -> Result<u64> {
        let held = mirror.filter(|mirror| mirror.has_table(self.keys.resource).unwrap_or(false));
        let rows = held.map(|mirror| mirror.live_limits(self.rows(), &KeyRange::default()));
        Ok(rows.transpose()?.unwrap_or(0))
    }

    /// Returns the number of ranges that are compared as a whole; 0 without a mirror.
    pub fn ranges(&self, mirror: Option<&Mirror>) -> Result<u64> {
        Ok(self.limits(mirror)?.div_ceil(RANGE_ROWS))
    }

    /// Returns the rows of the mirror, divided in the same way.
    pub fn rows(&self) -> RangedRows<'_> {
        RangedRows {
            shape: &self.keys,
            listings: self.listings.as_deref(),
        }
    }

    /// Returns the rows that are compared with the records of a range.
    pub fn window<'w>(&'w self, range: &'w KeyRange) -> Window<'w> {
        match &self.listings {
            Some(listings) => Window::OfListings(range, listings),
            None => Window::Keys(range),
        }
    }

    /// Returns whether the ranges are of the keys of listings.
    pub fn is_by_listing(&self) -> bool {
        self.listings.is_some()
    }
}

/// Why text keys are not divided.
const OTHER_ORDER: &str = "the feed may order its keys in another way";

fn has_common_order(mirror: Option<&Mirror>, keys: &Shape) -> Result<bool> {
    if keys.paging_field().form == ValueForm::Integer {
        return Ok(true);
    }
    match mirror {
        Some(mirror) if mirror.has_table(keys.resource)? => Ok(mirror.has_common_order(keys)?),
        _ => Ok(true),
    }
}

/// Returns the field of a child with the paging key of its listing.
fn listing_field(child: &Shape, listings: &Shape) -> Option<String> {
    let form = listings.paging_field().form;
    let parent = child.roles.parent.as_ref()?;
    let mut fields = parent.fields.iter();
    let has_form = |name: &&String| {
        let at = child.position(name);
        at.is_some_and(|at| child.fields[at].form == form)
    };
    fields.find(has_form).cloned()
}
