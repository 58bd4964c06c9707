//! One attack on one victim for one goal: what it may spend, and what it found.

use std::sync::atomic::{AtomicBool, Ordering};

use moa_core::NoiseKey;
use moa_diffusion::TextContext;
use moa_reward::Pictures;

use crate::{AttackError, Eye, Goal, Victim};

/// What makes a victim draw what it should not.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// A prompt.
    Prompt(String),
    /// A prompt, and the noise to start from.
    Noise(String, NoiseKey),
    /// What no prompt says: one row of what the denoiser is conditioned on.
    Context(Box<TextContext>),
}

/// What was found, and what it had cost by then.
#[derive(Clone, Debug)]
pub struct Found {
    /// Passes through the denoiser that were spent.
    pub passes: u64,
    /// How near it came, as far as the attacker's own eye says, in [0, 1].
    pub desire: f64,
    /// What was found.
    pub attempt: Attempt,
}

/// What a siege begins with.
pub struct SiegeSetup<'a> {
    /// The model.
    pub victim: &'a Victim<'a>,
    /// The attacker's own eye.
    pub eye: &'a dyn Eye,
    /// What the attacker wants.
    pub goal: &'a Goal,
    /// Words that prompts may not have, lower case: a filter of words in front of the model.
    pub blocked: &'a [String],
    /// The words that edits of prompts draw from.
    pub vocabulary: &'a [String],
    /// Passes through the denoiser that may be spent; a backward pass counts as two.
    pub budget: u64,
    /// Names all that is random.
    pub key: NoiseKey,
    /// Set it to stop.
    pub stop: Option<&'a AtomicBool>,
}

/// An attack as it goes on.
pub struct Siege<'a> {
    setup: SiegeSetup<'a>,
    spent: u64,
    drawn: u64,
    found: Vec<Found>,
}

impl<'a> Siege<'a> {
    /// Returns the siege before its first pass.
    pub fn new(setup: SiegeSetup<'a>) -> Self {
        Self { setup, spent: 0, drawn: 0, found: Vec::new() }
    }

    /// Returns the model.
    pub fn victim(&self) -> &'a Victim<'a> {
        self.setup.victim
    }

    /// Returns what the attacker wants.
    pub fn goal(&self) -> &'a Goal {
        self.setup.goal
    }

    /// Returns the words that edits draw from.
    pub fn vocabulary(&self) -> &'a [String] {
        self.setup.vocabulary
    }

    /// Returns the key of a part of what is random.
    pub fn key(&self, name: &str) -> NoiseKey {
        self.setup.key.named(name)
    }

    /// Returns whether a filter of words lets a prompt through.
    pub fn passes_filter(&self, prompt: &str) -> bool {
        let words = prompt.to_lowercase();
        let mut words = words.split(|c: char| !c.is_alphanumeric());
        !words.any(|word| self.setup.blocked.iter().any(|blocked| blocked == word))
    }

    /// Returns the passes that are left.
    pub fn left(&self) -> u64 {
        self.setup.budget.saturating_sub(self.spent)
    }

    /// Returns the passes that may be spent in all.
    pub fn budget(&self) -> u64 {
        self.setup.budget
    }

    /// Returns how many images can still be drawn.
    pub fn images_left(&self) -> usize {
        (self.left() / self.setup.victim.price().max(1)) as usize
    }

    /// Fails when it was asked to stop.
    ///
    /// # Errors
    /// [`AttackError::Stopped`].
    pub fn check_stop(&self) -> Result<(), AttackError> {
        if self.setup.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            Err(AttackError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Spends passes; false where they are not there any more.
    pub fn spend(&mut self, passes: u64) -> bool {
        let may = passes <= self.left();
        self.spent += if may { passes } else { 0 };
        may
    }

    /// Notes what was found.
    pub fn note(&mut self, attempt: Attempt, desire: f64) {
        self.found.push(Found { passes: self.spent, desire, attempt });
    }

    /// Returns what was found, in the order in which it was noted: the last is what the attacker would use.
    pub fn into_found(self) -> Vec<Found> {
        self.found
    }

    /// Draws images of prompts, so many of each and each from noise that was not used before, and returns how near each came: a list for
    /// each prompt. Draws as many whole prompts as the budget allows.
    ///
    /// # Errors
    /// Fails where a prompt cannot be tokenised or an image not be looked at, and when it was asked to stop.
    pub fn try_prompts(&mut self, prompts: &[&str], images: usize) -> Result<Vec<Vec<f64>>, AttackError> {
        let most = self.images_left() / images.max(1);
        let prompts = &prompts[..prompts.len().min(most)];
        if prompts.is_empty() || images == 0 {
            return Ok(Vec::new());
        }
        let rows: Vec<usize> = (0..prompts.len()).flat_map(|prompt| std::iter::repeat_n(prompt, images)).collect();
        let context = self.setup.victim.pipeline.encode_prompts(prompts)?.select(&rows);
        let keys = self.fresh_keys(rows.len());
        let looks = self.try_contexts(&context, &keys)?;
        Ok(looks.chunks(images).map(<[f64]>::to_vec).collect())
    }

    /// Returns keys of noise that was not used before.
    pub fn fresh_keys(&mut self, count: usize) -> Vec<NoiseKey> {
        let first = self.drawn;
        self.drawn += count as u64;
        (first..self.drawn).map(|place| self.setup.key.named("search").with(place)).collect()
    }

    /// Draws an image for each row of a context, and returns how near each came; spends what that costs.
    ///
    /// # Errors
    /// As [`Siege::try_prompts`].
    pub fn try_contexts(&mut self, context: &TextContext, keys: &[NoiseKey]) -> Result<Vec<f64>, AttackError> {
        self.check_stop()?;
        self.spent += keys.len() as u64 * self.setup.victim.price();
        let goals = vec![self.setup.goal; keys.len()];
        let drawn = self.setup.victim.draw(context, keys, &goals)?;
        let prompts = vec![self.setup.goal.prompt.clone(); keys.len()];
        let looks = self.setup.eye.look(&Pictures::new(drawn.pixels, prompts, 1)?, &goals)?;
        let desire = looks.iter().zip(&drawn.withheld);
        Ok(desire.map(|(look, withheld)| if *withheld { 0.0 } else { f64::from(look.desire()) }).collect())
    }

    /// Finds the best of several prompts by successive halving (Karnin et al., 2013): all get two images, the better third four more, the best
    /// three what is left of `passes`. Notes the best after each round, and returns it with how near it came.
    ///
    /// # Errors
    /// As [`Siege::try_prompts`].
    pub fn race(&mut self, candidates: &[String], passes: u64) -> Result<Option<(String, f64)>, AttackError> {
        let end = self.left().saturating_sub(passes);
        let affordable = |siege: &Self| (siege.left().saturating_sub(end) / siege.setup.victim.price().max(1)) as usize;
        // Half of the passes go to the first round.
        let most = (affordable(self) / 2 / FIRST).max(1);
        let mut field: Vec<(&String, Vec<f64>)> =
            candidates.iter().take(most).map(|prompt| (prompt, Vec::new())).collect();
        for (round, images) in [FIRST, SECOND, usize::MAX].into_iter().enumerate() {
            let images = images.min(affordable(self) / field.len().max(1));
            if images == 0 {
                break;
            }
            let prompts: Vec<&str> = field.iter().map(|(prompt, _)| prompt.as_str()).collect();
            let seen = self.try_prompts(&prompts, images)?;
            field.iter_mut().zip(seen).for_each(|((_, own), seen)| own.extend(seen));
            field.retain(|(_, own)| !own.is_empty());
            let all = mean(field.iter().flat_map(|(_, own)| own).copied());
            field.sort_by(|a, b| shrunk(&b.1, all).total_cmp(&shrunk(&a.1, all)));
            if let Some((prompt, own)) = field.first() {
                let (attempt, desire) = (Attempt::Prompt((*prompt).clone()), shrunk(own, all));
                self.note(attempt, desire);
            }
            field.truncate(if round == 0 { field.len().div_ceil(3) } else { 3 });
        }
        let all = mean(field.iter().flat_map(|(_, own)| own).copied());
        Ok(field.first().map(|(prompt, own)| ((*prompt).clone(), shrunk(own, all))))
    }
}

/// Images of each candidate in the first round of a race, and in the second.
const FIRST: usize = 2;
const SECOND: usize = 4;

/// Returns the mean of some looks, drawn towards that of all as if one more look had seen it: the best of many is the luckiest, too.
pub(crate) fn shrunk(own: &[f64], all: f64) -> f64 {
    (own.iter().sum::<f64>() + all) / (own.len() + 1) as f64
}

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}
