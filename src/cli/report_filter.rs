//! The listings that a report covers.

use super::exit::UsageError;
use crate::mirror::{MarketFilter, Mirror};
use crate::resource::folded_name;

/// The property type of a report without `--type`.
const USUAL_TYPE: &str = "Residential";

/// The value of `--type` for every property type.
const ALL_TYPES: &str = "all";

/// Returns the listings that the report covers. If the mirror has no residential listings, that
/// is every type by default.
pub fn report_filter(
    mirror: &mut Mirror,
    types: &[String],
    condition: Option<&str>,
) -> anyhow::Result<MarketFilter> {
    if let Some(condition) = condition {
        let checked = mirror.check_condition(condition)?;
        checked.map_err(|problem| UsageError(format!("--where: {problem}")))?;
    }
    let known = mirror.read()?.property_types()?;
    let find = |wanted: &str| {
        let is_same = |known: &&String| folded_name(known).eq(folded_name(wanted));
        known.iter().find(is_same).cloned()
    };
    let property_types = match types {
        [] => find(USUAL_TYPE).into_iter().collect(),
        [all] if all == ALL_TYPES => Vec::new(),
        types => types
            .iter()
            .map(|name| {
                find(name).ok_or_else(|| {
                    let known = known.join(", ");
                    UsageError(format!("--type {name}: known are only {known}"))
                })
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(MarketFilter {
        property_types,
        condition: condition.map(str::to_owned),
    })
}
