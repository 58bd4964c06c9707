//! One value of a table, from text or typed columns.

use moa_preferences::Moment;

use crate::reasons::Fault;

/// A value of a row and column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// The column or the value is missing.
    Missing,
    Text(String),
    Bytes(Vec<u8>),
    Whole(i64),
    Number(f64),
    Flag(bool),
    /// A time; none where it lies outside of 1970 to 9999.
    Time(Option<Moment>),
}

impl Cell {
    /// Returns the text, trimmed; none where it is missing or empty.
    pub(crate) fn text(self, column: &str) -> Result<Option<String>, Fault> {
        let text = match self {
            Self::Missing => return Ok(None),
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                String::from_utf8(bytes).map_err(|_| Fault::value(column, &shown, "give text in UTF-8"))?
            }
            Self::Flag(flag) => flag.to_string(),
            Self::Time(_) => return Err(Fault::new(format!("{column} is a time"), "give a text")),
        };
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// Returns a finite number; none where it is missing.
    pub(crate) fn number(self, column: &str) -> Result<Option<f64>, Fault> {
        let number = match &self {
            Self::Whole(number) => *number as f64,
            Self::Number(number) => *number,
            Self::Flag(flag) => f64::from(u8::from(*flag)),
            _ => match self.clone().text(column)? {
                None => return Ok(None),
                Some(text) => match &*text.to_ascii_lowercase() {
                    "true" => 1.0,
                    "false" => 0.0,
                    text => text.parse().map_err(|_| Fault::value(column, text, "give a finite number"))?,
                },
            },
        };
        if number.is_finite() {
            return Ok(Some(number));
        }
        Err(Fault::value(column, &number.to_string(), "give a finite number"))
    }

    /// Returns yes or no; none where it is missing.
    pub(crate) fn flag(self, column: &str) -> Result<Option<bool>, Fault> {
        let Some(number) = self.number(column)? else { return Ok(None) };
        match &*number.to_string() {
            "0" => Ok(Some(false)),
            "1" => Ok(Some(true)),
            other => Err(Fault::value(column, other, "give true or false")),
        }
    }

    /// Returns a time, which is in UTC where it has no offset; none where it is missing.
    pub(crate) fn time(self, column: &str) -> Result<Option<Moment>, Fault> {
        let way_out = "give a time from 1970 on, such as 2026-03-02T10:11:12Z";
        if let Self::Time(time) = self {
            return time.map(Some).ok_or_else(|| Fault::new(format!("{column} is before 1970 or after 9999"), way_out));
        }
        let Some(text) = self.text(column)? else { return Ok(None) };
        let found = Moment::parse(&text).or_else(|| Moment::parse(&format!("{text}Z")));
        found.map(Some).ok_or_else(|| Fault::value(column, &text, way_out))
    }
}
