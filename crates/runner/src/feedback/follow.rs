//! Judgements that are collected elsewhere: what has come in by a time is copied, images and all, so that results hold what they were made with.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat};
use moa_feedback::{NewImage, PoolFolder, PoolOrigin};
use moa_preferences::{FILE_NAME, Image, Preferences, Record, sha256};
use moa_store::write_where_other;

use crate::RunnerError;
use crate::preferences::{decoded, unreadable};

/// What is said to have drawn such images.
const ORIGIN: &str = "elsewhere";

/// A file of judgements that grows, or a folder `feedback` of other results, which has what came in at each time.
pub(super) struct Followed {
    file: PathBuf,
    /// Where it is a folder of other results, that.
    recorded: Option<PathBuf>,
}

impl Followed {
    /// Returns what is at a path: a file, or the folder of a rating, neither of which need be there yet.
    pub(super) fn at(path: &Path) -> Self {
        let file = moa_preferences::file_in(path);
        let recorded = path.join(taken_at(0)).is_file().then(|| path.to_owned());
        Self { file, recorded }
    }

    /// Returns whether all that ever comes in has come in.
    pub(super) fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    /// Reads what has come in by a time, counted from 0.
    ///
    /// # Errors
    /// Says what cannot be read, and where a record has no such time.
    pub(super) fn read(&self, time: u32) -> Result<Preferences, RunnerError> {
        let Some(folder) = &self.recorded else { return Ok(Preferences::begun(&self.file)?) };
        let path = folder.join(taken_at(time));
        if !path.is_file() {
            let reason = "there is none: give feedback.every and training.epochs as in the experiment that it is of";
            return Err(RunnerError::Read { path, reason: reason.into() });
        }
        Ok(Preferences::read(&path)?)
    }

    /// Returns what is followed.
    pub(super) fn path(&self) -> &Path {
        self.recorded.as_deref().unwrap_or(&self.file)
    }
}

/// Returns the name of the file with what had come in by a time.
fn taken_at(time: u32) -> String {
    format!("ratings-{}.jsonl", time + 1)
}

/// Copies the judgements that count into a folder, with their images.
///
/// # Errors
/// Says which image cannot be read, or has changed since it was judged.
pub(super) fn copied(preferences: &Preferences, folder: &Path, time: u32) -> Result<PoolFolder, RunnerError> {
    let mut images = Vec::new();
    // By prompt and hash, the hash of the copy.
    let mut copies: HashMap<(String, String), String> = HashMap::new();
    for record in preferences.counted() {
        let prompt = record.decision.prompt().unwrap_or_default().trim();
        for image in record.decision.images() {
            let Image::File(file) = image else {
                let reason =
                    "the image of a judgement is given by how it was drawn: give files of images to be followed";
                return Err(unreadable(preferences.path(), &reason));
            };
            if let Entry::Vacant(copy) = copies.entry((prompt.to_owned(), file.sha256.clone())) {
                let path = preferences.path_of(image).unwrap_or_default();
                let png = png_of(&path, &file.sha256)?;
                copy.insert(sha256(&png));
                let origin = PoolOrigin { name: ORIGIN.into(), ..PoolOrigin::default() };
                images.push(NewImage { prompt: prompt.to_owned(), png, origin });
            }
        }
    }
    let pool = PoolFolder::create_or_extend(folder, images)?;
    let places: HashMap<(&str, &str), &str> =
        pool.entries().iter().map(|entry| ((&*entry.prompt, &*entry.sha256), &*entry.file)).collect();
    let mut text = String::new();
    for record in preferences.counted() {
        let mut record: Record = record.clone();
        let prompt = record.decision.prompt().unwrap_or_default().trim().to_owned();
        for image in record.decision.images_mut() {
            if let Image::File(file) = image
                && let Some(copy) = copies.get(&(prompt.clone(), file.sha256.clone()))
                && let Some(path) = places.get(&(&*prompt, &**copy))
            {
                (file.path, file.sha256) = ((*path).to_owned(), copy.clone());
            }
        }
        text += &record.to_line();
        text.push('\n');
    }
    write_where_other(&folder.join(taken_at(time)), text.as_bytes())?;
    write_where_other(&folder.join(FILE_NAME), text.as_bytes())?;
    Ok(pool)
}

/// Reads an image that was judged, as PNG.
fn png_of(path: &Path, hash: &str) -> Result<Vec<u8>, RunnerError> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    if sha256(&bytes) != hash {
        return Err(unreadable(path, &"it has changed since it was judged: restore it, or undo the judgement"));
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(bytes);
    }
    let image = DynamicImage::ImageRgb8(decoded(path)?.to_rgb8());
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).map_err(|error| unreadable(path, &error))?;
    Ok(png.into_inner())
}
