//! Secret texts, and their removal from texts and links of a server.

use std::collections::{BTreeSet, HashSet};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::form_urlencoded;

use crate::config::is_secret_name;

/// Secret texts that must not be shown or stored. They cannot be printed.
#[derive(Clone, Default)]
pub struct Secrets {
    plain: BTreeSet<String>,
    /// All secrets in all spellings, in lower case.
    spellings: BTreeSet<String>,
    /// Finds the long secrets in all spellings.
    long: Option<AhoCorasick>,
}

/// The mark that replaces a secret.
const HIDDEN: &str = "…";

/// A part of a secret of this length, in bytes, is hidden, too.
const PART_BYTES: usize = 12;

/// A shorter secret may be an ordinary word. It is not removed from records.
const LONG_BYTES: usize = 12;

impl Secrets {
    /// Adds a secret in all spellings.
    pub fn add(&mut self, secret: &str) {
        if secret.is_empty() || !self.plain.insert(secret.to_owned()) {
            return;
        }
        let lower = spellings(secret).into_iter();
        self.spellings
            .extend(lower.map(|text| text.to_ascii_lowercase()));
        let long = self.plain.iter().filter(|plain| plain.len() >= LONG_BYTES);
        let long: BTreeSet<String> = long.flat_map(|secret| spellings(secret)).collect();
        let mut builder = AhoCorasick::builder();
        self.long = builder.ascii_case_insensitive(true).build(long).ok();
    }

    /// Returns whether this secret was added.
    pub fn contains(&self, secret: &str) -> bool {
        self.plain.contains(secret)
    }

    /// Removes the secrets and their parts from text that a server may have echoed.
    pub fn redact(&self, text: &str) -> String {
        let lower = text.to_ascii_lowercase();
        let mut is_hidden = vec![false; text.len()];
        for spelling in self.spellings.iter().map(String::as_bytes) {
            let length = spelling.len().min(PART_BYTES);
            let parts: HashSet<&[u8]> = spelling.windows(length).collect();
            for (at, part) in lower.as_bytes().windows(length).enumerate() {
                if parts.contains(part) {
                    is_hidden[at..at + length].fill(true);
                }
            }
        }

        let mut shown = String::with_capacity(text.len());
        let mut was_hidden = false;
        for (at, letter) in text.char_indices() {
            let hides = is_hidden[at..at + letter.len_utf8()].contains(&true);
            if !hides {
                shown.push(letter);
            } else if !was_hidden {
                shown += HIDDEN;
            }
            was_hidden = hides;
        }
        shown
    }

    /// Removes whole secrets from a body, unless they are so short that they may be words.
    pub fn redact_body(&self, body: Vec<u8>) -> Vec<u8> {
        match &self.long {
            Some(long) if long.is_match(&body) => {
                let marks = vec![HIDDEN; long.patterns_len()];
                long.replace_all_bytes(&body, &marks)
            }
            _ => body,
        }
    }

    /// Removes query parameters from a link that have the name of a secret, or a secret as
    /// their value. The rest of the link stays as the server wrote it, because an encoded
    /// position must not change.
    ///
    /// Bridge writes `access_token` into its next links. Source: bridgeinteractive.com.
    pub fn without_secrets(&self, link: &str) -> String {
        let (rest, fragment) = match link.split_once('#') {
            Some((rest, fragment)) => (rest, format!("#{fragment}")),
            None => (link, String::new()),
        };
        let Some((path, query)) = rest.split_once('?') else {
            return link.to_owned();
        };
        let kept: Vec<&str> = query
            .split('&')
            .filter(|part| !self.is_secret(part))
            .collect();
        let separator = if kept.is_empty() { "" } else { "?" };
        format!("{path}{separator}{}{fragment}", kept.join("&"))
    }

    fn is_secret(&self, parameter: &str) -> bool {
        let mut pairs = form_urlencoded::parse(parameter.as_bytes());
        pairs.next().is_some_and(|(name, value)| {
            // A server may call the position in its pages a token.
            let is_named = is_secret_name(&name) && !name.eq_ignore_ascii_case("token");
            is_named || value.contains(HIDDEN) || self.contains(&value)
        })
    }
}

/// Returns a secret as it is, and in the encodings that a server may repeat it in.
fn spellings(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let each = |write: &dyn Fn(u32) -> String| -> String {
        secret.chars().map(|letter| write(letter.into())).collect()
    };
    let form: String = form_urlencoded::byte_serialize(bytes).collect();
    let percent = form.replace('+', "%20");
    let json = serde_json::to_string(secret).unwrap_or_default();
    let json = json.trim_matches('"').to_owned();
    let mut spellings = vec![
        secret.to_owned(),
        percent.replace('%', "%25"),
        percent,
        form,
        bytes.iter().map(|byte| format!("%{byte:02x}")).collect(),
        json.replace('/', "\\/"),
        json,
        each(&|letter| format!("\\u{letter:04x}")),
        each(&|letter| format!("&#{letter};")),
        each(&|letter| format!("&#x{letter:x};")),
        secret.replace('&', "&amp;").replace('<', "&lt;"),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    ];
    // In base64, three bytes are four letters: what precedes the secret shifts its letters.
    for (before, mixed) in [(0, 0), (1, 2), (2, 3)] {
        let shifted = [&vec![0; before], bytes].concat();
        let whole = shifted.len() / 3 * 4;
        for encoded in [
            STANDARD_NO_PAD.encode(&shifted),
            URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            spellings.extend(encoded.get(mixed..whole.max(mixed)).map(str::to_owned));
        }
    }
    // Base64 of a short secret has few letters that do not depend on its surroundings.
    spellings.retain(|spelling| spelling.len() >= bytes.len().min(PART_BYTES));
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "A/Token+with=42_letters-that-none-may-know";

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add(TOKEN);
        secrets
    }

    #[test]
    fn a_link_loses_its_secrets_and_nothing_else() {
        let mut secrets = Secrets::default();
        secrets.add("s3 cret");
        let cases = [
            (
                "https://h/Property?access_token=x&%24top=5&$next=a%2Bb+c",
                "https://h/Property?%24top=5&$next=a%2Bb+c",
            ),
            ("?$skip=5&Access%5FToken=x", "?$skip=5"),
            ("Property?api-key=x", "Property"),
            ("?key=s3+cret&a=1", "?a=1"),
            ("?key=s3%20cret&a=1#f", "?a=1#f"),
            ("?a=1&key=…", "?a=1"),
            (
                "?token=next-page&$skiptoken=1",
                "?token=next-page&$skiptoken=1",
            ),
            ("Property", "Property"),
        ];
        for (link, kept) in cases {
            assert_eq!(secrets.without_secrets(link), kept);
        }
        assert_eq!(secrets.redact("a s3 cret or s3+cret"), "a … or …");
    }

    #[test]
    fn every_spelling_of_a_secret_and_its_first_letters_are_hidden() {
        let secrets = secrets();
        let mut texts = spellings(TOKEN);
        texts.extend([
            TOKEN.to_uppercase(),
            TOKEN[..13].to_owned(),
            TOKEN[20..].to_owned(),
        ]);
        for before in ["", "B", "Be", "Bearer ", "user:"] {
            let text = format!("{before}{TOKEN} and more");
            texts.extend([STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
        }
        for text in texts {
            let shown = secrets.redact(&format!("<{text}>"));
            let left: String = shown.replace(HIDDEN, "");
            let known = shown
                .chars()
                .filter(|letter| letter.is_alphanumeric())
                .count();
            assert!(shown.contains(HIDDEN), "{text}: {shown}");
            // What base64 mixes with the surroundings of the secret is left.
            let surroundings = if text.starts_with(&TOKEN[..1]) { 0 } else { 26 };
            assert!(
                left.len() <= 2 + surroundings && known <= surroundings,
                "{text}: {shown}"
            );
        }
        assert_eq!(
            secrets.redact("größe: a token with 42 letters"),
            "größe: a token with 42 letters"
        );
    }

    #[test]
    fn a_body_loses_whole_secrets_and_no_words() {
        let mut secrets = secrets();
        secrets.add("utah");
        let body = format!(
            "{{\"a\":\"{TOKEN}\",\"b\":\"Utah\",\"c\":\"{}\"}}",
            &TOKEN[..13]
        );
        let kept = secrets.redact_body(body.into_bytes());
        let expected = format!("{{\"a\":\"…\",\"b\":\"Utah\",\"c\":\"{}\"}}", &TOKEN[..13]);
        assert_eq!(String::from_utf8(kept).unwrap_or_default(), expected);
    }
}
