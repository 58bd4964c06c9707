//! The models that rewards are read from, each opened once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use moa_adapter::{Init, Parameters, ParametersError, weight_files};
use moa_device::to_host;
use moa_diffusion::{ConfigError, Tokenizer};

use super::checker::Checker;
use super::config::read_config;
use super::image_reward::ImageRewardModel;
use super::open_clip::{self, OpenClip};
use super::place;
use super::preference::FittedPreference;
use super::processor::PictureProcessor;
use super::read_head;
use crate::{ClipConfig, LinearHead, PictureEmbedder, PictureTower, Processing, RewardError, TextEmbedder, TextTower};

/// A model's folder or file, and the folder of its processor.
type Key = (PathBuf, PathBuf);

/// Opens models from folders, files of OpenCLIP and the hub's cache, and keeps each half of a CLIP for all rewards that name the same folder:
/// it is in memory once, and embeds a batch once.
pub struct Shelf {
    hub: Option<PathBuf>,
    device: Device,
    pictures: Mutex<HashMap<Key, Arc<PictureEmbedder>>>,
    texts: Mutex<HashMap<Key, Arc<TextEmbedder>>>,
    checkers: Mutex<HashMap<PathBuf, Arc<Checker>>>,
    image_rewards: Mutex<HashMap<Key, Arc<ImageRewardModel>>>,
}

impl Shelf {
    /// Returns a shelf without models; `hub` is the folder that has `models--org--name`.
    pub fn new(hub: Option<&Path>, device: &Device) -> Self {
        Self {
            hub: hub.map(Path::to_owned),
            device: device.clone(),
            pictures: Mutex::default(),
            texts: Mutex::default(),
            checkers: Mutex::default(),
            image_rewards: Mutex::default(),
        }
    }

    /// Returns the image half of a CLIP, with the processor in its folder or in the one named.
    ///
    /// # Errors
    /// Says which file or tensor is missing, damaged or of another kind.
    pub fn pictures(&self, model: &str, processor: Option<&str>) -> Result<Arc<PictureEmbedder>, RewardError> {
        let key = self.key(model, processor)?;
        once(&self.pictures, key, |(model, processor)| {
            let (config, parameters) = self.clip(model, processor)?;
            let found = if model.is_file() {
                open_clip::processor(model, processor, config.vision_config.image_size)?
            } else {
                PictureProcessor::find(std::slice::from_ref(processor))?
            };
            open_pictures(model, found, &config, &parameters)
        })
    }

    /// Returns the text half of a CLIP, with the tokenizer in its folder or in the processor's.
    ///
    /// # Errors
    /// Says which file or tensor is missing, damaged or of another kind, and that model and tokenizer do not fit.
    pub fn texts(&self, model: &str, processor: Option<&str>) -> Result<Arc<TextEmbedder>, RewardError> {
        let key = self.key(model, processor)?;
        once(&self.texts, key, |(model, processor)| {
            let (config, parameters) = self.clip(model, processor)?;
            let tokenizer = open_tokenizer(processor, &config)?;
            let tower = TextTower::load(&config, &parameters).map_err(|error| in_weights(model, error))?;
            let texts = TextEmbedder::new(tower, tokenizer);
            check_finite(model, &texts.embed("")?)?;
            Ok(texts)
        })
    }

    /// Returns the factor on cosines of a CLIP, e^`logit_scale`.
    ///
    /// # Errors
    /// Says that the weights lack it.
    pub fn logit_scale(&self, model: &str) -> Result<f32, RewardError> {
        let model = place::model(model, self.hub.as_deref())?;
        let parameters = if model.is_file() {
            open_clip::open_tensors(&model, &self.device)?
        } else {
            open_weights(&model, &self.device)?
        };
        // OpenCLIP may keep it as a row of one number.
        let shape = parameters.shape("logit_scale").filter(|shape| shape == &[1]).unwrap_or_default();
        let found = parameters.flat("logit_scale", &shape, Init::Ones).map_err(|error| in_weights(&model, error))?;
        let scale = to_host(found)[0].exp();
        check_finite(&model, &[scale])?;
        Ok(scale)
    }

    /// Returns a rating head, which fits embeddings of `width` numbers.
    ///
    /// # Errors
    /// Says what is wrong with the file, and that head and CLIP do not belong together.
    pub fn head(&self, head: &str, width: usize) -> Result<LinearHead, RewardError> {
        let path = place::file(head, self.hub.as_deref())?;
        let head = read_head(&path)?;
        if head.weights.len() == width {
            return Ok(head);
        }
        let problem = format!(
            "the head takes {} numbers, and the CLIP's embeddings have {width}: name the CLIP that the head was fitted on \
             (768 numbers: ViT-L/14; 512: ViT-B/32)",
            head.weights.len()
        );
        Err(RewardError::file(path, problem))
    }

    /// Returns a preference that `moa fit` fitted.
    ///
    /// # Errors
    /// Says that there is none, or what is wrong with its file.
    pub fn fitted(&self, model: &str) -> Result<FittedPreference, RewardError> {
        FittedPreference::read(model, self.hub.as_deref())
    }

    /// Returns a safety checker.
    ///
    /// # Errors
    /// Says which file or tensor is missing, damaged or of another kind.
    pub fn checker(&self, model: &str) -> Result<Arc<Checker>, RewardError> {
        let folder = real(place::folder(model, self.hub.as_deref())?);
        once(&self.checkers, folder, |folder| Checker::open(folder, &self.device))
    }

    /// Returns ImageReward, with the tokenizer in its folder or in the one named.
    ///
    /// # Errors
    /// Says which file or tensor is missing, damaged or of another kind.
    pub(crate) fn image_reward(
        &self,
        model: &str,
        tokenizer: Option<&str>,
    ) -> Result<Arc<ImageRewardModel>, RewardError> {
        let folder = |name| place::folder(name, self.hub.as_deref()).map(real);
        let model = folder(model)?;
        let tokenizer = tokenizer.map_or(Ok(model.clone()), folder)?;
        once(&self.image_rewards, (model, tokenizer), |(model, tokenizer)| {
            ImageRewardModel::open(model, tokenizer, &self.device)
        })
    }

    /// Opens a CLIP: a folder of transformers, or a file of OpenCLIP.
    fn clip(&self, model: &Path, processor: &Path) -> Result<(ClipConfig, Parameters), RewardError> {
        if model.is_file() {
            let OpenClip { config, parameters } = OpenClip::open(model, processor, &self.device)?;
            return Ok((config, parameters));
        }
        Ok((read_config(model)?, open_weights(model, &self.device)?))
    }

    fn key(&self, model: &str, processor: Option<&str>) -> Result<Key, RewardError> {
        let model = place::model(model, self.hub.as_deref())?;
        let beside = place::beside(&model);
        let processor = processor.map_or(Ok(beside.clone()), |name| place::folder(name, self.hub.as_deref()))?;
        // The hub's cache links files to such as have no ending: a file keeps its name.
        let model = match model.file_name().filter(|_| model.is_file()) {
            Some(name) => real(beside).join(name),
            None => real(model),
        };
        Ok((model, real(processor)))
    }
}

/// Returns a path without links, so that a folder has one name.
fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

/// Returns what is kept under a key, or opens it.
fn once<K: std::hash::Hash + Eq, T>(
    kept: &Mutex<HashMap<K, Arc<T>>>,
    key: K,
    open: impl FnOnce(&K) -> Result<T, RewardError>,
) -> Result<Arc<T>, RewardError> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = kept.get(&key) {
        return Ok(found.clone());
    }
    let opened = Arc::new(open(&key)?);
    kept.insert(key, opened.clone());
    Ok(opened)
}

/// Opens a folder's weights.
pub(super) fn open_weights(folder: &Path, device: &Device) -> Result<Parameters, RewardError> {
    Ok(Parameters::open(&weight_files(folder, "model")?, device)?)
}

/// Names the folder of weights that do not fit, where the error names no file.
pub(super) fn in_weights(folder: &Path, error: ParametersError) -> RewardError {
    match error {
        ParametersError::InFile { .. } | ParametersError::Folder { .. } | ParametersError::Twice { .. } => error.into(),
        other => RewardError::file(folder, other.to_string()),
    }
}

/// Loads an image tower with its processor, and tries it.
pub(super) fn open_pictures(
    folder: &Path,
    (processor, path): (PictureProcessor, PathBuf),
    config: &ClipConfig,
    parameters: &Parameters,
) -> Result<PictureEmbedder, RewardError> {
    let side = config.vision_config.image_size;
    if processor.output() != Some([side; 2]) {
        let found = processor.output().map_or("images of several sizes".into(), |[h, w]| format!("{h} × {w} pixels"));
        let problem = format!("it makes {found}, and the model takes {side} × {side}: do they belong together?");
        return Err(RewardError::file(path, problem));
    }
    let tower = PictureTower::load(config, parameters).map_err(|error| in_weights(folder, error))?;
    let embedder = PictureEmbedder::new(tower, Processing::Processed(processor));
    let grey = Tensor::ones([1, 3, side, side], parameters.device()) * 0.5;
    check_finite(folder, embedder.embed(grey)?.row(0))?;
    Ok(embedder)
}

/// Opens a tokenizer whose tokens the model knows, and that ends texts as the model expects.
fn open_tokenizer(folder: &Path, config: &ClipConfig) -> Result<Tokenizer, RewardError> {
    let text = &config.text_config;
    let opened = Tokenizer::open(folder, text.max_position_embeddings);
    let tokenizer = opened.map_err(|error| match error {
        ConfigError::NoTokenizer { missing, .. } => {
            let problem = format!("it has no {missing}: download it, or name a folder that has it as `processor`");
            RewardError::file(folder, problem)
        }
        other => other.into(),
    })?;
    let refuse = |problem: String| {
        let way_out = "tokenizer and model do not belong together; name the folder of the model's own as `processor`";
        Err(RewardError::file(folder, format!("{problem}: {way_out}")))
    };
    if let Err(error) = tokenizer.check_vocabulary(text.vocab_size) {
        return refuse(error.to_string());
    }
    // An empty text is its begin token, its end token, and padding. Configs that say 2 are older than the field's meaning.
    let end = tokenizer.encode(&[""])?.first().and_then(|ids| ids.get(1).copied()).map_or(0, i64::from);
    if text.eos_token_id != 2 && text.eos_token_id != end {
        return refuse(format!("its tokenizer ends texts with token {end}, and the model with {}", text.eos_token_id));
    }
    Ok(tokenizer)
}

/// Refuses weights that give nothing finite.
fn check_finite(folder: &Path, values: &[f32]) -> Result<(), RewardError> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    let problem = "its weights give embeddings that are not finite: they hold NaN or are damaged; fetch them again";
    Err(RewardError::file(folder, problem))
}
