//! A feed with the declarations of any `$metadata`, and generated records.
//!
//! It answers `$filter`, `$orderby`, `$select`, `$top`, `$skip` and `$count` for every entity
//! set, ignores `$expand`, and announces no deletions.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value as Json, json};

use super::odata_filter::Filter;
use super::serve;

/// A record of the feed.
pub type Fields = Map<String, Json>;

/// An entity type, as declared.
#[derive(Clone, Debug, Default)]
pub struct DeclaredType {
    pub name: String,
    pub base: Option<String>,
    pub key: Vec<String>,
    /// Names and types.
    pub fields: Vec<(String, String)>,
}

/// The declarations of a document.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub types: BTreeMap<String, DeclaredType>,
    /// The type of each entity set.
    pub sets: BTreeMap<String, String>,
    /// The members of enumerations.
    pub members: BTreeMap<String, Vec<String>>,
    complex: Vec<String>,
}

/// A feed that serves records of a `$metadata` document.
pub struct DeclaredFeed {
    pub base_url: String,
    pub declared: Declared,
    pub records: Arc<Mutex<BTreeMap<String, Vec<Fields>>>>,
    /// A text in `$filter` that the feed refuses.
    pub refused: Arc<Mutex<Option<&'static str>>>,
}

const PAGE: usize = 20;

fn last(name: &str) -> &str {
    let name = name
        .strip_prefix("Collection(")
        .map_or(name, |rest| rest.trim_end_matches(')'));
    name.rsplit('.').next().unwrap()
}

impl Declared {
    pub fn parse(xml: &str) -> Declared {
        let mut declared = Declared::default();
        let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
        let mut open = DeclaredType::default();
        let mut enumeration = String::new();
        let mut in_key = false;
        loop {
            let event = reader.read_event().unwrap();
            let (element, is_empty) = match &event {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(end) => {
                    match end.local_name().into_inner() {
                        "EntityType" => {
                            let mut done = std::mem::take(&mut open);
                            for key in &done.key {
                                if !done.fields.iter().any(|(name, _)| name == key) {
                                    done.fields.push((key.clone(), "Edm.String".to_owned()));
                                }
                            }
                            declared.types.insert(done.name.clone(), done);
                        }
                        "Key" => in_key = false,
                        _ => {}
                    }
                    continue;
                }
                Event::Eof => break,
                _ => continue,
            };
            let text = |name| attribute(element, name);
            match element.local_name().into_inner() {
                "EntityType" => {
                    open = DeclaredType {
                        name: text("Name").unwrap(),
                        base: text("BaseType").map(|base| last(&base).to_owned()),
                        ..DeclaredType::default()
                    };
                    if is_empty {
                        declared.types.insert(open.name.clone(), open.clone());
                    }
                }
                "ComplexType" => {
                    open = DeclaredType::default();
                    declared.complex.push(text("Name").unwrap());
                }
                "Key" => in_key = true,
                "PropertyRef" if in_key => open.key.push(text("Name").unwrap()),
                "Property" => {
                    let edm = text("Type").unwrap_or("Edm.String".to_owned());
                    open.fields.push((text("Name").unwrap(), edm));
                }
                "EnumType" => {
                    enumeration = text("Name").unwrap();
                    declared.members.entry(enumeration.clone()).or_default();
                }
                "Member" => {
                    let members = declared.members.entry(enumeration.clone()).or_default();
                    members.push(text("Name").unwrap());
                }
                "EntitySet" => {
                    let of = text("EntityType").unwrap();
                    declared
                        .sets
                        .insert(text("Name").unwrap(), last(&of).to_owned());
                }
                _ => {}
            }
        }
        declared
    }

    /// Returns a type's fields and key, with those of its base types.
    pub fn entity(&self, name: &str) -> DeclaredType {
        let mut entity = self.types[name].clone();
        if let Some(base) = entity
            .base
            .clone()
            .filter(|base| self.types.contains_key(base))
        {
            let base = self.entity(&base);
            if entity.key.is_empty() {
                entity.key = base.key;
            }
            for field in base.fields {
                if !entity.fields.iter().any(|(name, _)| *name == field.0) {
                    entity.fields.push(field);
                }
            }
        }
        entity
    }

    /// Returns the value of a field in one of `count` records.
    fn value(&self, entity: &DeclaredType, field: &str, edm: &str, at: usize) -> Json {
        let is_key = entity.key.iter().any(|key| key == field);
        if is_key || field.ends_with("Key") || field.ends_with("KeyNumeric") {
            // The records of all resources belong to listings with the same number.
            return match edm {
                "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => json!(1_000 + at),
                "Edm.Guid" => json!(format!("00000000-0000-4000-8000-{:012}", 1_000 + at)),
                _ if entity.key.last().is_some_and(|last| last != field) && is_key => {
                    json!(format!("o,{}%", at % 3))
                }
                _ => json!(format!("{}", 1_000 + at)),
            };
        }
        if field == "ResourceName" {
            return json!("Property");
        }
        if field.ends_with("Timestamp") && edm == "Edm.String" || edm == "Edm.DateTimeOffset" {
            return json!(format!(
                "2026-03-{:02}T01:02:{:02}.25Z",
                1 + at % 20,
                at % 60
            ));
        }
        if let Some(element) = edm.strip_prefix("Collection(") {
            let one = self.value(entity, field, element.trim_end_matches(')'), at);
            return json!([one]);
        }
        if at % 5 == 4 {
            return Json::Null;
        }
        match edm {
            "Edm.String" => json!(format!("{field} {at}")),
            "Edm.Byte" | "Edm.SByte" => json!(at),
            "Edm.Int16" | "Edm.Int32" => json!(at * 7),
            "Edm.Int64" => json!(9_007_199_254_740_993_i64 + at as i64),
            "Edm.Decimal" => json!(at as f64 + 0.25),
            "Edm.Double" | "Edm.Single" => json!(at as f64 + 0.5),
            "Edm.Boolean" => json!(at.is_multiple_of(2)),
            "Edm.Date" => json!("2026-02-03"),
            "Edm.TimeOfDay" => json!("07:08:09"),
            "Edm.Duration" => json!("PT2H"),
            "Edm.Guid" => json!("0f8fad5b-d9cb-469f-a165-70867728950e"),
            "Edm.Binary" | "Edm.Stream" => json!("AAEC"),
            _ if edm.starts_with("Edm.Geo") => {
                json!({"coordinates": [-111.5, 40.25], "type": "Point"})
            }
            _ if self
                .members
                .get(last(edm))
                .is_some_and(|members| !members.is_empty()) =>
            {
                let members = &self.members[last(edm)];
                json!(members[at % members.len()])
            }
            _ if self.complex.iter().any(|name| name == last(edm)) => json!({"A": at}),
            // Of no declared type: text that looks like a number.
            _ => json!(format!("00{at}")),
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element
        .attributes()
        .flatten()
        .find(|one| one.key.into_inner() == name)?;
    Some(attribute.value.to_string())
}

impl DeclaredFeed {
    /// Serves `count` records of each entity set.
    pub fn serve(xml: &str, count: usize) -> DeclaredFeed {
        let declared = Declared::parse(xml);
        let mut records = BTreeMap::new();
        for (set, of) in &declared.sets {
            if !declared.types.contains_key(of) {
                continue;
            }
            let entity = declared.entity(of);
            let record = |at| -> Fields {
                let fields = entity.fields.iter();
                fields
                    .map(|(name, edm)| (name.clone(), declared.value(&entity, name, edm, at)))
                    .collect()
            };
            records.insert(set.clone(), (0..count).map(record).collect());
        }
        let records = Arc::new(Mutex::new(records));
        let refused = Arc::new(Mutex::new(None));
        let (served, xml, refuses) = (records.clone(), xml.to_owned(), refused.clone());
        let base_url = serve(move |root, request| {
            if request.uri().path() == "/$metadata" {
                return response(200, xml.clone());
            }
            let query = request.uri().query().unwrap_or_default();
            if refuses
                .lock()
                .unwrap()
                .is_some_and(|text: &str| query.contains(text))
            {
                return response(400, json!({"error": {"message": "bad filter"}}).to_string());
            }
            let records = served.lock().unwrap().clone();
            answer(root, request, &records)
        });
        DeclaredFeed {
            base_url,
            declared,
            records,
            refused,
        }
    }
}

fn answer(root: &str, request: &Request, sets: &BTreeMap<String, Vec<Fields>>) -> Response {
    let set = request.uri().path().trim_start_matches('/');
    let Some(records) = sets.get(set) else {
        return response(
            404,
            json!({"error": {"message": "no such set"}}).to_string(),
        );
    };
    let query = request.uri().query().unwrap_or_default();
    let options: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let option = |name: &str| options.get(name).map(String::as_str);
    let mut found: Vec<&Fields> = match option("$filter").map(Filter::parse) {
        Some(None) => {
            return response(400, json!({"error": {"message": "bad filter"}}).to_string());
        }
        Some(Some(filter)) => records.iter().filter(|one| filter.accepts(one)).collect(),
        None => records.iter().collect(),
    };
    let order = option("$orderby").unwrap_or_default();
    for part in order.rsplit(',').filter(|part| !part.is_empty()) {
        let (field, is_down) = match part.strip_suffix(" desc") {
            Some(field) => (field, true),
            None => (part, false),
        };
        found.sort_by(|one, other| {
            let order = super::odata_filter::compare(&one[field], &other[field]);
            if is_down { order.reverse() } else { order }
        });
    }
    let number =
        |name: &str, usual: usize| option(name).map_or(usual, |text| text.parse().unwrap());
    let (skip, top) = (number("$skip", 0), number("$top", PAGE).min(PAGE));
    let page: Vec<Json> = (found.iter().skip(skip).take(top))
        .map(|record| {
            let select = option("$select").map(|names| names.split(',').collect::<Vec<_>>());
            let is_asked = |name: &str| select.as_ref().is_none_or(|names| names.contains(&name));
            let fields = record.iter().filter(|(name, _)| is_asked(name));
            Json::Object(
                fields
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        })
        .collect();
    let mut body = json!({"value": page});
    if option("$count") == Some("true") {
        body["@odata.count"] = json!(found.len());
    }
    if option("$top").is_none() && skip + top < found.len() {
        let mut next = url::Url::parse(&format!("{root}/{set}")).unwrap();
        for (name, value) in options.iter().filter(|(name, _)| *name != "$skip") {
            next.query_pairs_mut().append_pair(name, value);
        }
        next.query_pairs_mut()
            .append_pair("$skip", &(skip + top).to_string());
        body["@odata.nextLink"] = json!(next.as_str());
    }
    response(200, body.to_string())
}

fn response(status: u16, body: String) -> Response {
    Response::builder()
        .status(status)
        .header(header::DATE, "Tue, 24 Nov 2026 12:00:00 GMT")
        .body(Body::from(body))
        .unwrap()
}
