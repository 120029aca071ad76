//! Shapes and paths of a drawing.

use std::fmt::Write as _;

use maud::{Markup, html};

/// Draws a data point. Its shape depends on the series, so that series differ without colour.
pub fn mark(series: usize, x: f64, y: f64, class: &str) -> Markup {
    let corners: &[(f64, f64)] = match series % 4 {
        0 => return html! { circle class=(class) cx=(length(x)) cy=(length(y)) r="3.2" {} },
        1 => &[(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)],
        2 => &[(0.0, -4.2), (4.0, 3.2), (-4.0, 3.2)],
        _ => &[(0.0, -4.5), (4.5, 0.0), (0.0, 4.5), (-4.5, 0.0)],
    };
    let corners: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();

    html! { path class=(class) d=(closed(&corners)) {} }
}

/// Returns the path from point to point.
pub fn open(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", length(*x), length(*y));
    }
    path
}

/// Returns the path from point to point and back to the first.
pub fn closed(points: &[(f64, f64)]) -> String {
    if points.is_empty() {
        return String::new();
    }
    open(points) + "Z"
}

/// Formats a length with at most one decimal. An infinite or undefined length is 0.
pub fn length(number: f64) -> String {
    let tenths = if number.is_finite() {
        (number * 10.0).round() / 10.0
    } else {
        0.0
    };
    // Adding zero turns -0 into 0.
    (tenths + 0.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short_and_always_finite() {
        assert_eq!(length(1.0 / 3.0), "0.3");
        assert_eq!(length(-0.01), "0");
        assert_eq!(length(f64::NAN), "0");
        assert_eq!(length(12.0), "12");
    }
}
