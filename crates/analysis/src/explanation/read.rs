//! Cards in files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path};

use super::{CARDS, Explanation, FORMAT};
use crate::AnalysisError;

/// Larger files are no cards.
const MOST_BYTES: u64 = 64_000_000;

impl Explanation {
    /// Returns the file's text.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.unwrap_or_else(|_| unreachable!("names and finite numbers are always JSON")) + "\n"
    }

    /// Reads the cards in a folder; nothing where there are none.
    ///
    /// # Errors
    /// Names a file that cannot be read, is no such JSON, has another version, or names files outside of the folder.
    pub fn read(folder: &Path) -> Result<Option<Self>, AnalysisError> {
        let path = folder.join(CARDS);
        let refuse = |reason: String| AnalysisError::Cards { path: path.clone(), reason };
        match fs::metadata(&path) {
            Ok(found) if found.len() > MOST_BYTES => return Err(refuse(format!("it has {} bytes", found.len()))),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(error.to_string())),
        }
        let text = fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
        let read: Self = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if read.format != FORMAT {
            return Err(refuse(format!("its format is {}, and this version of moa reads {FORMAT}", read.format)));
        }
        if let Some(file) = read.files().find(|file| !is_inside(file)) {
            return Err(refuse(format!("it names a file outside of its folder, {file:?}")));
        }
        Ok(Some(read))
    }

    /// Returns the files that the cards name, from their folder.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.cards.iter().flat_map(|card| {
            let maps = card.region.iter().flat_map(|region| &region.maps).flat_map(|map| [&map.image, &map.map]);
            maps.chain(card.climbs.iter().flat_map(|climb| climb.files.iter().flatten())).map(String::as_str)
        })
    }
}

fn is_inside(file: &str) -> bool {
    let path = Path::new(file);
    !file.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)))
}
