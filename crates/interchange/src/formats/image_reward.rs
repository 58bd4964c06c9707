//! The JSON of ImageReward: an entry for each prompt (`generations`, `ranking`), or, as in ImageRewardDB, for each image.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Hear, Outcome, Row, Source, dense, files, places, required, text};
use crate::InterchangeError;
use crate::reasons::Fault;
use crate::rows;

/// Entries for single images that are gathered at most.
const MOST_IMAGES: usize = 1_000_000;

/// The images of a prompt that were met so far.
struct Group {
    place: String,
    prompt: String,
    images: Vec<(String, Source)>,
    ranks: Vec<f64>,
}

pub(super) fn read(file: &Path, hear: &mut Hear<'_>) -> Result<(), InterchangeError> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let (mut gathered, mut more) = (0, true);
    rows::entries(file, &mut |place, entry| {
        if !entry.get("image_path").is_some_and(Value::is_string) {
            more = hear(place, of_prompt(&entry))?;
            return Ok(more);
        }
        match of_image(&entry) {
            Ok(_) if gathered == MOST_IMAGES => {
                let problem = format!("{place}: there are more than {MOST_IMAGES} images: split the file");
                return Err(InterchangeError::unreadable(file, problem));
            }
            Ok((id, prompt, name, rank)) => {
                gathered += 1;
                let (images, ranks) = (Vec::new(), Vec::new());
                let group = groups.entry(id).or_insert_with(|| Group { place: place.into(), prompt, images, ranks });
                group.images.push((format!("image_path of {place}"), Source::Names(vec![name])));
                group.ranks.push(rank);
            }
            Err(fault) => more = hear(place, Err(fault))?,
        }
        Ok(more)
    })?;
    for group in groups.into_values() {
        if !more {
            break;
        }
        let row = if group.images.len() < 2 {
            Err(Fault::new("the prompt has one image", "prompts with a single image are left out"))
        } else {
            Ok(row(group.prompt, group.images, dense(&group.ranks)))
        };
        more = hear(&group.place, row)?;
    }
    Ok(())
}

fn row(prompt: String, images: Vec<(String, Source)>, places: Vec<u32>) -> Row {
    let (outcome, tags) = (Outcome::Ranking(places), Vec::new());
    Row { prompt, images, outcome, who: None, when: None, tags, weight: 1.0 }
}

fn of_prompt(entry: &Value) -> Result<Row, Fault> {
    if !entry.is_object() {
        return Err(Fault::value(
            "the entry",
            &entry.to_string(),
            "give an object with prompt, generations and ranking",
        ));
    }
    let prompt = required(text(entry, "prompt")?, "prompt")?;
    let images = files(entry, "generations")?;
    let places = places(entry.get("ranking"), "ranking", images.len())?;
    Ok(row(prompt, images, places))
}

/// Returns the prompt's id, the prompt, the image's file and its rank.
fn of_image(entry: &Value) -> Result<(String, String, String, f64), Fault> {
    let prompt = required(text(entry, "prompt")?, "prompt")?;
    let id = text(entry, "prompt_id")?.unwrap_or_else(|| prompt.clone());
    let name = text(entry, "image_path")?;
    let name = name.ok_or_else(|| Fault::new("image_path is missing", "name the image's file"))?;
    let rank = entry.get("rank").and_then(Value::as_f64);
    let shown = entry.get("rank").map_or_else(|| "missing".into(), Value::to_string);
    let rank = rank.ok_or_else(|| Fault::new(format!("rank is {shown}"), "give a number; the lowest is the best"))?;
    Ok((id, prompt, name, rank))
}
