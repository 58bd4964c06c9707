//! Policy gradient for banks of adapters: roll out → score → advantages → update (DDPO, Black et al., 2305.13301;
//! Flow-GRPO, Liu et al., 2505.05470; GDPO's per-reward normalisation).

mod advantages;
mod batches;
mod checkpoint;
mod draw;
mod error;
mod optimiser;
mod plan;
mod rollout;
mod selection;
mod surrogate;
mod trainer;

pub use advantages::{Advantages, advantages};
pub use draw::{DrawRequest, draw, draw_blend};
pub use error::TrainError;
pub use plan::targeted;
pub use surrogate::{SurrogateStats, clip_range};
pub use trainer::{EpochMetrics, Trainer, TrainerSetup};
