//! `$metadata`: the entity types as XML, laid out as the service does.

use std::fmt::Write;

use crate::fields::{Field, Kind, Set, Table, enumerations};

/// Returns the targets of an entity type's navigation properties among these entity types.
fn navigations(tables: &[&Table], set: Set) -> Vec<Set> {
    let all: &[Set] = match set {
        Set::Property => &[
            Set::Media,
            Set::Member,
            Set::Office,
            Set::OpenHouse,
            Set::PropertyUnitTypes,
            Set::Adu,
        ],
        Set::Member => &[Set::Property, Set::Office],
        Set::Office => &[Set::Property, Set::Member],
        Set::OpenHouse | Set::Media | Set::PropertyUnitTypes | Set::Adu => &[Set::Property],
        Set::Lookup | Set::Resource | Set::DataSystem | Set::Deleted => &[],
    };
    let declared = |set: &&Set| tables.iter().any(|table| table.set == **set);
    all.iter().filter(declared).copied().collect()
}

/// Returns the whole document.
pub fn render(tables: &[&Table]) -> String {
    let mut xml = String::with_capacity(1 << 18);
    // Writing to a `String` cannot fail.
    let _ = write_document(&mut xml, tables);
    xml
}

fn write_document(xml: &mut String, tables: &[&Table]) -> std::fmt::Result {
    xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n");
    xml.push_str(
        "<edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n",
    );
    xml.push_str("  <edmx:DataServices>\n");

    xml.push_str(
        "    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Default\">\n",
    );
    xml.push_str("      <EntityContainer Name=\"Container\">\n");
    for table in tables {
        let (name, to) = (table.set.name(), navigations(tables, table.set));
        write!(
            xml,
            "        <EntitySet EntityType=\"Odata.Models.{name}\" Name=\"{name}\""
        )?;
        if to.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(">\n");
        for to in to.iter().map(|to| to.name()) {
            writeln!(
                xml,
                "          <NavigationPropertyBinding Path=\"{to}\" Target=\"{to}\"/>"
            )?;
        }
        xml.push_str("        </EntitySet>\n");
    }
    xml.push_str("      </EntityContainer>\n    </Schema>\n");

    xml.push_str("    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Odata.Models\">\n");
    write_enumerations(xml)?;
    for table in tables {
        write_entity_type(xml, tables, table)?;
    }
    xml.push_str("    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n");
    Ok(())
}

fn write_enumerations(xml: &mut String) -> std::fmt::Result {
    for e in enumerations() {
        let (name, flags) = (e.name, e.is_flags);
        writeln!(
            xml,
            "      <EnumType IsFlags=\"{flags}\" Name=\"{name}\" UnderlyingType=\"Edm.Int32\">"
        )?;
        for member in &e.members {
            let (name, value) = (member.name, member.value);
            if member.display == name {
                writeln!(xml, "        <Member Name=\"{name}\" Value=\"{value}\"/>")?;
            } else {
                let display = escape(member.display);
                writeln!(xml, "        <Member Name=\"{name}\" Value=\"{value}\">")?;
                writeln!(
                    xml,
                    "          <Annotation String=\"{display}\" Term=\"RESO.OData.Metadata.StandardName\"/>"
                )?;
                xml.push_str("        </Member>\n");
            }
        }
        xml.push_str("      </EnumType>\n");
    }
    Ok(())
}

fn write_entity_type(xml: &mut String, tables: &[&Table], table: &Table) -> std::fmt::Result {
    let name = table.set.name();
    writeln!(xml, "      <EntityType Name=\"{name}\">\n        <Key>")?;
    for key in table.fields.iter().filter(|field| field.is_key) {
        writeln!(xml, "          <PropertyRef Name=\"{}\"/>", key.name)?;
    }
    xml.push_str("        </Key>\n");
    for field in table.fields.iter().filter(|field| field.is_declared) {
        write_field(xml, field)?;
    }
    for to in navigations(tables, table.set).iter().map(|to| to.name()) {
        writeln!(
            xml,
            "        <NavigationProperty Name=\"{to}\" Partner=\"{name}\" Type=\"Collection(Odata.Models.{to})\"/>"
        )?;
    }
    xml.push_str("      </EntityType>\n");
    Ok(())
}

fn write_field(xml: &mut String, field: &Field) -> std::fmt::Result {
    xml.push_str("        <Property");
    let attributes = [
        ("MaxLength", field.max_length),
        ("Name", &field.name),
        ("Precision", field.precision),
    ];
    for (attribute, text) in attributes.into_iter().filter(|(_, text)| !text.is_empty()) {
        write!(xml, " {attribute}=\"{}\"", escape(text))?;
    }
    if matches!(field.kind, Kind::Point) {
        xml.push_str(" SRID=\"3956\"");
    }
    if !field.scale.is_empty() {
        write!(xml, " Scale=\"{}\"", field.scale)?;
    }
    write!(xml, " Type=\"{}\"", field.kind.edm())?;
    if let Kind::Enumeration(e) = field.kind {
        xml.push_str(">\n");
        writeln!(
            xml,
            "          <Annotation String=\"{}\" Term=\"RESO.OData.Metadata.LookupName\"/>",
            e.name
        )?;
        xml.push_str("        </Property>\n");
    } else {
        xml.push_str("/>\n");
    }
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
