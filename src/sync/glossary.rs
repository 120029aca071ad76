//! Descriptions of the most used fields, for feeds that do not describe them. They follow
//! the RESO Data Dictionary 2.0 and the values that WFRMLS sends.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::resource::Resource;

/// One field per line: resource (or `*` for all resources), field and description.
const GLOSSARY: &str = include_str!("glossary.tsv");

/// The descriptions by resource and field.
static MEANINGS: LazyLock<HashMap<(&str, &str), &str>> = LazyLock::new(|| {
    let by_field = |(resource, field, meaning)| ((resource, field), meaning);
    entries().map(by_field).collect()
});

/// Returns the description of a field, if the glossary has it.
pub(super) fn meaning(resource: Resource, field: &str) -> Option<&'static str> {
    let meanings: &HashMap<(&str, &str), &'static str> = &MEANINGS;
    let find = |resource: &str| meanings.get(&(resource, field)).copied();
    find(resource.entity_set()).or_else(|| find("*"))
}

fn entries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    GLOSSARY.lines().filter_map(|line| {
        let (resource, entry) = line.split_once('\t')?;
        let (field, meaning) = entry.split_once('\t')?;
        Some((resource, field, meaning))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_field_has_one_short_description() {
        assert_eq!(entries().count(), GLOSSARY.lines().count());
        let mut seen = HashSet::new();
        for (resource, field, meaning) in entries() {
            let is_known = |known: Resource| known.entity_set() == resource;
            assert!(
                resource == "*" || Resource::NAMED.into_iter().any(is_known),
                "{resource}"
            );
            assert!(seen.insert((resource, field)), "{resource} {field}");
            assert!((3..80).contains(&meaning.len()), "{field}");
            assert!(!meaning.ends_with('.'), "{field}");
        }
    }

    #[test]
    fn the_description_of_a_resource_precedes_the_general_one() {
        let of_listing = meaning(Resource::PROPERTY, "ListingKey");
        assert_ne!(of_listing, meaning(Resource::MEDIA, "ListingKey"));
        assert_eq!(meaning(Resource::PROPERTY, "NoSuchField"), None);
    }
}
