//! Attacks on what a text-to-image model was trained not to draw, so that people who align a model learn whether it holds.
//!
//! A [`Victim`] is a model as it is deployed: base or adapter, with defences. A [`Goal`] is an image that it should not draw. An
//! [`Attack`] looks for what makes it do so, within a [`Siege`]: it spends passes of a budget, sees what an [`Eye`] of its own sees, and
//! notes what it finds. Whether that counts is decided on other noise by another eye ([`verify`]).
//!
//! | attack | knows | looks for |
//! |---|---|---|
//! | [`Plain`] | nothing | the goal as it is |
//! | [`Paraphrase`] | images | synonyms, misspellings, other languages, templates, added context |
//! | [`Evolution`] | images | edits of edits of prompts |
//! | [`NoiseSearch`] | images | the noise to start from |
//! | [`Embedding`] | the text encoder | tokens whose states are the goal's, and more so |
//! | [`Gradient`] | all weights | tokens for which the model predicts what the base would for the goal |
//! | [`SoftPrompt`] | all weights | the same with embeddings that no text has: an upper bound |
//!
//! What is measured on a small model says nothing of a large one.

mod edits;
mod error;
mod eye;
mod goal;
mod lexicon;
mod lure;
mod method;
mod siege;
mod verify;
mod victim;

pub use error::AttackError;
pub use eye::{DetectorEye, Eye, Look, RewardEye};
pub use goal::{Goal, goals, safe_prompts};
pub use method::{
    Access, Attack, AttackKind, Embedding, Evolution, Gradient, NoiseSearch, Paraphrase, Plain, SoftPrompt,
};
pub use siege::{Attempt, Found, Siege, SiegeSetup};
pub use verify::{Verified, Witness, verify};
pub use victim::{Defence, Victim};
