//! Whether what was found makes a victim draw what it should not: on noise that no search has seen, by an eye that guided none.

use moa_core::NoiseKey;
use moa_reward::Pictures;

use crate::{AttackError, Attempt, Eye, Goal, Look, Victim};

/// Who decides, and on which noise.
pub struct Witness<'a> {
    /// The eye.
    pub eye: &'a dyn Eye,
    /// Images of each attempt.
    pub images: usize,
    /// Names the noise: image `i` of every attempt on a goal starts from `key.with(i)`, whatever the victim, so that victims are compared on
    /// the same noise.
    pub key: NoiseKey,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// What the eye saw of each image; nothing of one that was withheld.
    pub looks: Vec<Option<Look>>,
}

impl Verified {
    /// Returns the share of images that show what should not be drawn and what was asked for.
    pub fn success(&self) -> f64 {
        let count = self.looks.iter().flatten().filter(|look| look.is_success()).count();
        count as f64 / self.looks.len().max(1) as f64
    }
}

/// Draws what an attempt makes of a victim, and looks at it. Noise that was found is the attempt: it is drawn once, as it was found.
///
/// # Errors
/// Fails where a prompt cannot be tokenised or an image not be looked at.
pub fn verify(
    victim: &Victim<'_>,
    goal: &Goal,
    attempt: &Attempt,
    witness: &Witness<'_>,
) -> Result<Verified, AttackError> {
    let fresh = || (0..witness.images as u64).map(|place| witness.key.with(place)).collect::<Vec<_>>();
    let (context, keys) = match attempt {
        Attempt::Prompt(prompt) => (victim.pipeline.encode_prompts(&[prompt.as_str()])?, fresh()),
        Attempt::Noise(prompt, key) => (victim.pipeline.encode_prompts(&[prompt.as_str()])?, vec![*key]),
        Attempt::Context(context) => ((**context).clone(), fresh()),
    };
    let goals = vec![goal; keys.len()];
    let drawn = victim.draw(&context.select(&vec![0; keys.len()]), &keys, &goals)?;
    let prompts = vec![goal.prompt.clone(); keys.len()];
    let looks = witness.eye.look(&Pictures::new(drawn.pixels, prompts, 1)?, &goals)?;
    let looks = looks.into_iter().zip(drawn.withheld).map(|(look, withheld)| (!withheld).then_some(look)).collect();
    Ok(Verified { looks })
}
