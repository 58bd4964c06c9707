//! Whether images are still what was judged.

use std::collections::HashSet;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::fault::{Fault, Faults, quoted};
use crate::image::sha256_of;
use crate::{Image, Preferences, PreferencesError};

/// Threads that hash at most: disks are not faster with more.
const MOST_THREADS: usize = 8;

/// The file of an adapter's folder.
const ADAPTER: &str = "adapter.safetensors";

/// A file that must be there, and be what it was.
struct Wanted<'a> {
    line: usize,
    /// Its field, e.g. `images[0].File.path`.
    field: String,
    /// As written.
    written: &'a str,
    path: PathBuf,
    sha256: Option<&'a str>,
}

impl Preferences {
    /// Returns where an image's file is, or the adapter that draws it; none for an image of the base alone.
    pub fn path_of(&self, image: &Image) -> Option<PathBuf> {
        match image {
            Image::File(file) => Some(self.folder().join(&file.path)),
            Image::Drawn(drawn) => drawn.adapter.as_ref().map(|adapter| self.folder().join(adapter)),
        }
    }

    /// Checks that the images of all records that count are there and have their hashes, and so the adapters of those that are drawn
    /// again. Reads every file once, several at a time.
    ///
    /// # Errors
    /// Says which files are missing, cannot be read or have changed; all of a kind are one line of the message.
    pub fn check_images(&self) -> Result<(), PreferencesError> {
        let wanted = self.wanted();
        let found = hashes(&wanted);
        let mut faults = Faults::default();
        for (wanted, found) in wanted.iter().zip(found) {
            if let Some(fault) = wanted.fault(found) {
                faults.add(wanted.line, fault);
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(self.refused(faults)) }
    }

    /// Returns every file once, with the line that names it first.
    fn wanted(&self) -> Vec<Wanted<'_>> {
        let mut seen = HashSet::new();
        let mut wanted = Vec::new();
        for (line, record) in self.counted_lines() {
            for (index, image) in record.decision.images().into_iter().enumerate() {
                let (field, written, sha256) = match image {
                    Image::File(file) => ("File.path", &*file.path, Some(&*file.sha256)),
                    Image::Drawn(drawn) => {
                        let Some(adapter) = &drawn.adapter else { continue };
                        ("Drawn.adapter", &**adapter, drawn.adapter_sha256.as_deref())
                    }
                };
                if seen.insert((written, sha256)) {
                    let path = self.folder().join(written);
                    wanted.push(Wanted { line, field: format!("images[{index}].{field}"), written, path, sha256 });
                }
            }
        }
        wanted
    }
}

impl Wanted<'_> {
    fn is_adapter(&self) -> bool {
        self.field.ends_with("adapter")
    }

    /// Returns the file's hash; of an adapter's whose hash is not known an empty text.
    fn hash(&self) -> io::Result<String> {
        if !self.is_adapter() {
            return sha256_of(&self.path);
        }
        let path = if self.path.is_dir() { self.path.join(ADAPTER) } else { self.path.clone() };
        if self.sha256.is_none() {
            return if std::fs::metadata(path)?.is_file() { Ok(String::new()) } else { Err(not_a_file()) };
        }
        sha256_of(&path)
    }

    fn fault(&self, found: io::Result<String>) -> Option<Fault> {
        let written = quoted(self.written);
        let what = if self.is_adapter() { "adapter" } else { "image" };
        let (problem, way_out) = match found {
            Ok(hash) if self.sha256.is_none_or(|wanted| wanted == hash) => return None,
            Ok(hash) => {
                let wanted = self.sha256.unwrap_or_default();
                let problem = format!("{written}, whose SHA-256 is {}… and not {}…", &hash[..12], &wanted[..12]);
                (problem, format!("the {what} has changed since it was judged: restore it, or rate it again"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let problem = format!("{written}, and there is no {}", shown(&self.path));
                (problem, format!("put the {what} there: paths count from the folder of the file of preferences"))
            }
            Err(error)
                if error.kind() == io::ErrorKind::InvalidInput || error.kind() == io::ErrorKind::IsADirectory =>
            {
                (format!("{written}, which is not a file"), format!("name the {what}'s file"))
            }
            Err(error) => {
                (format!("{written}, which cannot be read ({error})"), "see to the file and its rights".into())
            }
        };
        Some(Fault::value(&self.field, &problem, way_out))
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no file")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Hashes all files on several threads; the order is that of `wanted`.
fn hashes(wanted: &[Wanted<'_>]) -> Vec<io::Result<String>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS).min(wanted.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(wanted) = wanted.get(place) else { return found };
            found.push((place, wanted.hash()));
        }
    };
    let mut found: Vec<(usize, io::Result<String>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("hashing does not panic")).collect()
    });
    found.sort_unstable_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, hash)| hash).collect()
}
