//! The clause that every request for records carries in `$filter`.

use url::form_urlencoded;

/// A clause, percent-encoded.
pub struct FixedFilter {
    clause: String,
}

/// Requests for these documents and resources carry no clause: they have no records of the
/// feed's MLSs.
const WITHOUT: [&str; 3] = ["$metadata", "Deleted", "EntityEvent"];

const OPTION: &str = "$filter=";

impl FixedFilter {
    /// Returns the clause of a configured filter.
    pub fn new(filter: &str) -> FixedFilter {
        FixedFilter {
            clause: encoded(&grouped(filter)),
        }
    }

    /// Adds the clause to the path and query of a request.
    pub fn add_to(&self, path_and_query: &str) -> String {
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        if WITHOUT.contains(&path) {
            return path_and_query.to_owned();
        }
        let mut options = vec![format!("{OPTION}{}", self.clause)];
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.strip_prefix(OPTION) {
                None => options.push(option.to_owned()),
                Some(filter) => {
                    options[0].push_str("%20and%20");
                    options[0].push_str(&grouped(filter));
                }
            }
        }
        format!("{path}?{}", options.join("&"))
    }
}

/// Puts a filter that may contain `or` in parentheses. Others stay as they are, because
/// MLS Grid demands plain terms.
fn grouped(filter: &str) -> String {
    let plain = filter.to_ascii_lowercase().replace("%20", " ");
    if plain.contains(" or ") {
        format!("({filter})")
    } else {
        filter.to_owned()
    }
}

fn encoded(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::FixedFilter;

    #[test]
    fn the_clause_is_joined_with_the_filter_of_a_request() {
        let plain = FixedFilter::new("S eq 'x'");
        let with_or = FixedFilter::new("S eq 1 or S eq 2");
        let cases = [
            (&plain, "Property", "Property?$filter=S%20eq%20%27x%27"),
            (
                &plain,
                "Property?$filter=A%20gt%201&$top=5",
                "Property?$filter=S%20eq%20%27x%27%20and%20A%20gt%201&$top=5",
            ),
            (
                &with_or,
                "Property?$top=5&$filter=A%20eq%201%20or%20B%20eq%202",
                "Property?$filter=(S%20eq%201%20or%20S%20eq%202)%20and%20\
                 (A%20eq%201%20or%20B%20eq%202)&$top=5",
            ),
            (&plain, "$metadata", "$metadata"),
            (&plain, "Deleted?$top=5", "Deleted?$top=5"),
        ];
        for (filter, request, sent) in cases {
            let sent = sent.replace('(', "%28").replace(')', "%29");
            let found = filter
                .add_to(request)
                .replace('(', "%28")
                .replace(')', "%29");
            assert_eq!(found, sent);
        }
    }
}
