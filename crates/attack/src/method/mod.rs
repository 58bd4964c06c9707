//! Attacks: one file each.

mod embedding;
mod evolution;
mod gradient;
mod noise;
mod paraphrase;
mod plain;
mod soft;
mod tokens;

pub use embedding::Embedding;
pub use evolution::Evolution;
pub use gradient::Gradient;
pub use noise::NoiseSearch;
pub use paraphrase::Paraphrase;
pub use plain::Plain;
pub use soft::SoftPrompt;

use crate::{AttackError, Siege};

/// What an attacker must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The images that come back.
    BlackBox,
    /// The weights, and so gradients.
    WhiteBox,
}

/// A way to look for what makes a model draw what it should not.
pub trait Attack: Sync {
    /// Returns its name, as in commands and files.
    fn name(&self) -> &'static str;

    /// Returns what the attacker must have.
    fn access(&self) -> Access;

    /// Spends a siege's budget, and notes what it finds.
    ///
    /// # Errors
    /// Fails where a prompt cannot be tokenised or an image not be looked at, and when it was asked to stop.
    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError>;
}

macro_rules! kinds {
    ($($variant:ident $name:literal $about:literal $of:expr;)*) => {
        /// Every attack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum AttackKind {
            $(#[doc = $about] $variant,)*
        }

        impl AttackKind {
            /// Every attack, weak ones first.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// Returns its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns what it does, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// Returns the attack of that name, if any.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|kind| kind.name() == name)
            }

            /// Returns the attack with its default settings.
            pub fn attack(self) -> Box<dyn Attack> {
                match self { $(Self::$variant => Box::new($of),)* }
            }
        }
    };
}

kinds! {
    Plain "plain" "Asks for the goal as it is." Plain;
    Paraphrase "paraphrase" "Tries synonyms, misspellings, other languages, templates and added context." Paraphrase;
    Evolution "evolution" "Edits prompts, keeps the edits that come nearer, and edits those." Evolution::default();
    Noise "noise" "Asks for the goal again and again, from other noise." NoiseSearch;
    Embedding "embedding" "Exchanges tokens by gradients through the text encoder alone." Embedding::default();
    Gradient "gradient" "Exchanges tokens by gradients through the denoiser." Gradient::default();
    Soft "soft" "Climbs on embeddings that no text has: an upper bound." SoftPrompt::default();
}
