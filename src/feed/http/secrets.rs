//! Secret texts, and their removal from texts and links of a server.

use url::form_urlencoded;

use crate::config::is_secret_name;

/// Secret texts that must not be shown or stored. They cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

/// The mark that replaces a secret.
const HIDDEN: &str = "…";

impl Secrets {
    /// Adds a secret, as it is and as it is in a query.
    pub fn add(&mut self, secret: &str) {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for text in [secret.to_owned(), encoded] {
            if !text.is_empty() && !self.0.contains(&text) {
                self.0.push(text);
            }
        }
    }

    /// Removes the secrets from text that a server may have echoed.
    pub fn redact(&self, text: &str) -> String {
        let hide = |text: String, secret: &String| text.replace(secret, HIDDEN);
        self.0.iter().fold(text.to_owned(), hide)
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
            is_named || self.0.iter().any(|secret| value == secret.as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;

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
}
