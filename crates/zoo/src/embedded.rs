//! What the binary carries: the `emoji-32` pipeline, the rewards' CLIP and heads, and the judges.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use burn::tensor::Device;
use moa_adapter::Parameters;
use moa_core::experiment::BUILT_IN_BASE;
use moa_diffusion::{BaseParameters, Compute, Pipeline, PipelineError, PipelineFiles, Tokenizer};
use moa_reward::{
    Clip, ClipConfig, ClipJudge, Detector, DetectorConfig, DetectorJudge, Embedder, Heads, Judge, LinearHead, Match,
    Preprocessor,
};
use moa_scenes::tokenizer;
use sha2::{Digest, Sha256};

use crate::ZooError;

/// The name of the embedded base model.
pub const EMOJI_32: &str = BUILT_IN_BASE;

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
const DETECTOR: Embedded = embed!("detector": "config.json", "model.safetensors");
const JUDGE_DETECTOR: Embedded = embed!("judge-detector": "config.json", "model.safetensors");
const HEADS: Embedded = embed!("heads": "aesthetics.json", "match.json");

/// Returns the files of the embedded pipeline, in diffusers' layout.
pub(crate) fn pipeline_files() -> BTreeMap<String, Vec<u8>> {
    let own = PIPELINE.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    let words = tokenizer::FILES.iter().map(|(name, text)| (format!("tokenizer/{name}"), text.as_bytes().to_vec()));
    own.chain(words).collect()
}

/// Opens the embedded base model.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn open_pipeline(compute: impl Into<Compute>) -> Result<Pipeline, ZooError> {
    open_as(&compute.into())
}

/// Opens the pipeline. No generic function: each copy of it would hold the weights.
fn open_as(compute: &Compute) -> Result<Pipeline, ZooError> {
    let mut files: PipelineFiles<'_> = PIPELINE.iter().map(|(name, bytes)| (*name, *bytes)).collect();
    files.insert("tokenizer/tokenizer.json", tokenizer::TOKENIZER_JSON.as_bytes());
    Pipeline::open(&files, compute).map_err(ZooError::Pipeline)
}

/// Returns the embedded base's parameters.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub(crate) fn base_parameters() -> Result<BaseParameters, ZooError> {
    let files: PipelineFiles<'_> = PIPELINE.iter().map(|(name, bytes)| (*name, *bytes)).collect();
    BaseParameters::in_memory(&files).map_err(ZooError::Pipeline)
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
        matching: Match::read(text(HEADS, "match.json"))?,
    })
}

/// Returns the detector of the rewards: composition and safety.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn detector(device: &Device) -> Result<Detector, ZooError> {
    let config = DetectorConfig::read(text(DETECTOR, "config.json"))?;
    let parameters = parameters("detector", DETECTOR, device)?;
    Detector::load(config, &parameters).map_err(|source| ZooError::Weights { model: "detector", source })
}

/// Returns the detector that judges.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn detector_judge(device: &Device) -> Result<DetectorJudge, ZooError> {
    let config = DetectorConfig::read(text(JUDGE_DETECTOR, "config.json"))?;
    Ok(DetectorJudge::load(config, &parameters("judge detector", JUDGE_DETECTOR, device)?)?)
}

/// Returns the detector of the judge, which nothing is trained on.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn judging_detector(device: &Device) -> Result<Detector, ZooError> {
    let config = DetectorConfig::read(text(JUDGE_DETECTOR, "config.json"))?;
    let parameters = parameters("judge detector", JUDGE_DETECTOR, device)?;
    Detector::load(config, &parameters).map_err(|source| ZooError::Weights { model: "judge detector", source })
}

/// Returns the judges: the second detector and the second CLIP.
///
/// # Errors
/// Fails when the embedded weights are damaged.
pub fn judges(device: &Device) -> Result<Vec<Box<dyn Judge>>, ZooError> {
    let detector = detector_judge(device)?;
    let clip = ClipJudge::new(open_clip("judge CLIP", JUDGE_CLIP, device)?);
    Ok(vec![Box::new(detector), Box::new(clip)])
}

/// Returns the SHA-256 of the rewards' CLIP, in hexadecimal.
pub(crate) fn clip_hash() -> String {
    hash(CLIP)
}

/// Returns the SHA-256 of every embedded model, in hexadecimal.
pub(crate) fn hashes() -> BTreeMap<String, String> {
    let models = [
        ("base", PIPELINE),
        ("clip", CLIP),
        ("judge-clip", JUDGE_CLIP),
        ("detector", DETECTOR),
        ("judge-detector", JUDGE_DETECTOR),
        ("heads", HEADS),
    ];
    models.iter().map(|(name, files)| ((*name).to_owned(), hash(files))).collect()
}

fn hash(files: Embedded) -> String {
    let mut digest = Sha256::new();
    for (name, bytes) in files {
        digest.update(name.as_bytes());
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    hexadecimal(&digest.finalize())
}

/// Returns bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn open_clip(model: &'static str, files: Embedded, device: &Device) -> Result<Embedder, ZooError> {
    let parameters = parameters(model, files, device)?;
    clip_embedder(model, text(files, "config.json"), text(files, "preprocessor_config.json"), &parameters)
}

/// Returns a CLIP over the scenes' vocabulary, of its two configs and its parameters.
pub(crate) fn clip_embedder(
    model: &'static str,
    config: &str,
    preprocessor: &str,
    parameters: &Parameters,
) -> Result<Embedder, ZooError> {
    let config = ClipConfig::read(config)?;
    let preprocessor = Preprocessor::read(preprocessor)?;
    let clip = Clip::load(&config, parameters).map_err(|source| ZooError::Weights { model, source })?;
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, config.text_config.max_position_embeddings)
        .map_err(PipelineError::from)?;
    Ok(Embedder::new(clip.with_preprocessor(preprocessor), words))
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
