//! Formats numbers, durations and sizes for people.

use std::time::Duration;

/// Formats `1731072` as `1,731,072`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats an amount in dollars, the currency of all known feeds: `$480,000`, `$0.85`, `-$5`.
/// Cents are shown below 100 dollars.
pub fn dollars(amount: f64) -> String {
    let sign = if amount < 0.0 { "-" } else { "" };
    let size = amount.abs();
    if size < 100.0 && size != size.trunc() {
        return format!("{sign}${size:.2}");
    }
    format!("{sign}${}", rounded(size))
}

/// Formats a duration in its two largest units: `1 h 27 min`, `12 s`, `0.8 s`.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => {
            let minutes = (seconds + 30) / 60;
            match minutes {
                0..60 => format!("{minutes} min"),
                60..1_440 => format!("{} h {} min", minutes / 60, minutes % 60),
                _ => format!("{} d {} h", minutes / 1_440, minutes % 1_440 / 60),
            }
        }
    }
}

/// Formats a size in its largest unit: `1.4 GB`.
pub fn bytes(bytes: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("KB", 1e3)];
    let fitting = units.into_iter().find(|(_, size)| bytes as f64 >= *size);
    match fitting {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size),
        None => format!("{bytes} bytes"),
    }
}

/// Formats a duration for a column of a table: `1h27m`, `12s`, `0.8s`, `13ms`.
pub(super) fn short_time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0 if 0.0 < seconds && seconds < 0.0995 => format!("{:.0}ms", (seconds * 1e3).ceil()),
        0..10 if seconds == seconds.trunc() => format!("{seconds:.0}s"),
        0..10 => format!("{seconds:.1}s"),
        10..60 => format!("{whole}s"),
        60..3_600 => two(whole / 60, "m", whole % 60, "s"),
        3_600..86_400 => two(whole / 3_600, "h", whole % 3_600 / 60, "m"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit}{small:02}{small_unit}"),
    }
}

/// Formats a number for a column of a table: whole, in millions or in billions.
pub(super) fn short_number(number: u64) -> String {
    match number {
        0..1_000_000 => thousands(number),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}

/// Formats a number. Only a fraction below 100 has a decimal.
pub fn rounded(number: f64) -> String {
    let sign = if number < 0.0 { "-" } else { "" };
    let size = number.abs();
    match size {
        // No real price is this high, and nobody reads that many digits.
        _ if size >= 1e15 => format!("{number:.1e}"),
        _ if size >= 100.0 || size == size.trunc() => {
            format!("{sign}{}", thousands(size.round() as u64))
        }
        _ => format!("{sign}{size:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_durations_and_sizes_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_731_072), "1,731,072");
        let cases = [
            (0.84, "0.8 s"),
            (59.0, "59 s"),
            (61.0, "1 min 1 s"),
            (5_193.6, "1 h 27 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(time(Duration::from_secs_f64(seconds)), text);
        }
        assert_eq!(dollars(480_000.0), "$480,000");
        assert_eq!(dollars(-0.852), "-$0.85");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_440_000_000), "1.4 GB");
    }

    #[test]
    fn numbers_in_columns_are_short() {
        let cases = [
            (0.0, "0s"),
            (0.0123, "13ms"),
            (0.84, "0.8s"),
            (59.4, "59s"),
            (3_600.0, "1h"),
            (5_193.6, "1h26m"),
            (90_000.0, "1d01h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(short_time(seconds), text);
        }
        assert_eq!(short_number(65_432), "65,432");
        assert_eq!(short_number(1_731_072), "1.7M");
        assert_eq!(rounded(4.26), "4.3");
        assert_eq!(rounded(-12_000.4), "-12,000");
        assert_eq!(rounded(1e308), "1.0e308");
    }
}
