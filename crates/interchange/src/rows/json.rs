//! Entries of a JSON list, or JSON values one after the other, without keeping them all.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;

use super::open;
use crate::InterchangeError;
use crate::budget::{Bounded, Budget};

type Sink<'a> = dyn FnMut(&str, Value) -> Result<bool, InterchangeError> + 'a;

/// Returns the first entry.
pub(crate) fn first(file: &Path) -> Result<Value, InterchangeError> {
    let mut found = None;
    entries(file, &mut |_, entry| {
        found = Some(entry);
        Ok(false)
    })?;
    found.ok_or_else(|| InterchangeError::unreadable(file, "the list is empty: name a file with preferences"))
}

/// Reads the entries in order, until the sink wants no more.
pub(crate) fn entries(file: &Path, sink: &mut Sink<'_>) -> Result<(), InterchangeError> {
    let budget = Budget::new();
    let mut reader = BufReader::new(Bounded::new(open(file)?, budget.clone()));
    let unread = |error| InterchangeError::unreadable(file, format!("cannot be read: {error}"));
    if reader.fill_buf().map_err(unread)?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    while reader.fill_buf().map_err(unread)?.first().is_some_and(u8::is_ascii_whitespace) {
        reader.consume(1);
    }
    let is_list = reader.fill_buf().map_err(unread)?.first() == Some(&b'[');
    let mut listener = Listener { sink, budget, count: 0, stopped: None };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let read = if is_list {
        (&mut listener).deserialize(&mut json).and_then(|()| json.end())
    } else {
        json.into_iter::<Value>().try_for_each(|value| value.and_then(|value| listener.hear(value)))
    };
    match (listener.stopped, read) {
        (Some(Stopped::Refused(error)), _) => Err(error),
        (Some(Stopped::Enough), _) | (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(torn(file, listener.count, &error)),
    }
}

enum Stopped {
    Enough,
    Refused(InterchangeError),
}

struct Listener<'a, 'b> {
    sink: &'a mut Sink<'b>,
    budget: Budget,
    count: u64,
    /// That the sink wants no more, or its error.
    stopped: Option<Stopped>,
}

impl Listener<'_, '_> {
    fn hear(&mut self, value: Value) -> Result<(), serde_json::Error> {
        self.count += 1;
        self.budget.renew();
        match (self.sink)(&format!("entry {}", self.count), value) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.stopped = Some(Stopped::Enough);
                Err(serde_json::Error::custom("enough"))
            }
            Err(error) => {
                self.stopped = Some(Stopped::Refused(error));
                Err(serde_json::Error::custom("refused"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Listener<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Listener<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(value) = sequence.next_element::<Value>()? {
            self.hear(value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

fn torn(file: &Path, before: u64, error: &serde_json::Error) -> InterchangeError {
    let place = format!("entry {} (line {}, column {})", before + 1, error.line(), error.column());
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let problem = if error.is_eof() {
        format!("{place}: the file ends within an entry: copy or download it again")
    } else if error.is_io() {
        format!("entry {}: cannot be read: {text}", before + 1)
    } else {
        format!("{place}: no JSON: {text} (JSON has no NaN, and is UTF-8)")
    };
    InterchangeError::unreadable(file, problem)
}
