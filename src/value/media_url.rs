//! The URL of a media file, without the signature that some vendors make for each answer.

/// Returns whether two URLs name the same file: they differ at most in their query or
/// signature.
pub fn is_same_file(url: &str, other: &str) -> bool {
    url == other || unsigned(url) == unsigned(other)
}

/// Returns a URL without its query and signature, to show it.
pub fn without_signature(url: &str) -> String {
    unsigned(url).join("/")
}

/// Returns the parts of a URL's path that stay the same.
fn unsigned(url: &str) -> Vec<&str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut segments: Vec<&str> = path.split('/').collect();
    // Trestle: …/Media/Property/PHOTO-Jpeg/{ListingKey}/{number}, then three segments with
    // an expiry and a signature (public client code, such as HeyClos/Trestle-ETL).
    if let Some(media) = segments.iter().position(|segment| *segment == "Media")
        && segments.len() == media + 8
    {
        segments.truncate(media + 5);
    }
    // MLS Grid: https://media.mlsgrid.com/token=…&expires=…&id=…/images/…
    // (docs.mlsgrid.com/releases/changes-to-mls-grid-media-access).
    segments.retain(|segment| !is_signature(segment));
    segments
}

/// Returns whether a segment is a list of parameters with an expiry.
fn is_signature(segment: &str) -> bool {
    segment.contains('&') && segment.split('&').any(|part| part.starts_with("expires="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_or_a_signature_does_not_make_another_file() {
        let same = [
            ("https://a/b.jpg", "https://a/b.jpg?sig=1"),
            ("https://a/b.jpg?e=1&s=x", "https://a/b.jpg?e=2&s=y#z"),
            (
                "https://media.mlsgrid.com/token=a1&expires=17&id=9/images/k/1.jpeg",
                "https://media.mlsgrid.com/token=b2&expires=18&id=9/images/k/1.jpeg",
            ),
            (
                "https://api.cotality.com/trestle/Media/Property/PHOTO-Jpeg/100/2/MzE1/MTUv/4vpJ",
                "https://api.cotality.com/trestle/Media/Property/PHOTO-Jpeg/100/2/MzE2/MTUw/9xyz",
            ),
        ];
        for (url, other) in same {
            assert!(is_same_file(url, other), "{url} {other}");
        }
        let others = [
            ("https://a/b.jpg", "https://a/c.jpg"),
            ("https://a/b.jpg?x=1", "https://b/b.jpg?x=1"),
            ("https://a/Media/1.jpg", "https://a/Media/2.jpg"),
            (
                "https://media.mlsgrid.com/token=a1&expires=17&id=9/images/k/1.jpeg",
                "https://media.mlsgrid.com/token=a1&expires=17&id=9/images/k/2.jpeg",
            ),
            (
                "https://api.cotality.com/trestle/Media/Property/PHOTO-Jpeg/100/2/MzE1/MTUv/4vpJ",
                "https://api.cotality.com/trestle/Media/Property/PHOTO-Jpeg/100/3/MzE1/MTUv/4vpJ",
            ),
        ];
        for (url, other) in others {
            assert!(!is_same_file(url, other), "{url} {other}");
        }
    }
}
