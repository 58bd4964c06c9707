//! What can go wrong with scoring.

use std::path::PathBuf;

use moa_adapter::ParametersError;
use moa_ai_judge::JudgeError;
use moa_diffusion::ConfigError;
use moa_diffusion::hub::HubError;
use moa_preference_model::PreferenceModelError;

use crate::external::ExternalError;

/// Why images cannot be scored, or a reward cannot be built. Messages read after "failed to score: ".
#[derive(Debug, thiserror::Error)]
pub enum RewardError {
    /// A score is no finite number: training on it would ruin the adapter.
    #[error(
        "`{reward}` gave no finite score for image {picture} (prompt \"{prompt}\"): the image or the reward's weights \
         hold values that are not finite; lower the learning rate, or check the files of the base model"
    )]
    NotFinite {
        /// The reward's or judge's name.
        reward: String,
        /// The image's place in the batch.
        picture: usize,
        /// Its prompt.
        prompt: String,
    },
    /// The batch is not made of whole groups of images.
    #[error("{pictures} images, {prompts} prompts and groups of {group} do not fit: {wanted}")]
    Batch {
        /// Images in the batch.
        pictures: usize,
        /// Prompts in the batch.
        prompts: usize,
        /// Images of each prompt.
        group: usize,
        /// What fits.
        wanted: &'static str,
    },
    /// Images have another size or other channels than a model needs.
    #[error("images are {found:?} (channels, height, width), but `{model}` needs {wanted:?}")]
    PictureSize {
        /// The model.
        model: &'static str,
        /// The images' shape.
        found: [usize; 3],
        /// The shape needed.
        wanted: [usize; 3],
    },
    /// A reward compares the images of a prompt, and there is only one of each.
    #[error("reward `{reward}` compares images of one prompt: draw at least 2 images per prompt, not {group}")]
    GroupTooSmall {
        /// The reward's name.
        reward: String,
        /// Images of each prompt.
        group: usize,
    },
    /// An object that is to be avoided is none that the detector knows.
    #[error("the detector knows no `{object}`: name some of {known}")]
    UnknownObject {
        /// The object.
        object: String,
        /// All that it knows.
        known: String,
    },
    /// A reward is asked for a gradient and has none.
    #[error(
        "reward `{reward}` has no gradient to the images: train it by policy gradient, alone or beside rewards with a gradient, \
         or replace it by one that has a gradient"
    )]
    NoGradient {
        /// The reward's name.
        reward: String,
    },
    /// There is not one coefficient per reward.
    #[error("{given} coefficients do not fit {rewards} rewards: give one per reward")]
    Coefficients {
        /// Coefficients given.
        given: usize,
        /// Rewards of the scorer.
        rewards: usize,
    },
    /// A file is no JSON of the expected form.
    #[error("{file} is unreadable: {source}")]
    Json {
        /// The file.
        file: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A field has an impossible value.
    #[error("{file}: `{field}` is {value}: give {wanted}")]
    Field {
        /// The file.
        file: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is possible.
        wanted: &'static str,
    },
    /// A model's config or tokenizer is impossible, or a text cannot be tokenised.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A model's weights do not fit its config.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A reward is made for the embedded base model and the base is another one.
    #[error("reward `{reward}` works only with emoji-32, and the base is {base}: use {instead} in its place")]
    EmojiOnly {
        /// The reward's name.
        reward: String,
        /// The base model.
        base: String,
        /// The kind of reward that takes a model.
        instead: &'static str,
    },
    /// A reward is asked before anybody judged.
    #[error(
        "reward `{reward}` is fitted while adapters are trained, and nothing was judged yet: sweep the experiment first"
    )]
    Unjudged {
        /// The reward's name.
        reward: String,
    },
    /// A preference is fitted on the embedded CLIP, and the base is another one.
    #[error(
        "reward `{reward}` was fitted on the CLIP of emoji-32, and the base is {base}: fit it again on a CLIP on disk, with          `moa fit --clip FOLDER`"
    )]
    FittedOnEmoji {
        /// The reward's name.
        reward: String,
        /// The base model.
        base: String,
    },
    /// A prompt of the experiment cannot be scored.
    #[error("{list}[{place}]: {source}")]
    Prompt {
        /// The list that it is in, such as `prompts.train`.
        list: &'static str,
        /// Where, from 0.
        place: usize,
        /// What a reward says of it.
        source: Box<RewardError>,
    },
    /// A prompt claims nothing that a detector can look for.
    #[error(
        "reward `{reward}` reads prompts like \"a red cat left of a dog on a blue background\", and {prompt:?} describes no scene that \
         emoji-32 knows: leave the reward out, or give prompts of that form"
    )]
    OutsideTheGrammar {
        /// The reward's name.
        reward: String,
        /// The prompt.
        prompt: String,
    },
    /// A reward's files cannot be used.
    #[error("reward `{reward}`: {source}")]
    Reward {
        /// The reward's name.
        reward: String,
        /// What is wrong.
        source: Box<RewardError>,
    },
    /// A file or folder holds something else than a reward needs.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, with a hint.
        problem: String,
    },
    /// A model of the hub is not there.
    #[error(transparent)]
    Hub(Box<HubError>),
    /// An image cannot be encoded.
    #[error("an image cannot be encoded as JPEG: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    /// A fitted preference cannot be read.
    #[error(transparent)]
    Preference(Box<PreferenceModelError>),
    /// A model behind a chat endpoint gave no scores.
    #[error("reward `{reward}`: {source}")]
    Ai {
        /// The reward's name.
        reward: String,
        /// What is wrong.
        source: Box<JudgeError>,
    },
    /// A program, a service or an ONNX model gave no scores.
    #[error(transparent)]
    External(Box<ExternalError>),
    /// A head cannot be fitted to the examples given.
    #[error("a head cannot be fitted: {0}")]
    Fit(&'static str),
}

impl From<PreferenceModelError> for RewardError {
    fn from(error: PreferenceModelError) -> Self {
        Self::Preference(Box::new(error))
    }
}

impl From<HubError> for RewardError {
    fn from(error: HubError) -> Self {
        Self::Hub(Box::new(error))
    }
}

impl RewardError {
    /// Returns the error about a file or folder.
    pub(crate) fn file(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.into() }
    }
}

impl From<ExternalError> for RewardError {
    fn from(error: ExternalError) -> Self {
        Self::External(Box::new(error))
    }
}
