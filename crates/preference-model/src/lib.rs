//! Reward models fitted to judgements, with their uncertainty, and what to ask next.
//!
//! The caller computes a feature vector of each image, such as a CLIP's embedding; this crate knows no images and no tensors.
//!
//! | question | answer |
//! |---|---|
//! | what may be judged? | [`Features`] → [`Pool`] |
//! | what was judged? | [`Judgements`] |
//! | how good is an image, and how sure is that? | [`RewardModel::fit`], [`RewardModel::mean`], [`RewardModel::lower`] |
//! | how good is the model? | [`validate`] |
//! | what to ask next? | [`ask`] |
//! | do raters agree? | [`agreement_on_pairs`], [`self_consistency`] |
//! | how many decisions are still needed? | [`learning_curve`] |
//! | how is it kept? | [`RewardModel::write`], [`Card`] |
//!
//! ```
//! use std::collections::HashSet;
//!
//! use moa_core::NoiseKey;
//! use moa_preference_model::ask::{Bald, Question, Strategy as _, candidates};
//! use moa_preference_model::{Features, FitSettings, Judgements, Pool, RewardModel, SpaceSettings};
//! use moa_preferences::Winner;
//!
//! // Six images of two prompts, with two features each.
//! let features = Features::new(2, vec![0.1, 0.9, 0.8, 0.2, 0.5, 0.4, 0.3, 0.1, 0.9, 0.7, 0.2, 0.6])?;
//! let prompts = [0, 0, 0, 1, 1, 1];
//! let pool = Pool::new(&features, &SpaceSettings::default())?;
//! let mut judgements = Judgements::new();
//! judgements.compare("a red cat", "ann", 0, 1, Winner::B, 1.0);
//! let model = RewardModel::fit(&pool, &judgements, &FitSettings::default())?;
//! assert!(model.mean(features.row(1)) > model.mean(features.row(0)));
//! assert!(model.lower(features.row(1), 1.0) < model.mean(features.row(1)));
//! // What to ask next.
//! let key = NoiseKey::new(7);
//! let open = candidates(&prompts, &HashSet::from([(0, 1)]), 100_000, key);
//! let question = Question { pool: &pool, model: Some(&model), candidates: &open, pending: &[], count: 2, key };
//! let chosen = Bald.choose(&question);
//! assert_eq!(chosen.len(), 2);
//! # Ok::<(), moa_preference_model::PreferenceModelError>(())
//! ```

mod agreement;
pub mod ask;
mod calibration;
mod card;
mod curve;
mod error;
mod estimate;
mod features;
mod file;
mod fit;
#[cfg(test)]
mod golden;
mod judgements;
pub mod likelihood;
mod linear;
mod model;
mod noise;
mod pool;
mod quadrature;
mod space;
mod terms;
mod validation;

pub use agreement::{
    Agreement, Alpha, Consistency, agreement_on_labels, agreement_on_pairs, between_raters, self_consistency,
};
pub use calibration::{Bin, Calibration};
pub use card::Card;
pub use curve::{LearningCurve, Target, learning_curve};
pub use error::{PreferenceModelError, Result};
pub use estimate::{Estimate, Resampling};
pub use features::Features;
pub use file::{Origin, VERSION};
pub use fit::{FitSettings, Lapses, Shape};
pub use judgements::{Comparison, Judgements, Marking, Ranking, Scoring};
pub use model::{Normal, RewardModel, Threshold};
pub use noise::Noise;
pub use pool::Pool;
pub use space::{Space, SpaceSettings};
pub use validation::{Validation, ValidationSettings, validate};
