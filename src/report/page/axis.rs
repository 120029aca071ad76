//! The vertical axis of a chart.

/// The top edge of the plot.
pub const TOP: f64 = 34.0;
/// The bottom edge of the plot.
pub const BOTTOM: f64 = 224.0;

/// The unit of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of items.
    Count,
    /// A duration in seconds.
    Seconds,
}

/// A linear or logarithmic axis.
pub struct Axis {
    low: f64,
    high: f64,
    /// The numbers next to the axis.
    pub ticks: Vec<f64>,
    is_by_tens: bool,
}

/// The possible steps between the ticks of a linear axis of durations, in seconds.
const TIMES: [f64; 19] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0,
];

/// The ticks of a logarithmic axis of durations, in seconds. Each is a familiar duration.
const TENS: [f64; 10] = [
    0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 36_000.0, 360_000.0,
];

impl Axis {
    /// Returns a linear axis of about four steps that begins and ends at a whole step.
    pub fn even((low, high): (f64, f64), unit: Unit) -> Axis {
        let reach = (high - low).max(1.0);
        let by_number = || {
            let size = 10_f64.powf((reach / 4.0).log10().floor());
            let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * size);
            let fits = steps.into_iter().find(|step| reach / step <= 5.0);
            fits.unwrap_or(reach).max(1.0)
        };
        let step = match unit {
            Unit::Count => by_number(),
            Unit::Seconds => {
                let mut known = TIMES.into_iter();
                known
                    .find(|step| reach / step <= 5.0)
                    // Longer steps are whole weeks.
                    .unwrap_or_else(|| (reach / 5.0 / 604_800.0).ceil() * 604_800.0)
            }
        };
        let (first, last) = ((low / step).floor(), (high / step).ceil().max(1.0));
        let steps = (last - first).min(20.0) as i64;
        Axis {
            low: first * step,
            high: last * step,
            ticks: (0..=steps)
                .map(|tick| (first + tick as f64) * step)
                .collect(),
            is_by_tens: false,
        }
    }

    /// Returns a logarithmic axis. Each tick is about ten times the one before.
    pub fn by_tens((low, high): (f64, f64)) -> Axis {
        let below = TENS.iter().rposition(|tick| *tick <= low).unwrap_or(0);
        let first = below.min(TENS.len() - 2);
        let above = TENS.iter().position(|tick| *tick >= high);
        let last = above.unwrap_or(TENS.len() - 1).max(first + 1);
        Axis {
            low: TENS[first],
            high: TENS[last].max(high),
            ticks: TENS[first..=last].to_vec(),
            is_by_tens: true,
        }
    }

    /// Returns the vertical position of a number.
    pub fn y(&self, value: f64) -> f64 {
        let share = if self.is_by_tens {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_begins_and_ends_at_a_whole_step() {
        let cases = [
            ((0.0, 0.0), Unit::Count, 0.0, 1.0),
            ((0.0, 3.0), Unit::Count, 0.0, 3.0),
            ((-13.0, 41.0), Unit::Count, -20.0, 60.0),
            ((0.0, 1_731_072.0), Unit::Count, 0.0, 2_000_000.0),
            ((0.0, 5_400.0), Unit::Seconds, 0.0, 5_400.0),
            ((0.0, 4e7), Unit::Seconds, 0.0, 42_336_000.0),
        ];
        for (extent, unit, low, high) in cases {
            let axis = Axis::even(extent, unit);
            assert_eq!((axis.low, axis.high), (low, high), "{extent:?}");
            assert!((2..=8).contains(&axis.ticks.len()), "{extent:?}");
            assert_eq!(axis.y(low), BOTTOM);
            assert_eq!(axis.y(high), TOP);
        }
        for (low, high) in [
            (0.0, 0.0),
            (0.008, 0.05),
            (0.5, 7.0),
            (0.02, 1e9),
            (1e9, 1e9),
        ] {
            let axis = Axis::by_tens((low, high));
            assert!(axis.low <= low.max(TENS[0]), "{low}");
            assert!(axis.high >= high && axis.y(high).is_finite(), "{high}");
            assert!(axis.ticks.len() > 1);
            assert!(low == high || axis.y(low) > axis.y(high), "{low} {high}");
        }
    }
}
