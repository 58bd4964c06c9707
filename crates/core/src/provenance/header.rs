//! Provenance as texts by key, in the header of a safetensors file.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ForeignFile, Made, MergeSettings, Mixture, Provenance, TrainedRun};
use crate::RunId;

/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

const FORMAT_KEY: &str = "moa.format";
const VERSION: &str = "moa.version";
const BASE: &str = "moa.base";
const EXPERIMENT: &str = "moa.experiment";
const MADE: &str = "moa.made";
const METHOD: &str = "moa.method";
const RUN: &str = "moa.run";
const WEIGHTING: &str = "moa.weighting";
const EPOCHS: &str = "moa.epochs";
const FACTS: &str = "moa.facts";
const FINGERPRINT: &str = "moa.fingerprint";
const SETTINGS: &str = "moa.settings";
const INGREDIENTS: &str = "moa.ingredients";
const SOURCE: &str = "moa.source";

/// Why the texts of a header say no provenance. Messages read after "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceError {
    /// A text is missing or makes no sense.
    #[error("read `{key}` in the file's header: {reason}")]
    Key {
        /// The key.
        key: String,
        /// What is wrong with its text.
        reason: String,
    },
    /// A newer version wrote it.
    #[error("read the file's provenance: it has format {found}, and this moa reads formats up to {FORMAT}")]
    Newer {
        /// The format.
        found: u32,
    },
}

fn wrong(key: &str, reason: &dyn fmt::Display) -> ProvenanceError {
    ProvenanceError::Key { key: key.into(), reason: reason.to_string() }
}

impl Provenance {
    /// How the keys of all texts begin.
    pub const PREFIX: &'static str = "moa.";

    /// Returns the texts by key, in the order of the keys.
    pub fn to_header(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let mut put = |key: &str, text: String| drop(texts.insert(key.to_owned(), text));
        put(FORMAT_KEY, FORMAT.to_string());
        put(VERSION, self.moa.clone());
        if !self.base.is_empty() {
            put(BASE, self.base.clone());
        }
        if let Some(experiment) = &self.experiment {
            put(EXPERIMENT, experiment.clone());
        }
        match &self.made {
            Made::Trained(trained) => {
                put(MADE, "trained".into());
                put(RUN, trained.run.to_string());
                put(METHOD, trained.method.clone());
                put(WEIGHTING, json(&trained.weighting));
                put(EPOCHS, trained.epochs.to_string());
                put(FACTS, trained.facts.clone());
                put(FINGERPRINT, trained.fingerprint());
            }
            Made::Merged(Mixture { merge, ingredients }) => {
                put(MADE, "merged".into());
                put(METHOD, merge.method.clone());
                put(SETTINGS, json(merge));
                put(INGREDIENTS, json(ingredients));
            }
            Made::Elsewhere(file) => {
                put(MADE, "elsewhere".into());
                put(SOURCE, json(file));
            }
        }
        texts
    }

    /// Reads what [`Provenance::to_header`] wrote, among other texts; nothing where the header says nothing.
    ///
    /// # Errors
    /// Names the key whose text makes no sense, and refuses what a newer moa wrote.
    pub fn from_header<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, ProvenanceError> {
        let Some(format) = get(FORMAT_KEY) else { return Ok(None) };
        let found: u32 = format.parse().map_err(|error| wrong(FORMAT_KEY, &error))?;
        if found > FORMAT {
            return Err(ProvenanceError::Newer { found });
        }
        let text = |key: &str| get(key).map(str::to_owned).ok_or_else(|| wrong(key, &"it is missing"));
        let made = match &*text(MADE)? {
            "trained" => Made::Trained(TrainedRun {
                run: RunId(text(RUN)?),
                weighting: parsed(WEIGHTING, &text(WEIGHTING)?)?,
                method: text(METHOD)?,
                epochs: text(EPOCHS)?.parse().map_err(|error| wrong(EPOCHS, &error))?,
                facts: text(FACTS)?,
            }),
            "merged" => Made::Merged(Mixture {
                merge: parsed::<MergeSettings>(SETTINGS, &text(SETTINGS)?)?,
                ingredients: parsed(INGREDIENTS, &text(INGREDIENTS)?)?,
            }),
            "elsewhere" => Made::Elsewhere(parsed::<ForeignFile>(SOURCE, &text(SOURCE)?)?),
            other => return Err(wrong(MADE, &format!("{other:?} is unknown to this version of moa"))),
        };
        let base = get(BASE).map_or(String::new(), str::to_owned);
        Ok(Some(Self { moa: text(VERSION)?, base, experiment: get(EXPERIMENT).map(str::to_owned), made }))
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| unreachable!("names and finite numbers are always JSON"))
}

fn parsed<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, ProvenanceError> {
    serde_json::from_str(text).map_err(|error| wrong(key, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Ingredient;

    fn merged() -> Provenance {
        let part = |name: &str, share, provenance: Option<&str>| Ingredient {
            blocks: Vec::new(),
            name: name.into(),
            share,
            sha256: "ab".repeat(32),
            provenance: provenance.map(str::to_owned),
        };
        let merge = MergeSettings { method: "ties".into(), density: Some(0.25), ..MergeSettings::mean() };
        let ingredients = vec![part("safety", 1.5, Some("0f")), part("alignment", -0.5, None)];
        Provenance::now("emoji-32", Some("mein Versuch".into()), Made::Merged(Mixture { merge, ingredients }))
    }

    fn read(texts: &BTreeMap<String, String>) -> Result<Option<Provenance>, ProvenanceError> {
        Provenance::from_header(|key| texts.get(key).map(String::as_str))
    }

    #[test]
    fn what_is_written_reads_back_and_every_key_is_moas_own() {
        let trained = Made::Trained(TrainedRun {
            run: RunId("safety".into()),
            weighting: BTreeMap::from([("safety".into(), 1.0)]),
            method: "NFT".into(),
            epochs: 3,
            facts: "run = safety\nseed = 7\n".into(),
        });
        let foreign = Made::Elsewhere(ForeignFile { file: "style.safetensors".into(), sha256: "00".into() });
        for made in [trained, foreign, merged().made] {
            let provenance = Provenance { made, ..merged() };
            let texts = provenance.to_header();
            assert_eq!(read(&texts), Ok(Some(provenance)));
            assert!(texts.keys().all(|key| key.starts_with(Provenance::PREFIX)), "{texts:?}");
        }
        assert_eq!(read(&BTreeMap::from([("format".into(), "pt".into())])), Ok(None));
    }

    #[test]
    fn what_makes_no_sense_is_named_by_its_key() {
        for (key, text, words) in [
            ("moa.ingredients", "[{}]", "moa.ingredients"),
            ("moa.made", "found", "found"),
            ("moa.format", "2", "format 2"),
        ] {
            let mut texts = merged().to_header();
            texts.insert(key.into(), text.into());
            let message = read(&texts).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        let mut texts = merged().to_header();
        texts.remove("moa.settings");
        assert!(read(&texts).unwrap_err().to_string().contains("`moa.settings` in the file's header: it is missing"));
    }

    #[test]
    fn digests_tell_provenances_apart() {
        let other = Provenance { experiment: None, ..merged() };
        assert_ne!(merged().digest(), other.digest());
        assert_eq!(merged().digest(), merged().digest());
    }
}
