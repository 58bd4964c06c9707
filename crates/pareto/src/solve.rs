//! The inverse problem: which shares of a soup meet a trade-off?

use crate::{Interval, ParetoError, Prediction, Surrogate, check, simplex};

/// What a reward must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Bound {
    /// Returns whether a value keeps it.
    pub fn keeps(self, value: f64) -> bool {
        margin(self, value) >= 0.0
    }

    /// Returns whether a whole interval keeps it.
    pub fn keeps_surely(self, interval: Interval) -> bool {
        self.keeps(match self {
            Self::AtLeast(_) => interval.lo,
            Self::AtMost(_) => interval.hi,
        })
    }
}

/// A bound on one objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constraint {
    /// The objective's place, from 0.
    pub objective: usize,
    /// What it must be.
    pub bound: Bound,
}

/// What is wanted beyond the constraints.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// The most of one objective.
    Maximise(usize),
    /// To be as close as possible to a point, in units of the scale; objectives without a value do not count.
    Nearest(Vec<Option<f64>>),
}

/// A trade-off to hit.
#[derive(Debug, Clone, PartialEq)]
pub struct TradeOff {
    /// What must hold.
    pub constraints: Vec<Constraint>,
    /// What is wanted beyond it.
    pub goal: Goal,
    /// The unit of each objective, by which shortfalls and distances are measured; positive.
    pub scale: Vec<f64>,
    /// How far shares may leave the simplex: 0 keeps to it; 0.5 allows −0.5 and 1.5.
    pub extrapolation: f64,
}

/// Shares that were measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The shares of the corners, which sum to 1.
    pub shares: Vec<f64>,
    /// Every objective with the interval that is claimed.
    pub scores: Vec<Interval>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Measure these shares.
    Measure(Vec<f64>),
    /// Nothing better is to be expected.
    Done,
}

/// The answer so far.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A measured point whose intervals keep all constraints; the best of these by the goal.
    Met(Measured),
    /// No measured point does; the one that comes nearest.
    NotMet(Measured),
}

/// Looks for shares that hit a trade-off: a [`Surrogate`] for each objective proposes, a measurement confirms, again and
/// again.
///
/// A constraint is met when the *interval* of a measurement keeps it, not its mean alone: with [`Bound::AtLeast`] the
/// lower end counts. With the intervals of [`Bootstrap::simultaneous`](crate::Bootstrap::simultaneous) over everything that
/// was measured, what is claimed of the answer holds on other prompts, although it was picked for its values.
#[derive(Debug, Clone)]
pub struct Solver {
    trade_off: TradeOff,
    measured: Vec<Measured>,
    candidates: Vec<Vec<f64>>,
}

/// Half a 95 % interval in standard errors.
const HALF: f64 = 1.96;
/// Points are measured on the same prompts and noise: between them, most of the intervals' width cancels. What is left.
const OWN: f64 = 0.1;
/// By how many deviations a prediction may fall short of the constraints and still be tried: the normal distribution's quantile of 90 %.
const HOPE: f64 = 1.28;
/// Where the constraints cannot be kept: what comes nearer by less than this share of their scale is not worth a measurement.
const NEARER: f64 = 0.05;
/// A goal's gain below this share of its scale is not worth a measurement.
const TOLERANCE: f64 = 0.005;
/// Candidates on the lattice, at most.
const CANDIDATES: usize = 3000;

impl Solver {
    /// Returns a solver that knows measurements, at least one.
    ///
    /// # Errors
    /// No measurements; constraints and goals on objectives that are not there; bounds and scales that are not finite;
    /// constraints that contradict each other.
    pub fn new(trade_off: TradeOff, measured: Vec<Measured>) -> Result<Self, ParetoError> {
        let objectives = trade_off.scale.len();
        check::row("the scale", 0, &trade_off.scale, objectives)?;
        if let Some(&value) = trade_off.scale.iter().find(|scale| **scale <= 0.0) {
            return Err(ParetoError::Setting { what: "a scale", value, wanted: "positive" });
        }
        if !(0.0..=2.0).contains(&trade_off.extrapolation) {
            let value = trade_off.extrapolation;
            return Err(ParetoError::Setting { what: "extrapolation", value, wanted: "from 0 to 2" });
        }
        let width = check_measured(&measured, objectives)?;
        let exists = |objective: usize| {
            let value = objective as f64;
            let error = ParetoError::Setting { what: "an objective's place", value, wanted: "one of the objectives" };
            if objective < objectives { Ok(()) } else { Err(error) }
        };
        for Constraint { objective, bound } in &trade_off.constraints {
            exists(*objective)?;
            let (Bound::AtLeast(value) | Bound::AtMost(value)) = *bound;
            check::row("a bound", 0, &[value], 1)?;
        }
        match &trade_off.goal {
            Goal::Maximise(objective) => exists(*objective)?,
            Goal::Nearest(target) => {
                let known: Vec<f64> = target.iter().map(|value| value.unwrap_or(0.0)).collect();
                check::row("the target", 0, &known, objectives)?;
            }
        }
        for objective in 0..objectives {
            let bounds = || trade_off.constraints.iter().filter(|c| c.objective == objective).map(|c| c.bound);
            let least = bounds().filter_map(|b| if let Bound::AtLeast(v) = b { Some(v) } else { None });
            let most = bounds().filter_map(|b| if let Bound::AtMost(v) = b { Some(v) } else { None });
            let (least, most) = (least.fold(f64::NEG_INFINITY, f64::max), most.fold(f64::INFINITY, f64::min));
            if least > most {
                return Err(ParetoError::Contradiction { objective, least, most });
            }
        }
        let candidates = candidates(width, trade_off.extrapolation)?;
        Ok(Self { trade_off, measured, candidates })
    }

    /// Takes in a measurement.
    pub fn tell(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// Replaces what is known, at least one measurement: intervals that hold for all at once change with every new one.
    ///
    /// # Errors
    /// As [`Solver::new`].
    pub fn tell_all(&mut self, measured: Vec<Measured>) -> Result<(), ParetoError> {
        check_measured(&measured, self.trade_off.scale.len())?;
        self.measured = measured;
        Ok(())
    }

    /// Returns what is known.
    pub fn measured(&self) -> &[Measured] {
        &self.measured
    }

    /// Returns the surrogate's prediction of every objective at shares.
    ///
    /// # Errors
    /// Measurements that cannot be fitted.
    pub fn predict(&self, shares: &[f64]) -> Result<Vec<Prediction>, ParetoError> {
        Ok(self.surrogates()?.iter().map(|surrogate| surrogate.predict(shares)).collect())
    }

    /// Returns what to do next.
    ///
    /// While no measurement keeps the constraints: the candidate with the best goal among those that will probably keep
    /// them, else the one that may come nearest, as long as one has a chance of one in ten; else the one that is expected to come
    /// nearer than what is measured, so that what is said to be nearest is. After that: the candidate with the best goal among those
    /// that will probably keep them, as long as it promises more than what is measured.
    ///
    /// # Errors
    /// Measurements that cannot be fitted.
    pub fn step(&self) -> Result<Step, ParetoError> {
        let surrogates = self.surrogates()?;
        let widths: Vec<f64> = (0..self.trade_off.scale.len()).map(|objective| self.half_width(objective)).collect();
        let known = |shares: &[f64]| {
            let near = |point: &&Measured| point.shares.iter().zip(shares).all(|(a, b)| (a - b).abs() < 0.02);
            self.measured.iter().find(near).is_some()
        };
        let mut best: Option<(f64, &Vec<f64>)> = None;
        let mut nearest: Option<(f64, &Vec<f64>)> = None;
        let mut expected: Option<(f64, &Vec<f64>)> = None;
        for shares in self.candidates.iter().filter(|shares| !known(shares)) {
            let predicted: Vec<Prediction> = surrogates.iter().map(|surrogate| surrogate.predict(shares)).collect();
            let slack = |sure: f64| {
                self.slack(|objective, bound| {
                    let Prediction { mean, deviation } = predicted[objective];
                    margin(bound, mean) - widths[objective] - sure * deviation
                })
            };
            let means: Vec<f64> = predicted.iter().map(|prediction| prediction.mean).collect();
            if slack(0.5) >= 0.0 {
                let value = self.value(&means);
                if best.is_none_or(|(most, _)| value > most) {
                    best = Some((value, shares));
                }
            }
            for (candidate, value) in [(&mut nearest, slack(-HOPE)), (&mut expected, slack(0.0))] {
                if candidate.is_none_or(|(most, _)| value > most) {
                    *candidate = Some((value, shares));
                }
            }
        }
        let measure = |found: Option<(f64, &Vec<f64>)>| found.map_or(Step::Done, |(_, s)| Step::Measure(s.clone()));
        Ok(match self.answer() {
            Answer::Met(point) => {
                let reached = self.value(&point.scores.iter().map(|score| score.mean).collect::<Vec<_>>());
                measure(best.filter(|(value, _)| *value > reached + TOLERANCE))
            }
            Answer::NotMet(_) if best.is_some() => measure(best),
            Answer::NotMet(point) => {
                let reached = self.slack_of(&point);
                let nearer = expected.filter(|(slack, _)| *slack > reached + NEARER);
                measure(nearest.filter(|(hope, _)| *hope >= 0.0).or(nearer))
            }
        })
    }

    /// Returns the best measured point that keeps all constraints, or the nearest to it.
    pub fn answer(&self) -> Answer {
        let value = |point: &Measured| self.value(&point.scores.iter().map(|score| score.mean).collect::<Vec<_>>());
        let slack = |point: &Measured| self.slack_of(point);
        let met = self.measured.iter().filter(|point| slack(point) >= 0.0);
        if let Some(best) = met.max_by(|one, other| value(one).total_cmp(&value(other))) {
            return Answer::Met(best.clone());
        }
        // Where bounds are missing, the means say what comes nearest.
        let by_means = |point: &Measured| self.slack(|objective, bound| margin(bound, point.scores[objective].mean));
        let order = |one: &&Measured, other: &&Measured| {
            slack(one).total_cmp(&slack(other)).then_with(|| by_means(one).total_cmp(&by_means(other)))
        };
        let nearest = self.measured.iter().max_by(order);
        Answer::NotMet(nearest.unwrap_or_else(|| unreachable!("a solver knows at least one point")).clone())
    }

    /// Returns the best measurement by the goal among those whose means keep all constraints, whatever their intervals say; nothing where
    /// none does.
    pub fn best_by_means(&self) -> Option<&Measured> {
        let means = |point: &Measured| point.scores.iter().map(|score| score.mean).collect::<Vec<f64>>();
        let keeps =
            |point: &&Measured| self.slack(|objective, bound| margin(bound, point.scores[objective].mean)) >= 0.0;
        let value = |point: &Measured| self.value(&means(point));
        self.measured.iter().filter(keeps).max_by(|one, other| value(one).total_cmp(&value(other)))
    }

    fn surrogates(&self) -> Result<Vec<Surrogate>, ParetoError> {
        let shares: Vec<Vec<f64>> = self.measured.iter().map(|point| point.shares.clone()).collect();
        let fit = |objective: usize| {
            let scores = || self.measured.iter().map(|point| point.scores[objective]);
            let values: Vec<f64> = scores().map(|score| score.mean).collect();
            // Bounds from a range, or none, say little of the noise: it is taken to be no more than the points' spread.
            let most = self.trade_off.scale[objective];
            let errors: Vec<f64> =
                scores().map(|score| (OWN * (score.hi - score.lo) / (2.0 * HALF)).min(most)).collect();
            Surrogate::fit(&shares, &values, &errors)
        };
        (0..self.trade_off.scale.len()).map(fit).collect()
    }

    /// Returns the mean half width of an objective's intervals.
    fn half_width(&self, objective: usize) -> f64 {
        let widths = self.measured.iter().map(|point| (point.scores[objective].hi - point.scores[objective].lo) / 2.0);
        widths.sum::<f64>() / self.measured.len() as f64
    }

    /// Returns by how much a measurement's intervals keep all constraints, in units of the scale.
    fn slack_of(&self, point: &Measured) -> f64 {
        self.slack(|objective, bound| match bound {
            Bound::AtLeast(value) => point.scores[objective].lo - value,
            Bound::AtMost(value) => value - point.scores[objective].hi,
        })
    }

    /// Returns the least margin over all constraints, in units of the scale; infinite without constraints.
    fn slack(&self, margin: impl Fn(usize, Bound) -> f64) -> f64 {
        let each = self.trade_off.constraints.iter();
        each.map(|Constraint { objective, bound }| margin(*objective, *bound) / self.trade_off.scale[*objective])
            .fold(f64::INFINITY, f64::min)
    }

    /// Returns how good scores are by the goal, in units of the scale.
    fn value(&self, scores: &[f64]) -> f64 {
        let scale = &self.trade_off.scale;
        match &self.trade_off.goal {
            Goal::Maximise(objective) => scores[*objective] / scale[*objective],
            Goal::Nearest(target) => {
                let squares =
                    target.iter().zip(scores).zip(scale).map(|((target, score), scale)| {
                        target.map_or(0.0, |target| ((score - target) / scale).powi(2))
                    });
                -squares.sum::<f64>().sqrt()
            }
        }
    }
}

/// Checks measurements, and returns how many shares each has.
fn check_measured(measured: &[Measured], objectives: usize) -> Result<usize, ParetoError> {
    check::not_empty("the list of measurements", measured)?;
    let width = measured[0].shares.len();
    for (index, point) in measured.iter().enumerate() {
        check::row("shares of measurement", index, &point.shares, width)?;
        let means: Vec<f64> = point.scores.iter().map(|score| score.mean).collect();
        check::row("scores of measurement", index, &means, objectives)?;
        if let Some(objective) = point.scores.iter().position(|score| score.lo.is_nan() || score.hi.is_nan()) {
            return Err(ParetoError::NotFinite { what: "bounds of measurement", index, objective, value: f64::NAN });
        }
    }
    Ok(width)
}

/// Returns by how much a value keeps a bound; negative where it does not.
fn margin(bound: Bound, value: f64) -> f64 {
    match bound {
        Bound::AtLeast(least) => value - least,
        Bound::AtMost(most) => most - value,
    }
}

/// Returns the finest lattice with few enough points; stretched about the centre by the extrapolation, as far as every share
/// stays between −extrapolation and 1 + extrapolation.
fn candidates(corners: usize, extrapolation: f64) -> Result<Vec<Vec<f64>>, ParetoError> {
    let lattice = simplex::finest_lattice(corners, CANDIDATES)?;
    if extrapolation <= 0.0 || corners < 2 {
        return Ok(lattice);
    }
    // The simplex whose corners are (1 + e) at one share, the rest shared out evenly.
    let centre = 1.0 / corners as f64;
    let stretch = (1.0 + extrapolation - centre) / (1.0 - centre);
    let beyond = lattice.iter().map(|row| row.iter().map(|share| centre + stretch * (share - centre)).collect());
    Ok(lattice.iter().cloned().chain(beyond).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three rewards that pull apart, measured with intervals of ± 0.01.
    fn measure(shares: &[f64]) -> Measured {
        let [a, b, c] = shares else { panic!("three shares") };
        let truths = [0.4 + 0.5 * a + 0.2 * a * b, 0.3 + 0.6 * b, 0.5 + 0.3 * c - 0.2 * a];
        let scores = truths.map(|mean| Interval { mean, lo: mean - 0.01, hi: mean + 0.01 }).to_vec();
        Measured { shares: shares.to_vec(), scores }
    }

    fn solve(constraints: Vec<Constraint>, goal: Goal, extrapolation: f64) -> (Answer, usize) {
        let trade_off = TradeOff { constraints, goal, scale: vec![1.0; 3], extrapolation };
        let known = simplex::corners(3).unwrap().iter().map(|shares| measure(shares)).collect();
        let mut solver = Solver::new(trade_off, known).unwrap();
        for count in 0..30 {
            match solver.step().unwrap() {
                Step::Measure(shares) => solver.tell(measure(&shares)),
                Step::Done => return (solver.answer(), count),
            }
        }
        panic!("it never ends: {:?}", solver.answer());
    }

    fn at_least(objective: usize, value: f64) -> Constraint {
        Constraint { objective, bound: Bound::AtLeast(value) }
    }

    #[test]
    fn constraints_are_kept_by_intervals_and_the_goal_is_nearly_the_best() {
        let constraints = vec![at_least(1, 0.5), at_least(2, 0.45)];
        let (answer, count) = solve(constraints, Goal::Maximise(0), 0.0);
        let Answer::Met(point) = answer else { panic!("{answer:?}") };
        assert!(point.scores[1].lo >= 0.5 && point.scores[2].lo >= 0.45, "{point:?}");
        // The true optimum by a fine lattice.
        let fine = simplex::lattice(3, 200).unwrap();
        let best = fine.iter().map(|shares| measure(shares).scores);
        let best = best.filter(|s| s[1].lo >= 0.5 && s[2].lo >= 0.45).map(|s| s[0].mean).fold(0.0, f64::max);
        assert!(best - point.scores[0].mean < 0.02, "{} of {best} after {count}", point.scores[0].mean);
        assert!(count <= 12, "{count} measurements");
    }

    #[test]
    fn what_cannot_be_met_is_said_and_the_nearest_shown() {
        let (answer, count) = solve(vec![at_least(0, 0.8), at_least(1, 0.8)], Goal::Maximise(2), 0.0);
        let Answer::NotMet(point) = answer else { panic!("{answer:?}") };
        let shortfall = (0.8 - point.scores[0].lo).max(0.8 - point.scores[1].lo);
        assert!(shortfall < 0.25, "half of each is nearest, not a corner: {point:?}");
        assert!(count <= 12, "{count} measurements");
    }

    #[test]
    fn extrapolation_reaches_what_the_simplex_does_not() {
        let wanted = || vec![at_least(0, 0.95)];
        assert!(matches!(solve(wanted(), Goal::Maximise(0), 0.0).0, Answer::NotMet(_)));
        let (answer, _) = solve(wanted(), Goal::Maximise(1), 0.5);
        let Answer::Met(point) = answer else { panic!("{answer:?}") };
        assert!(point.shares.iter().any(|share| *share < 0.0) && (point.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_target_is_approached() {
        let target = vec![Some(0.65), Some(0.6), None];
        let (answer, _) = solve(Vec::new(), Goal::Nearest(target), 0.0);
        let Answer::Met(point) = answer else { panic!("without constraints everything is met") };
        assert!((point.scores[0].mean - 0.65).abs() < 0.05 && (point.scores[1].mean - 0.6).abs() < 0.05, "{point:?}");
    }

    #[test]
    fn contradictions_and_unknown_objectives_are_refused() {
        let refuse = |constraints, goal| {
            let trade_off = TradeOff { constraints, goal, scale: vec![1.0; 3], extrapolation: 0.0 };
            Solver::new(trade_off, vec![measure(&[1.0, 0.0, 0.0])]).unwrap_err()
        };
        let most = Constraint { objective: 0, bound: Bound::AtMost(0.3) };
        let error = refuse(vec![at_least(0, 0.5), most], Goal::Maximise(1));
        assert_eq!(error, ParetoError::Contradiction { objective: 0, least: 0.5, most: 0.3 });
        refuse(vec![at_least(7, 0.5)], Goal::Maximise(1));
        refuse(vec![at_least(0, f64::NAN)], Goal::Maximise(1));
        refuse(Vec::new(), Goal::Maximise(3));
        refuse(Vec::new(), Goal::Nearest(vec![Some(0.1)]));
    }
}
