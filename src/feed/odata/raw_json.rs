//! Splits JSON into raw values. Its brackets, commas and colons must be in place, but texts
//! and numbers may hold anything, and values may be nested to any depth.

/// A member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'b> {
    /// The name with its quotes. Empty for an item of a list.
    pub name: &'b [u8],
    /// The value.
    pub value: &'b [u8],
}

/// The largest number of items or members that are separated: their places take memory, too.
const PARTS_MAX: usize = 1_000_000;

/// Returns the items of a list. Returns none if the JSON is not one list, or too long.
pub fn items(json: &[u8]) -> Option<Vec<&[u8]>> {
    let items = split(json, Next::ValueOrEnd)?;
    Some(items.into_iter().map(|item| item.value).collect())
}

/// Returns the members of an object. Returns none if the JSON is not one object, or too long.
pub fn members(json: &[u8]) -> Option<Vec<Member<'_>>> {
    split(json, Next::NameOrEnd)
}

/// Returns the text or number of a member of an object, if both can be decoded. Other members
/// may be invalid.
pub fn member_value(object: &str, name: &str) -> Option<serde_json::Value> {
    let has_name = |raw: &[u8]| serde_json::from_slice::<String>(raw).is_ok_and(|raw| raw == name);
    let members = members(object.as_bytes())?.into_iter();
    let member = members.rev().find(|member| has_name(member.name))?;
    let is_plain = !member.value.starts_with(b"[") && !member.value.starts_with(b"{");
    is_plain.then(|| serde_json::from_slice(member.value).ok())?
}

/// Returns bytes as text. Bytes that are not UTF-8, and the NUL character, are written as `\x`
/// and two hexadecimal digits, which JSON does not use.
pub fn spell(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\0', "\\x00"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

/// The part of a list or object that comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    ValueOrEnd,
    Value,
    NameOrEnd,
    Name,
    Colon,
    CommaOrEnd,
}

fn split(json: &[u8], opened: Next) -> Option<Vec<Member<'_>>> {
    let mut tokens = Tokens {
        rest: json.trim_ascii_start(),
        open: Vec::new(),
        next: Next::Value,
    };
    tokens.skip_one()?;
    if tokens.next != opened {
        return None;
    }

    let (mut name, mut found) = (&json[..0], Vec::new());
    loop {
        let (start, next) = (tokens.rest, tokens.next);
        tokens.skip_one()?;
        while tokens.open.len() > 1 {
            tokens.skip_one()?;
        }
        if tokens.open.is_empty() {
            return tokens.rest.is_empty().then_some(found);
        }
        let text = start[..start.len() - tokens.rest.len()].trim_ascii_end();
        match next {
            Next::Name | Next::NameOrEnd => name = text,
            Next::Value | Next::ValueOrEnd if found.len() == PARTS_MAX => return None,
            Next::Value | Next::ValueOrEnd => found.push(Member { name, value: text }),
            Next::Colon | Next::CommaOrEnd => {}
        }
    }
}

/// The tokens of a JSON text: brackets, commas, colons, texts and plain values.
struct Tokens<'b> {
    rest: &'b [u8],
    /// The brackets that are open.
    open: Vec<u8>,
    next: Next,
}

impl Tokens<'_> {
    /// Skips one token and the space after it. Returns none if another token is expected.
    fn skip_one(&mut self) -> Option<()> {
        let byte = *self.rest.first()?;
        let (length, next) = match (self.next, byte) {
            (Next::Value | Next::ValueOrEnd, b'{') => (self.opened(byte), Next::NameOrEnd),
            (Next::Value | Next::ValueOrEnd, b'[') => (self.opened(byte), Next::ValueOrEnd),
            (Next::ValueOrEnd | Next::CommaOrEnd, b']') => (self.closed(b'[')?, Next::CommaOrEnd),
            (Next::NameOrEnd | Next::CommaOrEnd, b'}') => (self.closed(b'{')?, Next::CommaOrEnd),
            (Next::Value | Next::ValueOrEnd, b'"') => (text_length(self.rest)?, Next::CommaOrEnd),
            (Next::Value | Next::ValueOrEnd, _) => (plain_length(self.rest)?, Next::CommaOrEnd),
            (Next::Name | Next::NameOrEnd, b'"') => (text_length(self.rest)?, Next::Colon),
            (Next::Colon, b':') => (1, Next::Value),
            (Next::CommaOrEnd, b',') if self.open.last()? == &b'{' => (1, Next::Name),
            (Next::CommaOrEnd, b',') => (1, Next::Value),
            _ => return None,
        };
        self.rest = self.rest[length..].trim_ascii_start();
        self.next = next;
        Some(())
    }

    fn opened(&mut self, bracket: u8) -> usize {
        self.open.push(bracket);
        1
    }

    fn closed(&mut self, bracket: u8) -> Option<usize> {
        (self.open.pop()? == bracket).then_some(1)
    }
}

/// Returns the length of the text at the start. A quote that is followed by something else
/// than the end of a value is a part of the text that its writer did not escape.
fn text_length(json: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match json.get(at)? {
            b'\\' => at += 2,
            b'"' if ends_value(json[at + 1..].trim_ascii_start()) => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn ends_value(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b',' | b':' | b']' | b'}'))
}

/// Returns the length of the number or word at the start.
fn plain_length(json: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",:[]{}\"".contains(byte);
    let length = json.iter().position(is_end)?;
    (length > 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::{items, members};

    fn of_list(json: &str) -> Option<Vec<&str>> {
        let found = items(json.as_bytes())?.into_iter();
        Some(
            found
                .map(|item| std::str::from_utf8(item).unwrap())
                .collect(),
        )
    }

    #[test]
    fn a_list_is_split_into_its_items_whatever_their_texts_and_numbers_hold() {
        for (json, found) in [
            ("[]", Some(vec![])),
            (
                " [ 1 , NaN,\t-Infinity ] ",
                Some(vec!["1", "NaN", "-Infinity"]),
            ),
            (
                r#"["a\"],", "b\\", "]"]"#,
                Some(vec![r#""a\"],""#, r#""b\\""#, r#""]""#]),
            ),
            (
                "[\"a\n\tb\", {\"c\": [1, {}]}]",
                Some(vec!["\"a\n\tb\"", "{\"c\": [1, {}]}"]),
            ),
            (
                r#"["10" x 12" wide", 2]"#,
                Some(vec![r#""10" x 12" wide""#, "2"]),
            ),
            ("[1", None),
            ("[1]]", None),
            ("[1,]", None),
            ("[1 2]", None),
            ("[{1}]", None),
            ("[{\"a\":1], 2}", None),
            ("[\"a]", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(of_list(json), found, "{json}");
        }
    }

    #[test]
    fn an_object_is_split_into_its_members() {
        let found = members(b" {\"a\" : 1e400,\"b\":{\"c\":\xff}} ").unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.name, found.value))
            .collect();
        let expected: [(&[u8], &[u8]); 2] = [(b"\"a\"", b"1e400"), (b"\"b\"", b"{\"c\":\xff}")];
        assert_eq!(found, expected);
    }

    #[test]
    fn values_may_be_nested_to_any_depth() {
        let nested = format!("[{}{}, 2]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(of_list(&nested).unwrap().len(), 2);
    }

    #[test]
    fn a_missing_quote_does_not_hide_the_next_record() {
        assert_eq!(of_list(r#"[{"K":1,"a":"x},{"K":2,"a":"y"}]"#), None);
        assert_eq!(of_list(r#"[{"K":1,"a":"x},{"K":2,"a":"y},{"K":3}]"#), None);
    }
}
