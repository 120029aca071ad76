//! Durations and sizes as text: `1h30m`, `50MB`.

use std::time::Duration;

/// Units of time in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of size in bytes. They are decimal, as on the labels of disks.
const SIZES: [(&str, u64); 5] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Parses a duration such as `250ms`, `5s`, `1h30m`, `30d` or `0`. Returns None if the
/// text is not a duration.
pub fn duration(text: &str) -> Option<Duration> {
    quantity(text, &TIMES).map(Duration::from_millis)
}

/// Parses a size such as `50MB`, `256KB`, `1GB` or `0` into bytes. Returns None if the
/// text is not a size.
pub(super) fn size(text: &str) -> Option<u64> {
    quantity(text, &SIZES)
}

/// Returns a duration as text that [`duration`] parses, in whole milliseconds.
pub(super) fn duration_text(duration: Duration) -> String {
    text(
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        &TIMES,
    )
}

/// Returns a number of bytes as text that [`size`] parses.
pub(super) fn size_text(bytes: u64) -> String {
    text(bytes, &SIZES)
}

fn text(quantity: u64, units: &[(&str, u64)]) -> String {
    if quantity == 0 {
        return "0".to_owned();
    }
    let mut rest = quantity;
    let mut text = String::new();
    for (unit, worth) in units {
        let count = rest / worth;
        rest %= worth;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

/// Parses a sum of whole numbers with units. Each unit occurs at most once, and larger
/// units come first.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut left = units;
    let mut total: u64 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let length = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(length);
        let index = left.iter().position(|(name, _)| *name == unit)?;
        let worth = left[index].1;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(worth)?)?;
        left = &left[index + 1..];
        rest = tail;
        parts += 1;
    }
    (parts > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_units() {
        let times = [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("250ms", Some(250)),
            ("5s", Some(5_000)),
            (" 20m ", Some(1_200_000)),
            ("1h30m", Some(5_400_000)),
            ("400d", Some(34_560_000_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("1.5h", None),
            ("5 s", None),
            ("5S", None),
            ("30m1h", None),
            ("1s1s", None),
            ("99999999999999999999s", None),
            ("99999999999999999d", None),
        ];
        for (text, millis) in times {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        let sizes = [
            ("0", Some(0)),
            ("50MB", Some(50_000_000)),
            ("256KB", Some(256_000)),
            ("1GB", Some(1_000_000_000)),
            ("12B", Some(12)),
            ("50", None),
            ("50mb", None),
            ("5MiB", None),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text), bytes, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_parsed() {
        for text in ["0", "250ms", "5s", "20m", "1h30m", "400d", "1d2h3m4s5ms"] {
            assert_eq!(duration(text).map(duration_text).as_deref(), Some(text));
        }
    }
}
