//! JSON in which no field is given twice, and its values by name.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::fault::{Fault, quoted, shortened};

/// A value without fields that are given twice, of which serde_json would keep the last.
pub(crate) struct Strict(pub(crate) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the field {} is given twice", quoted(&name))));
            }
            let Strict(value) = entries.next_value()?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// The fields of an object, taken one by one; what is left in the end is unknown.
pub(crate) struct Fields {
    /// The object's path, e.g. `images[0].File`; empty for the record itself.
    path: String,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    pub(crate) fn of(path: &str, value: Value) -> Result<Self, Fault> {
        match value {
            Value::Object(map) => Ok(Self { path: path.to_owned(), map, known: Vec::new() }),
            other => Err(Fault::value(path, &shown(&other), "give an object, {…}")),
        }
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a value; `null` is none.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a value that must be there.
    pub(crate) fn required(&mut self, name: &'static str, way_out: &str) -> Result<Value, Fault> {
        self.optional(name).ok_or_else(|| Fault::missing(&self.path_of(name), way_out))
    }

    /// Takes a text that must be there.
    pub(crate) fn text(&mut self, name: &'static str, way_out: &str) -> Result<String, Fault> {
        let value = self.required(name, way_out)?;
        text(&self.path_of(name), value)
    }

    pub(crate) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        self.optional(name).map(|value| text(&self.path_of(name), value)).transpose()
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(self, within: &str) -> Result<(), Fault> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(name) => Err(Fault::unknown("field", name, within, &self.known)),
        }
    }
}

pub(crate) fn text(field: &str, value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(Fault::value(field, &shown(&other), "give a text in quotes")),
    }
}

/// Returns a value as it is written, cut where it is long.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => shortened(&other.to_string()),
    }
}
