//! Rewards that the field uses, read from its own files: CLIP scores, LAION's aesthetic predictor, PickScore, HPSv2, ImageReward,
//! Stable Diffusion's safety checker, and diversity in any CLIP's space. A CLIP is a folder of transformers or a file of OpenCLIP.
//!
//! | kind | files | score |
//! |---|---|---|
//! | `ClipScore` | a `CLIPModel` | 100 · cos(image, prompt) |
//! | `LaionAesthetics` | a `CLIPModel` and a head | w·e + b, about 1 to 10 |
//! | `PickScore` | a `CLIPModel` | e^`logit_scale` · cos(image, prompt) |
//! | `SafetyChecker` | a `StableDiffusionSafetyChecker` | −max (cosine − threshold); refused below 0 |
//! | `Hps` | a CLIP of OpenCLIP | 100 · cos(image, prompt) |
//! | `ImageReward` | BLIP and a head | w·e + b, standardised |
//! | `Preference` | what `moa fit` wrote, and its CLIP | [`preference`] |
//! | `ClipDiversity` | a `CLIPModel` | mean cosine distance to the prompt's other images |
//!
//! Images are rounded to bytes, as they would be saved, and processed as transformers' `CLIPImageProcessor` does with
//! Pillow, bit by bit. Nothing is downloaded, and no pickle is run: [`torch`] reads plain state dicts alone.

mod checker;
mod config;
mod files;
mod head;
mod image_reward;
mod json;
mod open_clip;
mod place;
pub mod preference;
mod processor;
mod resample;
mod rewards;
mod shelf;
pub mod torch;

pub use checker::{Checker, Verdict};
pub use files::{clip_files, reward_files};
pub use head::read_head;
pub use processor::PictureProcessor;
pub use resample::Filter;
pub(crate) use rewards::{ClipScore, ImageReward, LaionAesthetics, SafetyChecker};
pub use shelf::Shelf;
