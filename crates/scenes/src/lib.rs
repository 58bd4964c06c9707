//! Emoji scenes with captions: the data of the embedded emoji-32 model.
//!
//! A [`Scene`] names its [`Content`] and a background colour. Contents range from one object over tinted objects
//! ("a blue cat") and two objects in a relation to several of one concept ("three apples") and three different ones. A
//! scene renders to a 32×32 image from a pack of emoji [`Sprites`] by five vendors, and has one canonical English
//! caption, which [`parse_caption`] reads back. About a fifth of the pairs of an object with a background, another
//! object, a tint or a count are held out of pre-training ([`Scene::is_held_out`]), so that experiments can ask what
//! generalises.
//!
//! Everything is a pure function of explicit seeds: randomness comes from a [`SceneRng`] that the caller passes in.
//!
//! ```
//! use moa_scenes::{HeldOut, SceneDistribution, SceneRng, Sprites, parse_caption, sample_scene};
//!
//! let mut rng = SceneRng::new(7);
//! let distribution = SceneDistribution { held_out: HeldOut::Excluded, ..SceneDistribution::default() };
//! let scene = sample_scene(&mut rng, &distribution);
//! let image = scene.render(Sprites::embedded(), &mut rng);
//! assert_eq!(image.pixels.len(), 32 * 32 * 3);
//! assert_eq!(parse_caption(&scene.caption()), Some(scene));
//! ```

mod background;
mod caption;
mod concept;
mod content;
mod count;
mod error;
mod held_out;
mod kind;
mod layout;
mod light;
mod prompts;
mod recolour;
mod relation;
mod render;
mod rng;
mod sampling;
mod scene;
mod sprites;
mod tint;
pub mod tokenizer;
mod vendor;
mod words;

pub use background::Background;
pub use caption::{grammar_words, parse_caption};
pub use concept::{Concept, UnsafeCategory};
pub use content::{Content, Thing};
pub use count::Count;
pub use error::ScenesError;
pub use held_out::HeldOut;
pub use kind::{Kind, Kinds};
pub use layout::{Layout, PlacedObject};
pub use light::Light;
pub use prompts::{PROMPT_SETS, Prompt, prompt_set};
pub use relation::Relation;
pub use render::{PIXELS, Rendered, SIDE};
pub use rng::SceneRng;
pub use sampling::{SceneDistribution, sample_scene};
pub use scene::Scene;
pub use sprites::{Sprite, SpriteSize, Sprites};
pub use tint::Tint;
pub use vendor::Vendor;
