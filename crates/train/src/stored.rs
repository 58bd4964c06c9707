//! Stored preferences: images that were drawn elsewhere, and votes on them.

use burn::tensor::Tensor;
use moa_core::experiment::{DecidedBy, Mix};
use moa_device::{from_host, indices_from_host};
use moa_diffusion::{Conditions, Pipeline};

use crate::TrainError;
use crate::batches::slices;
use crate::contexts::Contexts;
use crate::epoch::Epoch;
use crate::method::{share, votes};
use crate::selection::TrainingSlice;

/// Images and what was said of them, ready to be trained on.
#[derive(Clone, Debug)]
pub struct StoredPreferences {
    /// The images' samples, `[pictures, c, h, w]`.
    pub samples: Tensor<4>,
    /// The scores of every image, `[reward][picture]`; empty where rewards do not decide.
    pub scores: Vec<Vec<f32>>,
    /// The prompts.
    pub prompts: Vec<String>,
    /// What was said, of as many images each.
    pub votes: Vec<StoredVote>,
}

/// What was said of an image, or of two.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVote {
    /// Which prompt.
    pub prompt: usize,
    /// Which image, or which two.
    pub pictures: Vec<usize>,
    /// The share of votes for the first of two, or that call the one good.
    pub share: f64,
    /// How much it counts beside others, above 0.
    pub weight: f64,
    /// The rewards that it is about, by place; none for all.
    pub rewards: Vec<usize>,
}

/// Stored preferences with what their prompts condition on.
pub(crate) struct Stored<'a> {
    preferences: &'a StoredPreferences,
    contexts: Contexts<'a>,
    /// Mean and standard deviation of each reward's scores.
    moments: Vec<(f64, f64)>,
    /// The mean of the votes' weights.
    weight: f64,
}

/// Some of them, as rows of every run.
pub(crate) struct StoredSlice {
    pub(crate) slice: TrainingSlice,
    pub(crate) conditions: Conditions,
    /// What each unit's loss weighs, `[units]`.
    pub(crate) weights: Tensor<1>,
}

impl<'a> Stored<'a> {
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn new(preferences: &'a StoredPreferences, pipeline: &'a Pipeline) -> Result<Self, TrainError> {
        let moments = |column: &Vec<f32>| {
            let values = || column.iter().map(|score| f64::from(*score));
            let mean = values().sum::<f64>() / column.len() as f64;
            (mean, (values().map(|value| (value - mean).powi(2)).sum::<f64>() / column.len() as f64).sqrt())
        };
        Ok(Self {
            contexts: Contexts::new(pipeline, &preferences.prompts)?,
            moments: preferences.scores.iter().map(moments).collect(),
            weight: preferences.votes.iter().map(|vote| vote.weight).sum::<f64>() / preferences.votes.len() as f64,
            preferences,
        })
    }

    /// Returns an epoch's share of what was said, as many images as an epoch would draw: a seeded shuffle, walked through before it is
    /// redrawn.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn slices(
        &self,
        epoch: &Epoch<'_>,
        decided_by: DecidedBy,
        mix: Mix,
    ) -> Result<Vec<StoredSlice>, TrainError> {
        let world = epoch.world;
        let votes = &self.preferences.votes;
        let unit = votes.first().map_or(1, |vote| vote.pictures.len());
        let wanted = self.units(epoch);
        let (count, first) = (votes.len(), (epoch.number as usize - 1) * wanted);
        let key = world.key("preferences");
        let rounds = first / count..=(first + wanted - 1) / count;
        let walked: Vec<usize> = rounds.flat_map(|round| key.with(round as u64).permutation(count)).collect();
        let places: Vec<usize> = walked.into_iter().skip(first % count).take(wanted).collect();
        let micro_batch = (world.micro_batch(wanted * unit * world.members()) / unit).max(1);
        let all = slices(wanted, world.members(), micro_batch);
        all.into_iter().map(|range| self.slice(epoch, &places, range, decided_by, mix)).collect()
    }

    /// Returns how many pairs, or images, an epoch takes.
    pub(crate) fn units(&self, epoch: &Epoch<'_>) -> usize {
        let unit = self.preferences.votes.first().map_or(1, |vote| vote.pictures.len());
        (epoch.samples() / unit).max(1)
    }

    fn slice(
        &self,
        epoch: &Epoch<'_>,
        places: &[usize],
        range: std::ops::Range<usize>,
        decided_by: DecidedBy,
        mix: Mix,
    ) -> Result<StoredSlice, TrainError> {
        let world = epoch.world;
        let device = world.device();
        let (mut samples, mut rows, mut prompts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut values, mut weights) = (Vec::new(), Vec::new());
        for run in 0..world.members() {
            let objective = epoch.objective(run);
            for position in range.clone() {
                let vote = &self.preferences.votes[places[position]];
                let share = match decided_by {
                    DecidedBy::Outcome => vote.share,
                    DecidedBy::Rewards => self.decided(vote, objective, mix),
                };
                let all: f64 = objective.iter().sum();
                let about: f64 = vote.rewards.iter().map(|reward| objective[*reward] / all).sum();
                let weight = match decided_by {
                    DecidedBy::Rewards => 1.0,
                    DecidedBy::Outcome if vote.rewards.is_empty() => vote.weight / self.weight,
                    DecidedBy::Outcome => about * vote.weight / self.weight,
                };
                weights.push(weight as f32);
                for (row, picture) in vote.pictures.iter().enumerate() {
                    samples.push(position * vote.pictures.len() + row);
                    rows.push(*picture as i64);
                    prompts.push(vote.prompt);
                    values.push(if row == 0 { share as f32 } else { 1.0 - share as f32 });
                }
            }
        }
        let sample = self.preferences.samples.clone().select(0, indices_from_host(rows, device));
        let slice = TrainingSlice {
            values: from_host(values, [samples.len()], device),
            latents: vec![sample],
            means: Vec::new(),
            distances: Vec::new(),
            samples,
        };
        let context = self.contexts.select(&prompts)?;
        let conditions = Conditions { context, guidance: epoch.texts.guidance.clone() };
        Ok(StoredSlice { slice, conditions, weights: from_host(weights.clone(), [weights.len()], device) })
    }

    /// Returns the share of votes for the first image of two, or that call the one good, as the rewards have it: a reward counts by its
    /// standard deviation over the file's images, and one image is compared with their mean.
    fn decided(&self, vote: &StoredVote, objective: &[f64], mix: Mix) -> f64 {
        let scores = &self.preferences.scores;
        let pair = |column: &[f32], (mean, _): &(f64, f64)| {
            let first = f64::from(column[vote.pictures[0]]);
            (first, vote.pictures.get(1).map_or(*mean, |other| f64::from(column[*other])))
        };
        let columns = || scores.iter().zip(&self.moments);
        match mix {
            Mix::Losses => votes(objective, columns(), |(column, moments)| {
                let (first, other) = pair(column, moments);
                share(first, other)
            }),
            Mix::Rewards => {
                let sum = objective.iter().zip(columns()).map(|(count, (column, moments))| {
                    let (first, other) = pair(column, moments);
                    if moments.1 > 0.0 { count * (first - other) / moments.1 } else { 0.0 }
                });
                share(sum.sum(), 0.0)
            }
        }
    }
}
