//! How far raters agree with each other and with themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::estimate::{Estimate, Resampling, wilson};
use crate::judgements::Judgements;

/// Krippendorff's alpha: 1 where raters always agree, 0 where they agree as by chance.
///
/// `α = 1 − D_o/D_e` with the observed and the expected disagreement of nominal values (Krippendorff, *Content Analysis*, 2004). Any
/// number of raters may have judged each thing; of a rater's repeated judgements the first counts. Which image of a pair is called
/// the first is arbitrary, so the expected disagreement of pairs counts "first" and "second" alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alpha {
    /// Alpha, with the interval of the bootstrap over what was judged.
    pub alpha: Estimate,
    /// How many pairs or images two raters or more have judged.
    pub units: usize,
    /// How many raters judged one of them.
    pub raters: usize,
}

/// How often a rater gave the same answer to the same question.
#[derive(Clone, Debug, PartialEq)]
pub struct Consistency {
    /// The rater.
    pub rater: String,
    /// Pairs and labels that were asked again.
    pub repeats: usize,
    /// The repeats with the first answer.
    pub agreed: usize,
    /// The share, with Wilson's interval at 95 %; none without repeats.
    pub share: Option<Estimate>,
}

/// How often two raters gave the same answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// The raters.
    pub raters: [String; 2],
    /// Pairs that both decided.
    pub shared: usize,
    /// Those with the same answer.
    pub agreed: usize,
    /// The share, with Wilson's interval at 95 %; none where they share nothing.
    pub share: Option<Estimate>,
}

/// What a rater said of a thing: all answers in order, by thing and rater.
type Answers = BTreeMap<(usize, usize, usize), BTreeMap<usize, Vec<u8>>>;

/// Returns answers on pairs: 0 where the image of the lower place is better, 1 where the other is, 2 for a tie.
fn on_pairs(judgements: &Judgements) -> Answers {
    let mut answers = Answers::new();
    for pair in judgements.decided_pairs() {
        let (low, high) = (pair.better.min(pair.other), pair.better.max(pair.other));
        let answer = if pair.tie { 2 } else { u8::from(pair.better != low) };
        answers.entry((pair.prompt, low, high)).or_default().entry(pair.rater).or_default().push(answer);
    }
    answers
}

/// Returns answers on images: 1 for good, 0 for bad.
fn on_images(judgements: &Judgements) -> Answers {
    let mut answers = Answers::new();
    for entry in &judgements.markings {
        let unit = (entry.prompt, entry.image, entry.image);
        answers.entry(unit).or_default().entry(entry.rater).or_default().push(u8::from(entry.good));
    }
    answers
}

/// Returns the raters' agreement on pairs, those in rankings too; none where no pair has two raters, or all answers are ties.
pub fn agreement_on_pairs(judgements: &Judgements, resampling: &Resampling) -> Option<Alpha> {
    alpha(&on_pairs(judgements), true, resampling)
}

/// Returns the raters' agreement on which images are good; none where no image has two raters, or all are called the same.
pub fn agreement_on_labels(judgements: &Judgements, resampling: &Resampling) -> Option<Alpha> {
    alpha(&on_images(judgements), false, resampling)
}

fn alpha(answers: &Answers, symmetric: bool, resampling: &Resampling) -> Option<Alpha> {
    let shared: Vec<&BTreeMap<usize, Vec<u8>>> = answers.values().filter(|raters| raters.len() >= 2).collect();
    let raters: BTreeSet<usize> = shared.iter().flat_map(|raters| raters.keys().copied()).collect();
    let units: Vec<Vec<u8>> = shared.iter().map(|raters| raters.values().map(|answers| answers[0]).collect()).collect();
    let alpha = resampling.over(units.len(), |counts| nominal_alpha(&units, counts, symmetric))?;
    Some(Alpha { alpha, units: units.len(), raters: raters.len() })
}

/// Returns alpha of units of at least two values each, which count so often; none where nothing is expected to disagree.
fn nominal_alpha(units: &[Vec<u8>], times: &[u32], symmetric: bool) -> Option<f64> {
    let (mut disagreement, mut values) = (0.0, BTreeMap::<u8, f64>::new());
    for (unit, times) in units.iter().zip(times).filter(|(_, times)| **times > 0) {
        let times = f64::from(*times);
        let mut differing = 0;
        for (at, a) in unit.iter().enumerate() {
            differing += unit[at + 1..].iter().filter(|b| *b != a).count();
            *values.entry(*a).or_default() += times;
        }
        disagreement += times * 2.0 * differing as f64 / (unit.len() as f64 - 1.0);
    }
    if symmetric {
        let both = [0, 1].map(|value| values.get(&value).copied().unwrap_or(0.0)).iter().sum::<f64>() / 2.0;
        values.insert(0, both);
        values.insert(1, both);
    }
    let n: f64 = values.values().sum();
    let same: f64 = values.values().map(|count| count * count).sum();
    let expected = (n * n - same) / (n - 1.0);
    (expected > 0.0).then(|| 1.0 - disagreement / expected)
}

/// Returns how often each rater answered a pair or label the same again; raters without repeats are among them.
pub fn self_consistency(judgements: &Judgements) -> Vec<Consistency> {
    let mut counts = vec![(0_usize, 0_usize); judgements.raters.len()];
    for answers in [on_pairs(judgements), on_images(judgements)] {
        for (rater, answers) in answers.values().flatten() {
            counts[*rater].0 += answers.len() - 1;
            counts[*rater].1 += answers[1..].iter().map(|answer| usize::from(*answer == answers[0])).sum::<usize>();
        }
    }
    let consistency = |(rater, (repeats, agreed)): (&String, (usize, usize))| Consistency {
        rater: rater.clone(),
        repeats,
        agreed,
        share: wilson(agreed as f64, repeats as f64),
    };
    judgements.raters.iter().zip(counts).map(consistency).collect()
}

/// Returns how often each two raters who share a pair gave the same answer.
pub fn between_raters(judgements: &Judgements) -> Vec<Agreement> {
    let mut counts: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
    for raters in on_pairs(judgements).values() {
        let firsts: Vec<(usize, u8)> = raters.iter().map(|(rater, answers)| (*rater, answers[0])).collect();
        for (at, (a, answer)) in firsts.iter().enumerate() {
            for (b, other) in &firsts[at + 1..] {
                let count = counts.entry((*a, *b)).or_default();
                count.0 += 1;
                count.1 += usize::from(answer == other);
            }
        }
    }
    let agreement = |((a, b), (shared, agreed)): ((usize, usize), (usize, usize))| Agreement {
        raters: [judgements.raters[a].clone(), judgements.raters[b].clone()],
        shared,
        agreed,
        share: wilson(agreed as f64, shared as f64),
    };
    counts.into_iter().map(agreement).collect()
}

/// Returns the greatest accuracy that a model can have on this rater's or these raters' decisions, from how often they repeat
/// them: a rater who gives the likelier answer with probability q repeats an answer with `c = q² + (1 − q)²`, so
/// `q = (1 + √(2c − 1))/2`. It is 1 − ½ = ½ at c = ½ and below. Where pairs differ in difficulty the true bound is lower: q is
/// concave in c.
pub(crate) fn ceiling(consistency: f64) -> f64 {
    0.5 * (1.0 + (2.0 * consistency - 1.0).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use moa_preferences::Winner;

    /// The example of Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: α = 0.743.
    #[test]
    fn alpha_is_krippendorffs() {
        let coders: [[u8; 12]; 4] = [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
            [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
        ];
        let unit = |at: usize| coders.iter().map(|coder| coder[at]).filter(|value| *value > 0).collect::<Vec<_>>();
        let units: Vec<Vec<u8>> = (0..12).map(unit).filter(|unit| unit.len() > 1).collect();
        let found = nominal_alpha(&units, &vec![1; units.len()], false).expect("disagreement");
        assert!((found - 0.743).abs() < 5e-4, "{found}");
    }

    #[test]
    fn agreement_of_pairs_does_not_depend_on_sides() {
        let mut judgements = Judgements::new();
        for index in 0..60 {
            let (a, b) = (2 * index, 2 * index + 1);
            // Ann always prefers the first; Bob sees the pair turned round, and agrees in 45 of 60.
            judgements.compare("p", "ann", a, b, Winner::A, 1.0);
            judgements.compare("p", "bob", b, a, if index % 4 == 0 { Winner::A } else { Winner::B }, 1.0);
        }
        let found = agreement_on_pairs(&judgements, &Resampling::default()).expect("shared pairs");
        assert_eq!((found.units, found.raters), (60, 2));
        // D_o = ¼, D_e = ½·120/119.
        assert!((found.alpha.value - (1.0 - 0.25 / (0.5 * 120.0 / 119.0))).abs() < 1e-12, "{found:?}");
        assert!(found.alpha.low < 0.5 && found.alpha.high > 0.5);
        let between = between_raters(&judgements);
        assert_eq!((between[0].shared, between[0].agreed), (60, 45));
        assert_eq!(agreement_on_labels(&judgements, &Resampling::default()), None);
    }

    #[test]
    fn repeats_count_whichever_side_they_are_shown_on() {
        let mut judgements = Judgements::new();
        judgements.compare("p", "ann", 0, 1, Winner::A, 1.0);
        judgements.compare("p", "ann", 1, 0, Winner::B, 1.0);
        judgements.compare("p", "ann", 1, 0, Winner::A, 1.0);
        judgements.compare("q", "ann", 1, 0, Winner::A, 1.0);
        judgements.mark("p", "bob", 0, true, 1.0);
        let found = self_consistency(&judgements);
        assert_eq!((found[0].repeats, found[0].agreed), (2, 1));
        assert_eq!((found[1].repeats, found[1].share), (0, None));
    }

    #[test]
    fn the_ceiling_inverts_the_repeats() {
        for q in [0.5_f64, 0.75, 0.9, 1.0] {
            assert!((ceiling(q * q + (1.0 - q).powi(2)) - q).abs() < 1e-7);
        }
        assert!((ceiling(0.3) - 0.5).abs() < 1e-12);
    }
}
