//! Charts over days as inline SVG: columns one on another, and dots. What they show is
//! in a table beside them, too.

use super::axis::{Axis, BOTTOM, TOP, Unit};
use super::markup::{escape, length};
use super::outline::{closed, mark, open};
use crate::report::words::{cut, short_number, short_time};

/// A drawing's size in its own units: a phone shows it at three quarters, so that its
/// letters can still be read.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 250.0;

/// Where the plot is, from left to right.
const LEFT: f64 = 50.0;
const RIGHT: f64 = 472.0;

/// Where what is pointed at is written, above the plot.
const READOUT_X: f64 = 4.0;

/// So many letters fit there.
const READOUT: usize = 72;

/// So many colours there are; what comes behind them shares the last.
pub const COLOURS: usize = 8;

/// One number a bin.
#[derive(Clone, Debug)]
pub struct Series {
    /// What they are called.
    pub name: String,
    /// The numbers; none where nothing is known. Below zero they hang from the axis.
    pub values: Vec<Option<f64>>,
    /// Which of the [`COLOURS`].
    pub colour: usize,
}

/// How numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Series one on another, bin beside bin.
    Areas,
    /// Series one on another, bins apart.
    Columns,
    /// A dot each, on an axis where each step is ten times the one before.
    Dots,
}

/// A chart over bins of days.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Of the page's charts, which.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// The same in a sentence, for those who do not see it.
    pub description: String,
    /// What each bin is called where it is pointed at.
    pub bins: Vec<String>,
    /// What stands below some of them.
    pub labels: Vec<String>,
    /// The numbers.
    pub series: Vec<Series>,
    /// What they measure.
    pub unit: Unit,
    /// How they are drawn.
    pub form: Form,
}

impl Chart {
    /// The drawing, and what its colours mean.
    pub fn html(&self) -> String {
        let axis = match self.form {
            Form::Dots => Axis::by_tens(self.least_and_most()),
            _ => Axis::even(self.extent(), self.unit),
        };
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
             <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n",
            escape(&self.title),
            escape(&self.description),
            id = self.id,
        );
        svg += &self.grid(&axis);
        for series in 0..self.series.len() {
            svg += &self.drawn(series, &axis);
        }
        if let Some(instead) = self.instead() {
            svg += &format!(
                "<text class=\"none\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{instead}</text>\n",
                length((LEFT + RIGHT) / 2.0),
                length((TOP + BOTTOM) / 2.0)
            );
        }
        svg += &format!(
            "<path class=\"axis\" d=\"M{LEFT} {y}H{RIGHT}\"/>\n",
            y = length(axis.y(0.0).min(BOTTOM))
        );
        for bin in 0..self.bins.len() {
            svg += &self.pointed_at(bin);
        }
        svg += "</svg>\n";
        format!("{}{svg}", self.legend())
    }

    /// What stands where there is nothing to draw.
    fn instead(&self) -> Option<&'static str> {
        let numbers = || self.series.iter().flat_map(|series| &series.values);
        match self.form {
            _ if numbers().flatten().any(|number| *number != 0.0) => None,
            Form::Columns if numbers().all(Option::is_none) => Some("not known of this time"),
            _ => Some("nothing in this time"),
        }
    }

    /// The lowest and the highest of columns that stand one on another.
    fn extent(&self) -> (f64, f64) {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for bin in 0..self.bins.len() {
            let values = self.series.iter().filter_map(|series| series.at(bin));
            let (down, up): (Vec<f64>, Vec<f64>) = values.partition(|value| *value < 0.0);
            low = low.min(down.iter().sum());
            high = high.max(up.iter().sum());
        }
        (low, high)
    }

    /// The least number above zero, and the most.
    fn least_and_most(&self) -> (f64, f64) {
        let bins = 0..self.bins.len();
        let numbers = bins.flat_map(|bin| self.series.iter().filter_map(move |one| one.at(bin)));
        let numbers: Vec<f64> = numbers.filter(|number| *number > 0.0).collect();
        let most = numbers.iter().copied().reduce(f64::max);
        let least = numbers.iter().copied().reduce(f64::min);
        // An empty chart has the times that are usual.
        least.zip(most).unwrap_or((0.1, 1.0))
    }

    fn grid(&self, axis: &Axis) -> String {
        let mut svg = String::new();
        for tick in &axis.ticks {
            let y = axis.y(*tick);
            svg += &format!(
                "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/><text class=\"tick\" x=\"{x}\" y=\"{below}\" text-anchor=\"end\">{text}</text>\n",
                y = length(y),
                x = length(LEFT - 6.0),
                below = length(y + 4.0),
                text = escape(&self.number(*tick)),
            );
        }
        let count = self.labels.len();
        // As many as fit without touching, from the last one back.
        let step = count.div_ceil(5).max(1);
        for (bin, label) in self.labels.iter().enumerate() {
            if !(count - 1 - bin).is_multiple_of(step) {
                continue;
            }
            let middle = self.x(bin) + self.width() / 2.0;
            let (x, anchor) = match middle {
                middle if middle > RIGHT - 24.0 => (RIGHT, "end"),
                middle if middle < LEFT + 24.0 => (LEFT, "start"),
                middle => (middle, "middle"),
            };
            svg += &format!(
                "<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>\n",
                length(x),
                length(BOTTOM + 17.0),
                escape(label)
            );
        }
        svg
    }

    /// The width of a bin.
    fn width(&self) -> f64 {
        (RIGHT - LEFT) / self.bins.len().max(1) as f64
    }

    /// Where a bin begins.
    fn x(&self, bin: usize) -> f64 {
        LEFT + self.width() * bin as f64
    }

    fn drawn(&self, series: usize, axis: &Axis) -> String {
        let class = format!("s{}", self.series[series].colour.min(COLOURS - 1) + 1);
        match self.form {
            Form::Dots => self.dots(series, axis, &class),
            _ => format!(
                "<path class=\"{class}\" d=\"{}\"/>\n",
                self.stacked(series, axis)
            ),
        }
    }

    /// The outlines of a series' columns, on those of the series before.
    fn stacked(&self, series: usize, axis: &Axis) -> String {
        let gap = match self.form {
            Form::Columns => self.width() * 0.2,
            _ => 0.0,
        };
        // Bin beside bin is one outline: up the tops, and back along the feet.
        let mut outline: Vec<(f64, f64)> = Vec::new();
        let mut feet: Vec<(f64, f64)> = Vec::new();
        let mut path = String::new();
        for bin in 0..self.bins.len() {
            let value = self.series[series].at(bin).unwrap_or(0.0);
            let before = self.series[..series].iter();
            let foot: f64 = before
                .filter_map(|series| series.at(bin))
                .filter(|before| (*before < 0.0) == (value < 0.0))
                .sum();
            let (left, right) = (self.x(bin) + gap / 2.0, self.x(bin + 1) - gap / 2.0);
            let (foot, top) = (axis.y(foot), axis.y(foot + value));
            if self.form == Form::Areas {
                outline.extend([(left, top), (right, top)]);
                feet.extend([(left, foot), (right, foot)]);
            } else if value != 0.0 {
                path += &closed(&[(left, foot), (left, top), (right, top), (right, foot)]);
            }
        }
        feet.reverse();
        outline.append(&mut feet);
        path + &closed(&outline)
    }

    fn dots(&self, series: usize, axis: &Axis, class: &str) -> String {
        let series = &self.series[series];
        let points = (0..self.bins.len()).filter_map(|bin| {
            let value = series.at(bin)?;
            Some((self.x(bin) + self.width() / 2.0, axis.y(value)))
        });
        let points: Vec<(f64, f64)> = points.collect();
        let mut svg = String::new();
        if points.len() > 1 {
            let line = open(&points);
            svg += &format!("<path class=\"line {class}\" d=\"{line}\"/>\n");
        }
        for (x, y) in points {
            svg += &mark(series.colour, x, y, class);
        }
        svg
    }

    /// A bin's numbers, for the pointer and for those who tap.
    fn pointed_at(&self, bin: usize) -> String {
        let mut numbers = Vec::new();
        for series in &self.series {
            if let Some(value) = series.at(bin).filter(|value| *value != 0.0) {
                numbers.push(format!("{} {}", series.name, self.number(value.abs())));
            }
        }
        let numbers = match numbers.is_empty() {
            true if self.series.iter().all(|series| series.at(bin).is_none()) => "-".to_owned(),
            true => "nothing".to_owned(),
            false => numbers.join(" · "),
        };
        let name = &self.bins[bin];
        let text = format!("{name}: {numbers}");
        format!(
            "<g class=\"bin\"><title>{}</title><rect x=\"{}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>\
             <text x=\"{}\" y=\"12\">{}</text></g>\n",
            escape(&text),
            length(self.x(bin)),
            length(self.width().max(0.1)),
            length(BOTTOM - TOP),
            READOUT_X,
            escape(&cut(&text, READOUT)),
        )
    }

    fn number(&self, number: f64) -> String {
        match self.unit {
            Unit::Count => short_number(number.abs().round() as u64),
            Unit::Seconds => short_time(number.abs()),
        }
    }

    fn legend(&self) -> String {
        if self.series.len() < 2 {
            return String::new();
        }
        let items: String = self
            .series
            .iter()
            .map(|series| {
                let class = format!("s{}", series.colour.min(COLOURS - 1) + 1);
                let swatch = match self.form {
                    Form::Dots => mark(series.colour, 6.0, 6.0, &class),
                    _ => format!("<rect class=\"{class}\" width=\"12\" height=\"12\"/>"),
                };
                format!(
                    "<li><svg class=\"swatch\" viewBox=\"0 0 12 12\" aria-hidden=\"true\">{swatch}</svg>{}</li>\n",
                    escape(&series.name)
                )
            })
            .collect();
        format!("<ul class=\"legend\">\n{items}</ul>\n")
    }
}

impl Series {
    fn at(&self, bin: usize) -> Option<f64> {
        let value = self.values.get(bin).copied().flatten();
        value.filter(|value| value.is_finite())
    }
}
