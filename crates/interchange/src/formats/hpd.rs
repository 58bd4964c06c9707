//! The JSON of the Human Preference Dataset v2: `train.json` has pairs, `test.json` rankings of several raters.

use std::path::Path;

use moa_preferences::Winner;
use serde_json::Value;

use super::{Hear, Outcome, Row, files, places, required, text};
use crate::InterchangeError;
use crate::reasons::Fault;
use crate::rows;

pub(super) fn read(file: &Path, hear: &mut Hear<'_>) -> Result<(), InterchangeError> {
    rows::entries(file, &mut |place, entry| {
        match of_entry(&entry) {
            Err(fault) => return hear(place, Err(fault)),
            Ok(rows) => {
                for row in rows {
                    if !hear(place, row)? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    })
}

fn of_entry(entry: &Value) -> Result<Vec<Result<Row, Fault>>, Fault> {
    if !entry.is_object() {
        return Err(Fault::value("the entry", &entry.to_string(), "give an object with prompt and images"));
    }
    let prompt = required(text(entry, "prompt")?, "prompt")?;
    let field = if entry.get("image_path").is_some() { "image_path" } else { "file_path" };
    let images = files(entry, field)?;
    let row = |outcome, who| Row {
        prompt: prompt.clone(),
        images: images.clone(),
        outcome,
        who,
        when: None,
        tags: Vec::new(),
        weight: 1.0,
    };
    if let Some(preference) = entry.get("human_preference") {
        return Ok(vec![Ok(row(Outcome::Pair(Some(winner(preference, images.len())?)), text(entry, "user_hash")?))]);
    }
    let raw = entry.get("raw_annotations").or_else(|| entry.get("raw_annotation")).and_then(Value::as_array);
    match raw.filter(|raw| !raw.is_empty()) {
        Some(raw) => {
            let of_rater = |(index, annotation): (usize, &Value)| {
                let field = format!("raw_annotations[{index}].rank");
                let outcome = Outcome::Ranking(places(annotation.get("rank"), &field, images.len())?);
                Ok(row(outcome, text(annotation, "user_hash")?))
            };
            Ok(raw.iter().enumerate().map(of_rater).collect())
        }
        None => Ok(vec![Ok(row(Outcome::Ranking(places(entry.get("rank"), "rank", images.len())?), None))]),
    }
}

/// Returns the image that is preferred: its number in the list is the larger one.
fn winner(preference: &Value, images: usize) -> Result<Winner, Fault> {
    let way_out = "give two numbers for two images, 1 for the preferred one and 0 for the other";
    let numbers: Option<Vec<f64>> = preference.as_array().map(|list| list.iter().filter_map(Value::as_f64).collect());
    match numbers.as_deref() {
        Some([first, second]) if images == 2 && [first, second].iter().all(|number| (0.0..=1.0).contains(*number)) => {
            Ok(match first.total_cmp(second) {
                std::cmp::Ordering::Greater => Winner::A,
                std::cmp::Ordering::Less => Winner::B,
                std::cmp::Ordering::Equal => Winner::Tie,
            })
        }
        _ => Err(Fault::value("human_preference", &format!("{preference} for {images} images"), way_out)),
    }
}
