//! From records to a file of others.

mod json;
mod pairs;
mod pick_a_pic;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use moa_preferences::{Decision, Image, Moment, Preferences, Record, Winner};

use crate::gallery::relative;
use crate::reasons::{Fault, Reasons};
use crate::{Format, InterchangeError};

/// What an export did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows or entries that were written.
    pub written: u64,
    /// Records that were left out.
    pub left_out: Reasons,
    /// What the format cannot say of records that were written, such as their tags.
    pub lost: Reasons,
}

/// Writes the records that count as a file of another format, under a temporary name first. Pick-a-Pic's is Parquet with the images
/// inside, or CSV with their paths where the name ends in `.csv`; its and CSV's rows are pairs, so that a ranking becomes its pairs.
/// Paths count from the folder of the file.
///
/// # Errors
/// Refuses to replace a file; records of which none can be said in the format; and what the system refuses.
pub fn export(preferences: &Preferences, format: Format, to: &Path) -> Result<Exported, InterchangeError> {
    if fs::symlink_metadata(to).is_ok() {
        let problem = io::Error::new(ErrorKind::AlreadyExists, "it exists: name another file, or delete it");
        return Err(InterchangeError::write(to, problem));
    }
    let failed = |error: io::Error| InterchangeError::write(to, error);
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut session = Session {
        preferences,
        folder: fs::canonicalize(folder).map_err(failed)?,
        paths: HashMap::new(),
        done: Exported::default(),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut writer = BufWriter::new(file.as_file_mut());
    let is_csv = to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let written = match format {
        Format::Csv => pairs::write(&mut session, &mut writer),
        Format::PickAPic if is_csv => pick_a_pic::write_csv(&mut session, &mut writer),
        Format::PickAPic => pick_a_pic::write_parquet(&mut session, &mut writer),
        Format::Hpd => json::write_hpd(&mut session, &mut writer),
        Format::ImageReward => json::write_image_reward(&mut session, &mut writer),
    };
    written.and_then(|()| io::Write::flush(&mut writer)).map_err(failed)?;
    drop(writer);
    let done = session.done;
    if done.written == 0 {
        let (file, reasons) = (preferences.path().to_path_buf(), Box::new(done.left_out));
        return Err(InterchangeError::NothingLeft { file, what: "record", reasons });
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(to).map_err(|error| failed(error.error))?;
    Ok(done)
}

struct Session<'a> {
    preferences: &'a Preferences,
    /// The folder of the file, without symbolic links.
    folder: PathBuf,
    /// The paths of images that were found, by key.
    paths: HashMap<String, Result<String, Fault>>,
    done: Exported,
}

/// A comparison of two images.
struct Pair<'a> {
    record: &'a Record,
    prompt: &'a str,
    images: [&'a Image; 2],
    /// The images' paths as seen from the file.
    paths: [String; 2],
    winner: Winner,
}

impl Session<'_> {
    /// Returns the image's path as seen from the file that is written.
    fn path(&mut self, image: &Image) -> Result<String, Fault> {
        let Image::File(file) = image else {
            return Err(Fault::new("an image is described, not a file", "draw it to a file first"));
        };
        if let Some(found) = self.paths.get(&file.path) {
            return found.clone();
        }
        let path = self.preferences.folder().join(&file.path);
        let found = match fs::canonicalize(&path) {
            Err(_) => Err(Fault::value("an image", &file.path, "the file is gone: put it there")),
            Ok(path) => match relative(&self.folder, &path).to_str() {
                Some(text) => Ok(text.replace('\\', "/")),
                None => Err(Fault::value("an image", &file.path, "rename the file: its path is not UTF-8")),
            },
        };
        self.paths.insert(file.path.clone(), found.clone());
        found
    }

    /// Hands over each pair that a record is or that a ranking has, and leaves out what is none.
    fn pairs(&mut self, write: &mut dyn FnMut(&mut Self, Pair<'_>) -> io::Result<()>) -> io::Result<()> {
        let preferences = self.preferences;
        for record in preferences.counted() {
            let pairs = match &record.decision {
                Decision::Pair { prompt, a, b, outcome: Some(winner) } => vec![(prompt, [a, b], *winner)],
                Decision::Ranking { prompt, images, outcome: Some(places) } => {
                    let ranked: Vec<_> = images.iter().zip(places).collect();
                    let later = |first: usize| (first + 1..ranked.len()).map(move |second| (first, second));
                    let pair = |(first, second): (usize, usize)| {
                        let winner = match ranked[first].1.cmp(ranked[second].1) {
                            std::cmp::Ordering::Less => Winner::A,
                            std::cmp::Ordering::Greater => Winner::B,
                            std::cmp::Ordering::Equal => Winner::Tie,
                        };
                        (prompt, [ranked[first].0, ranked[second].0], winner)
                    };
                    (0..ranked.len()).flat_map(later).map(pair).collect()
                }
                other => {
                    self.leave_out(record, Fault::new(format!("it is a {}", other.kind()), "the format has pairs"));
                    continue;
                }
            };
            for (prompt, images, winner) in pairs {
                match (self.path(images[0]), self.path(images[1])) {
                    (Ok(first), Ok(second)) => {
                        write(self, Pair { record, prompt, images, paths: [first, second], winner })?;
                    }
                    (Err(fault), _) | (_, Err(fault)) => self.leave_out(record, fault),
                }
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, record: &Record, fault: Fault) {
        self.done.left_out.add(&format!("record {}", record.id), fault);
    }

    /// Counts what a format without weights and tags loses of a record.
    fn lose(&mut self, record: &Record) {
        let place = format!("record {}", record.id);
        if (record.weight - 1.0).abs() > 0.0 {
            let problem = format!("its weight is {}", record.weight);
            self.done.lost.add(&place, Fault::new(problem, "the format has no weights"));
        }
        if !record.tags.is_empty() {
            self.done.lost.add(&place, Fault::new("it has tags", "the format has no tags"));
        }
    }

    /// Counts what a format without raters or times loses of a record.
    fn lose_rater(&mut self, record: &Record) {
        let problem = format!("it is by {}", record.who);
        self.done.lost.add(&format!("record {}", record.id), Fault::new(problem, "the format has no raters"));
    }
}

/// Returns nanoseconds since 1970, as far as they fit.
fn nanoseconds(when: Moment) -> i64 {
    i64::try_from(when.unix_ms()).ok().and_then(|ms| ms.checked_mul(1_000_000)).unwrap_or(i64::MAX)
}
