//! A fitted model as one safetensors file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::error::{PreferenceModelError, Result};
use crate::linear::Matrix;
use crate::model::{RewardModel, Threshold};
use crate::noise::Noise;
use crate::space::Space;

/// What the file calls itself.
const FORMAT: &str = "moa-preference-model";
/// The version of the format that this moa writes, and the only one that it reads.
pub const VERSION: u32 = 1;
/// Bytes of a file: 4,096 components of as many features are 270 MB.
const LARGEST: u64 = 1_000_000_000;

/// What a model belongs to, as its caller says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The name of the network that computed the features.
    pub embedding: String,
    /// The SHA-256 of its weights, in lower-case hexadecimal.
    pub embedding_sha256: String,
    /// The SHA-256 of the preference file.
    pub ratings_sha256: String,
    /// The version of the program that fitted the model.
    pub made_by: String,
}

/// What is no tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    origin: Origin,
    outside: f64,
    residual_variance: f64,
    precision: f64,
    shape: f64,
    evidence: f64,
    determined: f64,
    judgements: usize,
    raters: Vec<String>,
    noise: Noise,
    thresholds: Vec<(String, f64)>,
}

/// The version alone, of a header that may have other fields.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A tensor of f64 to be written.
struct Tensor<'a> {
    shape: Vec<usize>,
    values: &'a [f64],
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.values.len() * 8
    }
}

impl RewardModel {
    /// Returns the model as the bytes of a file; the same model gives the same bytes.
    ///
    /// # Shapes
    /// With `c` components and `d` features, all F64: `centre` and `inverse_deviation` `[d]`, `directions` `[c, d]`, `variances` and
    /// `weights` `[c]`, and `root` `[c, c]`, the lower triangular A of the posterior's covariance `Aᵀ·A`. What else there is, is JSON
    /// under `moa-preference-model` in the metadata.
    ///
    /// # Errors
    /// Only what cannot be encoded.
    pub fn to_bytes(&self, origin: &Origin) -> Result<Vec<u8>> {
        let failed = |problem: String| PreferenceModelError::File { path: "a reward model".into(), problem };
        let header = Header {
            version: VERSION,
            origin: origin.clone(),
            outside: self.outside,
            residual_variance: self.space.residual_variance,
            precision: self.precision,
            shape: self.shape,
            evidence: self.evidence,
            determined: self.effective,
            judgements: self.judgements,
            raters: self.raters.clone(),
            noise: self.noise.clone(),
            thresholds: self.thresholds.iter().map(|known| (known.rater.clone(), known.value)).collect(),
        };
        let text = serde_json::to_string(&header).map_err(|error| failed(error.to_string()))?;
        let (d, c) = (self.space.width(), self.weights.len());
        let tensor = |shape: &[usize], values| Tensor { shape: shape.to_vec(), values };
        let tensors = [
            ("centre", tensor(&[d], &self.space.centre)),
            ("inverse_deviation", tensor(&[d], &self.space.inverse_deviation)),
            ("directions", tensor(&[c, d], &self.space.directions.values)),
            ("variances", tensor(&[c], &self.space.variances)),
            ("weights", tensor(&[c], &self.weights)),
            ("root", tensor(&[c, c], &self.root.values)),
        ];
        let metadata = HashMap::from([(FORMAT.to_owned(), text)]);
        let views = tensors.iter().map(|(name, tensor)| (*name, tensor));
        safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))
    }

    /// Reads a model from the bytes of a file; `path` names it in messages.
    ///
    /// # Errors
    /// Refuses what is no such file, other versions, missing, additional and misshapen tensors, and values that no model has: not
    /// finite, negative variances, lapses outside of 0 to 1. The message names the tensor or field.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<(Self, Origin)> {
        let refuse = |problem: String| PreferenceModelError::File { path: path.to_path_buf(), problem };
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|error| refuse(format!("this is no whole safetensors file: {error}")))?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|fields| fields.get(FORMAT))
            .ok_or_else(|| refuse(format!("its metadata have no `{FORMAT}`: this is another kind of file")))?;
        let versioned: Versioned =
            serde_json::from_str(text).map_err(|error| refuse(format!("`{FORMAT}` has no version: {error}")))?;
        if versioned.version != VERSION {
            let (found, newer) = (versioned.version, versioned.version > VERSION);
            let hint = if newer { "a newer moa wrote it" } else { "fit it again" };
            return Err(refuse(format!("its version is {found}, this moa reads {VERSION}: {hint}")));
        }
        let header: Header = serde_json::from_str(text).map_err(|error| refuse(format!("`{FORMAT}`: {error}")))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| refuse(error.to_string()))?;
        for name in tensors.names() {
            if !NAMES.contains(&name) {
                return Err(refuse(format!("tensor `{name}` belongs to no reward model")));
            }
        }
        let read = |name: &str, shape: Option<&[usize]>| -> Result<(Vec<usize>, Vec<f64>)> {
            let tensor = tensors.tensor(name).map_err(|_| refuse(format!("tensor `{name}` is missing")))?;
            if tensor.dtype() != Dtype::F64 {
                return Err(refuse(format!("tensor `{name}` is {:?}, not F64", tensor.dtype())));
            }
            if shape.is_some_and(|shape| shape != tensor.shape()) {
                let (found, wanted) = (tensor.shape(), shape.unwrap_or_default());
                return Err(refuse(format!("tensor `{name}` has the shape {found:?}, not {wanted:?}")));
            }
            let (chunks, _) = tensor.data().as_chunks::<8>();
            let values: Vec<f64> = chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(refuse(format!("tensor `{name}` has the value {} at {at}", values[at])));
            }
            Ok((tensor.shape().to_vec(), values))
        };
        let (shape, directions) = read("directions", None)?;
        let [c, d] = shape[..] else {
            return Err(refuse(format!("tensor `directions` has the shape {shape:?}, not two dimensions")));
        };
        if c == 0 || d == 0 || c > d {
            return Err(refuse(format!("tensor `directions` has the shape {shape:?}: {c} components of {d} features")));
        }
        let centre = read("centre", Some(&[d]))?.1;
        let inverse_deviation = read("inverse_deviation", Some(&[d]))?.1;
        let variances = read("variances", Some(&[c]))?.1;
        let weights = read("weights", Some(&[c]))?.1;
        let root = read("root", Some(&[c, c]))?.1;
        if let Some(value) = inverse_deviation.iter().find(|value| **value < 0.0) {
            return Err(refuse(format!("tensor `inverse_deviation` has the value {value}: deviations are positive")));
        }
        if let Some(value) = variances.iter().find(|value| **value <= 0.0) {
            return Err(refuse(format!("tensor `variances` has the value {value}: variances are positive")));
        }
        let upper = (0..c).find(|row| root[row * c + row + 1..(row + 1) * c].iter().any(|value| *value != 0.0));
        if let Some(row) = upper.or_else(|| (0..c).find(|row| root[row * c + row] <= 0.0)) {
            return Err(refuse(format!("tensor `root` is no lower triangle with a positive diagonal in row {row}")));
        }
        header.check().map_err(refuse)?;
        let Header { origin, outside, residual_variance, precision, shape, evidence, determined, judgements, .. } =
            header;
        let directions = Matrix::from_values(c, d, directions);
        let space = Arc::new(Space { centre, inverse_deviation, directions, variances, residual_variance });
        let threshold = |(rater, value)| Threshold { rater, value };
        let model = Self {
            space,
            weights,
            root: Matrix::from_values(c, c, root),
            outside,
            precision,
            shape,
            evidence,
            effective: determined,
            raters: header.raters,
            thresholds: header.thresholds.into_iter().map(threshold).collect(),
            noise: header.noise,
            judgements,
        };
        Ok((model, origin))
    }

    /// Writes the model to a file, first under a temporary name beside it, and returns the file's SHA-256.
    ///
    /// # Errors
    /// What the system says; a file that was there before is then left as it was.
    pub fn write(&self, origin: &Origin, path: &Path) -> Result<String> {
        let bytes = self.to_bytes(origin)?;
        let failed = |source| PreferenceModelError::Io { action: "write", path: path.to_path_buf(), source };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = path.with_file_name(name);
        let written = fs::File::create(&beside)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, path));
        if let Err(source) = written {
            // Best effort: the temporary file is of no use.
            let _ = fs::remove_file(&beside);
            return Err(failed(source));
        }
        Ok(moa_preferences::sha256(&bytes))
    }

    /// Reads a model from a file.
    ///
    /// # Errors
    /// Those of [`RewardModel::from_bytes`], what the system says, and files of more than 1 GB.
    pub fn read(path: &Path) -> Result<(Self, Origin)> {
        let failed = |source| PreferenceModelError::Io { action: "read", path: path.to_path_buf(), source };
        let metadata = fs::metadata(path).map_err(failed)?;
        let refuse = |problem: String| PreferenceModelError::File { path: path.to_path_buf(), problem };
        if !metadata.is_file() {
            return Err(refuse("this is no file".to_owned()));
        }
        if metadata.len() > LARGEST {
            return Err(refuse(format!("it has {} bytes: a reward model has at most {LARGEST}", metadata.len())));
        }
        Self::from_bytes(&fs::read(path).map_err(failed)?, path)
    }
}

const NAMES: [&str; 6] = ["centre", "inverse_deviation", "directions", "variances", "weights", "root"];

impl Header {
    fn check(&self) -> std::result::Result<(), String> {
        // JSON has no NaN; numbers too large for f64 are refused by its reader.
        let positive = [
            ("residual_variance", self.residual_variance),
            ("outside", self.outside),
            ("precision", self.precision),
            ("noise.slope", self.noise.slope),
            ("noise.deviation", self.noise.deviation),
        ];
        for (name, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!("`{name}` is {value}: it is above 0"));
            }
        }
        let least = [("noise.ties", self.noise.ties), ("determined", self.determined), ("shape", self.shape)];
        for (name, value) in least {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("`{name}` is {value}: it is at least 0"));
            }
        }
        if let Some(lapse) = self.noise.lapses.iter().find(|lapse| !(0.0..1.0).contains(*lapse)) {
            return Err(format!("`noise.lapses` has the value {lapse}: lapses are at least 0 and below 1"));
        }
        if self.noise.lapses.len() != self.raters.len() {
            let (lapses, raters) = (self.noise.lapses.len(), self.raters.len());
            return Err(format!("`noise.lapses` has {lapses} values for {raters} raters"));
        }
        for (name, text) in
            [("embedding_sha256", &self.origin.embedding_sha256), ("ratings_sha256", &self.origin.ratings_sha256)]
        {
            let is_hash = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !(text.is_empty() || is_hash) {
                return Err(format!("`origin.{name}` is \"{}\": this is no SHA-256", text.escape_debug()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Features, FitSettings, Judgements, Pool, SpaceSettings};
    use moa_core::NoiseKey;
    use moa_preferences::Winner;

    fn fitted() -> (Features, RewardModel, Origin) {
        let mut values = vec![0.0; 40 * 5];
        NoiseKey::new(1).fill_normal(&mut values);
        let features = Features::new(5, values).expect("features");
        let pool = Pool::new(&features, &SpaceSettings { components: 4, explained: 1.0 }).expect("pool");
        let mut judgements = Judgements::new();
        for image in 0..39 {
            let winner = if features.row(image)[0] > features.row(image + 1)[0] { Winner::A } else { Winner::B };
            judgements.compare("p", "ann", image, image + 1, winner, 1.0);
            judgements.mark("p", "bob", image, features.row(image)[0] > 0.3, 1.0);
        }
        let model = RewardModel::fit(&pool, &judgements, &FitSettings::default()).expect("fits");
        let origin = Origin {
            embedding: "clip".into(),
            embedding_sha256: "ab".repeat(32),
            ratings_sha256: "01".repeat(32),
            made_by: "0.1.0".into(),
        };
        (features, model, origin)
    }

    #[test]
    fn a_model_reads_back_bit_for_bit() {
        let (features, model, origin) = fitted();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let hash = model.write(&origin, &path).expect("is written");
        assert_eq!(hash.len(), 64);
        let (read, from) = RewardModel::read(&path).expect("is read");
        assert_eq!((&read, &from), (&model, &origin));
        let x = features.row(3);
        assert_eq!(read.lower(x, 1.0).to_bits(), model.lower(x, 1.0).to_bits());
        assert_eq!(fs::read(&path).expect("bytes"), read.to_bytes(&from).expect("encodes"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no temporary file is left");
    }

    /// Encodes the model with one tensor and the header changed.
    fn changed(change: impl Fn(&mut Vec<(String, Vec<usize>, Vec<f64>)>, &mut String)) -> String {
        let (_, model, origin) = fitted();
        let bytes = model.to_bytes(&origin).expect("encodes");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("metadata");
        let mut text = metadata.metadata().as_ref().expect("metadata")[FORMAT].clone();
        let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
        let mut all: Vec<(String, Vec<usize>, Vec<f64>)> = tensors
            .tensors()
            .into_iter()
            .map(|(name, tensor)| {
                let values = tensor.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
                (name, tensor.shape().to_vec(), values.collect())
            })
            .collect();
        change(&mut all, &mut text);
        let views: Vec<(String, Tensor<'_>)> =
            all.iter().map(|(name, shape, values)| (name.clone(), Tensor { shape: shape.clone(), values })).collect();
        let bytes = safetensors::serialize(
            views.iter().map(|(name, tensor)| (name, tensor)),
            Some(HashMap::from([(FORMAT.to_owned(), text)])),
        );
        let path = Path::new("my.safetensors");
        RewardModel::from_bytes(&bytes.expect("encodes"), path).map(|_| ()).expect_err("is refused").to_string()
    }

    #[test]
    fn hostile_files_are_refused_by_name() {
        for name in NAMES {
            let with = |value: f64| {
                changed(|all, _| all.iter_mut().find(|(known, ..)| known == name).expect("a tensor").2[0] = value)
            };
            for value in [f64::NAN, f64::INFINITY] {
                let message = with(value);
                assert!(message.contains("my.safetensors") && message.contains(&format!("`{name}`")), "{message}");
            }
            if ["inverse_deviation", "variances", "root"].contains(&name) {
                let message = with(-1.0);
                assert!(message.contains(&format!("`{name}`")), "{message}");
            }
            let message = changed(|all, _| all.retain(|(known, ..)| known != name));
            assert!(message.contains(&format!("tensor `{name}` is missing")), "{message}");
            let message = changed(|all, _| {
                let tensor = all.iter_mut().find(|(known, ..)| known == name).expect("a tensor");
                tensor.1 = vec![tensor.2.len(), 1, 1];
            });
            assert!(message.contains("shape"), "{message}");
        }
        let message = changed(|all, _| all.push(("extra".into(), vec![1], vec![0.0])));
        assert!(message.contains("`extra`"), "{message}");
        let message = changed(|all, _| {
            all.iter_mut().find(|(known, ..)| known == "root").expect("a tensor").2[3] = 1.0;
        });
        assert!(message.contains("lower triangle"), "{message}");
    }

    #[test]
    fn hostile_headers_are_refused_by_field() {
        let replaced = |from: &str, to: &str| {
            changed(|_, text| {
                assert!(text.contains(from), "{text}");
                *text = text.replacen(from, to, 1);
            })
        };
        for (from, to, wanted) in [
            ("\"version\":1", "\"version\":2", "its version is 2, this moa reads 1: a newer moa wrote it"),
            ("\"version\":1", "\"version\":0", "fit it again"),
            ("\"version\":1", "\"versions\":1", "no version"),
            ("\"outside\":", "\"more\":1,\"outside\":", "unknown field `more`"),
            ("\"outside\":", "\"outside\":-", "`outside`"),
            ("\"precision\":", "\"precision\":-", "`precision`"),
            ("\"lapses\":[", "\"lapses\":[1.5,", "`noise.lapses` has the value 1.5"),
            ("\"lapses\":[", "\"lapses\":[0.5,", "3 values for 2 raters"),
            ("\"lapses\":[", "\"lapses\":[1e999,", "number out of range"),
            ("abab", "ABab", "`origin.embedding_sha256`"),
        ] {
            let message = replaced(from, to);
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let (_, model, origin) = fitted();
        let bytes = model.to_bytes(&origin).expect("encodes");
        let path = Path::new("my.safetensors");
        for length in (0..bytes.len()).step_by(7) {
            assert!(RewardModel::from_bytes(&bytes[..length], path).is_err(), "{length} bytes");
        }
        let none: [(&str, &Tensor<'_>); 0] = [];
        let other = safetensors::serialize(none, None).expect("encodes");
        let message = RewardModel::from_bytes(&other, path).expect_err("is refused").to_string();
        assert!(message.contains("another kind of file"), "{message}");
        assert!(RewardModel::read(Path::new("/")).expect_err("is refused").to_string().contains("no file"));
    }
}
