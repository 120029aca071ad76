//! The link to the next page in the `Link` header.

use reqwest::header::{HeaderMap, LINK};
use url::Url;

/// Returns the link to the next page (RFC 8288), as an absolute URL. Bridge sends it so.
pub fn next_link(headers: &HeaderMap, request: &Url) -> Option<String> {
    let values = headers.get_all(LINK).iter();
    let mut links = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(links);
    let (target, _) = links.find(|(_, parameters)| is_next(parameters))?;
    request.join(target).ok().map(String::from)
}

/// Returns the targets of a header value, each with its parameters.
fn links(value: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    let mut rest = value;
    while let Some((_, link)) = rest.split_once('<') {
        let Some((target, after)) = link.split_once('>') else {
            break;
        };
        let mut is_quoted = false;
        let end = after.find(|c: char| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        });
        let (parameters, next) = after.split_at(end.unwrap_or(after.len()));
        links.push((target.trim(), parameters));
        rest = next;
    }
    links
}

/// Returns whether a link has the relation `next`.
fn is_next(parameters: &str) -> bool {
    let mut named = parameters.split(';').filter_map(|one| one.split_once('='));
    let relations = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"));
    relations.is_some_and(|(_, value)| {
        let mut relations = value.trim().trim_matches('"').split_whitespace();
        relations.any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn the_link_with_the_relation_next_is_found() {
        let request = Url::parse("https://a.example/odata/Property?$top=2").expect("a URL");
        let cases = [
            (
                r#"<https://a.example/odata/Property?$next=b,c>; rel="next""#,
                Some("$next=b,c"),
            ),
            (
                r#"</odata/Property?n=1>; rel="first", <?n=2>; title="a, b"; rel=next"#,
                Some("n=2"),
            ),
            (r#"<?n=1>; rel="prev last""#, None),
            (r#"<?n=1>; rel="last NEXT""#, Some("n=1")),
            ("<?n=1", None),
            ("", None),
        ];
        for (value, query) in cases {
            let value = HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(LINK, value)]);
            let expected = query.map(|query| format!("https://a.example/odata/Property?{query}"));
            assert_eq!(next_link(&headers, &request), expected);
        }
    }
}
