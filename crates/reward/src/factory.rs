//! From an experiment's rewards to what scores images.

use std::sync::Arc;

use moa_core::experiment::{BUILT_IN_BASE, RewardKind, RewardSpec};

use crate::disk::preference::{Preference, PreferenceFeatures};
use crate::disk::{ClipScore, ImageReward, LaionAesthetics, SafetyChecker, Shelf};
use crate::external::{Ai, Http, Onnx, Program};
use crate::rewards::{
    Aesthetics, Alignment, Colourfulness, Composition, Contrast, Diversity, GenEval, Harmony, JpegSize, Safety, Taste,
};
use crate::{Detector, Embedder, LinearHead, Match, PictureEmbedder, Reward, RewardError, TextEmbedder};

/// The fitted heads that rewards on CLIP embeddings need.
#[derive(Clone, Debug, PartialEq)]
pub struct Heads {
    /// The rating head.
    pub aesthetics: LinearHead,
    /// From which cosine on an image is of its prompt.
    pub matching: Match,
}

/// The CLIP, its heads and the detector that are made for `emoji-32`.
pub struct Embedded {
    /// The CLIP.
    pub embedder: Embedder,
    /// The heads on it.
    pub heads: Heads,
    /// The detector of objects.
    pub detector: Arc<Detector>,
}

/// What rewards are made of.
pub struct Sources {
    /// The base model's name, for messages.
    pub base: String,
    /// What is embedded for `emoji-32`; nothing where the base is another model, or no reward needs it.
    pub embedded: Option<Embedded>,
    /// The models on disk.
    pub shelf: Shelf,
}

impl Sources {
    fn embedded(&self, spec: &RewardSpec) -> Result<&Embedded, RewardError> {
        self.embedded.as_ref().ok_or_else(|| RewardError::EmojiOnly {
            reward: spec.name.clone(),
            base: self.base.clone(),
            instead: spec.kind.instead_of_emoji_only().unwrap_or("another"),
        })
    }

    /// Returns what a fitted reward sees by a CLIP.
    fn features(&self, spec: &RewardSpec, clip: &str) -> Result<PreferenceFeatures, RewardError> {
        if clip != BUILT_IN_BASE {
            let (pictures, texts) = both(&self.shelf, clip, None).map_err(about(spec))?;
            return Ok(PreferenceFeatures::new(pictures, texts));
        }
        let embedded = self.embedded.as_ref();
        let embedded = embedded
            .ok_or_else(|| RewardError::FittedOnEmoji { reward: spec.name.clone(), base: self.base.clone() })?;
        Ok(PreferenceFeatures::from(&embedded.embedder))
    }
}

/// Returns the reward that an experiment asks for.
///
/// `group` is the number of images drawn for each prompt in training.
///
/// # Errors
/// Refuses settings that cannot work: a head of another width than the CLIP's, one image per prompt where images are
/// compared, an impossible JPEG quality, rewards that know emoji-32 only for other bases; files that are missing, damaged or
/// of another kind; a program that does not start, a service that does not answer.
pub fn reward(spec: &RewardSpec, sources: &Sources, group: usize) -> Result<Box<dyn Reward>, RewardError> {
    let name = spec.name.clone();
    Ok(match &spec.kind {
        RewardKind::Aesthetics => {
            let Embedded { embedder, heads, .. } = sources.embedded(spec)?;
            Box::new(Aesthetics::new(name, heads.aesthetics.clone(), embedder.picture_embedder().clone())?)
        }
        RewardKind::Alignment => Box::new(Alignment::new(name, sources.embedded(spec)?.embedder.clone())),
        RewardKind::Composition => Box::new(Composition::new(name, sources.embedded(spec)?.detector.clone())),
        RewardKind::Safety => Box::new(Safety::new(name, sources.embedded(spec)?.detector.clone())),
        RewardKind::Avoid { objects } => {
            Box::new(Safety::avoiding(name, sources.embedded(spec)?.detector.clone(), objects).map_err(about(spec))?)
        }
        RewardKind::Diversity => {
            let Embedded { embedder, heads, .. } = sources.embedded(spec)?;
            let diversity = Diversity::new(name, group, embedder.picture_embedder().clone())?;
            Box::new(diversity.among_matches(heads.matching.clone(), embedder.text_embedder().clone()))
        }
        RewardKind::Colourfulness => Box::new(Colourfulness::new(name)),
        RewardKind::Contrast => Box::new(Contrast::new(name)),
        RewardKind::Harmony => Box::new(Harmony::new(name)),
        RewardKind::Compressibility { quality } => Box::new(JpegSize::small(name, *quality)?),
        RewardKind::Incompressibility { quality } => Box::new(JpegSize::large(name, *quality)?),
        RewardKind::ClipScore { model, processor } => {
            let (pictures, texts) = both(&sources.shelf, model, processor.as_deref()).map_err(about(spec))?;
            Box::new(ClipScore::percent(name, pictures, texts))
        }
        RewardKind::PickScore { model, processor } => {
            let (pictures, texts) = both(&sources.shelf, model, processor.as_deref()).map_err(about(spec))?;
            let scale = sources.shelf.logit_scale(model).map_err(about(spec))?;
            Box::new(ClipScore::logits(name, scale, pictures, texts))
        }
        RewardKind::LaionAesthetics { clip, head } => {
            let pictures = sources.shelf.pictures(clip, None).map_err(about(spec))?;
            let head = sources.shelf.head(head, pictures.width()).map_err(about(spec))?;
            Box::new(LaionAesthetics::new(name, head, pictures))
        }
        RewardKind::SafetyChecker { model } => {
            Box::new(SafetyChecker::new(name, sources.shelf.checker(model).map_err(about(spec))?))
        }
        RewardKind::ClipDiversity { model } => {
            let pictures = sources.shelf.pictures(model, None).map_err(about(spec))?;
            Box::new(Diversity::new(name, group, pictures)?)
        }
        RewardKind::Hps { model, processor } => {
            let (pictures, texts) = both(&sources.shelf, model, processor.as_deref()).map_err(about(spec))?;
            Box::new(ClipScore::hps(name, pictures, texts))
        }
        RewardKind::ImageReward { model, tokenizer } => {
            let model = sources.shelf.image_reward(model, tokenizer.as_deref()).map_err(about(spec))?;
            Box::new(ImageReward::new(name, model))
        }
        RewardKind::GenEval => Box::new(GenEval::new(name, sources.embedded(spec)?.detector.clone())),
        RewardKind::Preference { model, pessimism, clip } => {
            let fitted = sources.shelf.fitted(model).map_err(about(spec))?;
            let features = sources.features(spec, clip.as_ref().unwrap_or(&fitted.origin.embedding))?;
            Box::new(Preference::new(name, fitted, *pessimism, features).map_err(about(spec))?)
        }
        RewardKind::Feedback { clip, pessimism } => {
            Box::new(Preference::unfitted(name, *pessimism, sources.features(spec, clip)?))
        }
        RewardKind::Taste => Box::new(Taste::new(name)),
        RewardKind::Program(program) => Box::new(Program::start(name, program)?),
        RewardKind::Http(http) => Box::new(Http::connect(name, http)?),
        RewardKind::AiScore(ai) => Box::new(Ai::new(name, ai)?),
        RewardKind::Onnx(onnx) => Box::new(Onnx::open(name, onnx)?),
    })
}

/// Returns the two halves of a CLIP on disk.
fn both(
    shelf: &Shelf,
    model: &str,
    processor: Option<&str>,
) -> Result<(Arc<PictureEmbedder>, Arc<TextEmbedder>), RewardError> {
    Ok((shelf.pictures(model, processor)?, shelf.texts(model, processor)?))
}

/// Names the reward that an error is about.
fn about(spec: &RewardSpec) -> impl Fn(RewardError) -> RewardError {
    |source| RewardError::Reward { reward: spec.name.clone(), source: Box::new(source) }
}
