//! Parses `[sync]`.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Result, is_name};
use crate::config::profile::Profile;
use crate::config::section_reader::{Section, Value};
use crate::config::settings::Sync;
use crate::resource::{NotAResource, Resource};

pub(super) fn sync_section(section: Section<'_>, profile: &Profile) -> Result<Sync> {
    let mut ignore_fields = BTreeSet::new();
    if let Some(value) = section.value("ignore_fields") {
        ignore_fields.extend(field_names(value)?);
    }
    let mut filter = BTreeMap::new();
    for entry in section.subsection("sync.filter")?.entries() {
        let expression = entry.text()?;
        filter.insert(resource(entry, entry.key)?, expression.to_owned());
    }
    let mut select = BTreeMap::new();
    for entry in section.subsection("sync.select")?.entries() {
        let resource = resource(entry, entry.key)?;
        let fields = field_names(entry)?;
        if fields.is_empty() {
            return Err(entry.fail("must list at least one field; leave the line out for all"));
        }
        select.insert(resource, fields);
    }
    let percent = section
        .value("max_delete_percent")
        .map(Value::percent)
        .transpose()?;
    Ok(Sync {
        resources: resources(section)?,
        download_media: section.flag("download_media", true)?,
        overlap: section.duration("overlap", profile.overlap)?,
        max_delete_percent: percent.unwrap_or(10.0),
        ignore_fields,
        filter,
        select,
    })
}

fn resources(section: Section<'_>) -> Result<Vec<Resource>> {
    let Some(value) = section.value("resources") else {
        return Ok(vec![
            Resource::PROPERTY,
            Resource::MEDIA,
            Resource::OPEN_HOUSE,
        ]);
    };
    let mut resources = BTreeSet::new();
    for part in value.texts()? {
        let name = part.text()?;
        if !resources.insert(resource(part, name)?) {
            return Err(part.fail(format!("names {name} twice")));
        }
    }
    if resources.is_empty() {
        return Err(value.fail(r#"must name at least one resource, such as ["Property"]"#));
    }
    let resources: Vec<Resource> = resources.into_iter().collect();
    let same_table = |one: &Resource| {
        let mut others = resources.iter();
        others.find(|other| *other != one && other.table() == one.table())
    };
    if let Some((one, other)) = (resources.iter()).find_map(|one| Some((one, same_table(one)?))) {
        let table = one.table();
        return Err(value.fail(format!(
            "names {one} and {other}, which would have the same table `{table}`"
        )));
    }
    Ok(resources)
}

/// Parses the name of a resource. Only `$metadata` shows which ones the feed has.
pub(super) fn resource(value: Value<'_>, name: &str) -> Result<Resource> {
    name.parse()
        .map_err(|error: NotAResource| value.error(error.to_string()))
}

/// Parses a list of field names. A duplicate is an error.
fn field_names(value: Value<'_>) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for part in value.texts()? {
        let name = part.text()?;
        if !is_name(name) {
            return Err(part.fail(format!("must list names of fields, and {name:?} is none")));
        }
        if names.iter().any(|known| known == name) {
            return Err(part.fail(format!("names {name} twice")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}
