//! What the rows of each format say.

mod hpd;
mod image_reward;
mod pairs;
mod pick_a_pic;

use std::path::Path;

use moa_preferences::{Moment, Winner};
use serde_json::Value;

use crate::reasons::{Fault, quoted};
use crate::rows::{self, Kind};
use crate::{Format, InterchangeError};

pub(crate) use pairs::HEADER as PAIRS;

/// A decision as a row has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) prompt: String,
    /// The images, with the columns that say so.
    pub(crate) images: Vec<(String, Source)>,
    pub(crate) outcome: Outcome,
    pub(crate) who: Option<String>,
    pub(crate) when: Option<Moment>,
    pub(crate) tags: Vec<String>,
    pub(crate) weight: f64,
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// In the row.
    Bytes(Vec<u8>),
    /// The first of these files that exists.
    Names(Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Pair(Option<Winner>),
    /// The place of each image, 1 is the best.
    Ranking(Vec<u32>),
}

/// Hears of what the rows at a place say, or of why they say nothing; returns whether to go on.
pub(crate) type Hear<'a> = dyn FnMut(&str, Result<Row, Fault>) -> Result<bool, InterchangeError> + 'a;

/// Reads a file of a format row by row.
pub(crate) fn read(format: Format, file: &Path, hear: &mut Hear<'_>) -> Result<(), InterchangeError> {
    let kind = rows::kind_of(file)?;
    match (format, kind) {
        (Format::PickAPic, Kind::Csv | Kind::Parquet) => pick_a_pic::read(file, kind, hear),
        (Format::Csv, Kind::Csv) => pairs::read(file, hear),
        (Format::Hpd, Kind::Json) => hpd::read(file, hear),
        (Format::ImageReward, Kind::Json) => image_reward::read(file, hear),
        _ => {
            let wanted = match format {
                Format::PickAPic => "Parquet or CSV",
                Format::Csv => "CSV",
                Format::Hpd | Format::ImageReward => "JSON",
            };
            Err(InterchangeError::unreadable(
                file,
                format!("the format {} is {wanted}, and this is {kind:?}", format.name()),
            ))
        }
    }
}

/// Refuses tables without a column.
fn require(file: &Path, kind: Kind, wanted: &[&str]) -> Result<Vec<String>, InterchangeError> {
    let columns = rows::columns(file, kind)?;
    let missing = wanted.iter().find(|wanted| !columns.iter().any(|column| column == *wanted));
    match missing {
        None => Ok(columns),
        Some(missing) => {
            let found: String = columns.join(", ").chars().take(200).collect();
            let problem = format!("column {missing} is missing: there are {}", quoted(&found));
            Err(InterchangeError::unreadable(file, problem))
        }
    }
}

/// Returns a text of a JSON object, trimmed.
fn text(entry: &Value, field: &str) -> Result<Option<String>, Fault> {
    match entry.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(Fault::value(field, &other.to_string(), "give a text")),
    }
}

fn required(found: Option<String>, field: &str) -> Result<String, Fault> {
    found.ok_or_else(|| Fault::new(format!("{field} is missing"), "give what was to be drawn"))
}

/// Returns the files of a JSON list, with the fields that name them.
fn files(entry: &Value, field: &str) -> Result<Vec<(String, Source)>, Fault> {
    let way_out = "give a list of the images' paths";
    let Some(list) = entry.get(field) else { return Err(Fault::new(format!("{field} is missing"), way_out)) };
    let Some(list) = list.as_array() else { return Err(Fault::value(field, &list.to_string(), way_out)) };
    let name = |(index, value): (usize, &Value)| {
        let field = format!("{field}[{index}]");
        let name = value.as_str().ok_or_else(|| Fault::value(&field, &value.to_string(), way_out))?;
        Ok((field, Source::Names(vec![name.to_owned()])))
    };
    list.iter().enumerate().map(name).collect()
}

/// Returns the places of a JSON list of ranks, of which the lowest is the best: averages and ranks from 0 are ranks, too.
fn places(list: Option<&Value>, field: &str, images: usize) -> Result<Vec<u32>, Fault> {
    let way_out = "give a rank, a number, for each image; the lowest is the best";
    let Some(list) = list else { return Err(Fault::new(format!("{field} is missing"), way_out)) };
    let ranks: Option<Vec<f64>> = list.as_array().map(|list| list.iter().filter_map(Value::as_f64).collect());
    let Some(ranks) = ranks.filter(|ranks| ranks.len() == images && list.as_array().map(Vec::len) == Some(images))
    else {
        return Err(Fault::value(field, &list.to_string(), way_out));
    };
    Ok(dense(&ranks))
}

/// Returns places from 1 in the order of finite ranks.
fn dense(ranks: &[f64]) -> Vec<u32> {
    let mut distinct = ranks.to_vec();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup_by(|one, other| one.total_cmp(other).is_eq());
    ranks.iter().map(|rank| 1 + distinct.partition_point(|other| other < rank) as u32).collect()
}
