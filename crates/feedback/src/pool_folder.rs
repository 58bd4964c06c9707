//! The folder of a rating.
//!
//! ```text
//! ratings/
//!   images/3f9a….png     by content: a name says nothing of what drew the image
//!   pool.json            which images there are, of which prompts, and what drew them
//!   preferences.jsonl    the answers (docs/preferences.md)
//! ```

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use moa_preferences::{FILE_NAME, Image, ImageFile};
use moa_rating::{Pool, PoolImage};
use moa_store::{write_atomically, write_where_other};
use serde::{Deserialize, Serialize};

use crate::FeedbackError;

/// The version of `pool.json` that this moa reads and writes.
pub const VERSION: u32 = 1;

const POOL: &str = "pool.json";
const IMAGES: &str = "images";
const LOCK: &str = ".pool.lock";
/// Bytes of `pool.json`, and of an image.
const LARGEST_POOL: u64 = 256_000_000;
const LARGEST_IMAGE: usize = 64_000_000;
/// Characters of a prompt, as in files of preferences.
const LONGEST_PROMPT: usize = 1000;
/// Hexadecimal digits of a file's name: 2⁶⁴ names for some thousands of images.
const DIGITS: usize = 16;

/// What drew an image. No rater sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolOrigin {
    /// Such as `base`, `run aesthetics-0.7` or `soup centre`.
    pub name: String,
    /// The share of each reward that the adapter was trained for, or of each adapter in the soup; empty for the base.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<String, f64>,
}

/// An image to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImage {
    /// What was to be drawn.
    pub prompt: String,
    /// The bytes of a PNG file.
    pub png: Vec<u8>,
    /// What drew it.
    pub origin: PoolOrigin,
}

/// An image of the folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolEntry {
    /// What was to be drawn.
    pub prompt: String,
    /// The file, from the folder: `images/3f9a….png`.
    pub file: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// What drew it.
    pub origin: PoolOrigin,
}

/// `pool.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolFile {
    version: u32,
    images: Vec<PoolEntry>,
}

/// Reads the version alone, whatever else a later one has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A folder with images that are rated, and with the answers.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolFolder {
    root: PathBuf,
    entries: Vec<PoolEntry>,
}

impl PoolFolder {
    /// Makes a folder, or adds images to one. Of equal images of one prompt the first is kept, also across calls: the images of a
    /// sweep that was resumed can simply be added again. Places of the images that were there stay.
    ///
    /// Images are written as they come, and `pool.json` at the end, each whole or not at all: after a kill the folder is as it was,
    /// apart from image files that the next call takes over.
    ///
    /// # Errors
    /// Refuses images that are no PNG or have no prompt, folders of other versions, and a folder to which another process adds
    /// images now. The folder is as after a kill then.
    pub fn create_or_extend(path: &Path, images: impl IntoIterator<Item = NewImage>) -> Result<Self, FeedbackError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| FeedbackError::Io { action: "write", path, source }
        };
        let folder = path.join(IMAGES);
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let lock = path.join(LOCK);
        let held = OpenOptions::new().create(true).append(true).open(&lock).map_err(failed(&lock))?;
        if let Err(fs::TryLockError::WouldBlock) = held.try_lock() {
            let problem = "another process adds images to this folder: wait for it, or stop it".into();
            return Err(FeedbackError::Folder { path: path.to_path_buf(), problem });
        }
        let mut entries = if path.join(POOL).exists() { Self::open(path)?.entries } else { Vec::new() };
        let before = entries.len();
        let mut known: HashSet<(String, String)> =
            entries.iter().map(|entry| (entry.prompt.clone(), entry.sha256.clone())).collect();
        for (index, image) in images.into_iter().enumerate() {
            let prompt = image.prompt.trim().to_owned();
            let problem = problem_of(&prompt, &image.origin)
                .or_else(|| (!image.png.starts_with(b"\x89PNG\r\n\x1a\n")).then(|| "it is no PNG file".to_owned()))
                .or_else(|| {
                    let large = image.png.len() > LARGEST_IMAGE;
                    large.then(|| format!("it has {} bytes: give at most {LARGEST_IMAGE}", image.png.len()))
                });
            if let Some(problem) = problem {
                return Err(FeedbackError::Image { index, problem });
            }
            let sha256 = moa_preferences::sha256(&image.png);
            if !known.insert((prompt.clone(), sha256.clone())) {
                continue;
            }
            let file = format!("{IMAGES}/{}.png", &sha256[..DIGITS]);
            write_where_other(&path.join(&file), &image.png)?;
            entries.push(PoolEntry { prompt, file, sha256, origin: image.origin });
        }
        if entries.len() > before || !path.join(POOL).exists() {
            let pool = PoolFile { version: VERSION, images: entries.clone() };
            let mut text = serde_json::to_vec_pretty(&pool).map_err(|error| FeedbackError::Folder {
                path: path.join(POOL),
                problem: format!("cannot be written as JSON: {error}"),
            })?;
            text.push(b'\n');
            write_atomically(&path.join(POOL), &text)?;
        }
        Ok(Self { root: path.to_path_buf(), entries })
    }

    /// Opens a folder, and checks that `pool.json` is whole and that its images are there. [`PoolFolder::check_images`] also
    /// reads them.
    ///
    /// # Errors
    /// Refuses folders without `pool.json`, other versions, unknown fields, names that lead out of the folder, and missing images.
    pub fn open(path: &Path) -> Result<Self, FeedbackError> {
        let file = path.join(POOL);
        let refused = |problem: String| FeedbackError::Folder { path: file.clone(), problem };
        let mut text = String::new();
        let read = File::open(&file).and_then(|opened| opened.take(LARGEST_POOL + 1).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let problem = "no such file: name a folder that `moa rate` made, which holds pool.json".into();
                return Err(refused(problem));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(refused("not UTF-8 text: this is not the pool of a rating".into()));
            }
            Err(source) => return Err(FeedbackError::Io { action: "read", path: file, source }),
            Ok(_) if text.len() as u64 > LARGEST_POOL => {
                return Err(refused(format!("larger than {} MB", LARGEST_POOL / 1_000_000)));
            }
            Ok(_) => {}
        }
        let versioned: Versioned =
            serde_json::from_str(&text).map_err(|error| refused(format!("not the pool of a rating: {error}")))?;
        if versioned.version != VERSION {
            let hint = if versioned.version > VERSION { "use a newer moa" } else { "rate into another folder" };
            let problem = format!("`version` is {}, and this moa reads {VERSION}: {hint}", versioned.version);
            return Err(refused(problem));
        }
        let pool: PoolFile =
            serde_json::from_str(&text).map_err(|error| refused(format!("not the pool of a rating: {error}")))?;
        let mut known = HashSet::new();
        for (index, entry) in pool.images.iter().enumerate() {
            let problem = problem_of(&entry.prompt, &entry.origin)
                .or_else(|| entry.problem())
                .or_else(|| {
                    let is_new = known.insert((entry.prompt.trim(), &*entry.sha256));
                    (!is_new).then(|| "it is the same as an earlier one: delete one of them".into())
                })
                .or_else(|| {
                    let missing = !path.join(&entry.file).is_file();
                    missing.then(|| format!("there is no file `{}`: restore it, or delete the entry", entry.file))
                });
            if let Some(problem) = problem {
                return Err(refused(format!("`images[{index}]`: {problem}")));
            }
        }
        let entries =
            pool.images.into_iter().map(|entry| PoolEntry { prompt: entry.prompt.trim().to_owned(), ..entry });
        Ok(Self { root: path.to_path_buf(), entries: entries.collect() })
    }

    /// Reads all images, and checks that they are what they were.
    ///
    /// # Errors
    /// Names the first image that cannot be read or has changed.
    pub fn check_images(&self) -> Result<(), FeedbackError> {
        let pool = self.pool();
        (0..self.entries.len()).try_for_each(|place| Ok(pool.read(place).map(drop)?))
    }

    /// Returns the images for a desk; an image's place is its position in [`PoolFolder::entries`].
    pub fn pool(&self) -> Pool {
        Pool::new(self.entries.iter().map(|entry| PoolImage {
            image: Image::File(ImageFile { path: entry.file.clone(), sha256: entry.sha256.clone() }),
            prompt: entry.prompt.clone(),
            origin: entry.origin.name.clone(),
            file: self.root.join(&entry.file),
        }))
    }

    /// Returns the images with their origins.
    pub fn entries(&self) -> &[PoolEntry] {
        &self.entries
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Returns the file of answers, which may not exist yet.
    pub fn preferences(&self) -> PathBuf {
        self.root.join(FILE_NAME)
    }
}

impl PoolEntry {
    /// Returns what is wrong with file and hash.
    fn problem(&self) -> Option<String> {
        let is_hash = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if self.sha256.len() != 64 || !is_hash(&self.sha256) {
            return Some(format!("`sha256` is \"{}\": give 64 hexadecimal digits in lower case", shown(&self.sha256)));
        }
        // A file by any other name might be anywhere, or say what drew it.
        let name = format!("{IMAGES}/{}.png", &self.sha256[..DIGITS]);
        (self.file != name).then(|| format!("`file` is \"{}\": by its hash it is {name}", shown(&self.file)))
    }
}

/// Returns what is wrong with a prompt or an origin.
fn problem_of(prompt: &str, origin: &PoolOrigin) -> Option<String> {
    let length = prompt.trim().chars().count();
    if !(1..=LONGEST_PROMPT).contains(&length) {
        return Some(format!("its prompt has {length} characters: give 1 to {LONGEST_PROMPT}"));
    }
    if origin.name.trim().is_empty() {
        return Some("its origin has no name: say what drew it, such as \"base\"".into());
    }
    let odd = origin.shares.iter().find(|(_, share)| !share.is_finite());
    odd.map(|(name, share)| format!("its origin's share of {name} is {share}: give a finite number"))
}

fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}
