//! The results folder: begun for one experiment, and grown by what is added to it.

use std::collections::BTreeMap;
use std::path::Path;

use moa_core::experiment::{Fingerprint, PromptSource, Prompts, PromptsSpec, acting_guidance};
use moa_core::{ExperimentSpec, NoiseKey, PointKind, RunId, Weighting};
use moa_store::{Layout, RunHistory, write_where_other};

use crate::adapters::hash_in;
use crate::before::Before;
use crate::feedback::Times;
use crate::receipt::{Receipt, sha256};
use crate::{RunnerError, SweepRequest};

/// A run as its folder has it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) weighting: Weighting,
    /// What its training depends on.
    pub(crate) facts: String,
    /// Which round it is of, counted from 1.
    pub(crate) round: u32,
    /// Whether the round before is trained.
    pub(crate) is_ready: bool,
    /// Whether moa chose its weighting.
    pub(crate) is_chosen: bool,
    /// What its log says, as far as it goes; nothing before it was begun.
    pub(crate) history: RunHistory,
}

/// A results folder that is this experiment's.
pub(crate) struct Folder {
    pub(crate) layout: Layout,
    /// The runs that the experiment asks for, in its order.
    pub(crate) runs: Vec<Run>,
    /// The digest of what evaluations depend on.
    pub(crate) settings: String,
    /// What a reader of the results must know of how they came about.
    pub(crate) findings: Vec<String>,
    /// What a phase goes on from.
    pub(crate) before: Option<Before>,
    /// The training prompts of earlier phases that a phase returns to.
    pub(crate) replayed: Vec<String>,
}

/// Returns the experiment as it is kept: with its name, and the prompts themselves in place of where they came from.
pub(crate) fn as_run(spec: &ExperimentSpec, prompts: &Prompts, folder: &Path) -> ExperimentSpec {
    let mut spec = spec.clone();
    spec.prompts = PromptsSpec {
        train: PromptSource::List(prompts.train.clone()),
        held_out: PromptSource::List(prompts.held_out.clone()),
    };
    let folder = || folder.file_name().map_or_else(|| "experiment".into(), |name| name.to_string_lossy().into_owned());
    spec.name.get_or_insert_with(folder);
    spec
}

impl Folder {
    /// Opens the folder of an experiment `as_run`, and writes nothing yet.
    ///
    /// - `inputs`: SHA-256 of what the experiment is made with, by name
    ///
    /// # Errors
    /// Refuses a folder whose finished or begun runs are others than this experiment's, results of an earlier version, and what cannot be
    /// read.
    pub(crate) fn open(
        request: &SweepRequest,
        as_run: &ExperimentSpec,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Self, RunnerError> {
        let layout = Layout::new(&request.out);
        if layout.earlier_checkpoint().exists() {
            return Err(RunnerError::EarlierResults { folder: request.out.clone() });
        }
        let names = as_run.reward_names();
        let chosen = as_run.next().into_iter().flat_map(|next| &next.chosen);
        let chosen: Vec<Weighting> = chosen.filter_map(|chosen| chosen.weighting(&names)).collect();
        let before = Before::of(as_run, layout.root())?;
        let replays = before.as_ref().filter(|_| as_run.continual.replay > 0.0);
        let replayed = replays.map(|before| before.replayed(&request.prompts)).transpose()?.unwrap_or_default();
        let mut runs: Vec<Run> = Vec::new();
        for round in 1..=as_run.rounds {
            let start = if round == 1 { None } else { Some(start_of(as_run, &layout, round, &runs)?) };
            for (id, weighting) in as_run.round(round) {
                let prompts = [&request.prompts.train[..], &request.prompts.held_out];
                let facts = as_run.fingerprint(&id, &weighting, prompts).with(inputs);
                let from =
                    |start: &Option<String>| start.clone().unwrap_or_else(|| "a round that is not trained".into());
                let facts = start.iter().fold(facts, |facts, start| facts.from(&from(start)));
                let facts = match &before {
                    Some(before) => facts.from(&before.start(runs.len())?),
                    None => facts,
                };
                let facts = if replays.is_some() { facts.replaying(&replayed) } else { facts };
                let history = RunHistory::read(&layout.log_file(PointKind::Trained, &id))?.unwrap_or_default();
                let is_ready = start.as_ref().is_none_or(Option::is_some);
                let is_chosen = chosen.contains(&weighting);
                let run = Run { facts: facts.text(), round, is_ready, is_chosen, history, weighting, id };
                run.check(&layout, &facts, as_run.training.epochs)?;
                runs.push(run);
            }
        }
        let findings = compare(&layout, &receipt(request, as_run, inputs))?;
        let times = Times::read(&layout)?;
        let settings = settings(as_run, &request.prompts, inputs, times.last_hash());
        Ok(Self { layout, runs, settings, findings, before, replayed })
    }

    /// Writes receipt and experiment, where they are new.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn keep(
        &self,
        request: &SweepRequest,
        as_run: &ExperimentSpec,
        inputs: &BTreeMap<String, String>,
    ) -> Result<(), RunnerError> {
        let mut receipt = receipt(request, as_run, inputs);
        if let Some(kept) = Receipt::read(&self.layout.receipt_file())? {
            (receipt.moa, receipt.device) = (kept.moa, kept.device);
        }
        receipt.sha256.extend(Times::read(&self.layout)?.hashes());
        receipt.sha256.extend(crate::online::hashes(&self.layout)?);
        write_where_other(&self.layout.receipt_file(), &receipt.to_json())?;
        // Last: with it the folder belongs to this experiment.
        Ok(write_where_other(&self.layout.experiment_file(), as_run.to_ron().as_bytes())?)
    }
}

impl Run {
    /// Returns whether nothing is left to train.
    pub(crate) fn is_trained(&self, epochs: u32) -> bool {
        self.history.is_trained(epochs)
    }

    /// Returns the epochs that it has trained.
    pub(crate) fn epochs_done(&self) -> u32 {
        self.history.epochs_done()
    }

    /// Refuses a log of another run.
    fn check(&self, layout: &Layout, facts: &Fingerprint, epochs: u32) -> Result<(), RunnerError> {
        let (folder, run) = (layout.root().to_path_buf(), self.id.to_string());
        let Some(kept) = &self.history.facts else {
            let checkpoint = layout.checkpoint_file(&self.id);
            return if checkpoint.exists() || layout.adapter_file(&self.id).exists() {
                Err(RunnerError::Unlabelled { folder: layout.run_dir(&self.id) })
            } else {
                Ok(())
            };
        };
        if let Some(fact) = Fingerprint::read(kept).difference(facts) {
            let what = fact.field.strip_prefix("input.").map(str::to_owned);
            return Err(match what {
                Some(what) => {
                    let [there, here] = [fact.there, fact.here].map(Option::unwrap_or_default);
                    RunnerError::OtherInput { folder, what, there, here }
                }
                None => RunnerError::OtherExperiment { folder, run, fact: Box::new(fact) },
            });
        }
        match self.epochs_done() {
            done if done > epochs => Err(RunnerError::FewerEpochs { folder, run, done, epochs }),
            _ => Ok(()),
        }
    }
}

/// Returns a digest of the adapter from which a round continues; nothing if the previous round is not trained.
fn start_of(spec: &ExperimentSpec, layout: &Layout, round: u32, runs: &[Run]) -> Result<Option<String>, RunnerError> {
    let before = runs.iter().filter(|run| run.round + 1 == round);
    let epochs = spec.training.epochs;
    let trained = |run: &Run| run.is_trained(epochs) && layout.adapter_file(&run.id).exists();
    if !before.clone().all(trained) {
        return Ok(None);
    }
    let mut hash = NoiseKey::new(0).named("start");
    for run in before {
        hash = hash.named(&hash_in(&layout.run_dir(&run.id))?);
    }
    Ok(Some(format!("{:016x}", hash.bits(0))))
}

/// Returns a digest of what evaluations depend on beside what is evaluated: evaluations of another digest do not compare.
///
/// - `fitted`: the hash of the last model that was fitted while runs were trained
pub(crate) fn settings(
    spec: &ExperimentSpec,
    prompts: &Prompts,
    inputs: &BTreeMap<String, String>,
    fitted: Option<&str>,
) -> String {
    let evaluation = &spec.evaluation;
    let own = format!(
        "{} {} {:?} {} {:?} {inputs:?} {:?}",
        evaluation.seed,
        evaluation.steps,
        acting_guidance(evaluation.guidance),
        evaluation.images_per_prompt,
        spec.precision,
        spec.rewards
    );
    let own = fitted.iter().fold(own, |own, fitted| format!("{own} {fitted}"));
    let key = prompts.held_out.iter().fold(NoiseKey::new(0).named(&own), |key, prompt| key.named(prompt));
    format!("{:016x}", key.bits(0))
}

/// Returns what an experiment is made with.
fn receipt(request: &SweepRequest, as_run: &ExperimentSpec, inputs: &BTreeMap<String, String>) -> Receipt {
    let mut hashes = inputs.clone();
    hashes.insert("experiment".into(), sha256(as_run.to_ron()));
    hashes.insert("prompts.train".into(), sha256(request.prompts.train.join("\n")));
    hashes.insert("prompts.held_out".into(), sha256(request.prompts.held_out.join("\n")));
    let name = as_run.name.as_deref().unwrap_or_default();
    Receipt::new(name, as_run.seed, &request.device_name, hashes)
}

/// Returns what is different since the folder was begun.
fn compare(layout: &Layout, receipt: &Receipt) -> Result<Vec<String>, RunnerError> {
    let mut findings = Vec::new();
    if let Some(kept) = Receipt::read(&layout.receipt_file())? {
        let mut compare = |what: &str, there: &str, here: &str| {
            if there != here {
                findings.push(format!(
                    "begun with {what} {there} and continued with {here}: figures may differ in their last digits from \
                     those of one {what} alone"
                ));
            }
        };
        compare("moa", &kept.moa, &receipt.moa);
        compare("device", &kept.device, &receipt.device);
    }
    Ok(findings)
}
