//! What was found out about rewards: the report cards of `moa explain`, as they are kept and shown.
//!
//! The figures are made by the crate that explains; file, terminal, terminal UI and report show these. Effects are in standard deviations
//! of the reward's scores over the images, so that rewards of any unit can be read beside each other.

mod read;
mod sentences;

pub use sentences::signed;

use serde::{Deserialize, Serialize};

use moa_pareto::Interval;

/// The version of the file.
pub const FORMAT: u32 = 1;
/// The file in the folder of an explanation.
pub const CARDS: &str = "card.json";

/// The cards of several rewards over the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// The version of the format, [`FORMAT`].
    pub format: u32,
    /// The experiment's name.
    pub experiment: String,
    /// The base model.
    pub base: String,
    /// What drew the images: `base`, or the adapter.
    pub drawn_by: String,
    /// How many images were scored.
    pub images: usize,
    /// How many prompts they are of.
    pub prompts: usize,
    /// One card per reward, in the experiment's order.
    pub cards: Vec<RewardCard>,
}

/// What was found out about one reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardCard {
    /// The reward's name in the experiment.
    pub reward: String,
    /// Whether its scores have a gradient to the pixels.
    pub has_gradient: bool,
    /// Whether it compares the images of a prompt with one another.
    pub compares: bool,
    /// Its scores over the images.
    pub scores: Spread,
    /// Where in the image it looks.
    pub region: Option<Region>,
    /// Which words of the prompt it reads.
    pub words: Option<Words>,
    /// By which concepts its scores can be accounted for.
    pub concepts: Option<Concepts>,
    /// What changes of images and prompts do to its scores.
    pub edits: Vec<EditEffect>,
    /// Images climbed on the reward.
    pub climbs: Vec<Climb>,
    /// With what its order of the images agrees.
    pub agreement: Vec<Agreement>,
    /// Whether it decides as raters did.
    pub raters: Option<RaterAgreement>,
    /// What was left out, and why: one sentence each.
    pub notes: Vec<String>,
}

/// Scores over images, in the reward's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over all images: the unit of effects.
    pub deviation: f64,
    /// The least score.
    pub least: f64,
    /// The greatest score.
    pub greatest: f64,
}

/// A figure with the ends of its 95 % interval over prompts; an end that cannot be given is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

impl From<Interval> for Figure {
    fn from(interval: Interval) -> Self {
        let end = |end: f64| end.is_finite().then_some(end);
        Self { value: interval.mean, low: end(interval.lo), high: end(interval.hi) }
    }
}

impl From<Figure> for Interval {
    fn from(Figure { value, low, high }: Figure) -> Self {
        Self { mean: value, lo: low.unwrap_or(f64::NEG_INFINITY), hi: high.unwrap_or(f64::INFINITY) }
    }
}

impl Figure {
    /// Returns whether the whole interval is above a value.
    pub fn is_above(&self, value: f64) -> bool {
        self.low.is_some_and(|low| low > value)
    }

    /// Returns whether the whole interval is below a value.
    pub fn is_below(&self, value: f64) -> bool {
        self.high.is_some_and(|high| high < value)
    }

    /// Returns whether the whole interval is within ±`most`.
    pub fn is_within(&self, most: f64) -> bool {
        self.is_above(-most) && self.is_below(most)
    }
}

/// Where in the image a reward looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// How it was found.
    pub method: RegionMethod,
    /// By how much the sums of attributions miss the differences of scores that they should add up to, in standard deviations, on average;
    /// nothing of occlusion, whose effects need not add up.
    pub error: Option<f64>,
    /// The deletion test at several shares of the image.
    pub deletion: Vec<Deletion>,
    /// The heat maps that are shown.
    pub maps: Vec<HeatMapFile>,
}

/// How heat maps are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegionMethod {
    /// Integrated gradients from the blurred image.
    IntegratedGradients,
    /// A patch of the blurred image slides over the image.
    Occlusion,
}

/// Whether what a heat map points at matters more than other places.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// The share of the pixels that are replaced by the blurred image.
    pub share: f64,
    /// By how much the score changes where the heat map points, either way, in standard deviations.
    pub pointed: f64,
    /// By how much it changes where the same shapes lie elsewhere.
    pub elsewhere: f64,
    /// `pointed` in terms of `elsewhere`; above 1, the heat map is faithful.
    pub ratio: Option<Figure>,
}

/// A heat map over an image, in files beside the cards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeatMapFile {
    /// The image's prompt.
    pub prompt: String,
    /// Its score.
    pub score: f64,
    /// The score of the blurred image, from which the map counts.
    pub blurred: f64,
    /// The image's file, from the folder of the cards.
    pub image: String,
    /// The file of the image under its heat map.
    pub map: String,
}

/// Which words a reward reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Whether the score depends on the prompt at all.
    pub reads: bool,
    /// The words whose absence changes scores most, first.
    pub words: Vec<WordEffect>,
    /// Prompts with what each word does for one of their images.
    pub examples: Vec<PromptWords>,
}

/// What a word does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordEffect {
    /// The word.
    pub word: String,
    /// The mean of score − score without the word, in standard deviations.
    pub effect: f64,
    /// In how many prompts it was left out.
    pub prompts: usize,
}

/// The words of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptWords {
    /// Each word with its effect in standard deviations; nothing where the reward cannot read the prompt without it.
    pub words: Vec<(String, Option<f64>)>,
}

/// A sparse linear account of the scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concepts {
    /// How many concepts there were to choose from.
    pub choices: usize,
    /// The share of the scores' variance that the account explains on prompts that it was not fitted to; below 0, it is worse than the mean.
    pub explained: f64,
    /// The concepts of the account, the largest coefficients first.
    pub terms: Vec<ConceptTerm>,
}

/// A concept of the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConceptTerm {
    /// The concept.
    pub concept: String,
    /// By how many standard deviations the score rises where the concept rises by one of its own, all other terms alike.
    pub coefficient: f64,
}

/// What an edit should do to a good reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Nothing: the image stays as good and as true to its prompt.
    Nothing,
    /// Not raise the score: the image or its match with the prompt is damaged.
    NoGain,
    /// Whatever the reward is about.
    Anything,
}

/// What an edit does to the scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditEffect {
    /// The edit.
    pub edit: String,
    /// What it should do.
    pub expected: Expected,
    /// The mean change of the scores, in standard deviations; nothing where the reward cannot score what was edited.
    pub change: Option<Figure>,
    /// The share of the pairs of images that change their order.
    pub reordered: Option<f64>,
}

/// What an edit says of a reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Scores stay, as they should.
    Steady,
    /// Scores move or change their order where nothing that matters has changed.
    Unsteady,
    /// Damage lowers the score.
    Notices,
    /// Damage leaves the score where it is.
    Blind,
    /// Damage raises the score.
    Fooled,
    /// A matter of taste that raises the score.
    Likes,
    /// A matter of taste that lowers it.
    Dislikes,
    /// Too little is known.
    Open,
}

/// Changes within so many standard deviations count as none.
const NONE: f64 = 0.1;
/// A larger share of pairs that change their order is a change.
const REORDERED: f64 = 0.05;
/// The same where small changes are expected of any reward.
const UNSTEADY: f64 = 0.25;

impl EditEffect {
    /// Returns what the edit says of the reward.
    pub fn verdict(&self) -> Verdict {
        let (Some(change), Some(reordered)) = (self.change, self.reordered) else { return Verdict::Open };
        match self.expected {
            Expected::Nothing if change.is_within(UNSTEADY) && reordered < 2.0 * REORDERED => Verdict::Steady,
            Expected::Nothing if change.is_above(NONE) || change.is_below(-NONE) || reordered >= 2.0 * REORDERED => {
                Verdict::Unsteady
            }
            Expected::NoGain if change.is_above(0.0) && !change.is_within(NONE) => Verdict::Fooled,
            Expected::NoGain | Expected::Anything if change.is_within(NONE) && reordered < REORDERED => Verdict::Blind,
            Expected::NoGain if change.is_below(0.0) => Verdict::Notices,
            Expected::Anything if change.is_above(0.0) => Verdict::Likes,
            Expected::Anything if change.is_below(0.0) => Verdict::Dislikes,
            _ => Verdict::Open,
        }
    }
}

/// An image that was climbed on the reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Climb {
    /// Whether smooth images were preferred.
    pub smooth: bool,
    /// How many images were climbed.
    pub images: usize,
    /// Steps of gradient ascent.
    pub steps: usize,
    /// The mean score before, in the reward's unit.
    pub before: f64,
    /// The mean score after.
    pub after: f64,
    /// What happened to the judges on the way: name, mean before, mean after.
    pub judges: Vec<JudgeChange>,
    /// The files of the images before and after, from the folder of the cards.
    pub files: Vec<[String; 2]>,
}

/// What happened to a judge while an image was climbed on a reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeChange {
    /// The judge.
    pub judge: String,
    /// Its mean before.
    pub before: f64,
    /// Its mean after.
    pub after: f64,
}

/// How far a reward and another score put the images in the same order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// The other score.
    pub with: String,
    /// Whether it is a held-out judge; a reward of the experiment otherwise.
    pub is_judge: bool,
    /// Spearman's rank correlation over the images.
    pub correlation: Figure,
    /// How many images both score.
    pub images: usize,
}

/// Whether a reward decides pairs of images as raters did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaterAgreement {
    /// Pairs that raters decided.
    pub pairs: usize,
    /// The share of them that the reward decides alike; half of a pair that it scores alike.
    pub accuracy: Figure,
    /// The same for quarters of the pairs, from those that the reward scores most alike to those that it tells apart most.
    pub by_gap: Vec<GapAccuracy>,
}

/// How often raters agree with a reward that is so sure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GapAccuracy {
    /// The mean difference of the two scores, in standard deviations.
    pub gap: f64,
    /// The share that is decided alike.
    pub accuracy: f64,
    /// How many pairs these are.
    pub pairs: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, half: f64) -> Figure {
        Figure { value, low: Some(value - half), high: Some(value + half) }
    }

    fn verdict(expected: Expected, change: Figure, reordered: f64) -> Verdict {
        let (change, reordered) = (Some(change), Some(reordered));
        EditEffect { edit: "an edit".into(), expected, change, reordered }.verdict()
    }

    #[test]
    fn verdicts_need_an_interval_that_leaves_no_other() {
        for (expected, change, reordered, wanted) in [
            (Expected::Nothing, figure(0.02, 0.05), 0.02, Verdict::Steady),
            (Expected::Nothing, figure(0.02, 0.05), 0.3, Verdict::Unsteady),
            (Expected::Nothing, figure(-0.8, 0.1), 0.02, Verdict::Unsteady),
            (Expected::Nothing, figure(0.2, 0.3), 0.05, Verdict::Open),
            (Expected::NoGain, figure(0.4, 0.2), 0.1, Verdict::Fooled),
            (Expected::NoGain, figure(0.01, 0.02), 0.01, Verdict::Blind),
            (Expected::NoGain, figure(-0.01, 0.02), 0.3, Verdict::Open),
            (Expected::NoGain, figure(-0.9, 0.2), 0.3, Verdict::Notices),
            (Expected::Anything, figure(0.9, 0.2), 0.3, Verdict::Likes),
            (Expected::Anything, figure(-0.9, 0.2), 0.3, Verdict::Dislikes),
            (Expected::Anything, figure(0.0, 0.0), 0.0, Verdict::Blind),
            (Expected::Anything, Figure { value: 2.0, low: None, high: None }, 0.3, Verdict::Open),
        ] {
            assert_eq!(verdict(expected, change, reordered), wanted, "{expected:?} {change:?} {reordered}");
        }
        let unscored = EditEffect { edit: "x".into(), expected: Expected::NoGain, change: None, reordered: None };
        assert_eq!(unscored.verdict(), Verdict::Open);
    }

    #[test]
    fn cards_are_read_as_they_were_written_and_hostile_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Explanation::read(folder.path()).unwrap(), None);
        let map = HeatMapFile {
            prompt: "a <b>cat</b>".into(),
            score: 0.5,
            blurred: 0.1,
            image: "safety/image-0.png".into(),
            map: "safety/map-0.png".into(),
        };
        let card = RewardCard {
            reward: "safety".into(),
            has_gradient: true,
            compares: false,
            scores: Spread { mean: 0.8, deviation: 0.1, least: 0.2, greatest: 1.0 },
            region: Some(Region {
                method: RegionMethod::IntegratedGradients,
                error: Some(0.01),
                deletion: vec![Deletion { share: 0.1, pointed: 0.6, elsewhere: 0.2, ratio: Some(figure(3.0, 0.5)) }],
                maps: vec![map],
            }),
            words: Some(Words { reads: false, words: Vec::new(), examples: Vec::new() }),
            concepts: None,
            edits: vec![EditEffect {
                edit: "blurred".into(),
                expected: Expected::NoGain,
                change: Some(figure(0.5, 0.1)),
                reordered: Some(0.2),
            }],
            climbs: Vec::new(),
            agreement: Vec::new(),
            raters: None,
            notes: Vec::new(),
        };
        let mut all = Explanation {
            format: FORMAT,
            experiment: "x".into(),
            base: "emoji-32".into(),
            drawn_by: "base".into(),
            images: 2,
            prompts: 1,
            cards: vec![card],
        };
        let findings = all.cards[0].findings().join("\n");
        assert!(findings.contains("3.0 [2.5, 3.5] times") && findings.contains("fooled by: blurred"), "{findings}");
        let path = folder.path().join(CARDS);
        std::fs::write(&path, all.to_json()).unwrap();
        assert_eq!(Explanation::read(folder.path()).unwrap(), Some(all.clone()));

        let refused = |text: String| {
            std::fs::write(&path, text).unwrap();
            Explanation::read(folder.path()).unwrap_err().to_string()
        };
        assert!(refused(all.to_json().replacen("\"format\": 1", "\"format\": 9", 1)).contains("its format is 9"));
        assert!(refused("{".into()).contains("card.json"));
        if let Some(region) = &mut all.cards[0].region {
            region.maps[0].image = "../../secret.png".into();
        }
        assert!(refused(all.to_json()).contains("outside of its folder"));
    }
}
