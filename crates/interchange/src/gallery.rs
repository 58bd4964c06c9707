//! Images by their files: found where they are, or written beside the records.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use moa_preferences::{Image, ImageFile};

use crate::InterchangeError;
use crate::formats::Source;
use crate::reasons::{Fault, quoted};

/// Bytes of an image.
const LARGEST_IMAGE: u64 = 64_000_000;
/// Files whose hashes are remembered.
const MOST_KNOWN: usize = 100_000;
/// The folder beside the records for images that are inside the file.
const FOLDER: &str = "images";

/// Where images are looked for, and written to.
pub(crate) struct Gallery {
    /// The folder that the paths of the file count from.
    root: PathBuf,
    /// The folder of the records, without symbolic links.
    folder: PathBuf,
    known: HashMap<PathBuf, Image>,
    /// Images that were written.
    pub(crate) written: u64,
}

impl Gallery {
    /// Opens a gallery; the folder of the records must exist.
    pub(crate) fn new(root: PathBuf, folder: &Path) -> Result<Self, InterchangeError> {
        let folder = fs::canonicalize(folder).map_err(|error| InterchangeError::write(folder, error))?;
        Ok(Self { root, folder, known: HashMap::new(), written: 0 })
    }

    /// Returns an image with its hash, and its path as seen from the records; the inner fault leaves the row out.
    pub(crate) fn image(&mut self, column: &str, source: &Source) -> Result<Result<Image, Fault>, InterchangeError> {
        match source {
            Source::Bytes(bytes) => self.write(column, bytes),
            Source::Names(names) => Ok(self.find(column, names)),
        }
    }

    fn find(&mut self, column: &str, names: &[String]) -> Result<Image, Fault> {
        let mut found = names.iter().map(|name| (name, self.root.join(name)));
        let Some((name, path)) = found.find(|(name, path)| !name.contains('\0') && path.exists()) else {
            let shown = names.first().map_or(String::new(), |name| quoted(name));
            let problem = format!("{column} is {shown}, which does not exist in {}", self.root.display());
            return Err(Fault::new(problem, "put the image there, or name the folder that its path counts from"));
        };
        if let Some(image) = self.known.get(&path) {
            return Ok(image.clone());
        }
        let unread = |error: io::Error| {
            Fault::new(
                format!("{column} is {}, which cannot be read ({error})", quoted(name)),
                "see to the file and its rights",
            )
        };
        let metadata = fs::metadata(&path).map_err(unread)?;
        if !metadata.is_file() || metadata.len() > LARGEST_IMAGE {
            return Err(Fault::value(column, name, "name a file of at most 64 MB"));
        }
        let mut start = Vec::new();
        File::open(&path).and_then(|file| file.take(16).read_to_end(&mut start)).map_err(unread)?;
        if ending(&start).is_none() {
            return Err(Fault::value(column, name, "name a PNG, JPEG, WebP or GIF file"));
        }
        let path_there = fs::canonicalize(&path).map_err(unread)?;
        let relative = relative(&self.folder, &path_there);
        let Some(text) = relative.to_str() else {
            return Err(Fault::value(column, name, "rename the file or its folder: the path is not UTF-8"));
        };
        let image = Image::of_file(&self.folder, &text.replace('\\', "/")).map_err(unread)?;
        if self.known.len() == MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(path, image.clone());
        Ok(image)
    }

    fn write(&mut self, column: &str, bytes: &[u8]) -> Result<Result<Image, Fault>, InterchangeError> {
        let Some(ending) = ending(bytes) else {
            let problem = format!("{column} has {} bytes that are no image", bytes.len());
            return Ok(Err(Fault::new(problem, "give a PNG, JPEG, WebP or GIF file")));
        };
        if bytes.len() as u64 > LARGEST_IMAGE {
            let problem = format!("{column} has {} bytes", bytes.len());
            return Ok(Err(Fault::new(problem, "give an image of at most 64 MB")));
        }
        let sha256 = moa_preferences::sha256(bytes);
        let name = format!("{sha256}.{ending}");
        let folder = self.folder.join(FOLDER);
        let path = folder.join(&name);
        // Of an import that was killed, or of the other images of a prompt.
        let is_there = fs::metadata(&path).is_ok_and(|there| there.is_file() && there.len() == bytes.len() as u64);
        if !is_there {
            fs::create_dir_all(&folder).map_err(|error| InterchangeError::write(&folder, error))?;
            let written = tempfile::NamedTempFile::new_in(&folder).and_then(|mut file| {
                file.write_all(bytes)?;
                file.persist(&path).map_err(|error| error.error)
            });
            written.map_err(|error| InterchangeError::write(&path, error))?;
            self.written += 1;
        }
        Ok(Ok(Image::File(ImageFile { path: format!("{FOLDER}/{name}"), sha256 })))
    }
}

/// Returns the ending of an image's name by its first bytes.
pub(crate) fn ending(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpg"),
        [b'G', b'I', b'F', b'8', ..] => Some("gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("webp"),
        _ => None,
    }
}

/// Returns the way from a folder to a file, both absolute and without symbolic links.
pub(crate) fn relative(folder: &Path, file: &Path) -> PathBuf {
    let shared = folder.components().zip(file.components()).take_while(|(one, other)| one == other).count();
    // Other drives have no common root.
    if shared == 0 {
        return file.to_path_buf();
    }
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(file.components().skip(shared)).collect()
}
