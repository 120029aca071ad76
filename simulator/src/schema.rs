//! The entity types and enumerations of the feed, read from two tables.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::behaviour::{DeletedNames, Names};
use super::dice;
use super::makers::Maker;
use super::value::write_escaped;

/// The field that says when a record last changed.
pub const MODIFICATION_TIMESTAMP: &str = "ModificationTimestamp";

const FIELDS: &str = include_str!("../fixtures/fields.tsv");
const ENUMERATIONS: &str = include_str!("../fixtures/enumerations.tsv");

/// A kind of record that the feed holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Set {
    Property,
    Media,
    OpenHouse,
    Member,
    Office,
    PropertyUnitTypes,
    Adu,
    Lookup,
    Resource,
    DataSystem,
    Deleted,
}

impl Set {
    pub const ALL: [Set; 11] = [
        Set::Property,
        Set::Member,
        Set::Office,
        Set::OpenHouse,
        Set::Media,
        Set::DataSystem,
        Set::Resource,
        Set::PropertyUnitTypes,
        Set::Adu,
        Set::Lookup,
        Set::Deleted,
    ];

    /// The kinds that belong to a listing.
    pub const CHILDREN: [Set; 4] = [Set::Media, Set::OpenHouse, Set::PropertyUnitTypes, Set::Adu];

    pub fn name(self) -> &'static str {
        match self {
            Set::Property => "Property",
            Set::Media => "Media",
            Set::OpenHouse => "OpenHouse",
            Set::Member => "Member",
            Set::Office => "Office",
            Set::PropertyUnitTypes => "PropertyUnitTypes",
            Set::Adu => "Adu",
            Set::Lookup => "Lookup",
            Set::Resource => "Resource",
            Set::DataSystem => "DataSystem",
            Set::Deleted => "Deleted",
        }
    }

    pub fn named(name: &str) -> Option<Set> {
        Set::ALL.into_iter().find(|set| set.name() == name)
    }

    pub fn is_child(self) -> bool {
        Set::CHILDREN.contains(&self)
    }
}

/// One value of an enumeration.
#[derive(Debug)]
pub struct Member {
    pub name: &'static str,
    pub value: &'static str,
    /// What people read; the name itself where the feed annotates none.
    pub display: &'static str,
    /// `display` and `name` as they stand within a JSON string.
    json: [Vec<u8>; 2],
}

impl Member {
    fn new(name: &'static str, value: &'static str, display: &'static str) -> Member {
        let json = [display, name].map(|text| {
            let mut json = Vec::with_capacity(text.len());
            write_escaped(text, &mut json);
            json
        });
        Member {
            name,
            value,
            display,
            json,
        }
    }

    /// As it stands within a JSON string.
    pub fn json(&self, names: Names) -> &[u8] {
        match names {
            Names::Display => &self.json[0],
            Names::Member => &self.json[1],
        }
    }

    pub fn named(&self, names: Names) -> &'static str {
        match names {
            Names::Display => self.display,
            Names::Member => self.name,
        }
    }
}

/// An enumeration; at most 128 members, so that a choice of them fits in bits.
#[derive(Debug)]
pub struct Enumeration {
    pub name: &'static str,
    pub is_flags: bool,
    pub members: Vec<Member>,
    by_text: HashMap<&'static str, usize>,
}

impl Enumeration {
    /// The bit of the member with this name or display name; none where there is no such member.
    pub fn one(&self, text: &str) -> Option<u128> {
        self.by_text.get(text).map(|&at| 1 << at)
    }

    /// The bits of a comma-separated list of members.
    pub fn members_of(&self, text: &str) -> Option<u128> {
        if let Some(one) = self.one(text) {
            return Some(one);
        }
        text.split(',')
            .try_fold(0, |bits, one| Some(bits | self.one(one.trim())?))
    }

    #[inline]
    pub fn each(&self, members: u128, mut with: impl FnMut(&Member)) {
        let mut rest = members;
        while rest != 0 {
            let at = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(member) = self.members.get(at) {
                with(member);
            }
        }
    }

    /// Several members as one comma-separated text.
    pub fn text(&self, members: u128, names: Names) -> String {
        let mut text = Vec::new();
        self.each(members, |member| text.push(member.named(names)));
        text.join(",")
    }
}

/// Every enumeration, in the order of the table.
pub fn enumerations() -> &'static [Enumeration] {
    static ALL: OnceLock<Vec<Enumeration>> = OnceLock::new();
    ALL.get_or_init(read_enumerations)
}

fn read_enumerations() -> Vec<Enumeration> {
    let mut all: Vec<Enumeration> = Vec::new();
    for line in ENUMERATIONS.lines().skip(1) {
        let cells: [&'static str; 5] = cells(line);
        let [name, flags, member, value, display] = cells;
        let display = if display.is_empty() { member } else { display };
        if all.last().is_none_or(|last| last.name != name) {
            let by_text = HashMap::new();
            all.push(Enumeration {
                name,
                is_flags: flags == "flags",
                members: Vec::new(),
                by_text,
            });
        }
        if let Some(last) = all.last_mut() {
            let at = last.members.len();
            last.by_text.entry(display).or_insert(at);
            last.by_text.insert(member, at);
            last.members.push(Member::new(member, value, display));
        }
    }
    all
}

/// The enumeration of this name.
pub fn enumeration(name: &str) -> Option<&'static Enumeration> {
    static BY_NAME: OnceLock<HashMap<&'static str, &'static Enumeration>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| enumerations().iter().map(|e| (e.name, e)).collect());
    by_name.get(name).copied()
}

/// The cells of a line of a table, missing ones empty.
fn cells<const N: usize>(line: &'static str) -> [&'static str; N] {
    let mut cells = [""; N];
    for (cell, text) in cells.iter_mut().zip(line.split('\t')) {
        *cell = text;
    }
    cells
}

/// A field's type.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Int32,
    Decimal,
    Text,
    Boolean,
    Date,
    Stamp,
    Enumeration(&'static Enumeration),
    Point,
}

impl Kind {
    /// The type of this name, as `$metadata` and the table write it.
    pub fn named(name: &str) -> Option<Kind> {
        let name = name.trim_start_matches("Edm.");
        Some(match name {
            "Int16" | "Int32" | "Int64" => Kind::Int32,
            "Decimal" | "Double" => Kind::Decimal,
            "String" => Kind::Text,
            "Boolean" => Kind::Boolean,
            "Date" => Kind::Date,
            "DateTimeOffset" => Kind::Stamp,
            "GeographyPoint" => Kind::Point,
            _ => Kind::Enumeration(enumeration(
                name.trim_start_matches("Odata.Models.")
                    .trim_start_matches("Enum."),
            )?),
        })
    }

    pub fn edm(self) -> String {
        match self {
            Kind::Int32 => "Edm.Int32".to_owned(),
            Kind::Decimal => "Edm.Decimal".to_owned(),
            Kind::Text => "Edm.String".to_owned(),
            Kind::Boolean => "Edm.Boolean".to_owned(),
            Kind::Date => "Edm.Date".to_owned(),
            Kind::Stamp => "Edm.DateTimeOffset".to_owned(),
            Kind::Point => "Edm.GeographyPoint".to_owned(),
            Kind::Enumeration(e) => format!("Odata.Models.{}", e.name),
        }
    }
}

/// A field of an entity type.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub precision: &'static str,
    pub scale: &'static str,
    pub max_length: &'static str,
    pub is_key: bool,
    /// Whether `$metadata` declares it; one that is not still comes in answers.
    pub is_declared: bool,
    /// `"Name":`, ready to be written.
    pub json_name: Vec<u8>,
    pub salt: u64,
    pub maker: Maker,
}

impl Field {
    pub fn new(set: Set, name: &str, kind: Kind) -> Field {
        Field {
            name: name.to_owned(),
            kind,
            precision: "",
            scale: "",
            max_length: "",
            is_key: false,
            is_declared: true,
            json_name: format!("\"{name}\":").into_bytes(),
            salt: dice::salt_of(name),
            maker: Maker::of(set, name, kind),
        }
    }
}

/// An entity type.
#[derive(Clone, Debug)]
pub struct Table {
    pub set: Set,
    pub fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    /// Where its ModificationTimestamp stands.
    pub stamp: Option<usize>,
}

impl Table {
    pub fn new(set: Set, fields: Vec<Field>) -> Table {
        let by_name = fields
            .iter()
            .enumerate()
            .map(|(at, f)| (f.name.clone(), at))
            .collect();
        let stamp = fields.iter().position(|f| f.name == MODIFICATION_TIMESTAMP);
        Table {
            set,
            fields,
            by_name,
            stamp,
        }
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Where the field stands, if it is declared.
    pub fn declared(&self, name: &str) -> Option<usize> {
        self.position(name)
            .filter(|&at| self.fields[at].is_declared)
    }

    /// Adds a field, or declares a known one again.
    pub fn declare(&mut self, field: Field) {
        match self.position(&field.name) {
            Some(at) => self.fields[at].is_declared = true,
            None => {
                self.by_name.insert(field.name.clone(), self.fields.len());
                self.fields.push(field);
            }
        }
    }

    pub fn undeclare(&mut self, name: &str) -> bool {
        let at = self.position(name);
        if let Some(at) = at {
            self.fields[at].is_declared = false;
        }
        at.is_some()
    }

    /// The table of the Deleted feed under one of its names.
    pub fn deleted(names: DeletedNames) -> Table {
        let named: &[(&str, Kind)] = match names {
            DeletedNames::Live | DeletedNames::Absent => &[
                ("resource", Kind::Text),
                ("primary_key", Kind::Text),
                ("ts", Kind::Stamp),
            ],
            DeletedNames::Guide => &[
                ("ListingId", Kind::Text),
                ("DeletedDate", Kind::Stamp),
                ("DeletedReason", Kind::Text),
            ],
            DeletedNames::Resource => &[
                ("ResourceName", Kind::Text),
                ("ResourceRecordKey", Kind::Text),
                ("DeletedDateTime", Kind::Stamp),
            ],
        };
        Table::new(
            Set::Deleted,
            named
                .iter()
                .map(|(name, kind)| Field::new(Set::Deleted, name, *kind))
                .collect(),
        )
    }
}

/// The entity types of `$metadata`, as the service starts with them.
pub fn tables() -> Vec<Table> {
    let mut fields: HashMap<Set, Vec<Field>> = HashMap::new();
    for line in FIELDS.lines().skip(1) {
        let [entity, name, kind, precision, scale, max_length, key] = cells(line);
        if let (Some(set), Some(kind)) = (Set::named(entity), Kind::named(kind)) {
            let field = Field::new(set, name, kind);
            let is_key = key == "key";
            fields.entry(set).or_default().push(Field {
                precision,
                scale,
                max_length,
                is_key,
                ..field
            });
        }
    }
    Set::ALL
        .into_iter()
        .map(|set| Table::new(set, fields.remove(&set).unwrap_or_default()))
        .collect()
}
