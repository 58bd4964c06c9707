//! Pick-a-Pic's columns (the data sets `yuvalkirstain/pickapic_v1` and `_v2`, with or without images).

use std::path::Path;

use moa_preferences::Winner;

use super::{Hear, Outcome, Row, Source, require, required};
use crate::InterchangeError;
use crate::cell::Cell;
use crate::reasons::Fault;
use crate::rows::{self, Cells, Kind};

const COLUMNS: [&str; 14] = [
    "caption",
    "jpg_0",
    "jpg_1",
    "image_0_uid",
    "image_1_uid",
    "image_0_url",
    "image_1_url",
    "best_image_uid",
    "label_0",
    "label_1",
    "has_label",
    "are_different",
    "user_id",
    "created_at",
];

/// Endings under which an image of a row without images is looked for by its uid.
const ENDINGS: [&str; 4] = ["jpg", "png", "jpeg", "webp"];

pub(super) fn read(file: &Path, kind: Kind, hear: &mut Hear<'_>) -> Result<(), InterchangeError> {
    let columns = require(file, kind, &["caption"])?;
    let has = |name: &str| columns.iter().any(|column| column == name || column.strip_suffix(".bytes") == Some(name));
    let (labels, best) = (has("label_0") && has("label_1"), has("best_image_uid") && has("image_0_uid"));
    let missing = if !labels && !best {
        Some("label_0 and label_1, or best_image_uid with image_0_uid and image_1_uid, are")
    } else if !has("jpg_0") && !has("image_0_uid") && !has("image_0_url") {
        Some("jpg_0 and jpg_1, or image_0_uid and image_1_uid, or image_0_url and image_1_url, are")
    } else {
        None
    };
    if let Some(missing) = missing {
        return Err(InterchangeError::unreadable(file, format!("the columns {missing} missing")));
    }
    rows::table(file, kind, &COLUMNS, &mut |place, cells| hear(place, row(cells)))
}

fn row(mut cells: Cells<'_>) -> Result<Row, Fault> {
    if cells.take("has_label").flag("has_label")? == Some(false) {
        return Err(Fault::new("has_label is false", "rows without a decision are left out"));
    }
    if cells.take("are_different").flag("are_different")? == Some(false) {
        return Err(Fault::new("are_different is false", "rows with the same image twice are left out"));
    }
    let prompt = required(cells.take("caption").text("caption")?, "caption")?;
    let uids = [cells.take("image_0_uid").text("image_0_uid")?, cells.take("image_1_uid").text("image_1_uid")?];
    let outcome = outcome(&mut cells, &uids)?;
    let [first, second] = uids;
    let images = vec![
        image(&mut cells, ["jpg_0", "image_0_url", "image_0_uid"], first)?,
        image(&mut cells, ["jpg_1", "image_1_url", "image_1_uid"], second)?,
    ];
    Ok(Row {
        prompt,
        images,
        outcome: Outcome::Pair(Some(outcome)),
        who: cells.take("user_id").text("user_id")?,
        when: cells.take("created_at").time("created_at")?,
        tags: Vec::new(),
        weight: 1.0,
    })
}

/// Returns the winner by the labels, and by the best image where there are none; refuses rows in which they contradict each other.
fn outcome(cells: &mut Cells<'_>, uids: &[Option<String>; 2]) -> Result<Winner, Fault> {
    let labels = [cells.take("label_0").number("label_0")?, cells.take("label_1").number("label_1")?];
    let by_label = match labels {
        [None, None] => None,
        [first, second] => {
            let shown = |label: Option<f64>| label.map_or_else(|| "missing".into(), |label| label.to_string());
            let labels = [shown(first), shown(second)];
            match [&*labels[0], &*labels[1]] {
                ["1", "0"] => Some(Winner::A),
                ["0", "1"] => Some(Winner::B),
                ["0.5", "0.5"] => Some(Winner::Tie),
                [first, second] => {
                    let problem = format!("label_0 and label_1 are {first} and {second}");
                    return Err(Fault::new(problem, "give 1 and 0, 0 and 1, or 0.5 and 0.5"));
                }
            }
        }
    };
    let best = cells.take("best_image_uid").text("best_image_uid")?;
    let by_best = match &best {
        Some(best) if uids[0].as_ref() == Some(best) => Some(Winner::A),
        Some(best) if uids[1].as_ref() == Some(best) => Some(Winner::B),
        Some(best) if best.eq_ignore_ascii_case("tie") => Some(Winner::Tie),
        _ => None,
    };
    match (by_label, by_best) {
        (Some(label), Some(best)) if label != best => {
            let problem = format!("the labels say {}, and best_image_uid says {}", label.name(), best.name());
            Err(Fault::new(problem, "rows that contradict themselves are left out"))
        }
        (Some(winner), _) | (None, Some(winner)) => Ok(winner),
        (None, None) => Err(Fault::new(
            "neither label_0 and label_1 nor best_image_uid says which image is better",
            "rows without a decision are left out",
        )),
    }
}

fn image(
    cells: &mut Cells<'_>,
    [bytes, url, uid_column]: [&str; 3],
    uid: Option<String>,
) -> Result<(String, Source), Fault> {
    if let Cell::Bytes(found) = cells.take(bytes) {
        return Ok((bytes.to_owned(), Source::Bytes(found)));
    }
    let mut names = Vec::new();
    if let Some(url) = cells.take(url).text(url)? {
        // The last part of an address, for images that were downloaded.
        if let Some((_, path)) = url.split_once("://") {
            let path = path.split(['?', '#']).next().unwrap_or_default();
            names.extend(path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned));
        } else {
            names.push(url);
        }
    }
    if let Some(uid) = uid {
        names.extend(ENDINGS.iter().map(|ending| format!("{uid}.{ending}")));
    }
    if names.is_empty() {
        return Err(Fault::new(format!("{bytes} is missing"), format!("give the image, or its {uid_column}")));
    }
    Ok((uid_column.to_owned(), Source::Names(names)))
}
