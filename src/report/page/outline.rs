//! Outlines in a drawing.

use super::markup::length;

/// A mark whose form tells its series, too, where its colour does not.
pub fn mark(colour: usize, x: f64, y: f64, class: &str) -> String {
    let points: &[(f64, f64)] = match colour % 4 {
        0 => {
            let (x, y) = (length(x), length(y));
            return format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.2\"/>");
        }
        1 => &[(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)],
        2 => &[(0.0, -4.2), (4.0, 3.2), (-4.0, 3.2)],
        _ => &[(0.0, -4.5), (4.5, 0.0), (0.0, 4.5), (-4.5, 0.0)],
    };
    let points: Vec<(f64, f64)> = points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    format!("<path class=\"{class}\" d=\"{}\"/>", closed(&points))
}

/// A line from point to point.
pub fn open(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        path += &format!("{letter}{} {}", length(*x), length(*y));
    }
    path
}

/// A line from point to point and back to the first.
pub fn closed(points: &[(f64, f64)]) -> String {
    match points.is_empty() {
        true => String::new(),
        false => open(points) + "Z",
    }
}
