//! What a run maximises as its rewards stand: Chebyshev's shares, and the multipliers of constraints.
//!
//! How rewards stand is what probes find: base and adapter on the same prompts from the same noise, drawn as evaluation does. It
//! does not depend on the method, on how training samples or on which prompts an epoch happens to draw.

use moa_core::experiment::{ConstraintSpec, ExperimentSpec, Scalarisation, Threshold};
use moa_core::{ScoreColumn, Weighting, metric};
use moa_optimiser::{StateError, StateReader, StateWriter};
use moa_pareto::lower_end;

use crate::probe::Columns;
use crate::state::{load_rows, save_rows};
use crate::trainer::EpochMetrics;

/// How much of the mean gains stays when a probe adds its own.
const DECAY: f32 = 0.5;

/// How every run's rewards stand. Kept in f32, in which it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Steering {
    runs: Vec<Standing>,
}

/// How a run's rewards stand, in the base's standard deviations within prompts.
#[derive(Clone, Debug, PartialEq)]
struct Standing {
    /// Running means of the gains over the base, one per reward.
    gains: Vec<f32>,
    /// One per constraint.
    multipliers: Vec<f32>,
    /// How far above its bound each constraint's mean was at the last probe.
    slack: Vec<f32>,
    /// Probes so far.
    probes: f32,
}

impl Steering {
    /// Returns the state before the first probe; nothing is kept of an experiment that is not steered.
    pub(crate) fn new(spec: &ExperimentSpec, runs: usize) -> Self {
        let (rewards, constraints) = (spec.rewards.len(), spec.constraints.len());
        let fresh = Standing {
            gains: vec![0.0; rewards],
            multipliers: vec![0.0; constraints],
            slack: vec![0.0; constraints],
            probes: 0.0,
        };
        Self { runs: if spec.is_steered() { vec![fresh; runs] } else { Vec::new() } }
    }

    /// Returns what a run maximises, in the rewards' order.
    pub(crate) fn objective(&self, spec: &ExperimentSpec, weighting: &Weighting, run: usize) -> Vec<f64> {
        let Some(standing) = self.runs.get(run) else { return spec.objective(weighting) };
        let gains: Vec<f64> = standing.gains.iter().map(|gain| f64::from(*gain)).collect();
        let shares = shares(spec.scalarisation, weighting.shares(), &gains);
        let mut objective = spec.objective_of(&shares);
        let mut all = 1.0;
        for (constraint, multiplier) in spec.constraints.iter().zip(&standing.multipliers) {
            if let Some(place) = place(spec, constraint) {
                objective[place] += f64::from(*multiplier);
                all += f64::from(*multiplier);
            }
        }
        objective.into_iter().map(|share| share / all).collect()
    }

    /// Takes a probe in: what it found of every run, and of the base.
    pub(crate) fn follow(&mut self, spec: &ExperimentSpec, looks: &[Columns], base: &Columns) {
        for (standing, look) in self.runs.iter_mut().zip(looks) {
            let decay = if standing.probes > 0.0 { DECAY } else { 0.0 };
            standing.probes += 1.0;
            let columns = standing.gains.iter_mut().zip(look.rewards.iter().zip(&base.rewards));
            for (gain, (own, base)) in columns {
                // A score in which the base's images do not differ has no deviation: then it counts as it is.
                let found = base.gain_in_deviations(own).unwrap_or_else(|| own.mean() - base.mean()) as f32;
                *gain = *gain * decay + found * (1.0 - decay);
            }
            for (index, constraint) in spec.constraints.iter().enumerate() {
                let Some(place) = place(spec, constraint) else { continue };
                let slack = slack(constraint, &look.rewards[place], &base.rewards[place]) as f32;
                let multiplier = &mut standing.multipliers[index];
                *multiplier = (*multiplier - constraint.rate as f32 * slack).max(0.0);
                standing.slack[index] = slack;
            }
        }
    }

    /// Returns the metrics of a run: what each reward now counts, and how its constraints stand.
    pub(crate) fn metrics(&self, spec: &ExperimentSpec, weighting: &Weighting, run: usize) -> EpochMetrics {
        let Some(standing) = self.runs.get(run) else { return EpochMetrics::new() };
        let names = spec.reward_names();
        let shares = names.iter().zip(self.objective(spec, weighting, run));
        let mut metrics: EpochMetrics = shares.map(|(name, share)| (metric::reward_share(name), share)).collect();
        let constraints = spec.constraints.iter().zip(standing.multipliers.iter().zip(&standing.slack));
        for (ConstraintSpec { reward, .. }, (multiplier, slack)) in constraints {
            metrics.insert(metric::constraint_multiplier(reward), f64::from(*multiplier));
            metrics.insert(metric::constraint_slack(reward), f64::from(*slack));
        }
        metrics
    }

    /// Returns which of a run's constraints did not hold at the last probe, in words.
    pub(crate) fn infeasible(&self, spec: &ExperimentSpec, run: usize) -> Option<String> {
        let standing = self.runs.get(run)?;
        let missed = spec.constraints.iter().zip(standing.slack.iter().zip(&standing.multipliers));
        let missed: Vec<String> = missed
            .filter(|(_, (slack, _))| **slack < 0.0)
            .map(|(constraint, (slack, multiplier))| {
                let bound = match constraint.at_least {
                    Threshold::Base { plus: 0.0 } => "the base's".into(),
                    Threshold::Base { plus } => format!("the base's {plus:+}"),
                    Threshold::Value(value) => format!("{value}"),
                };
                let what = match constraint.confidence {
                    0.5 => "the mean".to_string(),
                    confidence => format!("the lower end of {} % confidence of the mean", (confidence * 1e5).round() / 1e3),
                };
                format!(
                    "{what} of {} is {:.2} of the base's standard deviations below its bound, {bound} (multiplier {multiplier:.2})",
                    constraint.reward, -slack
                )
            })
            .collect();
        (!missed.is_empty())
            .then(|| format!("it ends infeasible: at the probe that its adapter is of {}", missed.join("; ")))
    }

    /// Takes how a run stands from another state of the same runs.
    pub(crate) fn set(&mut self, run: usize, other: &Self) {
        if let (Some(own), Some(other)) = (self.runs.get_mut(run), other.runs.get(run)) {
            own.clone_from(other);
        }
    }

    /// Keeps the runs at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        if !self.runs.is_empty() {
            self.runs = places.iter().map(|place| self.runs[*place].clone()).collect();
        }
    }

    /// Adds the state to a file as a part of this name.
    pub(crate) fn save(&self, part: &str, file: &mut StateWriter) {
        if !self.runs.is_empty() {
            save_rows(file, part, &self.rows());
        }
    }

    /// Takes the state of the same runs from a part of a file.
    pub(crate) fn load(&mut self, part: &str, file: &StateReader<'_>) -> Result<(), StateError> {
        if !self.runs.is_empty() {
            let mut rows = self.rows();
            load_rows(file, part, &mut rows)?;
            self.runs.iter_mut().zip(rows).for_each(|(standing, row)| standing.take(&row));
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Vec<f32>> {
        self.runs.iter().map(Standing::row).collect()
    }
}

impl Standing {
    fn row(&self) -> Vec<f32> {
        [&self.gains[..], &self.multipliers, &self.slack, &[self.probes]].concat()
    }

    fn take(&mut self, row: &[f32]) {
        let (gains, row) = row.split_at(self.gains.len());
        let (multipliers, row) = row.split_at(self.multipliers.len());
        let (slack, row) = row.split_at(self.slack.len());
        self.gains.copy_from_slice(gains);
        self.multipliers.copy_from_slice(multipliers);
        self.slack.copy_from_slice(slack);
        self.probes = row[0];
    }
}

fn place(spec: &ExperimentSpec, constraint: &ConstraintSpec) -> Option<usize> {
    spec.rewards.iter().position(|reward| reward.name == constraint.reward)
}

/// Returns how far a mean, or the lower end that the constraint's confidence asks for, lies above its bound, in the base's standard
/// deviations within prompts. What must be above the base is held against it prompt by prompt.
fn slack(constraint: &ConstraintSpec, own: &ScoreColumn, base: &ScoreColumn) -> f64 {
    let end = |values: &[f64]| lower_end(values, constraint.confidence);
    let above = match constraint.at_least {
        Threshold::Base { plus } => {
            let gains = own.prompt_means.iter().zip(&base.prompt_means).map(|(own, base)| own - base);
            end(&gains.collect::<Vec<_>>()) - plus
        }
        Threshold::Value(value) => end(&own.prompt_means) - value,
    };
    // A score in which the base's images do not differ has no deviation: then it counts as it is.
    above / base.deviation().unwrap_or(1.0)
}

/// Returns the shares of rewards that have gained so much over the base, by w·softmax(w·(ideal − gain)/μ) for Chebyshev's distance, whose
/// gradient they are; they add up to 1.
fn shares(scalarisation: Scalarisation, weights: &[f64], gains: &[f64]) -> Vec<f64> {
    let Scalarisation::Chebyshev { smoothing, ideal } = scalarisation else { return weights.to_vec() };
    let behind: Vec<f64> =
        weights.iter().zip(gains).map(|(weight, gain)| weight * (ideal - gain) / smoothing).collect();
    let counts = |(weight, _): &(&f64, &f64)| **weight > 0.0;
    let most = weights.iter().zip(&behind).filter(counts).map(|(_, behind)| *behind).fold(f64::NEG_INFINITY, f64::max);
    let pull = |(weight, behind): (&f64, &f64)| if *weight > 0.0 { weight * (behind - most).exp() } else { 0.0 };
    let pulls: Vec<f64> = weights.iter().zip(&behind).map(pull).collect();
    let all: f64 = pulls.iter().sum();
    pulls.into_iter().map(|pull| pull / all).collect()
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::RewardKind;

    use super::*;

    const SMOOTH: Scalarisation = Scalarisation::Chebyshev { smoothing: 0.05, ideal: 2.0 };

    /// A policy of one parameter θ whose two rewards trade off along a concave front (Fonseca & Fleming, 1995): between their
    /// ends, at θ = ±1, every point lies below the line that joins them.
    fn rewards(theta: f64) -> [f64; 2] {
        [1.0, -1.0].map(|best| (-(theta - best).powi(2)).exp())
    }

    /// Climbs from θ on what the shares make of the rewards, and returns where it ends.
    fn climbed(scalarisation: Scalarisation, weights: [f64; 2], mut theta: f64) -> f64 {
        for _ in 0..20_000 {
            let gains = rewards(theta);
            let shares = shares(scalarisation, &weights, &gains);
            let apart = 1e-5;
            let slope = [0, 1].map(|k| (rewards(theta + apart)[k] - rewards(theta - apart)[k]) / (2.0 * apart));
            theta += 2e-3 * shares.iter().zip(slope).map(|(share, slope)| share * slope).sum::<f64>();
        }
        theta
    }

    #[test]
    fn chebyshev_reaches_the_middle_of_a_front_that_bends_inwards_and_sums_do_not() {
        let [first, second] = rewards(0.0);
        assert!(first + second < 1.0 + rewards(-1.0)[0], "the front is concave");
        for start in [-0.3, 0.2] {
            for weight in [0.3, 0.45, 0.5, 0.55, 0.7] {
                let end = climbed(Scalarisation::Linear, [weight, 1.0 - weight], start);
                assert!(end.abs() > 0.9, "a sum ends at an end: θ = {end} for {weight} from {start}");
            }
            let middle = climbed(SMOOTH, [0.5, 0.5], start);
            assert!(middle.abs() < 0.05, "Chebyshev ends in the middle: θ = {middle} from {start}");
        }
        // Other weights reach other places, in order.
        let places: Vec<f64> = [0.4, 0.5, 0.6].map(|weight| climbed(SMOOTH, [weight, 1.0 - weight], 0.1)).to_vec();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1] - 0.02), "{places:?}");
    }

    #[test]
    fn corners_are_the_same_by_any_rule() {
        assert_eq!(shares(SMOOTH, &[0.0, 1.0], &[0.3, 0.9]), [0.0, 1.0]);
    }

    fn spec() -> ExperimentSpec {
        ExperimentSpec {
            rewards: vec![RewardKind::Alignment.into(), RewardKind::Safety.into()],
            constraints: vec![ConstraintSpec {
                reward: "safety".into(),
                at_least: Threshold::Base { plus: 0.1 },
                rate: 2.0,
                confidence: 0.5,
            }],
            ..ExperimentSpec::default()
        }
    }

    /// Columns of two images of each of two prompts, with a standard deviation of 0.1·√2 within each.
    fn columns(alignment: f32, safety: f32) -> Columns {
        let column =
            |name: &str, mean: f32| ScoreColumn::of_images(name, &[mean - 0.1, mean + 0.1, mean - 0.1, mean + 0.1], 2);
        Columns::new(vec![column("alignment", alignment), column("safety", safety)], Vec::new())
    }

    #[test]
    fn multipliers_rise_while_a_constraint_is_missed_and_fall_when_it_holds() {
        let spec = spec();
        let (base, alignment) = (columns(0.5, 0.5), Weighting::corner(0, 2));
        let mut steering = Steering::new(&spec, 1);
        assert_eq!(steering.objective(&spec, &alignment, 0), [1.0, 0.0]);
        steering.follow(&spec, &[columns(0.6, 0.5)], &base);
        // 0.1 below the bound is 1/√2 deviations, and the rate is 2.
        let multiplier = 2.0 * 0.5f64.sqrt();
        let found = steering.objective(&spec, &alignment, 0);
        let wanted = [1.0 / (1.0 + multiplier), multiplier / (1.0 + multiplier)];
        assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-5), "{found:?} for {wanted:?}");
        let why = steering.infeasible(&spec, 0).expect("it does not hold");
        assert!(why.contains("safety is 0.71") && why.contains("the base's +0.1"), "{why}");
        steering.follow(&spec, &[columns(0.6, 0.8)], &base);
        assert_eq!(steering.objective(&spec, &alignment, 0), [1.0, 0.0], "it holds with room to spare");
        assert_eq!(steering.infeasible(&spec, 0), None);
    }

    #[test]
    fn stored_steering_is_the_same_bits() {
        let spec = spec();
        let mut steering = Steering::new(&spec, 2);
        steering.follow(&spec, &[columns(0.6, 0.45), columns(0.51, 0.57)], &columns(0.5, 0.5));
        let mut file = StateWriter::default();
        steering.save("steering", &mut file);
        let bytes = file.finish(&()).expect("writes");
        let mut read = Steering::new(&spec, 2);
        read.load("steering", &StateReader::open(&bytes).expect("opens")).expect("fits");
        assert_eq!(read, steering);
        steering.keep(&[1]);
        let mut one = Steering::new(&spec, 1);
        one.follow(&spec, &[columns(0.51, 0.57)], &columns(0.5, 0.5));
        assert_eq!(steering, one, "a run does not depend on its neighbours");
    }
}
