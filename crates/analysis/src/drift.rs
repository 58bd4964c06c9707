//! Does something drift while adapters are trained online?
//!
//! Four alarms, each wrong at most once in 500 looks at which nothing drifts ([`FALSE_ALARMS`], that of the training's guard):
//!
//! - **prompts**: those that arrive are others than those of the reference, by a two-sample test on embeddings ([`other_prompts`]);
//! - **reward**: on the reference, a run's adapter is worse than its last sound version in what it is trained for;
//! - **judge**: on the reference, a reward rose over the base while a judge that watches it fell ([`Watcher`]);
//! - **arrivals**: on prompts that arrived, the adapter is worse than the base in what it is trained for.
//!
//! What they hide: a drift that is smaller from look to look than noise is found late, as each version is compared with the last sound one alone;
//! gains over the base, which the history shows, don't lose sight of it. And what all rewards and judges like is no drift to them.

use moa_core::experiment::ExperimentSpec;
use moa_core::{EvaluationRecord, NoiseKey, ScoreColumn, Weighting};
use moa_pareto::{Bootstrap, Covered, FEWEST_PROMPTS, Interval};
use moa_store::{Alarm, AlarmKind, VersionGain};

use crate::resampling::{FALSE_ALARMS, bootstrap_of_look, difference};
use crate::{AnalysisError, Watched, Watcher, bootstrap, paired};

/// Of the two lists of prompts that are compared, so many at most.
pub const MOST_COMPARED: usize = 128;
/// With fewer prompts than this nothing is said of how they differ.
pub const FEWEST_COMPARED: usize = 8;
/// Exchanges of the two lists' members: enough for [`FALSE_ALARMS`] to be more than the least share that can be found.
const EXCHANGES: usize = 4999;

/// What was measured of a run's adapter at a look.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The run's shares of the rewards.
    pub weighting: &'a Weighting,
    /// The base on the reference.
    pub base: &'a EvaluationRecord,
    /// The adapter there.
    pub own: &'a EvaluationRecord,
    /// The run's last sound version there; nothing before the first.
    pub last: Option<&'a EvaluationRecord>,
    /// Base and adapter on prompts that arrived; nothing before any did.
    pub on_arrivals: Option<[&'a EvaluationRecord; 2]>,
    /// By prompt of the reference, whether it is known to name nothing unsafe; empty where that is not known of any.
    pub harmless: &'a [bool],
}

/// Returns the gains of a version over the base, of rewards and of judges, with 95 % intervals where there are prompts enough for them.
///
/// # Errors
/// Refuses evaluations on different prompts.
pub fn gains(
    spec: &ExperimentSpec,
    own: &EvaluationRecord,
    base: &EvaluationRecord,
) -> Result<[Vec<VersionGain>; 2], AnalysisError> {
    // What a range allows says nothing of these prompts.
    let known = |column: &ScoreColumn, end: f64| {
        (column.prompt_means.len() >= FEWEST_PROMPTS && end.is_finite()).then_some(end)
    };
    let gain = |column: &ScoreColumn, gain: Interval| VersionGain {
        name: column.name.clone(),
        mean: gain.mean,
        lo: known(column, gain.lo),
        hi: known(column, gain.hi),
    };
    let rewards = own.rewards.iter().zip(paired(spec, own, base)?);
    let rewards = rewards.map(|(column, paired)| gain(column, paired.difference)).collect();
    let bootstrap = bootstrap(spec);
    let judges =
        own.judges.iter().filter_map(|own| Some((own, base.judges.iter().find(|base| base.name == own.name)?)));
    let judges = judges.map(|(own, base)| Ok(gain(own, difference(&bootstrap, own, base, None)?)));
    Ok([rewards, judges.collect::<Result<_, AnalysisError>>()?])
}

/// Returns what drifts in a run's adapter.
///
/// # Errors
/// Refuses evaluations on different prompts.
pub fn alarms(spec: &ExperimentSpec, measured: &Measured<'_>) -> Result<Vec<Alarm>, AnalysisError> {
    let bootstrap = bootstrap_of_look(spec.evaluation.seed);
    let mut alarms = Vec::new();
    let objective = spec.objective(measured.weighting);
    if let Some(last) = measured.last {
        let change = objective_gain(&objective, measured.base, last, measured.own)?;
        if let Some(fall) = certain_fall(&bootstrap, change)? {
            let message = format!(
                "on the {} prompts of the reference, what it is trained for fell by {fall:.2} of the base's standard deviations since its last \
                 sound version",
                measured.base.prompts()
            );
            alarms.push(Alarm { kind: AlarmKind::Reward, message });
        }
    }
    let watcher = Watcher { rewards: &spec.rewards, harmless: measured.harmless, bootstrap };
    let own =
        Watched { shares: measured.weighting.shares(), rewards: &measured.own.rewards, judges: &measured.own.judges };
    for finding in watcher.findings(Watched::of(measured.base), &[own])?.into_iter().flatten() {
        alarms.push(Alarm { kind: AlarmKind::Judge, message: finding.to_string() });
    }
    if let Some([base, own]) = measured.on_arrivals {
        let gain = objective_gain(&objective, base, base, own)?;
        if let Some(fall) = certain_fall(&bootstrap, gain)? {
            let message = format!(
                "on the {} prompts that arrived last, what it is trained for is {fall:.2} of the base's standard deviations below the base",
                base.prompts()
            );
            alarms.push(Alarm { kind: AlarmKind::Arrivals, message });
        }
    }
    Ok(alarms)
}

/// Returns by prompt how much more a run's objective `own` has than `other`, in the base's standard deviations.
fn objective_gain(
    objective: &[f64],
    base: &EvaluationRecord,
    other: &EvaluationRecord,
    own: &EvaluationRecord,
) -> Result<Vec<f64>, AnalysisError> {
    let mut sum = vec![0.0; base.prompts()];
    for (place, share) in objective.iter().enumerate().filter(|(_, share)| **share != 0.0) {
        let [base, other, own] = [base, other, own].map(|record| &record.rewards[place]);
        if !base.pairs_with(own) || !base.pairs_with(other) {
            return Err(AnalysisError::OtherPrompts { column: own.name.clone() });
        }
        // Where the base's images of a prompt do not differ, nothing is counted in their differences.
        let Some(deviation) = base.deviation().filter(|deviation| *deviation > 0.0) else { continue };
        for (sum, (own, other)) in sum.iter_mut().zip(own.prompt_means.iter().zip(&other.prompt_means)) {
            *sum += share * (own - other) / deviation;
        }
    }
    Ok(sum)
}

/// Returns by how much values are below 0 in the mean, where that is beyond doubt.
fn certain_fall(bootstrap: &Bootstrap, values: Vec<f64>) -> Result<Option<f64>, AnalysisError> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    if values.is_empty() || mean >= 0.0 {
        return Ok(None);
    }
    let family = bootstrap.family(values.len(), &[Covered::all(values)])?;
    Ok((family.below(0) > 1.0 - FALSE_ALARMS).then_some(-mean))
}

/// How prompts that arrive differ from those of the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OtherPrompts {
    /// The squared maximum mean discrepancy, without bias: about 0 where they do not differ.
    pub discrepancy: f64,
    /// In how many of the exchanges of members the lists differed as much, as a share: p.
    pub share: f64,
}

impl OtherPrompts {
    /// Returns the alarm, where they differ beyond doubt.
    ///
    /// - `count`: how many prompts were compared
    pub fn alarm(&self, count: usize) -> Option<Alarm> {
        (self.share < FALSE_ALARMS).then(|| Alarm {
            kind: AlarmKind::Prompts,
            message: format!(
                "the {count} prompts that arrived last are of other kinds than the training prompts (maximum mean discrepancy {:.3}, p = {:.4}): \
                 held-out prompts may no longer speak for what is asked",
                self.discrepancy.max(0.0).sqrt(),
                self.share
            ),
        })
    }
}

/// Tests whether two lists of embeddings are of one distribution: the maximum mean discrepancy with a Gaussian kernel whose width is the median distance,
/// against exchanges of the lists' members (Gretton et al., JMLR 13, 2012).
///
/// - `reference`, `arrived`: embeddings of one width; beyond [`MOST_COMPARED`] of each are passed over
///
/// Returns nothing where one list has fewer than [`FEWEST_COMPARED`], or where all embeddings are the same.
pub fn other_prompts(reference: &[Vec<f32>], arrived: &[Vec<f32>], key: NoiseKey) -> Option<OtherPrompts> {
    let lists = [reference, arrived].map(|list| &list[..list.len().min(MOST_COMPARED)]);
    if lists.iter().any(|list| list.len() < FEWEST_COMPARED) {
        return None;
    }
    let all: Vec<&Vec<f32>> = lists.into_iter().flatten().collect();
    let (count, first) = (all.len(), lists[0].len());
    let distance =
        |one: &[f32], other: &[f32]| -> f64 { one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum() };
    let mut squares = vec![0.0; count * count];
    let mut known = Vec::with_capacity(count * (count - 1) / 2);
    for i in 0..count {
        for j in 0..i {
            let square = distance(all[i], all[j]);
            (squares[i * count + j], squares[j * count + i]) = (square, square);
            known.push(square);
        }
    }
    known.sort_by(f64::total_cmp);
    let width = known[known.len() / 2];
    let width = if width > 0.0 { width } else { known.last().copied().filter(|most| *most > 0.0)? };
    let kernel: Vec<f64> = squares.iter().map(|square| (-square / width).exp()).collect();
    let kernel = &kernel;
    // With k the kernel's matrix less its diagonal and s = ±1 by list, all three sums follow from s'ks, s'k1 and 1'k1.
    let rows: Vec<f64> = (0..count).map(|i| kernel[i * count..(i + 1) * count].iter().sum::<f64>() - 1.0).collect();
    let total: f64 = rows.iter().sum();
    let discrepancy = |of_first: &[usize]| {
        let within: f64 =
            of_first.iter().flat_map(|i| of_first.iter().map(move |j| kernel[i * count + j])).sum::<f64>()
                - of_first.len() as f64;
        let from_first: f64 = of_first.iter().map(|i| rows[*i]).sum();
        let between = from_first - within;
        let others = total - within - 2.0 * between;
        let [m, n] = [first as f64, (count - first) as f64];
        within / (m * (m - 1.0)) + others / (n * (n - 1.0)) - 2.0 * between / (m * n)
    };
    let found = discrepancy(&(0..first).collect::<Vec<_>>());
    let as_much = (0..EXCHANGES).filter(|exchange| {
        let mut order = key.with(*exchange as u64).permutation(count);
        order.truncate(first);
        discrepancy(&order) >= found
    });
    Some(OtherPrompts { discrepancy: found, share: (as_much.count() + 1) as f64 / (EXCHANGES + 1) as f64 })
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::RewardKind;
    use moa_core::{PointKind, RunId, ScoreColumn};

    use super::*;

    const PROMPTS: usize = 64;

    fn embeddings(seed: u64, count: usize, shift: f32) -> Vec<Vec<f32>> {
        let key = NoiseKey::new(seed).named("prompts");
        (0..count).map(|row| key.with(row as u64).normal(8).into_iter().map(|value| value + shift).collect()).collect()
    }

    #[test]
    fn other_prompts_are_found_and_the_same_ones_are_not() {
        let key = NoiseKey::new(1);
        let differ = other_prompts(&embeddings(1, 60, 0.0), &embeddings(2, 40, 0.7), key).unwrap();
        assert!(differ.share < FALSE_ALARMS && differ.alarm(40).unwrap().message.contains("40 prompts"), "{differ:?}");
        let shares: Vec<f64> = (0..40)
            .map(|seed| other_prompts(&embeddings(2 * seed, 30, 0.0), &embeddings(2 * seed + 1, 20, 0.0), key).unwrap())
            .map(|found| found.share)
            .collect();
        // Of 40 tests of nothing, each share is found as often as it says.
        assert!(shares.iter().all(|share| *share >= FALSE_ALARMS), "{shares:?}");
        let below_half = shares.iter().filter(|share| **share < 0.5).count();
        assert!((10..=30).contains(&below_half), "{shares:?}");
        assert_eq!(other_prompts(&embeddings(1, 60, 0.0), &embeddings(2, 7, 9.0), key), None, "too few");
        assert_eq!(other_prompts(&vec![vec![1.0; 4]; 9], &vec![vec![1.0; 4]; 9], key), None, "all the same");
    }

    fn record(seed: u64, reward: f64, judge: f64) -> EvaluationRecord {
        let column = |name: &str, shift: f64| {
            let (prompt, own) = (NoiseKey::new(1).named(name), NoiseKey::new(seed).named(name));
            let noise = prompt.normal(PROMPTS).into_iter().zip(own.normal(PROMPTS));
            let means = noise.map(|(p, o)| 0.5 + shift + f64::from(0.2 * p + 0.02 * o)).collect();
            ScoreColumn { prompt_variances: Some(vec![0.01; PROMPTS]), ..ScoreColumn::of_all(name, means) }
        };
        EvaluationRecord {
            id: RunId("aesthetics".into()),
            kind: PointKind::Trained,
            weighting: None,
            images_per_prompt: 2,
            rewards: vec![column("aesthetics", reward)],
            judges: vec![column("attributes", judge), column("clip_alignment", 0.0)],
            distance_to_base: None,
            added: None,
        }
    }

    fn kinds(
        own: &EvaluationRecord,
        last: Option<&EvaluationRecord>,
        arrivals: Option<&EvaluationRecord>,
    ) -> Vec<AlarmKind> {
        let spec = ExperimentSpec { rewards: vec![RewardKind::Aesthetics.into()], ..ExperimentSpec::default() };
        let base = record(0, 0.0, 0.0);
        let measured = Measured {
            weighting: &Weighting::corner(0, 1),
            base: &base,
            own,
            last,
            on_arrivals: arrivals.map(|own| [&base, own]),
            harmless: &[],
        };
        let alarms = alarms(&spec, &measured).unwrap();
        assert!(alarms.iter().all(|alarm| alarm.message.len() > 20));
        alarms.iter().map(|alarm| alarm.kind).collect()
    }

    #[test]
    fn each_alarm_has_its_own_cause() {
        let sound = record(3, 0.1, 0.0);
        assert_eq!(kinds(&sound, None, None), []);
        assert_eq!(kinds(&sound, Some(&record(4, 0.08, 0.0)), Some(&record(5, 0.05, 0.0))), []);
        assert_eq!(
            kinds(&record(6, 0.05, 0.0), Some(&sound), None),
            [AlarmKind::Reward],
            "worse than before, better than the base"
        );
        assert_eq!(kinds(&record(7, 0.15, -0.1), Some(&sound), None), [AlarmKind::Judge]);
        assert_eq!(kinds(&sound, None, Some(&record(8, -0.05, 0.0))), [AlarmKind::Arrivals]);
    }

    #[test]
    fn gains_are_of_rewards_and_judges_by_name() {
        let spec = ExperimentSpec { rewards: vec![RewardKind::Aesthetics.into()], ..ExperimentSpec::default() };
        let [rewards, judges] = gains(&spec, &record(3, 0.1, -0.1), &record(0, 0.0, 0.0)).unwrap();
        assert!((rewards[0].mean - 0.1).abs() < 0.02 && rewards[0].lo.unwrap() > 0.05, "{rewards:?}");
        assert_eq!(judges.iter().map(|gain| gain.name.as_str()).collect::<Vec<_>>(), ["attributes", "clip_alignment"]);
    }
}
