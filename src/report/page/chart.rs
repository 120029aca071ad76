//! Charts over days as inline SVG. Every number of a chart is also in a table of the page.

use maud::{Markup, html};

use super::axis::{Axis, BOTTOM, TOP, Unit};
use super::outline::{closed, length, mark, open};
use crate::report::terminal_text::cut;
use crate::report::words::{short_number, short_time};

/// The size of a drawing in its own units. A phone shows it at three quarters, where its
/// text is still legible.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 250.0;

/// The left and right edge of the plot.
const LEFT: f64 = 50.0;
const RIGHT: f64 = 472.0;

/// The left edge of the line above the plot that describes the bin under the pointer.
const READOUT_X: f64 = 4.0;

/// The number of characters that fit into that line.
const READOUT: usize = 72;

/// The number of colours. Series after these share the last one.
const COLOURS: usize = 8;

/// One number per bin.
#[derive(Clone, Debug)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// The numbers; None where the number is unknown. Negative ones hang below the axis.
    pub values: Vec<Option<f64>>,
    /// Which of the [`COLOURS`].
    pub colour: usize,
}

/// The kind of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartKind {
    /// Stacked series without gaps between the bins.
    Areas,
    /// Stacked series with gaps between the bins.
    Columns,
    /// One dot per number, on a logarithmic axis.
    Dots,
}

/// A chart over bins of days.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The chart's identifier in the page.
    pub id: &'static str,
    /// The title.
    pub title: String,
    /// A sentence for readers who do not see the chart.
    pub description: String,
    /// The name of each bin, shown when it is pointed at.
    pub bins: Vec<String>,
    /// The label of each bin. The axis omits labels that do not fit.
    pub labels: Vec<String>,
    /// The numbers.
    pub series: Vec<Series>,
    /// The unit of the numbers.
    pub unit: Unit,
    /// How the numbers are drawn.
    pub kind: ChartKind,
}

impl Chart {
    /// Draws the chart and its legend.
    pub fn html(&self) -> Markup {
        let axis = match self.kind {
            ChartKind::Dots => Axis::by_tens(self.least_and_most()),
            _ => Axis::even(self.extent(), self.unit),
        };
        let (title, desc) = (format!("{}-title", self.id), format!("{}-desc", self.id));

        html! {
            (self.legend())
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (title) " " (desc) } {
                title id=(title) { (self.title) }
                desc id=(desc) { (self.description) }
                (self.grid(&axis))
                (self.labels())
                @for series in 0..self.series.len() { (self.drawn(series, &axis)) }
                @if let Some(note) = self.empty_note() {
                    text class="none" x=(length((LEFT + RIGHT) / 2.0)) y=(length((TOP + BOTTOM) / 2.0)) text-anchor="middle" {
                        (note)
                    }
                }
                path class="axis" d={ "M" (LEFT) " " (length(axis.y(0.0).min(BOTTOM))) "H" (RIGHT) } {}
                @for bin in 0..self.bins.len() { (self.readout(bin)) }
            }
        }
    }

    /// Returns the note of a chart without anything to draw.
    fn empty_note(&self) -> Option<&'static str> {
        let numbers = || self.series.iter().flat_map(|series| &series.values);
        if numbers().flatten().any(|number| *number != 0.0) {
            return None;
        }
        let is_unknown = self.kind == ChartKind::Columns && numbers().all(Option::is_none);
        Some(if is_unknown {
            "unknown for this period"
        } else {
            "nothing in this period"
        })
    }

    /// Returns the lowest and the highest end of the stacked columns.
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

    /// Returns the least and the greatest number above zero.
    fn least_and_most(&self) -> (f64, f64) {
        let bins = 0..self.bins.len();
        let numbers = bins.flat_map(|bin| self.series.iter().filter_map(move |one| one.at(bin)));
        let numbers: Vec<f64> = numbers.filter(|number| *number > 0.0).collect();
        let most = numbers.iter().copied().reduce(f64::max);
        let least = numbers.iter().copied().reduce(f64::min);
        // The axis of an empty chart shows usual durations.
        least.zip(most).unwrap_or((0.1, 1.0))
    }

    fn grid(&self, axis: &Axis) -> Markup {
        html! {
            @for tick in &axis.ticks {
                @let y = axis.y(*tick);
                path class="grid" d={ "M" (LEFT) " " (length(y)) "H" (RIGHT) } {}
                text class="tick" x=(length(LEFT - 6.0)) y=(length(y + 4.0)) text-anchor="end" {
                    (self.number(*tick))
                }
            }
        }
    }

    /// Writes every n-th label below the axis. The last one is always written.
    fn labels(&self) -> Markup {
        let count = self.labels.len();
        let step = count.div_ceil(5).max(1);
        let shown = |bin: usize| (count - 1 - bin).is_multiple_of(step);
        let position = |bin: usize| match self.x(bin) + self.width() / 2.0 {
            middle if middle > RIGHT - 24.0 => (RIGHT, "end"),
            middle if middle < LEFT + 24.0 => (LEFT, "start"),
            middle => (middle, "middle"),
        };

        html! {
            @for (bin, label) in self.labels.iter().enumerate().filter(|(bin, _)| shown(*bin)) {
                @let (x, anchor) = position(bin);
                text class="tick" x=(length(x)) y=(length(BOTTOM + 17.0)) text-anchor=(anchor) { (label) }
            }
        }
    }

    /// Returns the width of a bin.
    fn width(&self) -> f64 {
        (RIGHT - LEFT) / self.bins.len().max(1) as f64
    }

    /// Returns the left edge of a bin.
    fn x(&self, bin: usize) -> f64 {
        LEFT + self.width() * bin as f64
    }

    fn drawn(&self, series: usize, axis: &Axis) -> Markup {
        let class = self.series[series].class();
        match self.kind {
            ChartKind::Dots => self.dots(series, axis, &class),
            _ => html! { path class=(class) d=(self.stacked(series, axis)) {} },
        }
    }

    /// Returns the path of a series' columns, stacked on the series before it.
    fn stacked(&self, series: usize, axis: &Axis) -> String {
        let gap = match self.kind {
            ChartKind::Columns => self.width() * 0.2,
            _ => 0.0,
        };
        // Areas are one outline: along the tops, then back along the feet.
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
            if self.kind == ChartKind::Areas {
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

    fn dots(&self, series: usize, axis: &Axis, class: &str) -> Markup {
        let series = &self.series[series];
        let points = (0..self.bins.len()).filter_map(|bin| {
            let value = series.at(bin)?;
            Some((self.x(bin) + self.width() / 2.0, axis.y(value)))
        });
        let points: Vec<(f64, f64)> = points.collect();

        html! {
            @if points.len() > 1 { path class={ "line " (class) } d=(open(&points)) {} }
            @for (x, y) in points { (mark(series.colour, x, y, class)) }
        }
    }

    /// Writes a bin's numbers, shown when it is pointed at or tapped.
    fn readout(&self, bin: usize) -> Markup {
        let text = format!("{}: {}", self.bins[bin], self.numbers(bin));

        html! {
            g class="bin" {
                title { (text) }
                rect x=(length(self.x(bin))) y=(TOP) width=(length(self.width().max(0.1))) height=(length(BOTTOM - TOP)) {}
                text x=(READOUT_X) y="12" { (cut(&text, READOUT)) }
            }
        }
    }

    /// Lists the numbers of a bin that are not zero.
    fn numbers(&self, bin: usize) -> String {
        if self.series.iter().all(|series| series.at(bin).is_none()) {
            return "-".to_owned();
        }
        let numbers = self.series.iter().filter_map(|series| {
            let value = series.at(bin).filter(|value| *value != 0.0)?;
            Some(format!("{} {}", series.name, self.number(value.abs())))
        });
        let numbers: Vec<String> = numbers.collect();
        if numbers.is_empty() {
            return "nothing".to_owned();
        }
        numbers.join(" · ")
    }

    fn number(&self, number: f64) -> String {
        match self.unit {
            Unit::Count => short_number(number.abs().round() as u64),
            Unit::Seconds => short_time(number.abs()),
        }
    }

    fn legend(&self) -> Markup {
        if self.series.len() < 2 {
            return html! {};
        }
        html! {
            ul class="legend" {
                @for series in &self.series {
                    li {
                        svg class="swatch" viewBox="0 0 12 12" aria-hidden="true" { (self.swatch(series)) }
                        (series.name)
                    }
                }
            }
        }
    }

    fn swatch(&self, series: &Series) -> Markup {
        match self.kind {
            ChartKind::Dots => mark(series.colour, 6.0, 6.0, &series.class()),
            _ => html! { rect class=(series.class()) width="12" height="12" {} },
        }
    }
}

impl Series {
    /// Returns the class of the style sheet that has the series' colour.
    fn class(&self) -> String {
        format!("s{}", self.colour.min(COLOURS - 1) + 1)
    }

    fn at(&self, bin: usize) -> Option<f64> {
        let value = self.values.get(bin).copied().flatten();
        value.filter(|value| value.is_finite())
    }
}
