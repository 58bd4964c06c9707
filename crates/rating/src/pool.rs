//! The images that are asked about.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use moa_preferences::{Image, sha256};

use crate::RatingError;

/// Bytes of an image's file.
const LARGEST_IMAGE: u64 = 64_000_000;

/// An image that may be asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolImage {
    /// How a record names it.
    pub image: Image,
    /// What was to be drawn.
    pub prompt: String,
    /// What drew it: base, a run, a soup. It balances questions, and no rater ever sees it.
    pub origin: String,
    /// The file that is shown; of an image that is drawn again, where it was drawn to.
    pub file: PathBuf,
}

/// Images by prompt. An image's *place* in the pool names it within this process; its *id* names it outside, says nothing of what
/// drew it, and is the same in every pool.
#[derive(Clone, Debug)]
pub struct Pool {
    images: Vec<PoolImage>,
    ids: Vec<String>,
    places: HashMap<String, usize>,
    prompts: Vec<Vec<usize>>,
    prompt_of: Vec<usize>,
    duplicates: usize,
}

impl Pool {
    /// Collects images. Of equal images of one prompt, such as those of two adapters that draw the same, the first is kept.
    pub fn new(images: impl IntoIterator<Item = PoolImage>) -> Self {
        let mut pool = Self {
            images: Vec::new(),
            ids: Vec::new(),
            places: HashMap::new(),
            prompts: Vec::new(),
            prompt_of: Vec::new(),
            duplicates: 0,
        };
        let mut prompts: HashMap<String, usize> = HashMap::new();
        for mut image in images {
            let prompt = image.prompt.trim().to_owned();
            image.prompt = prompt;
            let id = id(&image.prompt, &image.image);
            let place = pool.images.len();
            if pool.places.contains_key(&id) {
                pool.duplicates += 1;
                continue;
            }
            let prompt = *prompts.entry(image.prompt.clone()).or_insert(pool.prompts.len());
            if prompt == pool.prompts.len() {
                pool.prompts.push(Vec::new());
            }
            pool.prompts[prompt].push(place);
            pool.prompt_of.push(prompt);
            pool.places.insert(id.clone(), place);
            pool.ids.push(id);
            pool.images.push(image);
        }
        pool
    }

    /// Returns the images, by place.
    pub fn images(&self) -> &[PoolImage] {
        &self.images
    }

    /// Returns the places of each prompt's images.
    pub fn prompts(&self) -> &[Vec<usize>] {
        &self.prompts
    }

    /// Returns the number of an image's prompt in [`Pool::prompts`].
    pub fn prompt_of(&self, place: usize) -> usize {
        self.prompt_of[place]
    }

    /// Returns how many images were left out because the same image of the same prompt was there.
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// Returns the id of an image, 16 hexadecimal digits.
    pub fn id(&self, place: usize) -> &str {
        &self.ids[place]
    }

    /// Returns the place of an id.
    ///
    /// # Errors
    /// Refuses ids of images that are not in the pool.
    pub fn place(&self, id: &str) -> Result<usize, RatingError> {
        let known = self.places.get(id).copied();
        known.ok_or_else(|| RatingError::UnknownImage { id: id.chars().filter(|c| !c.is_control()).take(40).collect() })
    }

    /// Returns the place of a record's image.
    pub fn find(&self, prompt: &str, image: &Image) -> Option<usize> {
        self.places.get(&id(prompt.trim(), image)).copied()
    }

    /// Reads an image's file. One that has a hash must still have it: what is shown is what the record names.
    ///
    /// # Errors
    /// Says which file is missing, too large, unreadable or has changed.
    pub fn read(&self, place: usize) -> Result<Vec<u8>, RatingError> {
        let image = &self.images[place];
        let refused = |problem: String| RatingError::Image { path: image.file.clone(), problem };
        let mut bytes = Vec::new();
        let read = File::open(&image.file).and_then(|file| {
            if !file.metadata()?.is_file() {
                return Err(std::io::Error::other("this is not a file"));
            }
            file.take(LARGEST_IMAGE + 1).read_to_end(&mut bytes)
        });
        read.map_err(|error| refused(format!("the image cannot be read: {error}")))?;
        if bytes.len() as u64 > LARGEST_IMAGE {
            return Err(refused(format!("the image is larger than {} MB", LARGEST_IMAGE / 1_000_000)));
        }
        match &image.image {
            Image::File(file) if file.sha256 != sha256(&bytes) => {
                Err(refused("the image has changed since rating began: restore it, or start again".into()))
            }
            _ => Ok(bytes),
        }
    }
}

/// Returns what names an image of a prompt, in this pool and in others.
fn id(prompt: &str, image: &Image) -> String {
    let mut digest = sha256(format!("{prompt}\0{}", image.key()).as_bytes());
    digest.truncate(16);
    digest
}
