//! Suggestions for misspelled names.

/// Returns the known name that differs in at most two letters, or fewer if the name is
/// short. Ignores case, and treats `-` as `_`.
pub fn nearest_name<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let normalize = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let allowed = (name.chars().count() / 3).min(2);
    let (distance, nearest) = known
        .iter()
        .map(|known| {
            (
                strsim::levenshtein(&normalize(name), &normalize(known)),
                *known,
            )
        })
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then_some(nearest)
}
