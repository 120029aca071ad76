//! Received text as a terminal shows it. Widths are in columns: most letters take one, and
//! the letters of East Asian scripts and emoji take two.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns whether a character controls a terminal, or changes the direction of the text
/// after it (Unicode Standard Annex 9, "Explicit Directional Embeddings", "Overrides",
/// "Isolates").
pub fn steers(letter: char) -> bool {
    let is_directional = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || is_directional
}

/// Replaces the characters of a received text that control a terminal with spaces.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return text.into();
    }
    text.replace(steers, " ").into()
}

/// Returns the width of a text.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Returns the longest start of a text that fits into a width.
pub fn start(text: &str, room: usize) -> &str {
    let length = fitting(text.chars(), room);
    text.split_at(length).0
}

/// Returns the longest end of a text that fits into a width.
pub fn end(text: &str, room: usize) -> &str {
    let length = fitting(text.chars().rev(), room);
    text.split_at(text.len() - length).1
}

/// Returns the length in bytes of the characters that fit into a width, from the first on.
fn fitting(letters: impl Iterator<Item = char>, room: usize) -> usize {
    letters
        .scan(0, |taken, letter| {
            *taken += widest(letter);
            (*taken <= room).then(|| letter.len_utf8())
        })
        .sum()
}

/// Returns the width of a character. Variation selector 16 widens the character before it
/// by up to one column.
fn widest(letter: char) -> usize {
    match letter {
        '\u{fe0f}' => 1,
        letter => letter.width().unwrap_or(1),
    }
}

/// Cuts a text to a width. An ellipsis replaces the rest.
pub fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return text.into();
    }
    let kept = start(text, room.saturating_sub(1));
    format!("{}…", kept.trim_end()).into()
}

/// Aligns a text at the left of a column.
pub fn at_left(text: &str, column: usize) -> String {
    format!("{text}{}", padding(text, column))
}

/// Aligns a text at the right of a column.
pub fn at_right(text: &str, column: usize) -> String {
    format!("{}{text}", padding(text, column))
}

fn padding(text: &str, column: usize) -> String {
    " ".repeat(column.saturating_sub(width(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_control_a_terminal_become_spaces() {
        assert_eq!(printable("a\u{1b}[2J \u{202e}b\u{9b}"), "a [2J  b ");
    }

    #[test]
    fn a_text_is_cut_to_the_columns_that_it_takes() {
        let cases = [
            ("Salt Lake City", 10, "Salt Lake…"),
            ("東京都", 6, "東京都"),
            ("東京都", 5, "東京…"),
            ("東京都", 4, "東…"),
            ("cafe\u{301} bar", 5, "cafe\u{301}…"),
            ("\u{2764}\u{fe0f}\u{2764}\u{fe0f}", 3, "\u{2764}\u{fe0f}…"),
        ];
        for (text, room, expected) in cases {
            assert_eq!(cut(text, room), expected);
        }
        assert_eq!(end("Tokyo 東京", 3), "京");
    }
}
