//! The moves of the market: listings by status, new and closed listings, price changes.
//!
//! [`figures`] has the types of the report. [`gather`] fills them from the change log and the
//! listings. [`inventory`] computes the listings by status on past days, [`active`] the
//! current active listings by city, and [`sales`] the figures of a period.

mod active;
mod figures;
mod gather;
mod inventory;
mod sales;

pub use active::{Active, CityGroup, Group};
pub use figures::{
    Figures, Headline, Inventory, InventoryDay, Market, MarketDay, PriceCut, PriceMoves, Prices,
    TransitionCount, is_status, sum,
};
pub use gather::{Logged, market};
