//! Why `$metadata` does not satisfy the configuration.

use crate::resource::Resource;

/// Why `$metadata` does not satisfy the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// It declares no such resource.
    #[error(
        "$metadata declares no {set}{}; name another entity set for it in [feed.sets], or remove {resource} from sync.resources if this account cannot read it",
        did_you_mean(.near)
    )]
    Undeclared {
        /// The resource.
        resource: Resource,
        /// The name of its entity set.
        set: String,
        /// The declared set with a similar name.
        near: Option<String>,
    },
    /// It declares several entity sets of the resource's type.
    #[error("$metadata declares several sets of {resource}, {} and {}: choose one with {resource} in [feed.sets]", .sets[0], .sets[1])]
    SeveralSets {
        /// The resource.
        resource: Resource,
        /// Two of the sets.
        sets: [String; 2],
    },
    /// It declares the resource without its key.
    #[error("$metadata declares {resource} without its key {key}")]
    Keyless {
        /// The resource.
        resource: Resource,
        /// The key.
        key: String,
    },
    /// The key of a listing has several fields, and the records name one of them.
    #[error("{resource} cannot be mirrored: its records name one field of their listing, and the key of a listing has several ({}); remove {resource} from sync.resources", .key.join(", "))]
    UnnamedListing {
        /// The resource.
        resource: Resource,
        /// The fields of the key.
        key: Vec<String>,
    },
    /// It does not declare a selected field.
    #[error("[sync.select] {resource}: $metadata declares no field `{field}`{}", did_you_mean(.near))]
    NoSuchField {
        /// The resource.
        resource: Resource,
        /// The field.
        field: String,
        /// The declared field with the most similar name, if there is one.
        near: Option<String>,
    },
}

fn did_you_mean(near: &Option<String>) -> String {
    let near = near.as_ref();
    near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"))
}
