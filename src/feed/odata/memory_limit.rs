//! The limit of the memory that the decoded values of one answer take. Four bytes of JSON can
//! become a record of some kilobytes, so a limit of the body alone does not bound it.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use crate::feed::http::BadBody;

/// The largest size of the decoded values of one answer, or of a page with all of its children.
/// A few answers are in memory at the same time: some decoded, some as received.
pub const LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// The part of an object's memory that does not depend on the number of its members.
const OBJECT_BYTES: usize = 512;

/// The memory that one answer may still take.
pub struct MemoryLimit {
    left_bytes: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl Default for MemoryLimit {
    /// Returns the limit of one answer.
    fn default() -> MemoryLimit {
        MemoryLimit {
            left_bytes: Cell::new(LIMIT_BYTES),
            is_exceeded: Cell::new(false),
        }
    }
}

impl MemoryLimit {
    /// Starts again, for another way to decode the answer.
    pub fn reset(&self) {
        self.left_bytes.set(LIMIT_BYTES);
        self.is_exceeded.set(false);
    }

    /// Returns the memory that was taken.
    pub fn taken_bytes(&self) -> usize {
        LIMIT_BYTES - self.left_bytes.get()
    }

    /// Takes memory for a value.
    ///
    /// # Errors
    /// If less is left. The limit is exceeded from then on.
    pub fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.left_bytes.get().checked_sub(bytes) {
            Some(left) if !self.is_exceeded() => {
                self.left_bytes.set(left);
                Ok(())
            }
            _ => {
                self.is_exceeded.set(true);
                Err(E::custom("it takes too much memory"))
            }
        }
    }

    /// Returns whether more memory was asked for than the limit allows.
    pub fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    /// Decodes a JSON text of any structure.
    pub fn decode(&self, json: &[u8]) -> Result<Json, BadBody> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = JsonSeed(self).deserialize(&mut deserializer);
        value
            .and_then(|value| deserializer.end().map(|()| value))
            .map_err(|error| self.error(error.to_string()))
    }

    /// Returns the error of a body that cannot be decoded.
    pub fn error(&self, problem: String) -> BadBody {
        if self.is_exceeded() {
            BadBody::TooLarge
        } else {
            BadBody::Invalid(problem)
        }
    }
}

/// Decodes a JSON value of any structure within the limit.
#[derive(Clone, Copy)]
pub struct JsonSeed<'m>(pub &'m MemoryLimit);

impl<'de> DeserializeSeed<'de> for JsonSeed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonSeed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Json, E> {
        Ok(truth.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        self.0.take(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            self.0.take(size_of::<Json>())?;
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.is_empty() {
                self.0.take(OBJECT_BYTES)?;
            }
            self.0.take(member_bytes(&name))?;
            object.insert(name, members.next_value_seed(self)?);
        }
        Ok(object.into())
    }
}

/// Returns the memory of an object's member without that of its value: its place, its hash
/// and its name.
pub fn member_bytes(name: &str) -> usize {
    size_of::<(usize, String, Json)>() + 32 + name.len()
}
