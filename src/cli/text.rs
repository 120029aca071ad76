//! Numbers, times and sizes as people read them.

use std::borrow::Cow;
use std::time::Duration;

use crate::value::Value;

/// `1731072` as `1,731,072`.
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

/// A count with its noun: `1 listing`, `2,000 listings`.
pub fn counted(number: u64, nouns: (&str, &str)) -> String {
    format!(
        "{} {}",
        thousands(number),
        if number == 1 { nouns.0 } else { nouns.1 }
    )
}

/// A time in its two largest units: `1 h 27 min`, `12 s`, `0.8 s`.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        // Rounded: nobody plans by the second here.
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

/// A size in the largest unit that fits: `1.4 GB`.
pub fn bytes(bytes: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("KB", 1e3)];
    let fitting = units.into_iter().find(|(_, size)| bytes as f64 >= *size);
    match fitting {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size),
        None => format!("{bytes} bytes"),
    }
}

/// A stored value; one that is not there, or has no letters, is told, too.
pub fn value(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "nothing".into(),
        Value::Integer(number) => number.to_string().into(),
        Value::Real(number) => number.to_string().into(),
        Value::Text(text) if text.is_empty() => "\"\"".into(),
        Value::Text(text) => (&**text).into(),
    }
}

/// A list as people write it: `a, b and c`.
pub fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_731_072), "1,731,072");
        assert_eq!(counted(1, ("listing", "listings")), "1 listing");
        let cases = [
            (0.84, "0.8 s"),
            (59.0, "59 s"),
            (61.0, "1 min 1 s"),
            (5_193.6, "1 h 27 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(time(Duration::from_secs_f64(seconds)), text);
        }
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_440_000_000), "1.4 GB");
    }
}
