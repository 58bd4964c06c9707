//! CSV with the paths of two images in each row.

use std::path::Path;

use moa_preferences::Winner;

use super::{Hear, Outcome, Row, Source, require, required};
use crate::InterchangeError;
use crate::reasons::Fault;
use crate::rows::{self, Cells, Kind};

/// The columns in the order in which they are written; those after the outcome may be missing.
pub(crate) const HEADER: [&str; 8] = ["prompt", "image_a", "image_b", "outcome", "who", "when", "tags", "weight"];

pub(super) fn read(file: &Path, hear: &mut Hear<'_>) -> Result<(), InterchangeError> {
    require(file, Kind::Csv, &HEADER[..4])?;
    rows::table(file, Kind::Csv, &HEADER, &mut |place, cells| hear(place, row(cells)))
}

fn row(mut cells: Cells<'_>) -> Result<Row, Fault> {
    let prompt = required(cells.take("prompt").text("prompt")?, "prompt")?;
    let mut image = |column: &str| {
        let name = cells.take(column).text(column)?;
        let name = name.ok_or_else(|| Fault::new(format!("{column} is missing"), "name the image's file"))?;
        Ok((column.to_owned(), Source::Names(vec![name])))
    };
    let images = vec![image("image_a")?, image("image_b")?];
    let way_out = "give A, B, Tie or Skip";
    let outcome = cells.take("outcome").text("outcome")?;
    let outcome = outcome.ok_or_else(|| Fault::new("outcome is missing", way_out))?;
    let outcome = match &*outcome.to_ascii_lowercase() {
        "a" => Some(Winner::A),
        "b" => Some(Winner::B),
        "tie" => Some(Winner::Tie),
        "skip" => None,
        _ => return Err(Fault::value("outcome", &outcome, way_out)),
    };
    let tags = cells.take("tags").text("tags")?.unwrap_or_default();
    let tags = tags.split(';').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
    Ok(Row {
        prompt,
        images,
        outcome: Outcome::Pair(outcome),
        who: cells.take("who").text("who")?,
        when: cells.take("when").time("when")?,
        tags,
        weight: cells.take("weight").number("weight")?.unwrap_or(1.0),
    })
}
