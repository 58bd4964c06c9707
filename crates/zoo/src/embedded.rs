//! What the binary carries: the `emoji-32` pipeline, the rewards' CLIP and heads, and the judges.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use burn::tensor::Device;
use moa_adapter::Parameters;
use moa_diffusion::{Pipeline, PipelineError, PipelineFiles, Tokenizer};
use moa_reward::{
    AttributeConfig, AttributeJudge, Clip, ClipConfig, ClipJudge, Embedder, Heads, Judge, LinearHead, Preprocessor,
    RewardError, SafetyHead,
};
use moa_scenes::tokenizer;
use sha2::{Digest, Sha256};

/// The name of the embedded base model.
pub const EMOJI_32: &str = "emoji-32";

/// Why a model of the zoo cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ZooError {
    /// The experiment names a base that the zoo does not hold.
    #[error("base is `{0}`: the embedded base model is `{EMOJI_32}`")]
    UnknownBase(String),
    /// The base model is damaged.
    #[error("the embedded base model: {0}")]
    Pipeline(#[from] PipelineError),
    /// A reward or judge is damaged, or an experiment's settings of a reward cannot work.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// An embedded model's weights are damaged.
    #[error("the embedded {model}: {source}")]
    Weights {
        /// The model.
        model: &'static str,
        /// What is wrong.
        source: moa_adapter::ParametersError,
    },
}

macro_rules! embed {
    ($folder:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_bytes!(concat!("../weights/", $folder, "/", $file)))),+]
    };
}

type Embedded = &'static [(&'static str, &'static [u8])];

const PIPELINE: Embedded = embed!("emoji-32":
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
);
const CLIP: Embedded = embed!("clip": "config.json", "preprocessor_config.json", "model.safetensors");
const JUDGE_CLIP: Embedded = embed!("judge-clip": "config.json", "preprocessor_config.json", "model.safetensors");
const ATTRIBUTES: Embedded = embed!("attributes": "config.json", "model.safetensors");
const HEADS: Embedded = embed!("heads": "aesthetics.json", "safety.json");

/// Returns the files of an embedded pipeline, in diffusers' layout.
///
/// # Errors
/// Refuses bases that are not embedded.
pub fn pipeline_files(base: &str) -> Result<BTreeMap<String, Vec<u8>>, ZooError> {
    known(base)?;
    let own = PIPELINE.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    let words = tokenizer::FILES.iter().map(|(name, text)| (format!("tokenizer/{name}"), text.as_bytes().to_vec()));
    Ok(own.chain(words).collect())
}

/// Opens a base model.
///
/// # Errors
/// Refuses bases that are not embedded.
pub fn open_pipeline(base: &str, device: &Device) -> Result<Pipeline, ZooError> {
    known(base)?;
    let mut files: PipelineFiles<'_> = PIPELINE.iter().map(|(name, bytes)| (*name, *bytes)).collect();
    files.insert("tokenizer/tokenizer.json", tokenizer::TOKENIZER_JSON.as_bytes());
    Ok(Pipeline::open(&files, device)?)
}

/// Returns the rewards' CLIP.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn embedder(device: &Device) -> Result<Embedder, ZooError> {
    open_clip("CLIP", CLIP, device)
}

/// Returns the heads on the rewards' CLIP.
pub(crate) fn heads() -> Result<Heads, ZooError> {
    Ok(Heads {
        aesthetics: LinearHead::read(text(HEADS, "aesthetics.json"))?,
        safety: SafetyHead::read(text(HEADS, "safety.json"))?,
    })
}

/// Returns the attribute classifier.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn attribute_judge(device: &Device) -> Result<AttributeJudge, ZooError> {
    let config = AttributeConfig::read(text(ATTRIBUTES, "config.json"))?;
    Ok(AttributeJudge::load(&config, &parameters("attribute classifier", ATTRIBUTES, device)?)?)
}

/// Returns the judges: the attribute classifier and the second CLIP.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn judges(device: &Device) -> Result<Vec<Box<dyn Judge>>, ZooError> {
    let attributes = attribute_judge(device)?;
    let clip = ClipJudge::new(open_clip("judge CLIP", JUDGE_CLIP, device)?);
    Ok(vec![Box::new(attributes), Box::new(clip)])
}

/// Returns the SHA-256 of every embedded model, in hexadecimal.
///
/// # Errors
/// Refuses bases that are not embedded.
pub fn hashes(base: &str) -> Result<BTreeMap<String, String>, ZooError> {
    known(base)?;
    let models =
        [("base", PIPELINE), ("clip", CLIP), ("judge-clip", JUDGE_CLIP), ("attributes", ATTRIBUTES), ("heads", HEADS)];
    Ok(models.iter().map(|(name, files)| ((*name).to_owned(), hash(files))).collect())
}

fn hash(files: Embedded) -> String {
    let mut digest = Sha256::new();
    for (name, bytes) in files {
        digest.update(name.as_bytes());
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn known(base: &str) -> Result<(), ZooError> {
    if base == EMOJI_32 { Ok(()) } else { Err(ZooError::UnknownBase(base.to_owned())) }
}

fn open_clip(model: &'static str, files: Embedded, device: &Device) -> Result<Embedder, ZooError> {
    let config = ClipConfig::read(text(files, "config.json"))?;
    let preprocessor = Preprocessor::read(text(files, "preprocessor_config.json"))?;
    let clip = Clip::load(&config, &parameters(model, files, device)?)
        .map_err(|source| ZooError::Weights { model, source })?
        .with_preprocessor(preprocessor);
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, config.text_config.max_position_embeddings)
        .map_err(PipelineError::from)?;
    Ok(Embedder::new(clip, words))
}

fn parameters(model: &'static str, files: Embedded, device: &Device) -> Result<Parameters, ZooError> {
    Parameters::read(bytes(files, "model.safetensors"), device).map_err(|source| ZooError::Weights { model, source })
}

fn bytes(files: Embedded, name: &str) -> &'static [u8] {
    files.iter().find(|(file, _)| *file == name).map_or(&[], |(_, bytes)| bytes)
}

fn text(files: Embedded, name: &str) -> &'static str {
    std::str::from_utf8(bytes(files, name)).unwrap_or_default()
}
