//! Reading tables of tab-separated values.

/// Returns the cells of a line; missing cells are empty.
pub fn cells<const N: usize>(line: &'static str) -> [&'static str; N] {
    let mut cells = [""; N];
    for (cell, text) in cells.iter_mut().zip(line.split('\t')) {
        *cell = text;
    }
    cells
}
