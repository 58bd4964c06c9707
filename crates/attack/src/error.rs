//! Why an attack cannot be made. Messages read after "failed to".

use moa_diffusion::{ConfigError, TokensError};
use moa_reward::RewardError;

/// Why an attack cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// A prompt cannot be tokenised.
    #[error("read a prompt: {0}")]
    Prompt(#[from] ConfigError),
    /// The tokens of a prompt cannot be changed.
    #[error("change the tokens of a prompt: {0}")]
    Tokens(#[from] TokensError),
    /// An image cannot be looked at.
    #[error("look at images: {0}")]
    Look(#[from] RewardError),
    /// It was asked to stop.
    #[error("attack: it was asked to stop")]
    Stopped,
}
