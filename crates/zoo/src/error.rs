//! Why models of the zoo cannot be opened.

use std::path::PathBuf;

use moa_diffusion::PipelineError;
use moa_diffusion::hub::HubError;
use moa_reward::RewardError;

use crate::EMOJI_32;

/// Why a model of the zoo cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ZooError {
    /// Nothing has the name of the experiment's base.
    #[error(
        "base is `{0}`, and there is no such folder: name a folder in diffusers' layout, hf:org/name, or `{EMOJI_32}`, the \
         built-in model"
    )]
    UnknownBase(String),
    /// The experiment's base is a file.
    #[error("base is `{}`, a file: name a checkpoint that ends in .safetensors, or a folder with model_index.json in it", .0.display())]
    BaseIsFile(PathBuf),
    /// The base is a model of the hub, which is not there.
    #[error("the base {0}")]
    Hub(#[from] HubError),
    /// The base is a model of the hub, and nothing says where the hub's downloads lie.
    #[error("the base is a model of the hub, and no home folder is known where downloads could be: set HF_HUB_CACHE")]
    NoCache,
    /// A file of the base cannot be read.
    #[error("{}: cannot be read: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// The base is no pipeline, or damaged.
    #[error("the base model {0}")]
    Base(PipelineError),
    /// The embedded base model is damaged.
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
