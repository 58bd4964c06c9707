//! The formats of others.

use std::path::Path;

use serde_json::Value;

use crate::InterchangeError;
use crate::rows::{self, Kind};

/// A format of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pick-a-Pic's columns, as Parquet with the images inside, or as CSV (Kirstain et al. 2023, arXiv:2305.01569).
    PickAPic,
    /// The JSON of the Human Preference Dataset v2 (Wu et al. 2023, arXiv:2306.09341).
    Hpd,
    /// The JSON of ImageReward and ImageRewardDB (Xu et al. 2023, arXiv:2304.05977).
    ImageReward,
    /// CSV with the paths of two images in each row.
    Csv,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::PickAPic, Self::Hpd, Self::ImageReward, Self::Csv];

    /// Returns the name by which a command takes the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::PickAPic => "pick-a-pic",
            Self::Hpd => "hpd",
            Self::ImageReward => "image-reward",
            Self::Csv => "csv",
        }
    }

    /// Returns the format of a name; none for unknown ones.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Finds out the format of a file by its columns or fields.
    ///
    /// # Errors
    /// Says what the file has, where that is none of the formats.
    pub fn detect(file: &Path) -> Result<Self, InterchangeError> {
        let kind = rows::kind_of(file)?;
        if kind == Kind::Json {
            let first = rows::first(file)?;
            let has = |field: &str| first.get(field).is_some();
            let found = if has("ranking") || has("generations") || first.get("image_path").is_some_and(Value::is_string)
            {
                Some(Self::ImageReward)
            } else if has("human_preference") || has("raw_annotations") || has("raw_annotation") || has("rank") {
                Some(Self::Hpd)
            } else {
                None
            };
            return found.ok_or_else(|| {
                let fields: Vec<String> =
                    first.as_object().map(|map| map.keys().take(20).cloned().collect()).unwrap_or_default();
                unknown(file, "the fields", &fields)
            });
        }
        let columns = rows::columns(file, kind)?;
        let has = |name: &str| columns.iter().any(|column| column == name);
        if has("caption") {
            Ok(Self::PickAPic)
        } else if has("image_a") && kind == Kind::Csv {
            Ok(Self::Csv)
        } else {
            Err(unknown(file, "the columns", &columns))
        }
    }
}

fn unknown(file: &Path, what: &str, found: &[String]) -> InterchangeError {
    let found: String = found.join(", ").chars().filter(|character| !character.is_control()).take(200).collect();
    let known = "pick-a-pic has caption, label_0, label_1; hpd prompt, file_path, human_preference, or image_path, rank; \
                 image-reward prompt, generations, ranking; csv prompt, image_a, image_b, outcome";
    InterchangeError::unreadable(file, format!("{what} are {found}, which is no known format: {known}"))
}
