//! An experiment file with its prompts and its plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use moa_core::ExperimentSpec;
use moa_core::experiment::{BUILT_IN_BASE, FeedbackFrom, Plan, Prompts, RewardKind};
use moa_pareto::FEWEST_PROMPTS;
use moa_runner::{Models, SweepRequest};
use moa_scenes::prompt_set;
use moa_store::Layout;
use moa_zoo::BaseModel;

use crate::base;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::global::Global;
use crate::hub;
use crate::memory;
use crate::results;
use crate::setting::Settings;
use crate::slurm;
use crate::text::{count, whole};

/// How many seconds trained epochs may stay unsafe, unless `MOA_SAVE_SECONDS` says otherwise.
const SAVE_SECONDS: u64 = 2;

/// Returns how long trained epochs may stay unsafe.
fn save_every() -> Duration {
    let given = std::env::var("MOA_SAVE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(given.unwrap_or(SAVE_SECONDS))
}

/// An experiment that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Experiment {
    /// The experiment.
    pub(crate) spec: ExperimentSpec,
    /// Its prompts.
    pub(crate) prompts: Prompts,
    /// Its work.
    pub(crate) plan: Plan,
    /// Its phases, each an experiment of its own; none of most experiments. Prompts and plan are then those of the first.
    pub(crate) phases: Vec<Self>,
}

impl Experiment {
    /// Reads and checks an experiment file, with values in place of its own, and the prompts that it names.
    ///
    /// # Errors
    /// Says file, line, column, field and what to write; of a value that was set, the option.
    pub(crate) fn load(file: &Path, settings: &Settings) -> Result<Self, CliError> {
        Self::of(ExperimentSpec::load_with(file, &settings.all())?, file, settings)
    }

    /// Reads and checks the experiment of a results folder.
    ///
    /// # Errors
    /// See [`Experiment::load`]; says so where an earlier version of moa made the results.
    pub(crate) fn load_kept(results: &Path) -> Result<Self, CliError> {
        let file = Layout::new(results).experiment_file();
        Self::of(ExperimentSpec::load_kept(&file)?, &file, &Settings::default())
    }

    fn of(spec: ExperimentSpec, file: &Path, settings: &Settings) -> Result<Self, CliError> {
        let sets = |name: &str| {
            let prompts = prompt_set(name).ok()?;
            Some(prompts.into_iter().map(|prompt| prompt.text).collect())
        };
        // A base that is not there is the likelier mistake: another base has no prompt sets.
        let refused = |error| base::find(&spec.base).err().unwrap_or_else(|| settings.named_in(error).into());
        let alone = |(spec, prompts): (ExperimentSpec, Prompts)| {
            let plan = spec.plan(prompts.train.len(), prompts.held_out.len());
            Self { spec, prompts, plan, phases: Vec::new() }
        };
        if spec.phases.is_empty() {
            let prompts = spec.resolve_prompts(file, &sets).map_err(refused)?;
            return Ok(alone((spec, prompts)));
        }
        let phases: Vec<Self> = spec.resolve_phases(file, &sets).map_err(refused)?.into_iter().map(alone).collect();
        let [first, ..] = &phases[..] else { unreachable!("an experiment in phases has two or more") };
        Ok(Self { prompts: first.prompts.clone(), plan: first.plan, spec, phases })
    }

    /// Gives the experiment, and each of its phases, another seed.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.spec.seed = seed;
        self.phases.iter_mut().for_each(|phase| phase.reseed(seed));
    }

    /// Refuses an experiment in phases where that is not swept.
    ///
    /// # Errors
    /// Says that `what` does not do phases.
    pub(crate) fn without_phases(&self, what: &str) -> Result<(), CliError> {
        if self.phases.is_empty() {
            return Ok(());
        }
        let message = format!("{what} does not sweep phases, and {} has {}", self.name(), self.phases.len());
        Err(CliError::usage(message).hint("leave it out: phases are swept one after the other by one process"))
    }

    /// Finds the experiment's base model.
    ///
    /// # Errors
    /// Says that there is no such folder or download, with a hint.
    pub(crate) fn base(&self) -> Result<BaseModel, CliError> {
        base::find(&self.spec.base)
    }

    /// Opens the devices that the experiment computes on, before anything else is done (see [`DeviceName::settle`]).
    ///
    /// # Errors
    /// Says what is missing, and what to do; refuses a precision that the device lacks.
    ///
    /// [`DeviceName::settle`]: crate::device::DeviceName::settle
    pub(crate) fn device(&self, global: Global) -> Result<OpenDevice, CliError> {
        // A base that is not there is said first: it takes a download.
        self.base()?;
        global.device.settle(self.spec.precision)?;
        self.device_as_it_is(global)
    }

    /// Opens the devices in the middle of things: products of f32 are as LibTorch was started.
    ///
    /// # Errors
    /// As [`Experiment::device`].
    pub(crate) fn device_as_it_is(&self, global: Global) -> Result<OpenDevice, CliError> {
        global.device.open_for(self.spec.precision, global.reward_device)
    }

    /// Opens base, rewards and judges.
    ///
    /// # Errors
    /// Says which model cannot be opened and why.
    pub(crate) fn models(&self, device: &OpenDevice) -> Result<Models, CliError> {
        Ok(Models::open(&self.spec, &self.prompts, &self.base()?, hub::cache().as_deref(), &device.places())?)
    }

    /// Returns the request to sweep it into a folder, or to measure something as its sweep does.
    pub(crate) fn request(&self, device: &OpenDevice, out: &Path, stop: Arc<AtomicBool>) -> SweepRequest {
        SweepRequest {
            spec: self.spec.clone(),
            prompts: self.prompts.clone(),
            out: out.to_path_buf(),
            part: None,
            device_name: device.name.to_string(),
            node: slurm::node(),
            job: slurm::Job::current().map(|job| job.name()),
            workers: device.workers,
            overlaps: device.overlaps,
            save_every: save_every(),
            device_memory: memory::of_gpu,
            peak_memory: memory::peak,
            stop,
        }
    }

    /// Returns the experiment's name.
    pub(crate) fn name(&self) -> &str {
        self.spec.name.as_deref().unwrap_or("experiment")
    }

    /// Returns how many images are drawn before they are scored, in training or of a point in evaluation, whichever are more.
    pub(crate) fn pictures_at_once(&self) -> u64 {
        let epochs = u64::from(self.spec.training.epochs).max(1);
        let of_a_point = self.prompts.held_out.len() as u64 * u64::from(self.spec.evaluation.images_per_prompt);
        (self.plan.training_pictures / epochs).max(of_a_point)
    }

    /// Returns where results go unless the user says otherwise.
    pub(crate) fn default_results(&self) -> PathBuf {
        results::library().join(self.name())
    }

    /// Returns that there are too few held-out prompts for intervals that hold, where that is so.
    pub(crate) fn few_prompts(&self) -> Option<String> {
        let all = self.prompts.held_out.len();
        let prompts = self.spec.evaluation.prompts.map_or(all, |most| all.min(most as usize));
        (prompts < FEWEST_PROMPTS).then(|| {
            format!(
                "{} are evaluated, fewer than the {FEWEST_PROMPTS} from which intervals hold at their stated rate: most differences will \
                 stay open",
                count(prompts as u64, "held-out prompt")
            )
        })
    }

    /// Returns the plan as lines: what is trained, drawn and computed.
    pub(crate) fn describe(&self) -> String {
        let Self { spec, prompts, plan, .. } = self;
        let training = &spec.training;
        let points =
            [(plan.runs, "adapter"), (plan.given, "given adapter"), (plan.soups, "soup"), (plan.blends, "blend")];
        let points: Vec<String> =
            points.iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(*number, noun)).collect();
        let dropped = match prompts.duplicates {
            0 => String::new(),
            number => format!(", {} dropped", count(number as u64, "duplicate")),
        };
        let lines = [
            ("rewards", spec.reward_names().join(", ")),
            ("runs", format!("{} of {}", count(plan.runs, "adapter"), count(u64::from(training.epochs), "epoch"))),
            ("prompts", format!("{} to train on, {} held out{dropped}", prompts.train.len(), prompts.held_out.len())),
            ("method", training.method.name().to_owned()),
            ("training", format!("{}, {}", count(plan.training_pictures, "image"), passes(plan.training_passes))),
            ("evaluation", format!("{} of base, {}", count(plan.evaluation_pictures, "image"), points.join(", "))),
            (
                "denoiser",
                format!("{} forward, {} in training", passes(plan.forward_passes()), whole(plan.training_passes)),
            ),
        ];
        // Of given adapters alone nothing is trained.
        let of_training = ["runs", "method", "training"];
        let lines = lines.into_iter().filter(|(label, _)| plan.runs > 0 || !of_training.contains(label));
        let lines = lines.chain(self.judging().map(|text| ("judging", text)));
        let lines = lines.chain(self.online().map(|text| ("online", text)));
        let lines: Vec<String> = lines.map(|(label, text)| format!("{label:<11}{text}\n")).collect();
        lines.concat()
    }

    /// Returns what is judged while adapters are trained, where something is.
    fn judging(&self) -> Option<String> {
        let feedback = self.spec.feedback.as_ref()?;
        let times = feedback.times(self.spec.training.epochs);
        let pairs: u32 = (0..times).map(|time| feedback.pairs_at(time)).sum();
        let by = match &feedback.from {
            FeedbackFrom::Human => "people, on a page of this machine".to_owned(),
            FeedbackFrom::Ai(ai) => format!("{}, at the address in {}", ai.model, ai.address),
            FeedbackFrom::Follow { file } => format!("whoever appends to {}", file.display()),
            FeedbackFrom::Simulated { .. } => "a formula that stands for a person".to_owned(),
        };
        Some(format!("{} at {} by {by}", count(pairs.into(), "pair"), count(times.into(), "time")))
    }

    /// Returns what happens online, where something does.
    fn online(&self) -> Option<String> {
        let online = self.spec.online.as_ref()?;
        let versions = online.versions(self.spec.training.epochs);
        let prompts = u64::from(online.reference).min(self.prompts.train.len() as u64);
        let images = prompts * u64::from(online.images_per_prompt);
        Some(format!(
            "prompts from {} every {}; {} of each run, measured on {} and up to as many of prompts that arrived",
            online.inbox.display(),
            count(online.every.into(), "epoch"),
            count(versions.into(), "version"),
            count(images, "image"),
        ))
    }

    /// Returns the experiment with another reward of the same cost in place of one that is fitted only when it is trained: to measure
    /// costs by.
    pub(crate) fn measurable(&self) -> Self {
        let mut spec = self.spec.clone();
        spec.feedback = None;
        spec.online = None;
        for reward in &mut spec.rewards {
            if let RewardKind::Feedback { clip, .. } = &reward.kind {
                reward.kind = if clip == BUILT_IN_BASE {
                    RewardKind::Aesthetics
                } else {
                    RewardKind::ClipScore { model: clip.clone(), processor: None }
                };
            }
        }
        Self { spec, ..self.clone() }
    }

    /// Returns the runs as lines: each with its shares in percent.
    pub(crate) fn describe_runs(&self) -> String {
        let names = self.spec.reward_names();
        let mut table = crate::text::Table::new(["run".to_owned()].into_iter().chain(names));
        for (id, weighting) in self.spec.weightings() {
            let shares = weighting.shares().iter().map(|share| format!("{:.0} %", 100.0 * share));
            table.row([id.to_string()].into_iter().chain(shares));
        }
        table.render()
    }
}

fn passes(number: u64) -> String {
    if number == 1 { "1 pass".into() } else { format!("{} passes", whole(number)) }
}
