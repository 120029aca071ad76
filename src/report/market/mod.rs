//! How the market moved: listings by status, new and closed listings, prices.
//!
//! [`figures`] holds the types of the report, [`gather`] fills them from the change log and
//! the listings, with [`inventory`] for past days and [`active`] for today's active listings.

mod active;
mod figures;
mod gather;
mod inventory;

pub use active::{Active, CityGroup, Group};
pub use figures::{
    Inventory, InventoryDay, Market, MarketDay, PriceMoves, Prices, TransitionCount, is_status,
};
pub use gather::{Logged, market};
