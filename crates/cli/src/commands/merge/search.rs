//! Adapters of an experiment, merged at given shares or wherever a trade-off is met, and measured.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use moa_adapter::Adapter;
use moa_analysis::Promise;
use moa_core::experiment::Prompts;
use moa_core::{EvaluationRecord, RunId};
use moa_pareto::{Answer, Constraint, FEWEST_PROMPTS, Measured, ParetoError, Solver, Step, TradeOff};
use moa_runner::{SoupBench, SweepRequest, Tasting};
use moa_scenes::PROMPT_SETS;
use moa_store::Snapshot;

use super::{Arguments, answer, trade_off, write_adapter};
use crate::bar::work_with_bar;
use crate::card;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::output::{note, print};
use crate::text::{count, duration};

/// Merges adapters of an experiment.
pub(super) fn run(arguments: &Arguments, results: &Path, global: Global) -> Result<(), CliError> {
    let kept = Kept::read(results)?;
    let ingredients = kept.ingredients(&arguments.of)?;
    let names: Vec<String> = ingredients.iter().map(ToString::to_string).collect();
    let wanted = Wanted::read(arguments, &kept.experiment.spec.reward_names(), &names)?;
    let device = kept.experiment.device(global)?;
    let models = kept.experiment.models(&device)?;
    let bench = SoupBench::open(kept.request(&device), &models, &ingredients, arguments.method.merge())?;
    if !global.quiet {
        note(&format!("moa merge {} on {}", names.join(" + "), device.description()));
    }
    let session = Session { arguments, global, kept: &kept, bench: &bench };
    match wanted {
        Wanted::Shares(shares) => session.at(&shares),
        Wanted::TradeOff(trade_off) => session.solve(trade_off),
    }
}

/// An experiment's results, as far as a merge needs them.
struct Kept {
    folder: PathBuf,
    experiment: Experiment,
}

impl Kept {
    fn read(folder: &Path) -> Result<Self, CliError> {
        // Before the experiment: it says best what a folder without results is.
        Snapshot::read(folder)?;
        let experiment = Experiment::load_kept(folder)?;
        Ok(Self { folder: folder.to_path_buf(), experiment })
    }

    /// Returns the runs to merge: those named, else the corners.
    fn ingredients(&self, named: &[String]) -> Result<Vec<RunId>, CliError> {
        let runs = self.experiment.spec.weightings();
        let known = || runs.iter().map(|(id, _)| id.as_str());
        if named.is_empty() {
            let corners = runs.iter().filter(|(_, weighting)| weighting.corner_index().is_some());
            let corners: Vec<RunId> = corners.map(|(id, _)| id.clone()).collect();
            return if corners.is_empty() {
                let list = known().collect::<Vec<_>>().join(", ");
                Err(CliError::usage("the experiment has no corners to merge")
                    .hint(format!("--of takes some of {list}")))
            } else {
                Ok(corners)
            };
        }
        let find = |name: &String| {
            let found = known().find(|known| known == name).map(|known| RunId(known.to_owned()));
            found.ok_or_else(|| {
                let list = known().collect::<Vec<_>>().join(", ");
                CliError::usage(format!("--of: there is no run `{name}`; there are {list}"))
            })
        };
        named.iter().map(find).collect()
    }

    fn request(&self, device: &OpenDevice) -> SweepRequest {
        self.experiment.request(device, &self.folder, std::sync::Arc::default())
    }

    fn fresh_prompts(&self) -> FreshPrompts {
        let Prompts { train, held_out, .. } = &self.experiment.prompts;
        FreshPrompts::beside(train, held_out)
    }
}

/// What an answer is tried on.
pub(super) struct FreshPrompts {
    pub(super) texts: Vec<String>,
    /// Whether the search has not seen them.
    pub(super) are_other: bool,
}

impl FreshPrompts {
    /// Returns as many prompts as the evaluation has, of the named set that nothing is trained, tuned or searched on and that asks for the
    /// same kinds of things; for an experiment with prompts of its own these again, which are no other prompts.
    fn beside(train: &[String], held_out: &[String]) -> Self {
        let set = |name: &str| moa_scenes::prompt_set(name).unwrap_or_default().into_iter().map(|prompt| prompt.text);
        for kind in PROMPT_SETS.iter().filter_map(|name| name.strip_suffix("-held-out")) {
            let own: HashSet<String> = set(&format!("{kind}-held-out")).collect();
            let others = set(&format!("{kind}-fresh")).filter(|text| !train.contains(text));
            let texts: Vec<String> = others.take(held_out.len()).collect();
            if !texts.is_empty() && held_out.iter().all(|prompt| own.contains(prompt)) {
                return Self { texts, are_other: true };
            }
        }
        Self { texts: held_out.to_vec(), are_other: false }
    }
}

/// What is asked for.
enum Wanted {
    Shares(Vec<f64>),
    TradeOff(TradeOff),
}

impl Wanted {
    fn read(arguments: &Arguments, rewards: &[String], ingredients: &[String]) -> Result<Self, CliError> {
        let extrapolation = arguments.extrapolate;
        if let Some(at) = &arguments.at {
            return Ok(Self::Shares(trade_off::shares(at, ingredients, extrapolation)?));
        }
        let read = |text: &String| trade_off::constraint(text, rewards);
        let constraints: Vec<Constraint> = arguments.conditions.iter().map(read).collect::<Result<_, _>>()?;
        let goal = trade_off::goal(arguments.maximize.as_deref(), arguments.nearest.as_deref(), rewards)?;
        Ok(Self::TradeOff(TradeOff { constraints, goal, scale: vec![1.0; 2 * rewards.len()], extrapolation }))
    }
}

/// One merge, from adapters to files.
struct Session<'a> {
    arguments: &'a Arguments,
    global: Global,
    kept: &'a Kept,
    bench: &'a SoupBench<'a>,
}

impl Session<'_> {
    fn at(&self, shares: &[f64]) -> Result<(), CliError> {
        if self.arguments.unmeasured {
            let adapter = self.bench.merge(shares)?;
            let folder = self.write(&adapter, shares, None)?;
            return print(format!("{}\n{}", answer::shares(self.bench, shares), answer::files(&folder)));
        }
        let began = Instant::now();
        let tasting = self.taste(shares, 1)?;
        let fresh = self.kept.fresh_prompts();
        let promise = self.bench.promises(&[&tasting.record], fresh.texts.len())?.remove(0);
        let mut text = answer::shares(self.bench, shares);
        text.push_str(&answer::scores(self.bench, &promise, &[], &self.bounds_over(&promise, fresh.texts.len(), 1)));
        let _ = writeln!(text, "measured in {}", duration(began.elapsed()));
        self.finish(text, &tasting, &promise, shares, &fresh)
    }

    fn solve(&self, mut trade_off: TradeOff) -> Result<(), CliError> {
        let began = Instant::now();
        let known = self.bench.known_records();
        if known.is_empty() {
            return Err(CliError::failure(format!("{}: no adapter is evaluated yet", self.kept.folder.display()))
                .hint("let the sweep end first"));
        }
        let fresh = self.kept.fresh_prompts();
        let mut tasted: Vec<(Vec<f64>, Tasting)> = Vec::new();
        // With every mixture that is tried, all bounds are drawn anew: whichever is picked, its bounds hold.
        let measured = |tasted: &[(Vec<f64>, Tasting)]| -> Result<Vec<(Measured, Promise)>, CliError> {
            let of_search = tasted.iter().map(|(shares, tasting)| (shares, &tasting.record));
            let (shares, records): (Vec<&Vec<f64>>, Vec<&EvaluationRecord>) =
                known.iter().map(|(shares, record)| (shares, *record)).chain(of_search).unzip();
            let promises = self.bench.promises(&records, fresh.texts.len())?;
            let point = |(shares, promise): (&Vec<f64>, Promise)| {
                let scores = promise.means.iter().chain(&promise.gains).copied().collect();
                (Measured { shares: shares.clone(), scores }, promise)
            };
            Ok(shares.into_iter().zip(promises).map(point).collect())
        };
        let points = |measured: &[(Measured, Promise)]| measured.iter().map(|(point, _)| point.clone()).collect();
        let failed = |error: ParetoError| CliError::failure(error.to_string());
        let mut all = measured(&tasted)?;
        trade_off.scale = spreads(&all);
        let constraints = trade_off.constraints.clone();
        let mut solver = Solver::new(trade_off, points(&all)).map_err(|error| self.refused(&error))?;
        let mut next = solver.step().map_err(failed)?;
        while let Step::Measure(shares) = next.clone() {
            if tasted.len() >= self.arguments.budget {
                break;
            }
            let tasting = self.taste(&shares, tasted.len() + 1)?;
            if !self.global.quiet {
                let names = self.kept.experiment.spec.reward_names();
                let means = tasting.record.reward_means();
                let means = names.iter().zip(means).map(|(name, mean)| format!("{name} {mean:.3}"));
                note(&format!("measured {}: {}", self.bench.name(&shares), means.collect::<Vec<_>>().join("  ")));
            }
            tasted.push((shares, tasting));
            all = measured(&tasted)?;
            solver.tell_all(points(&all)).map_err(failed)?;
            next = solver.step().map_err(failed)?;
        }
        let exhausted = next != Step::Done;
        let (met, point) = match solver.answer() {
            Answer::Met(point) => (true, point),
            Answer::NotMet(point) => (false, point),
        };
        let promise = all.iter().find(|(known, _)| known.shares == point.shares).map(|(_, promise)| promise.clone());
        let promise = promise.unwrap_or_else(|| unreachable!("the answer is one of the points"));
        let measurements = tasted.len();
        let tasting = match tasted.into_iter().find(|(shares, _)| *shares == point.shares) {
            Some((_, tasting)) => tasting,
            // The sweep has measured it: once more, for its images.
            None => self.taste(&point.shares, measurements + 1)?,
        };
        let mut text = answer::verdict(self.bench, met, exhausted, &point, &constraints);
        text.push_str(&answer::shares(self.bench, &point.shares));
        text.push_str(&answer::scores(
            self.bench,
            &promise,
            &constraints,
            &self.bounds_over(&promise, fresh.texts.len(), all.len()),
        ));
        let found = count(measurements as u64, "mixture");
        let _ = writeln!(text, "{found} measured in {}", duration(began.elapsed()));
        self.finish(text, &tasting, &promise, &point.shares, &fresh)?;
        if met { Ok(()) } else { Err(CliError::infeasible()) }
    }

    /// Says what is wrong with a trade-off, by the names of rewards.
    fn refused(&self, error: &ParetoError) -> CliError {
        let ParetoError::Contradiction { objective, least, most } = *error else {
            return CliError::usage(error.to_string());
        };
        let names = self.bench.rewards();
        let what = match objective.checked_sub(names.len()) {
            None => names[objective].clone(),
            Some(reward) => format!("the gain of {} over the base", names[reward]),
        };
        CliError::usage(format!("--where: {what} must be at least {least} and at most {most}: no value is both"))
    }

    /// Says what the bounds hold for.
    fn bounds_over(&self, promise: &Promise, fresh: usize, mixtures: usize) -> String {
        let of = match mixtures {
            1 => String::new(),
            more => format!(", whichever of the {} measured is picked", count(more as u64, "mixture")),
        };
        let names = self.bench.rewards();
        let missing: Vec<&str> = promise.unbounded().map(|reward| &*names[reward]).collect();
        let prompts = self.kept.experiment.prompts.held_out.len();
        let mut text = format!(
            "bounds for the means over {} of the same kind, all at once with 95 %{of}\n",
            count(fresh as u64, "other prompt")
        );
        if prompts < FEWEST_PROMPTS {
            let _ = writeln!(
                text,
                "with {} (fewer than {FEWEST_PROMPTS}) bounds are what a reward's range allows",
                count(prompts as u64, "prompt")
            );
        }
        if !missing.is_empty() {
            let why = if prompts < FEWEST_PROMPTS {
                "has no known range"
            } else {
                "varies too little and has no known range"
            };
            let _ = writeln!(text, "no bounds for {}: it {why}", missing.join(", "));
        }
        text
    }

    /// Measures a mixture, with a bar.
    fn taste(&self, shares: &[f64], number: usize) -> Result<Tasting, CliError> {
        let label = format!("mixture {number}");
        Ok(work_with_bar(&label, self.global.quiet, |progress| self.bench.taste(shares, progress))?)
    }

    /// Verifies if asked to, writes the files, and prints the answer.
    fn finish(
        &self,
        mut text: String,
        tasting: &Tasting,
        promise: &Promise,
        shares: &[f64],
        fresh: &FreshPrompts,
    ) -> Result<(), CliError> {
        if self.arguments.verify {
            let seed = self.kept.experiment.spec.evaluation.seed.wrapping_add(0x5eed);
            let base = work_with_bar("base, fresh prompts", self.global.quiet, |progress| {
                self.bench.base_afresh(fresh.texts.clone(), seed, progress)
            })?;
            let again = work_with_bar("fresh prompts", self.global.quiet, |progress| {
                self.bench.taste_afresh(tasting.adapter.clone(), fresh.texts.clone(), seed, progress)
            })?;
            let names = self.kept.experiment.spec.reward_names();
            text.push_str(&answer::verification(&names, promise, &again.record, &base, fresh));
        }
        let folder = self.write(&tasting.adapter, shares, Some(&tasting.record))?;
        answer::draw(&folder, &self.kept.experiment.prompts.held_out, tasting)?;
        text.push_str(&answer::files(&folder));
        print(text)
    }

    fn write(
        &self,
        adapter: &Adapter,
        shares: &[f64],
        measured: Option<&EvaluationRecord>,
    ) -> Result<PathBuf, CliError> {
        let name = self.bench.name(shares);
        let folder = self.arguments.out.clone().unwrap_or_else(|| self.kept.folder.join("merged").join(name));
        for format in &self.arguments.format {
            write_adapter(adapter, format.format(), &self.kept.experiment.spec.base, &folder)?;
        }
        let formats: Vec<_> = self.arguments.format.iter().map(|format| format.format()).collect();
        let soup = card::of_soup(self.bench, adapter, shares, self.arguments.method.describe(), &formats, measured)?;
        card::write(&folder, &soup)?;
        Ok(folder)
    }
}

/// Returns by reward, and by gain, how far apart the measured points are, by which shortfalls are compared.
fn spreads(known: &[(Measured, Promise)]) -> Vec<f64> {
    let objectives = known.first().map_or(0, |(point, _)| point.scores.len());
    let spread = |objective: usize| {
        let means = || known.iter().map(|(point, _)| point.scores[objective].mean);
        let width = means().fold(f64::NEG_INFINITY, f64::max) - means().fold(f64::INFINITY, f64::min);
        width.max(1e-3)
    };
    (0..objectives).map(spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_tried_on_the_fresh_prompts_of_the_same_kind() {
        let set = |name: &str| -> Vec<String> {
            moa_scenes::prompt_set(name).unwrap().into_iter().map(|prompt| prompt.text).collect()
        };
        for kind in ["emoji", "emoji-hard"] {
            let fresh = FreshPrompts::beside(&set("emoji-train"), &set(&format!("{kind}-held-out")));
            assert_eq!((fresh.texts, fresh.are_other), (set(&format!("{kind}-fresh")), true));
        }
        let own = vec!["a fox".to_owned()];
        let again = FreshPrompts::beside(&[], &own);
        assert_eq!((again.texts, again.are_other), (own, false));
    }
}
