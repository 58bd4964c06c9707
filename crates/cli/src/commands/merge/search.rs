//! Adapters of an experiment, merged at given shares or wherever a trade-off is met, and measured.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use moa_adapter::Adapter;
use moa_analysis::card::Worth;
use moa_analysis::trade_off::Constraints;
use moa_analysis::{AnalysisError, Promise, Search, TradeOffError, Tried, trade_off};
use moa_core::experiment::Prompts;
use moa_core::{EvaluationRecord, Provenance, RunId};
use moa_pareto::{FEWEST_PROMPTS, Goal};
use moa_runner::{Joined, SoupBench, SweepRequest, Tasting};
use moa_scenes::PROMPT_SETS;
use moa_store::Snapshot;

use super::siege::Siege;
use super::{Arguments, answer, constraints, written_wrongly};
use crate::bar::work_with_bar;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::global::Global;
use crate::outgoing::{Draw, Outgoing, Written};
use crate::output::{note, print, prose, say};
use crate::text::{count, duration};

/// Merges adapters of an experiment.
pub(super) fn run(arguments: &Arguments, results: &Path, global: Global) -> Result<(), CliError> {
    let kept = Kept::read(results)?;
    let ingredients = kept.ingredients(&arguments.of)?;
    let names: Vec<String> = ingredients.iter().map(ToString::to_string).collect();
    let wanted = Wanted::read(arguments, &kept.experiment.spec.reward_names(), &names)?;
    if wanted.is_on_attacks() {
        // Before models are opened in vain.
        Siege::read(&kept.folder, 0.0, &[])?;
    }
    let device = kept.experiment.device(global)?;
    let models = kept.experiment.models(&device)?;
    let bench = SoupBench::open(kept.request(&device), &models, &ingredients, arguments.method.merge())?;
    if !global.quiet {
        note(&format!("moa merge {} on {}", names.join(" + "), device.description()));
    }
    let session = Session { arguments, global, kept: &kept, bench: &bench };
    match wanted {
        Wanted::Shares(shares) => session.at(&shares),
        Wanted::TradeOff(constraints, goal) => session.solve(&constraints, goal),
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

    /// Returns the adapters to merge: those named, else the corners and those that were given.
    fn ingredients(&self, named: &[String]) -> Result<Vec<RunId>, CliError> {
        let runs = self.experiment.spec.weightings();
        let given: Vec<RunId> = self.experiment.spec.given().into_iter().map(|(id, _)| id).collect();
        let known = || runs.iter().map(|(id, _)| id).chain(&given).map(RunId::as_str);
        if named.is_empty() {
            let corners = runs.iter().filter(|(_, weighting)| weighting.corner_index().is_some());
            let corners: Vec<RunId> = corners.map(|(id, _)| id).chain(&given).cloned().collect();
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
    TradeOff(Constraints, Goal),
}

impl Wanted {
    fn read(arguments: &Arguments, rewards: &[String], ingredients: &[String]) -> Result<Self, CliError> {
        let wrong = |option: &'static str| move |error: TradeOffError| written_wrongly(option, &error);
        if let Some(at) = &arguments.at {
            let shares = trade_off::shares(at, ingredients, arguments.extrapolate).map_err(wrong("--at"))?;
            return Ok(Self::Shares(shares));
        }
        let constraints = constraints(&arguments.conditions, rewards)?;
        let goal = match (&arguments.maximize, &arguments.nearest) {
            (Some(name), _) => trade_off::most(name, rewards).map_err(wrong("--maximize"))?,
            (None, Some(text)) => trade_off::nearest(text, rewards).map_err(wrong("--nearest"))?,
            (None, None) => {
                return Err(CliError::usage("there is no goal: say which mixture is best")
                    .hint("add --maximize REWARD or --nearest NAME=VALUE,…; or give shares with --at NAME=SHARE,…"));
            }
        };
        Ok(Self::TradeOff(constraints, goal))
    }

    fn is_on_attacks(&self) -> bool {
        matches!(self, Self::TradeOff(Constraints { attacked: Some(_), .. }, _))
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
            let (adapter, provenance) = self.bench.merge(shares)?;
            let (folder, written) = self.write(&adapter, &provenance, &self.bench.name(shares), None, None)?;
            return print(format!("{}\n{}", answer::shares(self.bench, shares), answer::files(&folder, written)));
        }
        let began = Instant::now();
        let tasting = self.taste(shares, 1)?;
        let fresh = self.kept.fresh_prompts();
        let promise = self.bench.promises(&[&tasting.record], fresh.texts.len())?.remove(0);
        let mut text = answer::shares(self.bench, shares);
        text.push_str(&answer::scores(
            self.bench,
            &promise,
            &[],
            &self.bounds_over(&promise, fresh.texts.len(), 1, false),
        ));
        if tasting.joined != Joined::Before {
            let _ = writeln!(text, "measured in {}", duration(began.elapsed()));
        }
        self.finish(text, &tasting, &promise, shares, &fresh)
    }

    fn solve(&self, wanted: &Constraints, goal: Goal) -> Result<(), CliError> {
        let constraints = &wanted.rewards[..];
        let began = Instant::now();
        let mut known = self.bench.known_records();
        if known.is_empty() {
            return Err(CliError::failure(format!("{}: no adapter is evaluated yet", self.kept.folder.display()))
                .hint("let the sweep end first"));
        }
        let points: Vec<&str> = known.iter().map(|(_, record)| record.id.as_str()).collect();
        let siege = wanted.attacked.map(|least| Siege::read(&self.kept.folder, least, &points)).transpose()?;
        if let Some(siege) = &siege {
            known.retain(|(_, record)| siege.holds(&record.id));
            if known.is_empty() {
                print(siege.infeasible())?;
                return Err(CliError::infeasible());
            }
        }
        let known = known.into_iter().map(|(shares, record)| (shares, record.clone())).collect();
        let fresh = self.kept.fresh_prompts();
        let search = Search {
            spec: self.bench.spec(),
            base: self.bench.base().ok_or(AnalysisError::NoBase)?,
            fresh: fresh.texts.len(),
            // What would be measured now was not attacked.
            budget: if siege.is_some() { 0 } else { self.arguments.budget },
        };
        let names = self.kept.experiment.spec.reward_names();
        let mut tasted: Vec<(Vec<f64>, Tasting)> = Vec::new();
        let found = search.run(known, constraints, goal, self.arguments.extrapolate, |shares, number| {
            let tasting = self.taste(shares, number)?;
            let means = names.iter().zip(tasting.record.reward_means()).map(|(name, mean)| format!("{name} {mean:.3}"));
            let how = if tasting.joined == Joined::Before { "measured before:" } else { "measured" };
            say(&format!("{how} {}: {}", tasting.record.id, means.collect::<Vec<_>>().join("  ")));
            let record = tasting.record.clone();
            tasted.push((shares.to_vec(), tasting));
            Ok::<_, CliError>(Some(record))
        })?;
        let Tried { shares, promise } = &found.answer;
        let tasting = match tasted.into_iter().find(|(known, _)| known == shares) {
            Some((_, tasting)) => tasting,
            // It is known: this finds its images.
            None => self.taste(shares, found.measured + 1)?,
        };
        let mut text = answer::verdict(self.bench, &found, constraints, siege.is_some());
        text.extend(siege.as_ref().map(|siege| siege.claim(&tasting.record.id)));
        text.push_str(&answer::shares(self.bench, shares));
        let meaning = self.bounds_over(promise, fresh.texts.len(), found.tried.len(), !constraints.is_empty());
        text.push_str(&answer::scores(self.bench, promise, constraints, &meaning));
        for line in found.why(constraints, &names, |shares| self.bench.name(shares)) {
            text.push_str(&prose(&format!("why: {line}\n")));
        }
        if siege.is_none() {
            let measured = count(found.measured as u64, "mixture");
            let _ = writeln!(text, "{measured} measured in {}", duration(began.elapsed()));
        }
        if found.met {
            return self.finish(text, &tasting, promise, shares, &fresh);
        }
        // An adapter that breaks the constraints is not what was asked for.
        text.push_str(&answer::kept(&tasting));
        text.push_str(&prose(&format!(
            "no adapter is written; `moa merge {} --at {}` writes the nearest\n",
            self.kept.folder.display(),
            self.written_shares(shares)
        )));
        print(text)?;
        Err(CliError::infeasible())
    }

    /// Returns shares as `--at` takes them; those of 0 are left out.
    fn written_shares(&self, shares: &[f64]) -> String {
        let parts = self.bench.ingredients().zip(shares).filter(|(_, share)| **share != 0.0);
        parts.map(|(id, share)| format!("{id}={share:.2}")).collect::<Vec<_>>().join(",")
    }

    /// Says what the bounds hold for.
    fn bounds_over(&self, promise: &Promise, fresh: usize, mixtures: usize, constrained: bool) -> String {
        let at_once =
            if constrained { "those of the constraints all at once, and those of the others," } else { "all at once" };
        let of = match mixtures {
            1 => String::new(),
            more => format!(", whichever of the {} measured is picked", count(more as u64, "mixture")),
        };
        let names = self.bench.rewards();
        let missing: Vec<&str> = promise.unbounded().map(|reward| &*names[reward]).collect();
        let prompts = self.kept.experiment.prompts.held_out.len();
        let mut text = format!(
            "bounds for the means over {} of the same kind, {at_once} with 95 %{of}\n",
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
            let labels = self.kept.experiment.spec.reward_labels();
            text.push_str(&answer::verification(&labels, promise, &again, &base, fresh));
        }
        text.push_str(&answer::kept(tasting));
        let prompts = &self.kept.experiment.prompts.held_out;
        let draw = |file: &Path| answer::draw(file, prompts, tasting);
        let name = self.bench.name(shares);
        let written = self.write(&tasting.adapter, &tasting.provenance, &name, Some(&draw), Some(&tasting.record));
        // What was measured is said, whatever becomes of the files.
        let (folder, written) = match written {
            Ok(written) => written,
            Err(error) => {
                print(text)?;
                return Err(error);
            }
        };
        text.push_str(&answer::files(&folder, written));
        print(text)
    }

    /// Writes the adapter where it was asked for, or by its name into the results, where another adapter never has that name.
    fn write(
        &self,
        adapter: &Adapter,
        provenance: &Provenance,
        name: &str,
        draw: Option<&Draw<'_>>,
        measured: Option<&EvaluationRecord>,
    ) -> Result<(PathBuf, Written), CliError> {
        let formats = self.arguments.formats(adapter);
        let base = &self.kept.experiment.spec.base;
        let worth =
            measured.map(|record| Worth::of(self.bench.spec(), self.bench.evaluations(), record)).transpose()?;
        let outgoing = Outgoing { adapter, provenance, base, formats: &formats, draw, worth };
        let folder = match &self.arguments.out {
            Some(out) => out.clone(),
            None => outgoing.free(self.kept.folder.join("merged").join(name))?,
        };
        let written = outgoing.write(&folder, self.arguments.force)?;
        Ok((folder, written))
    }
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
