//! Reads the declarations in CSDL: resolves names and adds the fields of base types.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::declarations::{
    EntitySet, EntityType, Enumeration, Field, Member, Metadata, Navigation,
};
use super::edm::{Edm, collection_of, primitive, unqualified};
use super::element::{self, Element};
use super::embedded::EmbeddedList;
use super::metadata_error::MetadataError;

impl Metadata {
    /// Reads a `$metadata` document.
    ///
    /// # Errors
    /// [`MetadataError`] if the text is not a complete CSDL document with at least one
    /// entity type. Another request may return one.
    pub fn parse(xml: &[u8]) -> Result<Metadata, MetadataError> {
        element::parse(xml)
            .and_then(|root| read(&root))
            .map_err(MetadataError::printable)
    }
}

/// Reads the declarations below the root element.
fn read(root: &Element) -> Result<Metadata, MetadataError> {
    let document = Document::of(root);
    let mut metadata = Metadata::default();
    let mut embedded = Vec::new();
    for schema in &document.schemas {
        let declared = |name: &str| document.qualified_in(schema, name);
        for entity in schema.all("EntityType") {
            let Some(name) = entity.attribute("Name") else {
                continue;
            };
            let qualified = declared(name);
            metadata.entities.push(document.entity(name, &qualified));
            embedded.extend(document.embedded(name, &qualified));
        }
        for enumeration in schema.all("EnumType") {
            let Some(name) = enumeration.attribute("Name") else {
                continue;
            };
            let members = document.members(enumeration, &declared(name));
            let flags = is_flags(enumeration);
            metadata.enumerations.push(Enumeration {
                name: name.to_owned(),
                flags,
                members,
            });
        }
        for container in schema.all("EntityContainer") {
            metadata
                .sets
                .extend(container.all("EntitySet").filter_map(entity_set));
        }
    }
    if metadata.entities.is_empty() {
        return Err(MetadataError::NoEntityTypes);
    }
    for list in embedded {
        metadata.embed(list);
    }
    Ok(metadata)
}

/// The declarations of a document, by their qualified names.
struct Document<'a> {
    schemas: Vec<&'a Element>,
    /// The namespaces by their aliases.
    aliases: HashMap<&'a str, &'a str>,
    types: HashMap<String, &'a Element>,
    /// The types by their names without a namespace; none for a name of several types.
    unqualified_types: HashMap<&'a str, Option<&'a Element>>,
    /// Annotations outside of the annotated element, by their target.
    annotations: HashMap<String, Vec<&'a Element>>,
}

impl<'a> Document<'a> {
    fn of(root: &'a Element) -> Document<'a> {
        let services = root.all("DataServices");
        let schemas: Vec<&Element> = services.flat_map(|part| part.all("Schema")).collect();
        let aliases = schemas.iter().filter_map(|schema| {
            Some((schema.attribute("Alias")?, schema.attribute("Namespace")?))
        });
        let mut document = Document {
            aliases: aliases.collect(),
            types: HashMap::new(),
            unqualified_types: HashMap::new(),
            annotations: HashMap::new(),
            schemas,
        };
        for schema in document.schemas.clone() {
            for element in &schema.children {
                let types = ["EntityType", "ComplexType", "EnumType", "TypeDefinition"];
                if let Some(name) = element.attribute("Name")
                    && types.contains(&element.name.as_str())
                {
                    let others = &mut document.unqualified_types;
                    (others.entry(name).and_modify(|other| *other = None)).or_insert(Some(element));
                    let name = document.qualified_in(schema, name);
                    document.types.entry(name).or_insert(element);
                }
                if let Some(target) = element.attribute("Target")
                    && element.name == "Annotations"
                {
                    let target = document.qualified(target);
                    let known = document.annotations.entry(target).or_default();
                    known.extend(element.all("Annotation"));
                }
            }
        }
        document
    }

    fn qualified_in(&self, schema: &Element, name: &str) -> String {
        format!(
            "{}.{name}",
            schema.attribute("Namespace").unwrap_or_default()
        )
    }

    /// Replaces the alias in a qualified name by its namespace.
    fn qualified(&self, name: &str) -> String {
        let (path, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
        match path.rsplit_once('.') {
            Some((prefix, last)) => {
                let namespace = self.aliases.get(prefix).unwrap_or(&prefix);
                format!("{namespace}.{last}{rest}")
            }
            None => name.to_owned(),
        }
    }

    /// Returns a declared type. A namespace that the document does not declare is ignored if
    /// only one type has the name.
    fn declared_type(&self, qualified: &str) -> Option<&'a Element> {
        let found = self.types.get(qualified).copied();
        let same_name = || *self.unqualified_types.get(unqualified(qualified))?;
        found.or_else(same_name)
    }

    fn entity(&self, name: &str, qualified: &str) -> EntityType {
        let mut entity = EntityType {
            name: name.to_owned(),
            key: Vec::new(),
            fields: Vec::new(),
            navigation: Vec::new(),
            embedded: Vec::new(),
        };
        let mut places = HashMap::new();
        for (qualified, element) in self.lineage(qualified) {
            for key in element.all("Key") {
                entity.key = key
                    .all("PropertyRef")
                    .filter_map(|part| part.attribute("Name"))
                    .map(str::to_owned)
                    .collect();
            }
            for property in element.all("Property") {
                let Some(field) = self.field(property, &qualified) else {
                    continue;
                };
                // A type may declare a field of its base type again.
                match places.entry(field.name.clone()) {
                    Entry::Occupied(place) => entity.fields[*place.get()] = field,
                    Entry::Vacant(place) => {
                        place.insert(entity.fields.len());
                        entity.fields.push(field);
                    }
                }
            }
            let navigation = element.all("NavigationProperty").filter_map(navigation);
            entity.navigation.extend(navigation);
        }
        // Navica published keys of fields that it declares nowhere.
        for key in &entity.key {
            let is_declared = |field: &Field| field.name.eq_ignore_ascii_case(key);
            if !entity.fields.iter().any(is_declared) {
                entity.fields.push(Field::of_text(key));
            }
        }
        entity
    }

    /// Returns the lists of complex values in an entity type.
    fn embedded(&self, owner: &str, qualified: &str) -> Vec<EmbeddedList> {
        let mut lists = Vec::new();
        for (_, element) in self.lineage(qualified) {
            for property in element.all("Property") {
                let named = property.attribute("Name");
                let element_type = property.attribute("Type").and_then(collection_of);
                let (Some(name), Some(element_type)) = (named, element_type) else {
                    continue;
                };
                let element_type = self.qualified(element_type);
                let element = self.types.get(&element_type);
                if element.is_some_and(|element| element.name == "ComplexType") {
                    let records = self.entity(name, &element_type);
                    lists.push(EmbeddedList {
                        owner: owner.to_owned(),
                        records,
                    });
                }
            }
        }
        lists
    }

    /// Returns a type and its base types, the topmost first. Stops at a circle.
    fn lineage(&self, qualified: &str) -> Vec<(String, &'a Element)> {
        let mut lineage = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(qualified.to_owned());
        while let Some(name) = next.filter(|name| seen.insert(name.clone())) {
            let Some(element) = self.declared_type(&name) else {
                break;
            };
            next = element
                .attribute("BaseType")
                .map(|base| self.qualified(base));
            lineage.push((name, element));
        }
        lineage.reverse();
        lineage
    }

    fn field(&self, property: &Element, owner: &str) -> Option<Field> {
        let name = property.attribute("Name")?;
        // CSDL 4.01, 7.1: the default type is text.
        let edm_type = property.attribute("Type").unwrap_or("Edm.String");
        let resolved = self.resolved(edm_type);
        let note = |terms| self.annotation(property, &format!("{owner}/{name}"), terms);
        let number =
            |facet| facet_of(property, facet).or_else(|| facet_of(resolved.element?, facet));
        Some(Field {
            edm: resolved.edm,
            edm_type: edm_type.to_owned(),
            nullable: property.attribute("Nullable") != Some("false"),
            max_length: number("MaxLength"),
            precision: number("Precision"),
            scale: number("Scale"),
            enumeration: resolved.enumeration.or_else(|| note(&["LookupName"])),
            description: note(&["Description", "DisplayName", "StandardName"]),
            ..Field::of_text(name)
        })
    }

    fn members(&self, enumeration: &Element, owner: &str) -> Vec<Member> {
        let members = enumeration.all("Member").filter_map(|member| {
            let name = member.attribute("Name")?;
            let terms = &["StandardName", "DisplayName", "Description"];
            Some(Member {
                name: name.to_owned(),
                value: member
                    .attribute("Value")
                    .and_then(|value| value.trim().parse().ok()),
                display: self.annotation(member, &format!("{owner}/{name}"), terms),
            })
        });
        members.collect()
    }

    /// Returns the text of the first term that annotates an element. Terms are compared by the
    /// last part of their names. Annotations inside the element take precedence.
    fn annotation(&self, element: &Element, target: &str, terms: &[&str]) -> Option<String> {
        let outside = self.annotations.get(target).into_iter().flatten().copied();
        let known: Vec<&Element> = element.all("Annotation").chain(outside).collect();
        terms.iter().find_map(|term| {
            let named = |note: &&&Element| note.attribute("Term").map(unqualified) == Some(*term);
            known.iter().filter(named).find_map(|note| text_of(note))
        })
    }

    /// Resolves a declared type.
    fn resolved(&self, edm_type: &str) -> Resolved<'a> {
        let element_type = collection_of(edm_type);
        let mut resolved = self.resolved_single(element_type.unwrap_or(edm_type));
        if element_type.is_some() {
            resolved.edm = Edm::Collection;
        }
        resolved
    }

    fn resolved_single(&self, name: &str) -> Resolved<'a> {
        let plain = |edm| Resolved {
            edm,
            enumeration: None,
            element: None,
        };
        if let Some(edm) = primitive(name) {
            return plain(edm);
        }
        let Some(element) = self.declared_type(&self.qualified(name)) else {
            return plain(Edm::Untyped);
        };
        match element.name.as_str() {
            "EnumType" => Resolved {
                edm: Edm::Enumeration {
                    flags: is_flags(element),
                },
                enumeration: Some(unqualified(name).to_owned()),
                element: None,
            },
            "TypeDefinition" => {
                let underlying = element.attribute("UnderlyingType").and_then(primitive);
                let edm = underlying.unwrap_or(Edm::Untyped);
                Resolved {
                    edm,
                    enumeration: None,
                    element: Some(element),
                }
            }
            _ => plain(Edm::Complex),
        }
    }
}

/// A resolved type.
struct Resolved<'a> {
    edm: Edm,
    enumeration: Option<String>,
    /// The type definition, whose facets apply to the field.
    element: Option<&'a Element>,
}

fn navigation(element: &Element) -> Option<Navigation> {
    let edm_type = element.attribute("Type")?;
    let element_type = collection_of(edm_type);
    Some(Navigation {
        name: element.attribute("Name")?.to_owned(),
        target: unqualified(element_type.unwrap_or(edm_type)).to_owned(),
        collection: element_type.is_some(),
    })
}

fn entity_set(element: &Element) -> Option<EntitySet> {
    Some(EntitySet {
        name: element.attribute("Name")?.to_owned(),
        entity_type: unqualified(element.attribute("EntityType")?).to_owned(),
    })
}

fn is_flags(enumeration: &Element) -> bool {
    enumeration.attribute("IsFlags") == Some("true")
}

/// Returns the text of an annotation: its attribute, or its `String` element.
fn text_of(annotation: &Element) -> Option<String> {
    let attribute = annotation.attribute("String");
    let child = || {
        annotation
            .all("String")
            .next()
            .map(|child| child.text.trim())
    };
    attribute
        .or_else(child)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Returns a facet that is a number. Returns none for `max` and `variable`.
fn facet_of(element: &Element, facet: &str) -> Option<u32> {
    element.attribute(facet)?.trim().parse().ok()
}
