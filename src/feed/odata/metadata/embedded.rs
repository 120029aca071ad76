//! Lists of records that a server embeds in other records: `Media` in the listings of Bridge.

use super::declarations::{EntityType, Metadata};
use crate::resource::Resource;

/// A list of complex values in an entity type.
pub(super) struct EmbeddedList {
    /// The name of the entity type.
    pub owner: String,
    /// The type of the values, with the name of the list.
    pub records: EntityType,
}

impl Metadata {
    /// Adds the type of embedded records, if they have a key: the one of the entity type with
    /// the same name, or the one that the RESO Data Dictionary gives to it. Embedded records
    /// can have fewer fields or more than those of the entity type.
    pub(super) fn embed(&mut self, list: EmbeddedList) {
        let EmbeddedList { owner, mut records } = list;
        let name = records.name.clone();
        let has = |records: &EntityType, key: &str| records.field(key).is_some();
        match self.entities.iter_mut().find(|entity| entity.name == name) {
            Some(known) if known.key.iter().all(|key| has(&records, key)) => {
                let mut fields = records.fields;
                fields.retain(|field| known.field(&field.name).is_none());
                known.fields.extend(fields);
            }
            None => {
                let reso = Resource::named(&name).and_then(Resource::reso_key);
                let Some(key) = reso.filter(|key| has(&records, key)) else {
                    return;
                };
                records.key = vec![key.to_owned()];
                self.entities.push(records);
            }
            Some(_) => return,
        }
        let mut owners = self.entities.iter_mut();
        if let Some(owner) = owners.find(|entity| entity.name == owner) {
            owner.embedded.push(name);
        }
    }
}
