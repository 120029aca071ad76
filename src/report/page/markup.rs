//! Text as a page may hold it.

use std::fmt::Write as _;

use crate::report::words::steers;

/// A text from anywhere, as the text of an element or the value of an attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(' '),
            // No page may hold some of them, and the others turn what stands behind them.
            letter if steers(letter) || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A length in a drawing, with a digit behind the point where it needs one.
pub fn length(number: f64) -> String {
    let tenths = match number.is_finite() {
        true => (number * 10.0).round() / 10.0,
        false => 0.0,
    };
    let mut text = String::new();
    // A sum with zero is never the negative zero.
    let _ = write!(text, "{}", tenths + 0.0);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let text = "<script>alert(\"1\")</script> & 'co' \u{1b}[1m\u{202e}";
        let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;co&#39; \u{fffd}[1m\u{fffd}";
        assert_eq!(escape(text), escaped);
    }

    #[test]
    fn lengths_are_short_and_always_numbers() {
        assert_eq!(length(1.0 / 3.0), "0.3");
        assert_eq!(length(-0.01), "0");
        assert_eq!(length(f64::NAN), "0");
        assert_eq!(length(12.0), "12");
    }
}
