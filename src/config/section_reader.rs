//! Values of a TOML document, each with its line for errors.

use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::config_error::ConfigError;
use super::units;

/// The file that values come from, for errors.
#[derive(Clone, Copy)]
pub(super) struct Origin<'d> {
    pub(super) path: &'d Path,
    pub(super) text: &'d str,
}

impl Origin<'_> {
    /// Returns the line of a byte, counted from 1.
    pub(super) fn line(self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    pub(super) fn fail(self, line: usize, message: impl Into<String>) -> ConfigError {
        ConfigError::invalid(self.path, line, &message.into())
    }
}

/// A section of the file. A missing section is empty.
#[derive(Clone, Copy)]
pub(super) struct Section<'d> {
    pub(super) origin: Origin<'d>,
    table: Option<&'d DeTable<'d>>,
    line: usize,
}

impl<'d> Section<'d> {
    /// Finds a section of the document.
    pub(super) fn of(root: &'d DeTable<'d>, name: &str, origin: Origin<'d>) -> Section<'d> {
        let found = root.get_key_value(name);
        let line = found.map_or(1, |(key, _)| origin.line(key.span().start));
        let table = found.and_then(|(_, value)| value.get_ref().as_table());
        Section {
            origin,
            table,
            line,
        }
    }

    /// Returns the sections of a list, which the file writes as `[[name]]`.
    pub(super) fn list(root: &'d DeTable<'d>, name: &str, origin: Origin<'d>) -> Vec<Section<'d>> {
        let list = root.get(name).and_then(|value| value.get_ref().as_array());
        let items = list.into_iter().flat_map(|list| list.iter());
        items
            .map(|item| Section {
                origin,
                table: item.get_ref().as_table(),
                line: origin.line(item.span().start),
            })
            .collect()
    }

    /// Finds a section within this one. The name is the whole one, such as `sync.filter`.
    pub(super) fn subsection(self, name: &str) -> Result<Section<'d>, ConfigError> {
        let key = name.rsplit('.').next().unwrap_or(name);
        let found = self.table.and_then(|table| table.get_key_value(key));
        let Some((key, value)) = found else {
            return Ok(Section {
                table: None,
                ..self
            });
        };
        let value = Value::of(key.get_ref(), key.span().start, value, self.origin);
        let wrong = || value.must_be(format!("a section: write [{name}]"));
        Ok(Section {
            origin: self.origin,
            table: Some(value.node.as_table().ok_or_else(wrong)?),
            line: value.line,
        })
    }

    /// Returns the line of the section if it has any key.
    pub(super) fn line_if_used(self) -> Option<usize> {
        self.table
            .filter(|table| !table.is_empty())
            .map(|_| self.line)
    }

    /// Returns the keys and values of the section, in the order of the file.
    pub(super) fn entries(self) -> Vec<Value<'d>> {
        let entries = self.table.into_iter().flat_map(|table| table.iter());
        let mut values: Vec<(usize, Value<'d>)> = entries
            .map(|(key, value)| {
                let at = key.span().start;
                (at, Value::of(key.get_ref(), at, value, self.origin))
            })
            .collect();
        values.sort_by_key(|(at, _)| *at);
        values.into_iter().map(|(_, value)| value).collect()
    }

    /// Returns an error about a key that the section does not have.
    pub(super) fn fail(self, message: impl Into<String>) -> ConfigError {
        self.origin.fail(self.line, message)
    }

    /// Returns an error about a value or its default: the key, and then `predicate`.
    pub(super) fn fail_at(self, key: &str, predicate: impl Display) -> ConfigError {
        match self.value(key) {
            Some(value) => value.fail(predicate),
            None => self.fail(format!("`{key}` {predicate}")),
        }
    }

    /// Returns the value of a key, if the section has the key.
    pub(super) fn value(self, key: &str) -> Option<Value<'d>> {
        let (key, value) = self.table?.get_key_value(key)?;
        Some(Value::of(
            key.get_ref(),
            key.span().start,
            value,
            self.origin,
        ))
    }

    pub(super) fn duration(self, key: &str, default: Duration) -> Result<Duration, ConfigError> {
        self.value(key).map_or(Ok(default), Value::duration)
    }

    /// Returns a duration that is a limit; zero means none.
    pub(super) fn time_limit(
        self,
        key: &str,
        default: Duration,
    ) -> Result<Option<Duration>, ConfigError> {
        let limit = self.duration(key, default)?;
        Ok(Some(limit).filter(|limit| !limit.is_zero()))
    }

    /// Returns a number that is a limit; zero means none.
    pub(super) fn limit(self, key: &str, default: u32) -> Result<Option<NonZeroU32>, ConfigError> {
        self.whole(key, 0..=u32::MAX, default).map(NonZeroU32::new)
    }

    /// Returns a size in bytes that is a limit; zero means none.
    pub(super) fn size_limit(
        self,
        key: &str,
        default: u64,
    ) -> Result<Option<NonZeroU64>, ConfigError> {
        let limit = self.value(key).map_or(Ok(default), Value::size);
        limit.map(NonZeroU64::new)
    }

    pub(super) fn flag(self, key: &str, default: bool) -> Result<bool, ConfigError> {
        self.value(key).map_or(Ok(default), Value::flag)
    }

    pub(super) fn whole(
        self,
        key: &str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, ConfigError> {
        self.value(key)
            .map_or(Ok(default), |value| value.whole(range))
    }
}

/// A value with its key and line.
#[derive(Clone, Copy)]
pub(super) struct Value<'d> {
    pub(super) key: &'d str,
    pub(super) line: usize,
    node: &'d DeValue<'d>,
    origin: Origin<'d>,
}

impl<'d> Value<'d> {
    fn of(key: &'d str, at: usize, value: &'d Spanned<DeValue<'d>>, origin: Origin<'d>) -> Self {
        Value {
            key,
            line: origin.line(at),
            node: value.get_ref(),
            origin,
        }
    }

    /// Returns an error about the value: the key, and then `predicate`.
    pub(super) fn fail(self, predicate: impl Display) -> ConfigError {
        self.error(format!("`{}` {predicate}", self.key))
    }

    /// Returns an error at the line of the value.
    pub(super) fn error(self, message: impl Into<String>) -> ConfigError {
        self.origin.fail(self.line, message)
    }

    /// Returns an error that says which values are valid.
    pub(super) fn must_be(self, what: impl Display) -> ConfigError {
        self.fail(format!("must be {what}, not {}", self.shown()))
    }

    /// Returns the value as errors show it.
    fn shown(self) -> String {
        match self.node {
            DeValue::String(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a section".to_owned(),
        }
    }

    /// Returns the text without surrounding spaces. Blank text is an error.
    pub(super) fn text(self) -> Result<&'d str, ConfigError> {
        match self.any_text()?.trim() {
            "" => Err(self.fail("must not be empty; leave the line out for the default")),
            text => Ok(text),
        }
    }

    /// Returns the text, which may be empty.
    pub(super) fn any_text(self) -> Result<&'d str, ConfigError> {
        self.node
            .as_str()
            .ok_or_else(|| self.must_be("text in quotes"))
    }

    pub(super) fn flag(self) -> Result<bool, ConfigError> {
        self.node
            .as_bool()
            .ok_or_else(|| self.must_be("true or false"))
    }

    pub(super) fn whole(self, range: RangeInclusive<u32>) -> Result<u32, ConfigError> {
        let number = self
            .node
            .as_integer()
            .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| match range.end() {
                &u32::MAX => self.must_be(format!("a whole number from {}", range.start())),
                end => self.must_be(format!("a whole number from {} to {end}", range.start())),
            })
    }

    /// Returns a number from 0 to 100.
    pub(super) fn percent(self) -> Result<f64, ConfigError> {
        let number = match self.node {
            DeValue::Integer(_) => self.whole(0..=100).ok().map(f64::from),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| (0.0..=100.0).contains(number));
        number.ok_or_else(|| self.must_be("a number from 0 to 100"))
    }

    pub(super) fn duration(self) -> Result<Duration, ConfigError> {
        let duration = self.node.as_str().and_then(units::duration);
        duration.ok_or_else(|| {
            self.must_be(
                r#"a duration with its unit, such as "250ms", "5s", "20m", "1h30m" or "30d""#,
            )
        })
    }

    /// Returns a size in bytes.
    pub(super) fn size(self) -> Result<u64, ConfigError> {
        let size = self.node.as_str().and_then(units::size);
        size.ok_or_else(|| {
            self.must_be(r#"a size with its unit, such as "256KB", "50MB" or "1GB", or "0""#)
        })
    }

    /// Returns the items of a list of text. A blank item is an error.
    pub(super) fn texts(self) -> Result<Vec<Value<'d>>, ConfigError> {
        let wrong = || self.must_be(r#"a list of text such as ["one", "two"]"#);
        let array = self.node.as_array().ok_or_else(wrong)?;
        let mut values = Vec::new();
        for part in array.iter() {
            let part = Value::of(self.key, part.span().start, part, self.origin);
            if part.node.as_str().is_none_or(|text| text.trim().is_empty()) {
                return Err(part.fail("must list text that is not empty, each in quotes"));
            }
            values.push(part);
        }
        Ok(values)
    }

    /// Returns the value of the only key of an inline table, such as `{ env = "NAME" }`.
    /// Returns none if the value is no table.
    pub(super) fn only_entry(self, key: &str) -> Result<Option<Value<'d>>, ConfigError> {
        let Some(table) = self.node.as_table() else {
            return Ok(None);
        };
        let found = table.get_key_value(key).filter(|_| table.len() == 1);
        let wrong = || self.fail(format!(r#"must be text or {{ {key} = "NAME" }}"#));
        let (_, value) = found.ok_or_else(wrong)?;
        Ok(Some(Value {
            node: value.get_ref(),
            ..self
        }))
    }
}
