//! The search for shares that hit a trade-off, over whatever measures a mixture.

use std::fmt::Write as _;

use moa_core::{EvaluationRecord, ExperimentSpec};
use moa_pareto::{Answer, Bound, Constraint, Goal, Interval, Measured, ParetoError, Solver, Step, TradeOff};

use crate::shares::in_hundredths;
use crate::trade_off::{objective_name, written};
use crate::{AnalysisError, Promise, bootstrap, promises};

/// Looks for shares whose mixture keeps constraints and is best by a goal: a surrogate of each reward over the shares proposes, a
/// measurement confirms, until nothing better is to be expected.
///
/// With every mixture that is tried, all bounds are resampled ([`promises`]), so that those of the answer hold on other prompts although
/// it was picked for its values.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The experiment.
    pub spec: &'a ExperimentSpec,
    /// Its base, as evaluated.
    pub base: &'a EvaluationRecord,
    /// For the means over how many other prompts bounds are.
    pub fresh: usize,
    /// How many mixtures are measured at most.
    pub budget: usize,
}

/// A mixture with what is claimed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Its shares.
    pub shares: Vec<f64>,
    /// Its rewards and gains, with bounds that hold for everything that was tried at once: those of the constraints, and those of the others.
    pub promise: Promise,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing better is to be expected.
    Done,
    /// The budget was spent.
    Budget,
    /// It was asked to stop.
    Stopped,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Whether the answer keeps all constraints by its bounds; else it is what comes nearest.
    pub met: bool,
    /// The answer.
    pub answer: Tried,
    /// Everything that was known in the end, the answer included: what was known before, then what was measured.
    pub tried: Vec<Tried>,
    /// How many mixtures were measured.
    pub measured: usize,
    /// Why it ended.
    pub end: End,
    /// What would be picked if means counted and not bounds; nothing where no mean keeps the constraints.
    pub by_means: Option<Tried>,
}

impl Search<'_> {
    /// Searches.
    ///
    /// - `known`: shares that are evaluated already, at least one
    /// - `constraints`, `goal`, `extrapolation`: see [`TradeOff`]; objectives are the rewards, then their gains over the base
    /// - `measure`: evaluates a mixture, the how manieth from 1; nothing ends the search
    ///
    /// # Errors
    /// Constraints that contradict each other, a base on other prompts, nothing known; and those of `measure`.
    pub fn run<E: From<AnalysisError>>(
        &self,
        known: Vec<(Vec<f64>, EvaluationRecord)>,
        constraints: Vec<Constraint>,
        goal: Goal,
        extrapolation: f64,
        mut measure: impl FnMut(&[f64], usize) -> Result<Option<EvaluationRecord>, E>,
    ) -> Result<Found, E> {
        let mut records = known;
        let decisive: Vec<usize> = constraints.iter().map(|constraint| constraint.objective).collect();
        let mut tried = self.claims(&records, &decisive)?;
        let trade_off = TradeOff { constraints, goal, scale: spreads(&tried), extrapolation };
        let mut solver = Solver::new(trade_off, measurements(&tried)).map_err(|error| self.refused(error))?;
        let mut measured = 0;
        let end = loop {
            let Step::Measure(shares) = solver.step().map_err(AnalysisError::from)? else { break End::Done };
            if measured >= self.budget {
                break End::Budget;
            }
            // As a person would write them; the solver's lattice is coarser than what it takes for known.
            let shares = in_hundredths(&shares);
            let Some(record) = measure(&shares, measured + 1)? else { break End::Stopped };
            measured += 1;
            records.push((shares, record));
            tried = self.claims(&records, &decisive)?;
            solver.tell_all(measurements(&tried)).map_err(AnalysisError::from)?;
        };
        let (met, point) = match solver.answer() {
            Answer::Met(point) => (true, point),
            Answer::NotMet(point) => (false, point),
        };
        let of = |point: &Measured| tried.iter().find(|known| known.shares == point.shares).cloned();
        let by_means = solver.best_by_means().and_then(of);
        let answer = of(&point).unwrap_or_else(|| unreachable!("the answer is one of the points"));
        Ok(Found { met, answer, tried, measured, end, by_means })
    }

    fn claims(
        &self,
        records: &[(Vec<f64>, EvaluationRecord)],
        decisive: &[usize],
    ) -> Result<Vec<Tried>, AnalysisError> {
        let of: Vec<&EvaluationRecord> = records.iter().map(|(_, record)| record).collect();
        if of.iter().any(|record| record.prompts() != self.base.prompts()) {
            return Err(AnalysisError::NoBase);
        }
        let claims = promises(&bootstrap(self.spec), &self.spec.rewards, self.base, &of, self.fresh, decisive)?;
        let tried = records.iter().zip(claims).map(|((shares, _), promise)| Tried { shares: shares.clone(), promise });
        Ok(tried.collect())
    }

    fn refused(&self, error: ParetoError) -> AnalysisError {
        match error {
            ParetoError::Contradiction { objective, least, most } => AnalysisError::Contradiction {
                objective: objective_name(objective, &self.spec.reward_names()),
                least,
                most,
            },
            error => error.into(),
        }
    }
}

impl Found {
    /// Returns whether the answer's means keep constraints, whatever its bounds say.
    pub fn keeps_by_means(&self, constraints: &[Constraint]) -> bool {
        constraints.iter().all(|one| one.bound.keeps(objective_of(&self.answer.promise, one.objective).mean))
    }

    /// Returns why the answer is what it is, where the bounds decide otherwise than the means do: a sentence for each constraint whose
    /// bounds leave mixtures out that its means would not; empty where bounds and means agree.
    ///
    /// - `name`: what a mixture of these shares is called
    pub fn why(&self, constraints: &[Constraint], rewards: &[String], name: impl Fn(&[f64]) -> String) -> Vec<String> {
        let is_answer = |by_means: &&Tried| by_means.shares == self.answer.shares;
        if self.met && self.by_means.as_ref().is_some_and(|by_means| is_answer(&by_means)) {
            return Vec::new();
        }
        let mut lines: Vec<String> = constraints.iter().filter_map(|one| self.widened(one, rewards)).collect();
        if let (false, Some(by_means)) =
            (lines.is_empty(), self.by_means.as_ref().filter(|by_means| !is_answer(by_means)))
        {
            let means =
                rewards.iter().zip(&by_means.promise.means).map(|(reward, mean)| format!("{reward} {:.3}", mean.mean));
            let means = means.collect::<Vec<_>>().join(", ");
            lines.push(format!("by the means alone it would be {} ({means})", name(&by_means.shares)));
        }
        lines
    }

    /// Says how a constraint's bounds leave out what its means would not.
    fn widened(&self, constraint: &Constraint, rewards: &[String]) -> Option<String> {
        let Constraint { objective, bound } = *constraint;
        let values = || self.tried.iter().map(|tried| objective_of(&tried.promise, objective));
        let by_means = values().filter(|value| bound.keeps(value.mean)).count();
        let surely = values().filter(|value| bound.keeps_surely(*value)).count();
        if surely >= by_means {
            return None;
        }
        let text = written(constraint, rewards);
        let all = self.tried.len();
        let end = if matches!(bound, Bound::AtLeast(_)) { "lower" } else { "upper" };
        let mut sentence = format!(
            "{by_means} of {all} mixtures keep {text} by their means, {surely} by the {end} end of their bounds, which is required"
        );
        let width =
            |objective: usize| mean_width(self.tried.iter().map(|tried| objective_of(&tried.promise, objective)));
        let Some(half) = width(objective) else {
            return Some(sentence + ": there are no bounds on other prompts");
        };
        let _ = write!(sentence, " (± {half:.3} on other prompts)");
        // A gain is paired over prompts and noise, and known far more sharply.
        if objective < rewards.len()
            && let Some(gain) = width(objective + rewards.len()).filter(|gain| *gain < 0.7 * half)
        {
            let Promise { means, gains } = &self.answer.promise;
            let base = means[objective].mean - gains[objective].mean;
            let (Bound::AtLeast(value) | Bound::AtMost(value)) = bound;
            // Two decimals, as a person would write it.
            let value = (100.0 * (value - base)).round() / 100.0;
            let bound = if end == "lower" { Bound::AtLeast(value) } else { Bound::AtMost(value) };
            let instead = Constraint { objective: objective + rewards.len(), bound };
            let _ = write!(
                sentence,
                "; its gain is known to ± {gain:.3}: {} is the same constraint on the gain",
                written(&instead, rewards)
            );
        }
        Some(sentence)
    }
}

fn objective_of(promise: &Promise, objective: usize) -> Interval {
    match objective.checked_sub(promise.means.len()) {
        None => promise.means[objective],
        Some(reward) => promise.gains[reward],
    }
}

fn mean_width(values: impl Iterator<Item = Interval>) -> Option<f64> {
    let widths: Option<Vec<f64>> = values.map(|value| value.half_width()).collect();
    widths.filter(|widths| !widths.is_empty()).map(|widths| widths.iter().sum::<f64>() / widths.len() as f64)
}

fn measurements(tried: &[Tried]) -> Vec<Measured> {
    let point = |Tried { shares, promise }: &Tried| Measured {
        shares: shares.clone(),
        scores: promise.means.iter().chain(&promise.gains).copied().collect(),
    };
    tried.iter().map(point).collect()
}

/// Returns by objective how far apart the points are that are known, by which shortfalls are compared.
fn spreads(tried: &[Tried]) -> Vec<f64> {
    let objectives = tried.first().map_or(0, |point| 2 * point.promise.means.len());
    let spread = |objective: usize| {
        let means = || tried.iter().map(|point| objective_of(&point.promise, objective).mean);
        let width = means().fold(f64::NEG_INFINITY, f64::max) - means().fold(f64::INFINITY, f64::min);
        width.max(1e-3)
    };
    (0..objectives).map(spread).collect()
}

#[cfg(test)]
mod tests {
    use moa_core::PointKind;

    use super::*;
    use crate::sample::{record, spec};
    use crate::trade_off;

    const PROMPTS: usize = 64;

    /// Safety falls and contrast rises along the edge, and half of each is better than the mean of both.
    fn mixture(shares: &[f64], name: &str) -> EvaluationRecord {
        let bulge = 0.1 * shares[0] * shares[1];
        let levels = [0.5 + 0.2 * shares[0] + bulge, 0.5 + 0.2 * shares[1] + bulge];
        record(name, PointKind::Soup, levels, PROMPTS)
    }

    fn run(wish: &str, budget: usize, stop_at: usize) -> Result<Found, AnalysisError> {
        let (spec, base) = (spec(), record("base", PointKind::Base, [0.5, 0.5], PROMPTS));
        let known = [[1.0, 0.0], [0.0, 1.0]].map(|shares| (shares.to_vec(), mixture(&shares, &format!("{shares:?}"))));
        let (constraints, goal) = trade_off::wish(wish, &spec.reward_names()).unwrap();
        let search = Search { spec: &spec, base: &base, fresh: PROMPTS, budget };
        search.run(known.to_vec(), constraints, goal, 0.0, |shares, count| {
            Ok((count < stop_at).then(|| mixture(shares, &format!("{shares:?}"))))
        })
    }

    #[test]
    fn the_answer_keeps_gains_by_its_bounds_and_is_better_than_what_was_known() {
        let found = run("safety>=base+0.08, max contrast", 12, 99).unwrap();
        assert!(found.met && found.end == End::Done, "{found:?}");
        assert!(found.answer.promise.gains[0].lo >= 0.08, "{:?}", found.answer);
        let is_written = |share: &f64| ((100.0 * share).round() / 100.0 - share).abs() < 1e-12;
        assert!(found.tried.iter().all(|tried| tried.shares.iter().all(is_written)), "{:?}", found.tried);
        assert!(found.answer.shares[1] > 0.3, "a corner gives no contrast: {:?}", found.answer.shares);
        assert_eq!(found.tried.len(), found.measured + 2);
    }

    #[test]
    fn bounds_of_what_is_constrained_are_not_widened_by_what_is_not() {
        let (spec, base) = (spec(), record("base", PointKind::Base, [0.5, 0.5], PROMPTS));
        let mixtures: Vec<EvaluationRecord> =
            (0..8).map(|k| mixture(&[f64::from(k) / 7.0, 1.0 - f64::from(k) / 7.0], &k.to_string())).collect();
        let of: Vec<&EvaluationRecord> = mixtures.iter().collect();
        let claims =
            |decisive: &[usize]| promises(&bootstrap(&spec), &spec.rewards, &base, &of, PROMPTS, decisive).unwrap();
        let (apart, together) = (claims(&[2]), claims(&[]));
        for (apart, together) in apart.iter().zip(&together) {
            let [narrow, wide] = [apart, together].map(|promise| promise.gains[0].half_width().unwrap());
            assert!(narrow < wide, "{narrow} {wide}");
            assert!((apart.gains[0].mean - together.gains[0].mean).abs() < 1e-12);
        }
    }

    #[test]
    fn a_search_ends_with_its_budget_or_when_asked_to() {
        assert_eq!(run("safety>=base+0.08, max contrast", 1, 99).unwrap().end, End::Budget);
        let stopped = run("safety>=base+0.08, max contrast", 9, 1).unwrap();
        assert_eq!((stopped.end, stopped.measured), (End::Stopped, 0));
        let message = run("safety>=0.9, safety<=0.1, max contrast", 9, 9).unwrap_err().to_string();
        assert!(message.contains("safety must be at least 0.9 and at most 0.1"), "{message}");
    }

    #[test]
    fn where_bounds_decide_otherwise_than_means_it_says_why_and_which_constraint_would_be_sharper() {
        // Levels are known to ± 0.06 or so, as prompts differ by 0.2; gains to less than a hundredth.
        let found = run("safety>=0.42, max contrast", 12, 99).unwrap();
        let names = ["safety", "contrast"].map(str::to_owned);
        let constraint = trade_off::constraint("safety>=0.42", &names).unwrap();
        let why = found.why(&[constraint], &names, |shares| format!("soup {:.2}", shares[0]));
        assert_eq!(why.len(), 2, "{why:?}\n{found:?}");
        assert!(why[0].contains("by their means") && why[0].contains("by the lower end of their bounds"), "{}", why[0]);
        assert!(why[0].contains("safety>=base-0.03 is the same constraint on the gain"), "{}", why[0]);
        assert!(why[1].starts_with("by the means alone it would be soup "), "{}", why[1]);
        let sharp = run("safety>=base+0.05, max contrast", 12, 99).unwrap();
        let constraint = trade_off::constraint("safety>=base+0.05", &names).unwrap();
        let why = sharp.why(&[constraint], &names, |_| String::new());
        assert!(!why.iter().any(|line| line.contains("the same constraint on the gain")), "{why:?}");
    }
}
