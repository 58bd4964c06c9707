//! What is kept of a run: per-epoch metrics, evaluations, and the state of the run itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Weighting;
use crate::mixture::Mixture;

/// The name of a run inside its experiment; also its folder's name: lower-case letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub String);

impl RunId {
    /// The id of the base model's evaluation.
    pub const BASE: &'static str = "base";

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a point of the front is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointKind {
    /// The base model without an adapter.
    Base,
    /// A trained adapter.
    Trained,
    /// An adapter that was given.
    Given,
    /// A merge of adapters.
    Soup,
    /// Trained adapters whose predictions are mixed at every step.
    Blend,
}

impl PointKind {
    /// Returns the kind in a word, as tables and files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Trained => "trained",
            Self::Given => "given",
            Self::Soup => "soup",
            Self::Blend => "blend",
        }
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Planned, no epoch finished yet.
    Planned,
    /// At least one epoch finished and kept.
    Training,
    /// All epochs finished; not evaluated yet.
    Trained,
    /// Evaluated on the held-out prompts.
    Evaluated,
}

/// One weighting of the experiment and how far its adapter has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's name.
    pub id: RunId,
    /// Its point on the simplex.
    pub weighting: Weighting,
    /// How far it has come.
    pub state: RunState,
    /// Epochs finished.
    pub epochs_done: u32,
    /// Epochs planned.
    pub epochs: u32,
    /// Findings that a reader of the results must know, e.g. suspected reward hacking.
    pub warnings: Vec<String>,
}

impl RunRecord {
    /// Returns a run before its first epoch.
    pub fn planned(id: RunId, weighting: Weighting, epochs: u32) -> Self {
        Self { id, weighting, state: RunState::Planned, epochs_done: 0, epochs, warnings: Vec::new() }
    }
}

/// The metrics of one run after one epoch, by standard names (`reward/<name>/mean`, `approx_kl`, `clip_fraction`,
/// `ratio_mean`, `grad_norm` …).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The run.
    pub run: RunId,
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// Seconds of wall time that the epoch's training took, without any probe after it, shared evenly among the runs trained
    /// together. Not part of the result: it differs between repetitions.
    pub seconds: f64,
    /// Metric values by name, all finite.
    pub metrics: BTreeMap<String, f64>,
}

/// The scores of one reward or judge on the evaluation prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreColumn {
    /// The reward's or judge's name.
    pub name: String,
    /// The mean score of each prompt's images, in the order of the prompts. The prompt is the unit of resampling.
    pub prompt_means: Vec<f64>,
    /// The places of these prompts among all of the evaluation, rising; nothing where the column has all of them. Judges leave
    /// out prompts on which they have nothing to say.
    ///
    /// Records of moa 0.1 before this field hold nothing even for such judges: see [`ScoreColumn::places`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<Vec<u32>>,
    /// The unbiased variance of each prompt's images, beside `prompt_means`; nothing where it was not kept (judges, one image a prompt,
    /// records of moa 0.1 before this field).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_variances: Option<Vec<f64>>,
}

/// Share of the largest variance of a prompt from which a score counts as varying among the images of a prompt.
const VARIES: f64 = 0.01;

impl ScoreColumn {
    /// Returns a column that has every prompt.
    pub fn of_all(name: impl Into<String>, prompt_means: Vec<f64>) -> Self {
        Self { name: name.into(), prompt_means, prompts: None, prompt_variances: None }
    }

    /// Returns a column of the scores of images, `group` for each prompt, with the variance among them where there are two or more.
    pub fn of_images(name: impl Into<String>, scores: &[f32], group: usize) -> Self {
        let of = |scores: &[f32]| {
            let values = || scores.iter().map(|score| f64::from(*score));
            let mean = values().sum::<f64>() / scores.len() as f64;
            (mean, values().map(|value| (value - mean).powi(2)).sum::<f64>() / (scores.len() as f64 - 1.0))
        };
        let (means, variances): (_, Vec<f64>) = scores.chunks(group.max(1)).map(of).unzip();
        Self { prompt_variances: (group > 1).then_some(variances), ..Self::of_all(name, means) }
    }

    /// Returns how far another column over the same prompts lies above this one, in this one's standard deviations within prompts
    /// ([`ScoreColumn::deviation`]): the mean difference over the prompts whose images the score tells apart at all. A gain
    /// of 1 is that of an image over five in six others of its prompt. Nothing where variances were not kept, or no prompt
    /// has any.
    pub fn gain_in_deviations(&self, other: &Self) -> Option<f64> {
        let (varied, deviation) = (self.varied().filter(|_| self.pairs_with(other))?, self.deviation()?);
        let gain = varied.iter().map(|i| other.prompt_means[*i] - self.prompt_means[*i]).sum::<f64>();
        Some(gain / varied.len() as f64 / deviation)
    }

    /// Returns one value for each prompt, to be resampled: their mean is [`ScoreColumn::gain_in_deviations`], and their spread that of
    /// this gain over prompts.
    ///
    /// The gain is a ratio, over those prompts whose images the score tells apart; with n prompts of which v are such, gain g_i on one of
    /// them and ḡ in the mean, the values are ḡ + (g_i − ḡ)·n/v there and ḡ elsewhere (the ratio's linearisation). The deviation is
    /// taken as it is.
    pub fn gains_in_deviations(&self, other: &Self) -> Option<Vec<f64>> {
        let gain = self.gain_in_deviations(other)?;
        let (varied, deviation) = (self.varied()?, self.deviation()?);
        let mut values = vec![gain; self.prompt_means.len()];
        let factor = values.len() as f64 / varied.len() as f64;
        for i in varied {
            values[i] += ((other.prompt_means[i] - self.prompt_means[i]) / deviation - gain) * factor;
        }
        Some(values)
    }

    /// Returns the standard deviation within prompts: the root of the mean variance over the prompts whose images the score tells apart
    /// at all. Nothing where variances were not kept, or no prompt has any.
    pub fn deviation(&self) -> Option<f64> {
        let (varied, variances) = (self.varied()?, self.prompt_variances.as_ref()?);
        Some((varied.iter().map(|i| variances[*i]).sum::<f64>() / varied.len() as f64).sqrt())
    }

    /// Returns the places of the prompts whose images the score tells apart, if there are any.
    fn varied(&self) -> Option<Vec<usize>> {
        let variances = self.prompt_variances.as_ref().filter(|all| all.len() == self.prompt_means.len())?;
        let largest = variances.iter().copied().fold(0.0, f64::max);
        let varies = |i: &usize| variances[*i] > 0.0 && variances[*i] >= VARIES * largest;
        let varied: Vec<usize> = (0..variances.len()).filter(varies).collect();
        (!varied.is_empty()).then_some(varied)
    }

    /// Returns a column of those prompts that have a mean; nothing where none has.
    pub fn of_some(name: impl Into<String>, prompt_means: &[Option<f64>]) -> Option<Self> {
        let known = (0..).zip(prompt_means).filter_map(|(place, mean)| Some((place, (*mean)?)));
        let (places, means): (Vec<u32>, Vec<f64>) = known.unzip();
        let prompts = (places.len() < prompt_means.len()).then_some(places);
        (!means.is_empty()).then(|| Self { name: name.into(), prompt_means: means, prompts, prompt_variances: None })
    }

    /// Returns the mean over prompts.
    pub fn mean(&self) -> f64 {
        self.prompt_means.iter().sum::<f64>() / self.prompt_means.len().max(1) as f64
    }

    /// Returns the places of the column's prompts among `count`; nothing where it does not say, as in old records of judges that
    /// left prompts out.
    pub fn places(&self, count: usize) -> Option<Vec<usize>> {
        match &self.prompts {
            Some(places) => Some(places.iter().map(|place| *place as usize).collect()),
            None => (self.prompt_means.len() == count).then(|| (0..count).collect()),
        }
    }

    /// Returns whether both columns are over the same prompts, so that they can be paired.
    pub fn pairs_with(&self, other: &Self) -> bool {
        self.prompts == other.prompts && self.prompt_means.len() == other.prompt_means.len()
    }
}

/// The evaluation of the base, an adapter, a soup or a blend on held-out prompts with fixed seeds, paired across points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// What was evaluated.
    pub id: RunId,
    /// Its kind.
    pub kind: PointKind,
    /// Its weighting: of the training for a trained adapter, the mean of its adapters' for a soup or blend (of corners, the
    /// shares themselves), none for the base.
    pub weighting: Option<Weighting>,
    /// Images drawn for each prompt.
    #[serde(alias = "pictures_per_prompt")]
    pub images_per_prompt: u32,
    /// One column per reward, in the experiment's order.
    pub rewards: Vec<ScoreColumn>,
    /// One column per judge; judges are reported and never trained on.
    pub judges: Vec<ScoreColumn>,
    /// The root mean square of the differences to the base's pixels, from 0 to 255, over the images of the image grid: same prompts,
    /// same noise. Nothing of the base, where no grid is drawn, and in records of moa 0.1 before this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_to_base: Option<f64>,
    /// Of a soup that was added to the experiment when it was measured, what it is made of; nothing of what the experiment plans, and in
    /// records of moa 0.1 before this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<Mixture>,
}

impl EvaluationRecord {
    /// Returns the mean of each reward, in the experiment's order.
    pub fn reward_means(&self) -> Vec<f64> {
        self.rewards.iter().map(ScoreColumn::mean).collect()
    }

    /// Returns how many prompts were drawn: those of the first reward, which scores all of them.
    pub fn prompts(&self) -> usize {
        self.rewards.first().map_or(0, |column| column.prompt_means.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_say_which_prompts_they_have() {
        let some = ScoreColumn::of_some("attributes", &[Some(0.5), None, Some(1.0)]).unwrap();
        assert_eq!(some.places(3).unwrap(), [0, 2]);
        let all = ScoreColumn::of_some("attributes", &[Some(0.5), Some(0.0)]).unwrap();
        assert_eq!((all.prompts.clone(), all.places(2).unwrap()), (None, vec![0, 1]));
        assert_eq!(ScoreColumn::of_some("attributes", &[None, None]), None);
        assert!(!some.pairs_with(&all), "two prompts each, but other ones");
        // An old record of a judge that left prompts out.
        assert_eq!(ScoreColumn::of_all("attributes", vec![0.5]).places(3), None);
    }

    #[test]
    fn gains_are_counted_in_deviations_where_images_of_a_prompt_differ() {
        let base = ScoreColumn::of_images("safety", &[0.0, 1.0, 0.5, 0.5, 0.25, 0.75], 2);
        assert_eq!(base.prompt_means, [0.5; 3]);
        assert_eq!(base.prompt_variances, Some(vec![0.5, 0.0, 0.125]));
        let better = ScoreColumn::of_images("safety", &[1.0, 1.0, 0.0, 0.0, 0.75, 0.75], 2);
        let gain = base.gain_in_deviations(&better).unwrap();
        assert!((gain - 0.375 / 0.3125_f64.sqrt()).abs() < 1e-12, "{gain}");
        // The second prompt, whose images the base's score does not tell apart, has the mean; the others lie as far from it as they
        // do, times 3/2.
        let gains = base.gains_in_deviations(&better).unwrap();
        let expected = [0.375 + 0.125 * 1.5, 0.375, 0.375 - 0.125 * 1.5].map(|gain| gain / 0.3125_f64.sqrt());
        assert!(gains.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12), "{gains:?}");
        assert_eq!(ScoreColumn::of_images("safety", &[0.0, 1.0], 1).prompt_variances, None);
        assert_eq!(ScoreColumn::of_all("safety", vec![0.5; 3]).gain_in_deviations(&better), None);
    }
}
