//! Tables, and their text for a terminal.

use super::terminal_text::{at_left, at_right, cut, printable, width};

/// The width of a terminal, in columns.
pub const WIDTH: usize = 80;

/// The greatest width of a name, in columns. Longer names are cut.
const NAME_WIDTH: usize = 24;

/// A table. Its first columns contain names, the others numbers.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The number of columns with names.
    pub names: usize,
    /// The cells of each row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns an empty table whose first column contains names.
    pub fn new(head: &[&str]) -> Table {
        Table {
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            names: 1,
            rows: Vec::new(),
        }
    }

    /// Returns whether the table fits into a terminal.
    pub fn fits(&self) -> bool {
        self.widths().iter().sum::<usize>() + self.head.len().saturating_sub(1) <= WIDTH
    }

    /// Returns the table as text. A long column name takes several lines.
    pub fn text(&self) -> String {
        let widths = self.widths();
        let wide = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let gap = if wide <= WIDTH { "  " } else { " " };
        let head = self.head.iter().zip(&widths);
        let head: Vec<Vec<String>> = head.map(|(name, room)| lines(name, *room)).collect();
        let height = head.iter().map(Vec::len).max().unwrap_or(0);
        let mut text = String::new();
        for line in 0..height {
            let cells = head.iter().map(|lines| {
                // Column names are aligned at the bottom.
                line.checked_sub(height - lines.len())
                    .and_then(|line| lines.get(line))
                    .map_or("", String::as_str)
            });
            text += &self.line(cells, &widths, gap);
        }
        for row in &self.rows {
            text += &self.line(row.iter().map(String::as_str), &widths, gap);
        }
        text
    }

    fn line<'a>(
        &self,
        cells: impl Iterator<Item = &'a str>,
        widths: &[usize],
        gap: &str,
    ) -> String {
        let cells = cells.zip(widths).enumerate().map(|(column, (cell, room))| {
            let cell = printable(cell);
            if column < self.names {
                at_left(&cut(&cell, NAME_WIDTH), *room)
            } else {
                at_right(&cell, *room)
            }
        });
        let line = cells.collect::<Vec<_>>().join(gap);
        format!("{}\n", line.trim_end())
    }

    fn widths(&self) -> Vec<usize> {
        let shown = |text: &str| width(&printable(text));
        let columns = self.head.iter().enumerate().map(|(column, name)| {
            // Numbers are narrow, so only the names of their columns are split into lines.
            let head = if column < self.names {
                Some(shown(name))
            } else {
                words(name).iter().map(|word| width(word)).max()
            };
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| shown(cell)).max().max(head).unwrap_or(0);
            if column < self.names {
                widest.min(NAME_WIDTH)
            } else {
                widest
            }
        });
        columns.collect()
    }
}

/// Splits a name into lines of at most `room` columns, if its words allow it.
fn lines(name: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words(name) {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// Splits a name into words, at spaces and before capitals, as in ActiveUnderContract.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in printable(name).split_whitespace() {
        let mut word = String::new();
        for letter in part.chars() {
            if letter.is_uppercase() && word.ends_with(char::is_lowercase) {
                words.push(std::mem::take(&mut word));
            }
            word.push(letter);
        }
        words.push(word);
    }
    words
        .iter()
        .map(|word| cut(word, NAME_WIDTH).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_column_name_is_split_into_lines() {
        let mut table = Table::new(&["end of day", "ActiveUnderContract", "Coming Soon"]);
        table
            .rows
            .push(["2026-03-01", "7", "1,234"].map(str::to_owned).to_vec());
        let expected = "              Active\n               Under  Coming\n\
                        end of day  Contract    Soon\n2026-03-01         7   1,234\n";
        assert_eq!(table.text(), expected);
        assert!(table.fits());
    }

    #[test]
    fn columns_line_up_under_wide_characters() {
        let mut table = Table::new(&["city", "都市 Active"]);
        for (city, count) in [("Sandy", "7"), ("東京", "12"), ("🏡 Ōsaka", "1,234")] {
            table.rows.push(vec![city.to_owned(), count.to_owned()]);
        }
        let expected = "            都市\ncity      Active\nSandy          7\n\
                        東京          12\n🏡 Ōsaka   1,234\n";
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn a_long_name_of_wide_characters_is_cut_to_the_width_of_names() {
        let mut table = Table::new(&["city", "listings"]);
        table.rows.push(vec!["東".repeat(20), "7".to_owned()]);
        let expected = format!(
            "city                      listings\n{}…          7\n",
            "東".repeat(11)
        );
        assert_eq!(table.text(), expected);
    }
}
