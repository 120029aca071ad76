//! Parses XML into a tree of elements, to the extent that CSDL needs.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::metadata_error::MetadataError;

/// The largest depth of elements. CSDL has about ten levels. Without a limit, dropping a deep
/// tree could overflow the stack.
const DEEPEST: usize = 64;

/// The largest number of elements and attributes, so that their memory has a bound. Published
/// documents have up to 80,000.
const NODES_MAX: usize = 500_000;

/// The largest number of attributes of an element. The parser compares each with all others.
const ATTRIBUTES_MAX: usize = 100;

/// An element. Names have no namespace prefix.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    /// Returns the value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the children with this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Parses a complete CSDL document into its root element.
pub(super) fn parse(xml: &[u8]) -> Result<Element, MetadataError> {
    let text = text_of(xml)?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut nodes_left = NODES_MAX;
    loop {
        let event = reader.read_event();
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let malformed = |problem: String| MetadataError::Malformed { at, problem };
        let event = match event {
            Ok(event) => event,
            // quick-xml reports the end of the document inside a tag as a syntax error.
            Err(quick_xml::Error::Syntax(_)) if !open.is_empty() => {
                return Err(cut_short(text, &open));
            }
            // The text of this error repeats names of the document.
            Err(quick_xml::Error::IllFormed(_)) => {
                return Err(malformed("a tag does not match".to_owned()));
            }
            Err(error) => return Err(malformed(error.to_string())),
        };
        match event {
            Event::Start(_) | Event::Empty(_) if root.is_some() => {
                return Err(malformed("a second root element".to_owned()));
            }
            Event::Start(start) => {
                let element = element_of(&start, &mut nodes_left).map_err(malformed)?;
                if open.is_empty() {
                    require_root(&element.name)?;
                } else if open.len() == DEEPEST {
                    return Err(malformed(format!("elements nest deeper than {DEEPEST}")));
                }
                open.push(element);
            }
            Event::Empty(start) => {
                let element = element_of(&start, &mut nodes_left).map_err(malformed)?;
                if open.is_empty() {
                    require_root(&element.name)?;
                }
                close(element, &mut open, &mut root);
            }
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    close(element, &mut open, &mut root);
                }
            }
            Event::Text(part) => add_text(&part, &mut open).map_err(malformed)?,
            Event::CData(part) => add_text(&part, &mut open).map_err(malformed)?,
            Event::GeneralRef(part) => add_text(&resolved(&part), &mut open).map_err(malformed)?,
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    if !open.is_empty() {
        return Err(cut_short(text, &open));
    }
    root.ok_or_else(|| MetadataError::NotCsdl("text without an element".to_owned()))
}

/// Returns the text of a document, if it can be XML.
fn text_of(xml: &[u8]) -> Result<&str, MetadataError> {
    let xml = xml.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(xml);
    let text = match std::str::from_utf8(xml) {
        Ok(text) => text,
        // A cut inside a character. The parser finds the open element.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&xml[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Err(MetadataError::NotCsdl("not UTF-8 text".to_owned())),
    };
    match text.trim_start().chars().next() {
        None => Err(MetadataError::Empty),
        Some('<') => Ok(text.trim_start()),
        Some('{' | '[') => Err(MetadataError::NotCsdl("JSON".to_owned())),
        Some(_) => Err(MetadataError::NotCsdl("plain text".to_owned())),
    }
}

/// Returns the name of an element as CSDL spells it. Some servers write another case
/// (`Dataservices` in the `$metadata` that Rapattoni published for its certification).
fn spelled(name: &str) -> &str {
    const NAMES: [&str; 16] = [
        "Annotation",
        "Annotations",
        "ComplexType",
        "DataServices",
        "Edmx",
        "EntityContainer",
        "EntitySet",
        "EntityType",
        "EnumType",
        "Key",
        "Member",
        "NavigationProperty",
        "Property",
        "PropertyRef",
        "Schema",
        "TypeDefinition",
    ];
    let known = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name));
    known.copied().unwrap_or(name)
}

/// Checks that the root element is `Edmx`, as in CSDL.
fn require_root(name: &str) -> Result<(), MetadataError> {
    match name {
        "Edmx" => Ok(()),
        name if name.eq_ignore_ascii_case("html") => {
            Err(MetadataError::NotCsdl("an HTML page".to_owned()))
        }
        name => {
            let shown: String = name.chars().take(40).collect();
            Err(MetadataError::NotCsdl(format!("a document of <{shown}>")))
        }
    }
}

fn cut_short(text: &str, open: &[Element]) -> MetadataError {
    let element = open.last().map(|element| element.name.clone());
    MetadataError::CutShort {
        bytes: text.len(),
        element: element.unwrap_or_default(),
    }
}

fn element_of(start: &BytesStart<'_>, nodes_left: &mut usize) -> Result<Element, String> {
    let mut count = || {
        *nodes_left = nodes_left
            .checked_sub(1)
            .ok_or("the document is too large")?;
        Ok::<(), String>(())
    };
    count()?;

    let mut element = Element {
        name: spelled(start.local_name().into_inner()).to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        count()?;
        if element.attributes.len() == ATTRIBUTES_MAX {
            return Err(format!(
                "an element has more than {ATTRIBUTES_MAX} attributes"
            ));
        }
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = attribute.key.local_name().into_inner().to_owned();
        // An entity that XML does not define is kept as written.
        let value = match attribute.normalized_value(XmlVersion::Explicit1_0) {
            Ok(value) => value.into_owned(),
            Err(_) => attribute.value.to_string(),
        };
        element.attributes.push((name, value));
    }
    Ok(element)
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn add_text(part: &str, open: &mut [Element]) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(part),
        None if part.trim().is_empty() => {}
        None => return Err("text outside the root element".to_owned()),
    }
    Ok(())
}

/// Returns the character of a reference. A reference that XML does not define is kept as
/// written. The result is not expanded again.
fn resolved(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match quick_xml::escape::resolve_predefined_entity(reference) {
        Some(text) => text.to_owned(),
        None => format!("&{};", &**reference),
    }
}
