//! What a record may hold.

use moa_core::experiment::LONGEST_PROMPT;

use crate::fault::{Fault, quoted};
use crate::{Decision, Image, Record};

/// Characters of a rater's name, of a tag and of a noise's name.
const LONGEST_NAME: usize = 64;
/// Characters of an id.
const LONGEST_ID: usize = 200;
/// Characters of a path.
const LONGEST_PATH: usize = 4096;
/// Tags of one record.
const MOST_TAGS: usize = 32;
/// Images of one ranking.
const MOST_IMAGES: usize = 64;
const LARGEST_WEIGHT: f64 = 1_000_000.0;

impl Record {
    /// Returns what a file of preferences would refuse of the record, with the field, its value and what would be accepted; none for
    /// a record that can be written and read again.
    pub fn problem(&self) -> Option<String> {
        self.check().err().map(|fault| format!("{}: {}", fault.problem, fault.way_out))
    }

    /// Refuses values that no record may hold, such as an empty prompt or a pair of one image with itself.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        named("id", &self.id, LONGEST_ID, "give each record an id of its own, at most 200 characters")?;
        named("who", &self.who, LONGEST_NAME, "name the rater in at most 64 characters")?;
        if !(0.0..=LARGEST_WEIGHT).contains(&self.weight) {
            return Err(Fault::value("weight", &self.weight.to_string(), "give a number, 0 to 1000000"));
        }
        if self.tags.len() > MOST_TAGS {
            return Err(Fault::value("tags", &format!("a list of {}", self.tags.len()), "give at most 32"));
        }
        for (index, tag) in self.tags.iter().enumerate() {
            named(&format!("tags[{index}]"), tag, LONGEST_NAME, "give a word or two, at most 64 characters")?;
        }
        if let Some(prompt) = self.decision.prompt() {
            check_prompt(prompt)?;
        }
        let images = self.decision.images();
        for (index, image) in images.iter().enumerate() {
            check_image(&format!("images[{index}]"), image)?;
        }
        match &self.decision {
            Decision::Pair { .. } => different(&images, "compare two different images, or delete the line"),
            Decision::Ranking { outcome, .. } => {
                if !(2..=MOST_IMAGES).contains(&images.len()) {
                    return Err(Fault::value("images", &format!("a list of {}", images.len()), "rank 2 to 64 images"));
                }
                different(&images, "rank each image once")?;
                check_places(outcome.as_deref(), images.len())
            }
            Decision::Score { outcome: Some(score), .. } if !score.is_finite() => {
                Err(Fault::value("outcome", &score.to_string(), "give a finite number, or \"Skip\""))
            }
            Decision::Undo { record } if *record == self.id => {
                Err(Fault::value("undoes", &quoted(record), "a record cannot undo itself: name an earlier one"))
            }
            Decision::Undo { record } => named("undoes", record, LONGEST_ID, "name the id of an earlier record"),
            Decision::Label { .. } | Decision::Score { .. } => Ok(()),
        }
    }
}

/// Refuses texts that are blank, too long, or would confuse a terminal.
fn named(field: &str, text: &str, longest: usize, way_out: &str) -> Result<(), Fault> {
    let length = text.chars().count();
    if length > longest {
        return Err(Fault::value(field, &format!("{length} characters long"), way_out));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::value(field, &quoted(text), "give a text of one line, without control characters"));
    }
    if text.trim().is_empty() { Err(Fault::value(field, &quoted(text), way_out)) } else { Ok(()) }
}

fn check_prompt(prompt: &str) -> Result<(), Fault> {
    if prompt.trim().is_empty() {
        return Err(Fault::value("prompt", &quoted(prompt), "say what was to be drawn, or delete the line"));
    }
    let length = prompt.trim().chars().count();
    if length > LONGEST_PROMPT {
        let way_out = format!("give at most {LONGEST_PROMPT}");
        return Err(Fault::value("prompt", &format!("{length} characters long"), way_out));
    }
    Ok(())
}

fn check_image(field: &str, image: &Image) -> Result<(), Fault> {
    match image {
        Image::File(file) => {
            path(&format!("{field}.File.path"), &file.path)?;
            hash(&format!("{field}.File.sha256"), &file.sha256)
        }
        Image::Drawn(drawn) => {
            let field = |name: &str| format!("{field}.Drawn.{name}");
            named(&field("base"), &drawn.base, LONGEST_PATH, "name the base model, such as \"emoji-32\"")?;
            if let Some(adapter) = &drawn.adapter {
                path(&field("adapter"), adapter)?;
            }
            if let Some(sha256) = &drawn.adapter_sha256 {
                hash(&field("adapter_sha256"), sha256)?;
                if drawn.adapter.is_none() {
                    return Err(Fault::missing(&field("adapter"), "adapter_sha256 is given: name its adapter, too"));
                }
            }
            named(&field("noise"), &drawn.noise, LONGEST_NAME, "give \"sample\" or \"evaluation\"")?;
            if !(1..=1000).contains(&drawn.steps) {
                return Err(Fault::value(&field("steps"), &drawn.steps.to_string(), "give a whole number, 1 to 1000"));
            }
            if !(0.0..=100.0).contains(&drawn.guidance) {
                return Err(Fault::value(&field("guidance"), &drawn.guidance.to_string(), "give a number, 0 to 100"));
            }
            Ok(())
        }
    }
}

fn path(field: &str, path: &str) -> Result<(), Fault> {
    named(field, path, LONGEST_PATH, "name a file, whose path counts from the folder of this file")
}

fn hash(field: &str, hash: &str) -> Result<(), Fault> {
    if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Ok(());
    }
    Err(Fault::value(
        field,
        &quoted(hash),
        "give the SHA-256 of the file's bytes, 64 hexadecimal digits, as sha256sum does",
    ))
}

/// Refuses lists with the same image twice.
fn different(images: &[&Image], way_out: &str) -> Result<(), Fault> {
    let keys: Vec<String> = images.iter().map(|image| image.key()).collect();
    for (second, key) in keys.iter().enumerate() {
        if let Some(first) = keys[..second].iter().position(|other| other == key) {
            let value = match images[second] {
                Image::File(file) => {
                    format!("{}, the same image as images[{first}] (its hash is equal)", quoted(&file.path))
                }
                Image::Drawn(_) => format!("drawn exactly as images[{first}] is"),
            };
            return Err(Fault::value(&format!("images[{second}]"), &value, way_out));
        }
    }
    Ok(())
}

fn check_places(places: Option<&[u32]>, images: usize) -> Result<(), Fault> {
    let Some(places) = places else { return Ok(()) };
    if places.len() != images {
        let value = format!("a list of {} for {images} images", places.len());
        return Err(Fault::value("outcome", &value, "give one place for each image, in their order"));
    }
    match places.iter().position(|place| *place == 0) {
        Some(index) => Err(Fault::value(&format!("outcome[{index}]"), "0", "places count from 1, the best")),
        None => Ok(()),
    }
}
