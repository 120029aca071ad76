use std::path::PathBuf;

use super::*;

const OPEN: &str = r#"<?xml version="1.0"?><e:Edmx xmlns:e="urn:e" Version="4.0"><e:DataServices>"#;
const CLOSE: &str = "</e:DataServices></e:Edmx>";

fn parse(schemas: &str) -> Metadata {
    Metadata::parse(format!("{OPEN}{schemas}{CLOSE}").as_bytes()).expect("metadata")
}

fn property(attributes: &str) -> Field {
    let schema = format!(
        r#"<Schema Namespace="M" Alias="A">
            <EnumType Name="City"/><EnumType IsFlags="true" Name="View"/>
            <ComplexType Name="Address"/>
            <TypeDefinition Name="Money" UnderlyingType="Edm.Decimal" Precision="14" Scale="2"/>
            <EntityType Name="P"><Property {attributes}/></EntityType></Schema>"#
    );
    parse(&schema).entities.remove(0).fields.remove(0)
}

#[test]
fn every_edm_type_has_a_kind() {
    let cases = [
        ("Edm.SByte", Edm::Int),
        ("Edm.Byte", Edm::Int),
        ("Edm.Int16", Edm::Int),
        ("Edm.Int32", Edm::Int),
        ("Edm.Int64", Edm::Int),
        ("Edm.Decimal", Edm::Decimal),
        ("Edm.Single", Edm::Double),
        ("Edm.Double", Edm::Double),
        ("Edm.Boolean", Edm::Boolean),
        ("Edm.Date", Edm::Date),
        ("Edm.TimeOfDay", Edm::TimeOfDay),
        ("Edm.DateTimeOffset", Edm::DateTimeOffset),
        ("Edm.Duration", Edm::Duration),
        ("Edm.Guid", Edm::Guid),
        ("Edm.String", Edm::String),
        ("Edm.Binary", Edm::Binary),
        ("Edm.GeographyPoint", Edm::Geography),
        ("Edm.GeometryPolygon", Edm::Geography),
        ("Edm.Untyped", Edm::Untyped),
        ("M.City", Edm::Enumeration { flags: false }),
        ("A.View", Edm::Enumeration { flags: true }),
        ("M.Address", Edm::Complex),
        ("M.Undeclared", Edm::Untyped),
        ("M.Money", Edm::Decimal),
        ("Collection(Edm.String)", Edm::Collection),
        ("Collection(A.View)", Edm::Collection),
    ];
    for (edm_type, edm) in cases {
        let field = property(&format!(r#"Type="{edm_type}" Name="F""#));
        assert_eq!((field.edm, field.edm_type.as_str()), (edm, edm_type));
    }
}

#[test]
fn facets_are_read_in_any_order_and_words_are_ignored() {
    let field =
        property(r#"Scale="2" Name="F" Precision="14" Nullable="false" Type="Edm.Decimal""#);
    assert_eq!(
        (field.precision, field.scale, field.nullable),
        (Some(14), Some(2), false)
    );
    let field = property(r#"Name="F" MaxLength="max" Scale="variable""#);
    assert_eq!(
        (field.max_length, field.scale, field.nullable),
        (None, None, true)
    );
    assert_eq!(field.edm, Edm::String);
    let field = property(r#"Name="F" Type="M.Money" Scale="4""#);
    assert_eq!((field.precision, field.scale), (Some(14), Some(4)));
}

#[test]
fn the_enumeration_of_a_field_comes_from_its_type_or_annotation() {
    assert_eq!(
        property(r#"Name="F" Type="A.City""#).enumeration.as_deref(),
        Some("City")
    );
    assert_eq!(
        property(r#"Name="F" Type="Collection(M.View)""#)
            .enumeration
            .as_deref(),
        Some("View")
    );
    let metadata = parse(
        r#"<Schema Namespace="M"><EntityType Name="P"><Property Name="Roof" Type="Collection(Edm.String)">
            <Annotation String="RoofType" Term="RESO.OData.Metadata.LookupName"/>
            <Annotation Term="Org.OData.Core.V1.Description"><String> Tiles &amp; more </String></Annotation>
        </Property></EntityType></Schema>"#,
    );
    let field = &metadata.entities[0].fields[0];
    assert_eq!(field.enumeration.as_deref(), Some("RoofType"));
    assert_eq!(field.description.as_deref(), Some("Tiles & more"));
}

#[test]
fn a_type_has_the_key_of_its_base_and_the_fields_of_its_base_first() {
    let metadata = parse(
        r#"<Schema Namespace="X"><EntityType Name="P" BaseType="B.Base">
            <Property Name="Own"/><NavigationProperty Name="Media" Type="Collection(B.Media)"/>
        </EntityType></Schema>
        <Schema Namespace="Base.Models" Alias="B"><EntityType Name="Base" BaseType="B.Top">
            <Property Name="Middle" Type="Edm.Int32"/></EntityType>
        <EntityType Name="Top"><Key><PropertyRef Name="Id"/></Key><Property Name="Id"/></EntityType>
        </Schema>"#,
    );
    let entity = &metadata.entities[0];
    let names: Vec<&str> = entity
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, ["Id", "Middle", "Own"]);
    assert_eq!(entity.key, ["Id"]);
    let media = Navigation {
        name: "Media".into(),
        target: "Media".into(),
        collection: true,
    };
    assert_eq!(entity.navigation, [media]);
    assert_eq!(
        entity.field("Middle").map(|field| field.edm),
        Some(Edm::Int)
    );
}

#[test]
fn a_type_with_many_fields_is_read_in_linear_time() {
    const FIELDS: usize = 80_000;
    let mut text = String::from(r#"<Schema Namespace="M"><EntityType Name="P">"#);
    for number in 0..FIELDS {
        text += &format!(r#"<Property Name="AFieldWithALongName{number}"/>"#);
    }
    let started = std::time::Instant::now();
    let metadata = parse(&(text + "</EntityType></Schema>"));
    assert_eq!(metadata.entities[0].fields.len(), FIELDS);
    // Quadratic time takes more than 20 seconds.
    let seconds = started.elapsed().as_secs();
    assert!(seconds < 5, "{seconds} seconds");
}

#[test]
fn a_circle_of_bases_ends() {
    let metadata = parse(
        r#"<Schema Namespace="M"><EntityType Name="P" BaseType="M.Q"><Property Name="A"/></EntityType>
        <EntityType Name="Q" BaseType="M.P"><Property Name="B"/></EntityType></Schema>"#,
    );
    assert_eq!(metadata.entities[0].fields.len(), 2);
}

#[test]
fn members_have_their_numbers_and_display_names() {
    let metadata = parse(
        r#"<Schema Namespace="M" Alias="A"><EntityType Name="P"/>
        <EnumType Name="Status"><Member Name="Active" Value="1"/><Member Value="2" Name="Pending">
            <Annotation Term="RESO.OData.Metadata.StandardName" String="Under &quot;offer&quot;"/></Member>
            <Member Name="Sold"/></EnumType>
        <Annotations Target="A.Status/Sold"><Annotation Term="X.DisplayName" String="Gone"/></Annotations>
        </Schema>"#,
    );
    let status = metadata.enumeration("Status").expect("declared");
    let member = |name: &str, value, display: Option<&str>| Member {
        name: name.to_owned(),
        value,
        display: display.map(str::to_owned),
    };
    let expected = [
        member("Active", Some(1), None),
        member("Pending", Some(2), Some("Under \"offer\"")),
        member("Sold", None, Some("Gone")),
    ];
    assert_eq!(status.members, expected);
}

#[test]
fn a_set_is_found_by_its_name_or_by_its_type() {
    let metadata = parse(
        r#"<Schema Namespace="M"><EntityType Name="Listing"/><EntityType Name="Media"/>
        <EntityContainer Name="C"><EntitySet EntityType="M.Listing" Name="Property"/></EntityContainer>
        </Schema>"#,
    );
    let name = |set| {
        metadata
            .entity_of_set(set)
            .map(|entity| entity.name.as_str())
    };
    assert_eq!(name("Property"), Some("Listing"));
    assert_eq!(name("Media"), Some("Media"));
    assert_eq!(name("Office"), None);
}

#[test]
fn a_document_that_is_not_csdl_is_described() {
    let cases: [(&str, &str); 11] = [
        ("", "$metadata is empty"),
        (" \n", "$metadata is empty"),
        ("{\"error\": 1}", "$metadata is JSON, not CSDL XML"),
        ("Bad gateway", "$metadata is plain text, not CSDL XML"),
        (
            "<!DOCTYPE html>\n<html><br></html>",
            "$metadata is an HTML page, not CSDL XML",
        ),
        ("<rss/>", "$metadata is a document of <rss>, not CSDL XML"),
        (
            "<!-- -->",
            "$metadata is text without an element, not CSDL XML",
        ),
        ("<Edmx/>", "$metadata declares no entity type"),
        (
            "<Edmx><A>",
            "$metadata was cut short: it ends after 9 bytes inside <A>",
        ),
        (
            "<Edmx/>x",
            "$metadata is not well-formed XML at byte 8: text outside the root element",
        ),
        (
            "<Edmx/><Edmx/>",
            "$metadata is not well-formed XML at byte 14: a second root element",
        ),
    ];
    for (text, message) in cases {
        let error = Metadata::parse(text.as_bytes()).expect_err(text);
        assert_eq!(error.to_string(), message);
    }
    let error = Metadata::parse(b"<Edmx>\xFF</Edmx>").expect_err("not text");
    assert_eq!(
        error.to_string(),
        "$metadata is not UTF-8 text, not CSDL XML"
    );
}

#[test]
fn a_document_cut_anywhere_is_an_error() {
    let whole = format!(
        r#"{OPEN}<Schema Namespace="M"><EntityType Name="é"><Property Name="F"><!-- n --><Annotation
        Term="T.Description"><String>a &amp; &undefined; <![CDATA[b]]></String></Annotation></Property>
        </EntityType></Schema>{CLOSE}"#
    );
    assert!(Metadata::parse(whole.as_bytes()).is_ok());
    for end in 0..whole.len() {
        assert!(
            Metadata::parse(&whole.as_bytes()[..end]).is_err(),
            "cut at {end}"
        );
    }
}

#[test]
fn broken_bytes_never_panic() {
    let whole = format!(r#"{OPEN}<Schema Namespace="M"><EntityType Name="P"/></Schema>{CLOSE}"#);
    for at in 0..whole.len() {
        for byte in [0, b'<', b'>', b'"', b'&', b'/', 0xC3, 0xFF] {
            let mut broken = whole.clone().into_bytes();
            broken[at] = byte;
            let _ = Metadata::parse(&broken);
        }
    }
    let deep = "<Edmx>".repeat(100_000);
    assert!(Metadata::parse(deep.as_bytes()).is_err());
}

#[test]
fn metadata_survives_json() {
    let metadata = parse(
        r#"<Schema Namespace="M"><EnumType Name="E" IsFlags="true"><Member Name="A"/></EnumType>
        <EntityType Name="P"><Property Name="F" Type="M.E"/></EntityType></Schema>"#,
    );
    let json = serde_json::to_string(&metadata).expect("json");
    assert_eq!(
        serde_json::from_str::<Metadata>(&json).expect("metadata"),
        metadata
    );
}

/// Reads a document of a real service. Returns none if the checkout does not have it.
fn shared(name: &str) -> Option<Metadata> {
    let root = std::env::var_os("CARGO_MANIFEST_DIR")?;
    let path = PathBuf::from(root).join("../shared").join(name);
    let Ok(xml) = std::fs::read(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    Some(Metadata::parse(&xml).expect("metadata"))
}

#[test]
fn wfrmls_metadata_is_read_whole() {
    let Some(metadata) = shared("wfrmls/metadata.xml") else {
        return;
    };
    let property = metadata.entity_of_set("Property").expect("Property");
    assert_eq!(
        (property.fields.len(), property.key.as_slice()),
        (327, &["ListingKeyNumeric".to_owned()][..])
    );
    let flags = metadata
        .enumerations
        .iter()
        .filter(|known| known.flags)
        .count();
    let members: usize = metadata
        .enumerations
        .iter()
        .map(|known| known.members.len())
        .sum();
    assert_eq!(
        (metadata.enumerations.len(), flags, members),
        (107, 69, 7364)
    );
    assert!(
        metadata
            .enumerations
            .iter()
            .flat_map(|known| &known.members)
            .all(|m| m.value.is_some())
    );
    let undeclared: Vec<&str> = metadata
        .entities
        .iter()
        .flat_map(|entity| &entity.fields)
        .filter(|field| field.edm == Edm::Complex)
        .map(|field| field.edm_type.as_str())
        .collect();
    assert_eq!(undeclared, [""; 0]);
    let status = metadata
        .enumeration("StandardStatus")
        .expect("StandardStatus");
    assert!(
        status
            .members
            .iter()
            .any(|m| m.display.as_deref() == Some("Active Under Contract"))
    );
}

#[test]
fn reso_metadata_is_read_whole_in_both_modes() {
    for (name, enumerations) in [
        ("reso/metadata.xml", 0),
        ("reso/metadata-enum-type.xml", 175),
    ] {
        let Some(metadata) = shared(name) else { return };
        let property = metadata.entity_of_set("Property").expect("Property");
        let collections = property
            .fields
            .iter()
            .filter(|field| field.edm == Edm::Collection);
        assert_eq!((property.fields.len(), collections.count()), (632, 93));
        assert_eq!(metadata.enumerations.len(), enumerations);
        assert_eq!(property.key, ["ListingKey"]);
    }
}
