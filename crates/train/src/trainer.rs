//! The trainer: it owns bank, threads, optimiser, averages and checkpoint; what an epoch does with them is its method's.

use std::collections::BTreeMap;
use std::sync::Arc;

use moa_adapter::{Adapter, AdapterBank};
use moa_core::experiment::{ExperimentSpec, Onto, Precision};
use moa_core::{RunId, Weighting, metric};
use moa_diffusion::Pipeline;
use moa_optimiser::{AdamW, Average};
use moa_reward::Scorer;
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::adversaries::Adversaries;
use crate::batches::in_order;
use crate::clock::{self, Clock, Timings};
use crate::common::Common;
use crate::continued::{Consolidation, Continued, importance};
use crate::epoch::{Epoch, Meter};
use crate::factors::{
    Factors, add, clipped, joined, leaves, member, member_squares, members, of_members, replaced, rows, trained,
};
use crate::gain::{PromptScores, gain};
use crate::guard::{Ending, Verdict, verdicts};
use crate::method::{Loss, Method, Pass, Rows, method};
use crate::report::{Report, collected};
use crate::sampler::{Sampler, targeted};
use crate::statistics::Statistics;
use crate::steering::Steering;
use crate::stored::StoredPreferences;
use crate::unopposed::unopposed;
use crate::world::World;

/// What a trainer works with.
#[derive(Clone, Copy)]
pub struct TrainerSetup<'a> {
    /// The base model.
    pub pipeline: &'a Pipeline,
    /// The rewards, in the experiment's order, and the judges.
    pub scorer: &'a Scorer,
    /// The training prompts.
    pub prompts: &'a [String],
    /// The held-out prompts; looked at where the experiment's probe asks for them, and never trained on.
    pub held_out: &'a [String],
    /// The preferences of the file that the experiment's method names; nothing where it names none.
    pub preferences: Option<&'a StoredPreferences>,
    /// The experiment.
    pub spec: &'a ExperimentSpec,
    /// The runs trained together.
    pub runs: &'a [(RunId, Weighting)],
    /// The adapters from which runs continue; runs that are not named begin with the base.
    pub starts: Option<&'a BTreeMap<RunId, Adapter>>,
    /// What runs go on from that are of a phase, as `spec.continual` says; nothing of others.
    pub continued: Option<&'a Continued>,
    /// Threads that train; results do not depend on it.
    pub workers: usize,
    /// Whether images are scored while others are drawn, and a run's pass together as far as the micro-batch goes: it pays where a
    /// device draws beside the host. Results depend on it by rounding alone.
    pub overlaps: bool,
}

/// The metrics of one run's epoch, by the names in [`moa_core::metric`].
pub type EpochMetrics = BTreeMap<String, f64>;

/// What an epoch left.
#[derive(Clone, Debug, Default)]
pub struct EpochReport {
    /// The metrics of every run, in the runs' order; none of runs that had ended before.
    pub metrics: Vec<Option<EpochMetrics>>,
    /// What the guard found, and did.
    pub findings: Vec<(RunId, String)>,
    /// How long training took, without looking at the adapters. Not part of the result: it differs between repetitions.
    pub timings: Timings,
}

/// Everything of the adapters that an epoch changes.
#[derive(Clone)]
pub(crate) struct Learned {
    pub(crate) factors: Factors,
    pub(crate) average: Option<Average<3>>,
    pub(crate) adamw: AdamW<3>,
    pub(crate) statistics: Statistics,
    pub(crate) steering: Steering,
}

/// Trains one adapter per run, all in one batch over the frozen base. Of several runs in one batch, results depend on each other by
/// rounding; a [`Cohort`](crate::Cohort) has a trainer for each.
pub struct Trainer<'a> {
    pub(crate) setup: TrainerSetup<'a>,
    /// The world of the runs that are still trained.
    pub(crate) world: World<'a>,
    pub(crate) learned: Learned,
    /// What pulls the adapters back to those of the phase before, where anything does.
    pub(crate) consolidation: Option<Consolidation>,
    pub(crate) method: Box<dyn Method>,
    /// The adapters as they were at the last probe that found them sound: the runs' that are still trained.
    pub(crate) sound: Factors,
    /// How rewards stood then.
    pub(crate) sound_steering: Steering,
    /// The epoch of that probe, by run still trained.
    pub(crate) sound_since: Vec<u32>,
    /// The runs that have ended, with the adapters that are kept of them.
    pub(crate) ended: BTreeMap<RunId, Ending>,
    pub(crate) epoch: u32,
    /// What the look after the last epoch found, where that is no regular probe.
    pub(crate) closed: Option<Closing>,
}

/// What a look found that comes only because training ends. A longer training would not have had it: nothing that the next epoch depends
/// on changes by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closing {
    /// The runs whose adapter gives way to the last sound one, and the epoch of that.
    pub(crate) kept: BTreeMap<RunId, u32>,
}

/// What a look at the adapters says of them.
struct Look {
    verdicts: Vec<Verdict>,
    /// How rewards stand then.
    steering: Steering,
}

/// What an update saw.
struct UpdateStats {
    rows: Rows,
    grad_norms: Vec<f64>,
}

/// By how much gradients are scaled up at first on their way through a base in F16, whose least number is 6e-8; less where some
/// overflow.
const MOST_SCALE: f64 = 65536.0;
/// By how much less.
const SCALE_STEP: f64 = 16.0;
/// Passes of an update are summed up in so many lanes, whatever the number of threads: as few gradients are held at once.
const LANES: usize = 16;

impl<'a> Trainer<'a> {
    /// Returns a trainer before its first epoch.
    ///
    /// # Errors
    /// Fails when the sampler does not fit the base model, `lora.targets` match no layer, or a prompt cannot be
    /// tokenised.
    pub fn new(setup: TrainerSetup<'a>) -> Result<Self, TrainError> {
        Self::among(Arc::new(Common::new(&setup)?), setup)
    }

    /// Returns a trainer before its first epoch, beside others of the same experiment.
    pub(crate) fn among(common: Arc<Common<'a>>, setup: TrainerSetup<'a>) -> Result<Self, TrainError> {
        let world = World::new(common, &setup)?;
        let spec = setup.spec;
        let factors = first(&world, &setup)?;
        let consolidation = consolidation(&world, &setup, &factors)?;
        let learned = Learned {
            average: spec.optimiser.ema.map(|_| Average::of(&factors)),
            adamw: AdamW::new(&spec.optimiser),
            statistics: Statistics::new(&world)?,
            steering: Steering::new(spec, world.members()),
            factors,
        };
        Ok(Self {
            method: method(&spec.training.method, &learned.factors),
            sound: learned.factors.clone(),
            sound_steering: learned.steering.clone(),
            sound_since: vec![0; world.members()],
            ended: BTreeMap::new(),
            epoch: 0,
            closed: None,
            consolidation,
            learned,
            world,
            setup,
        })
    }

    /// Checks what an experiment asks of the base model, before anything is begun.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn check(pipeline: &Pipeline, spec: &ExperimentSpec) -> Result<(), TrainError> {
        Sampler::new(pipeline.schedule(), spec)?;
        targeted(pipeline.adaptable(), &spec.lora.targets).map(drop)
    }

    /// Gives the runs what an adversary has found for their next epochs: prompts, each with the place of the training prompt whose goal it
    /// shares.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub fn set_adversaries(&mut self, found: &[(usize, String)]) -> Result<(), TrainError> {
        self.world.adversaries = Adversaries::new(found, self.world.pipeline)?;
        Ok(())
    }

    /// Returns the epochs finished.
    pub fn epochs_done(&self) -> u32 {
        self.epoch
    }

    /// Returns whether every run has ended before its time.
    pub fn is_over(&self) -> bool {
        self.world.members() == 0
    }

    /// Returns the epoch after which a run has ended before its time; `None` where it has not.
    pub fn ended_after(&self, run: &RunId) -> Option<u32> {
        self.ended.get(run).map(|ending| ending.after)
    }

    /// Returns the adapters as they stand, in the runs' order: the moving average where one is kept, and the last sound one of a run
    /// that has ended.
    pub fn bank(&self) -> AdapterBank {
        let gives_way = |id: &RunId| self.closed.as_ref().is_some_and(|closed| closed.kept.contains_key(id));
        let of_run = |(id, _): &(RunId, Weighting)| {
            let ended = self.ended.get(id).map(|ending| ending.factors.clone());
            let place = || self.world.runs.iter().position(|(run, _)| run == id);
            let factors = if gives_way(id) { &self.sound } else { self.current() };
            ended.or_else(|| place().map(|place| member(factors, place)))
        };
        let parts: Vec<Factors> = self.setup.runs.iter().filter_map(of_run).collect();
        self.world.whole(joined(self.world.whole_frame(), &parts))
    }

    /// Returns the factors that are kept and evaluated.
    pub(crate) fn current(&self) -> &Factors {
        self.learned.average.as_ref().map_or(&self.learned.factors, Average::tensors)
    }

    /// Trains one epoch, and looks at the adapters where that is due.
    ///
    /// `progress` is told the share of the epoch that is finished, from any thread.
    ///
    /// # Errors
    /// See [`TrainError`]; the trainer is as before the epoch then.
    pub fn epoch(&mut self, progress: &(dyn Fn(f64) + Sync)) -> Result<EpochReport, TrainError> {
        let before = self.learned.clone();
        let trained = self.train(progress).and_then(|(metrics, timings)| {
            let (metrics, look) = self.looked_at(metrics)?;
            Ok((metrics, look, timings))
        });
        let (metrics, look, timings) = match trained {
            Ok(trained) => trained,
            Err(error) => {
                self.learned = before;
                return Err(error);
            }
        };
        // From here on nothing can fail.
        self.epoch += 1;
        self.method.after(self.epoch, &self.learned.factors, &metrics);
        let runs: Vec<RunId> = self.world.runs.iter().map(|(id, _)| id.clone()).collect();
        let spec = self.setup.spec;
        let regular = spec.training.probe.every > 0 && self.epoch.is_multiple_of(spec.training.probe.every);
        let mut findings = Vec::new();
        if let Some(Look { verdicts, steering }) = look {
            let infeasible = self.infeasible(&steering);
            findings = if regular {
                self.learned.steering = steering;
                self.follow(verdicts)
            } else {
                self.close(verdicts)
            };
            let ends = |run: &RunId| !self.ended.contains_key(run);
            findings.extend(infeasible.into_iter().filter(|(run, _)| ends(run)));
        }
        Ok(EpochReport { metrics: self.in_order_of_runs(&runs, metrics), findings, timings })
    }

    /// Looks at the adapters where that is due after the epoch that was just trained: returns the metrics with what was found, and
    /// what is to be made of it.
    fn looked_at(&self, mut metrics: Vec<EpochMetrics>) -> Result<(Vec<EpochMetrics>, Option<Look>), TrainError> {
        let World { runs, ties, .. } = &self.world;
        let spec = self.setup.spec;
        if !spec.training.probe.is_due(self.epoch + 1, spec.training.epochs) {
            return Ok((metrics, None));
        }
        let probe = &self.world.probe;
        let looks = probe.look(&self.world, Some(&self.world.bank(self.current())))?;
        let base = self.world.probed_base()?;
        let mut steering = self.learned.steering.clone();
        steering.follow(spec, &looks, &base);
        for (run, (metrics, look)) in metrics.iter_mut().zip(&looks).enumerate() {
            metrics.extend(look.gains(&base));
            metrics.extend(steering.metrics(spec, &runs[run].1, run));
        }
        let verdicts = verdicts(spec, runs, &looks, &base, probe.prompts(), ties)?;
        Ok((metrics, Some(Look { verdicts, steering })))
    }

    /// Takes what the guard says of each run after the last epoch, and returns what it found: the last sound adapter is kept of those that
    /// are not.
    fn close(&mut self, verdicts: Vec<Verdict>) -> Vec<(RunId, String)> {
        let mut closing = Closing::default();
        let mut findings = Vec::new();
        for (place, verdict) in verdicts.into_iter().enumerate() {
            let (Verdict::End(why) | Verdict::Tighten { why, .. }) = verdict else { continue };
            let (id, kept) = (self.world.runs[place].0.clone(), self.sound_since[place]);
            findings.push((id.clone(), format!("{why}: the adapter of epoch {kept} is kept")));
            closing.kept.insert(id, kept);
        }
        self.closed = Some(closing);
        findings
    }

    fn in_order_of_runs(&self, ids: &[RunId], metrics: Vec<EpochMetrics>) -> Vec<Option<EpochMetrics>> {
        let mut found: BTreeMap<&RunId, EpochMetrics> = ids.iter().zip(metrics).collect();
        self.setup.runs.iter().map(|(id, _)| found.remove(id)).collect()
    }

    /// Draws what the base scores on the next epoch's prompts, where that epoch is compared with it: beforehand all threads are free for
    /// it.
    ///
    /// # Errors
    /// Fails where an image cannot be drawn or scored; the epoch tries again.
    pub(crate) fn prepare(&self) -> Result<(), TrainError> {
        let (meter, clock) = (Meter::new(1.0, &|_| ()), Clock::new(self.world.device()));
        let epoch = Epoch::choose(&self.world, self.epoch + 1, &self.learned.steering, &meter, &clock)?;
        self.base_scores(&epoch).map(drop)
    }

    /// Returns what the base scores on an epoch's prompts; nothing where the epoch is not compared with it.
    fn base_scores(&self, epoch: &Epoch<'_>) -> Result<Option<Vec<PromptScores>>, TrainError> {
        if !self.setup.spec.is_compared(epoch.number) {
            return Ok(None);
        }
        self.world.base_scores(&epoch.prompts, &self.method.course(epoch)).map(Some)
    }

    /// Gathers and updates.
    fn train(&mut self, progress: &(dyn Fn(f64) + Sync)) -> Result<(Vec<EpochMetrics>, Timings), TrainError> {
        let clock = Clock::new(self.world.device());
        let number = self.epoch + 1;
        let members = self.world.members();
        let spec = self.setup.spec;
        let each: f64 = self.world.runs.iter().map(|(_, weighting)| spec.pass_equivalents(weighting)).sum();
        let meter = Meter::new(each, progress);
        let (scores, own, updates, base) = {
            let epoch = Epoch::choose(&self.world, number, &self.learned.steering, &meter, &clock)?;
            let policy = self.learned.factors.clone();
            let gathered = self.method.gather(&epoch, &policy, &mut self.learned.statistics)?;
            (gathered.scores, gathered.metrics, gathered.updates, self.base_scores(&epoch)?)
        };
        // What was scored was drawn; methods that train on stored images draw none.
        let pictures = scores.iter().map(|columns| columns.first().map_or(0, Vec::len)).sum();
        let (mut seen, mut rows_trained) = (Vec::new(), 0);
        for (index, passes) in updates.iter().enumerate() {
            rows_trained += passes.iter().map(|pass| pass.rows()).sum::<usize>();
            seen.push(clock.time(clock::Part::Update, || self.update(index, passes, &meter))?);
        }
        if let (Some(average), Some(decay)) = (&mut self.learned.average, spec.optimiser.ema) {
            average.follow(&self.learned.factors, Average::<3>::unbiased(decay, number));
        }
        let names = spec.reward_names();
        let metrics = own.into_iter().enumerate().map(|(run, own)| {
            let mut metrics = own;
            let drawn = names.iter().zip(&scores[run]).enumerate().filter(|(_, (_, column))| !column.is_empty());
            for (reward, (name, column)) in drawn {
                let (mean, deviation) = moments(column);
                metrics.insert(metric::reward_mean(name), mean);
                metrics.insert(metric::reward_std(name), deviation);
                metrics.extend(base.iter().map(|base| (metric::reward_epoch_gain(name), gain(column, base, reward))));
            }
            metrics.extend(rows_of(&seen, run));
            let passes = f64::from(number) * spec.pass_equivalents(&self.world.runs[run].1);
            metrics.insert(metric::PASSES.into(), passes);
            metrics
        });
        debug_assert_eq!(scores.len(), members);
        let metrics = metrics.collect();
        Ok((metrics, clock.timings(pictures, rows_trained)))
    }

    /// Takes one step on the gradient of all passes' losses.
    fn update(&mut self, index: usize, passes: &[Box<dyn Pass>], meter: &Meter<'_>) -> Result<UpdateStats, TrainError> {
        let world = &self.world;
        let factors = &self.learned.factors;
        let lanes: Vec<&[Box<dyn Pass>]> = passes.chunks(passes.len().div_ceil(LANES).max(1)).collect();
        let mut scale = if world.pipeline.precision() == Precision::F16 { MOST_SCALE } else { 1.0 };
        let (gradients, rows, norms) = loop {
            let parts = in_order(&lanes, &world.workers, |lane| {
                let mut sum = Part::default();
                for pass in *lane {
                    sum.take(pass.as_ref(), world, factors, scale);
                    meter.trained(pass.rows());
                }
                Ok::<_, TrainError>(sum)
            })?;
            let mut all = Part::default();
            for part in parts {
                for (reward, gradients) in part.gradients {
                    add(all.gradients.entry(reward).or_default(), gradients);
                }
                all.reports.extend(part.reports);
            }
            let gradients = match all.gradients.len() {
                0 | 1 => all.gradients.pop_first().map(|(_, gradients)| gradients).unwrap_or_default(),
                _ => unopposed(&all.gradients.into_values().collect::<Vec<_>>()),
            };
            let gradients = match &self.consolidation {
                Some(consolidation) => consolidation.pulled(gradients, factors),
                None => gradients,
            };
            // The one time that the host waits for the device in an update.
            let (squares, rows) = collected(&all.reports, member_squares(&gradients), world.members());
            let norms: Vec<f64> = squares.into_iter().map(|square| f64::from(square).sqrt()).collect();
            if scale <= 1.0 || norms.iter().all(|norm| norm.is_finite()) {
                break (gradients, rows, norms);
            }
            scale /= SCALE_STEP;
        };
        self.method.check(world, index, &rows)?;
        if let Some(member) = norms.iter().position(|norm| !norm.is_finite()) {
            return Err(TrainError::Diverged { run: world.runs[member].0.clone(), epoch: self.epoch + 1 });
        }
        let optimiser = &self.setup.spec.optimiser;
        let gradients = clipped(gradients, &norms, optimiser.max_grad_norm);
        let Learned { factors, adamw, .. } = &mut self.learned;
        adamw.step(optimiser.learning_rate, factors, gradients);
        Ok(UpdateStats { rows, grad_norms: norms })
    }

    /// Does what the guard says of each run, and returns what it found.
    fn follow(&mut self, verdicts: Vec<Verdict>) -> Vec<(RunId, String)> {
        let looked_at = verdicts.len();
        let mut findings = Vec::new();
        let mut going_on = Vec::new();
        for (place, verdict) in verdicts.into_iter().enumerate() {
            let id = self.world.runs[place].0.clone();
            match verdict {
                Verdict::Sound => {
                    self.sound = replaced(&self.sound, place, &member(self.current(), place));
                    self.sound_steering.set(place, &self.learned.steering);
                    self.sound_since[place] = self.epoch;
                    going_on.push(place);
                }
                Verdict::End(why) => {
                    let kept = self.sound_since[place];
                    let why =
                        format!("{why}: ended after epoch {}, and the adapter of epoch {kept} is kept", self.epoch);
                    findings.push((id.clone(), why));
                    let spec = self.setup.spec;
                    findings.extend(self.sound_steering.infeasible(spec, place).map(|why| (id.clone(), why)));
                    self.ended.insert(id, Ending { after: self.epoch, kept, factors: member(&self.sound, place) });
                }
                Verdict::Tighten { tie, why } => {
                    let kept = self.sound_since[place];
                    let one = member(&self.sound, place);
                    self.learned.factors = replaced(&self.learned.factors, place, &one);
                    if let Some(average) = &mut self.learned.average {
                        *average = Average::of(&replaced(average.tensors(), place, &one));
                    }
                    self.learned.steering.set(place, &self.sound_steering);
                    self.world.ties[place] = tie;
                    let after = self.epoch;
                    findings.push((
                        id,
                        format!(
                            "{why}: after epoch {after} it went back to its adapter of epoch {kept}, with kl {tie}"
                        ),
                    ));
                    going_on.push(place);
                }
            }
        }
        if going_on.len() < looked_at {
            self.keep(&going_on);
        }
        findings
    }

    /// Returns the runs that have trained to their end and do not keep a constraint, and how far they are from it.
    fn infeasible(&self, steering: &Steering) -> Vec<(RunId, String)> {
        let spec = self.setup.spec;
        if self.epoch < spec.training.epochs {
            return Vec::new();
        }
        let runs = self.world.runs.iter().enumerate();
        runs.filter_map(|(run, (id, _))| Some((id.clone(), steering.infeasible(spec, run)?))).collect()
    }

    /// Goes on with the runs at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        self.world.keep(places);
        self.sound_since = places.iter().map(|place| self.sound_since[*place]).collect();
        if places.is_empty() {
            // Nothing is trained any more, and no tensor has no rows.
            return;
        }
        self.method.keep(places);
        self.sound_steering.keep(places);
        self.consolidation.iter_mut().for_each(|consolidation| consolidation.keep(places));
        self.sound = members(&self.sound, places);
        let Learned { factors, average, adamw, statistics, steering } = &mut self.learned;
        *factors = members(factors, places);
        *average = average.as_ref().map(|average| Average::of(&members(average.tensors(), places)));
        adamw.map_moments(|moments| rows(&moments, places));
        statistics.keep(places);
        steering.keep(places);
    }
}

/// Returns the factors before the first epoch: those of a fresh bank, of the adapter that a run continues from, or of that which a phase
/// trains on.
fn first(world: &World<'_>, setup: &TrainerSetup<'_>) -> Result<Factors, TrainError> {
    let share_a = setup.spec.lora.share_a;
    let same = setup.continued.filter(|_| setup.spec.continual.onto == Onto::Same);
    let start = |run: &RunId| {
        let last = same.and_then(|continued| continued.last.get(run)).map(|last| &last.adapter);
        last.or_else(|| setup.starts?.get(run))
    };
    let of_run = |(place, (run, _)): (usize, &(RunId, Weighting))| {
        let own = world.frame().member(place);
        let begun = match start(run) {
            None => own,
            Some(start) => own.starting_from(start).ok_or(TrainError::Start)?,
        };
        Ok(trained(&begun, share_a))
    };
    let parts: Vec<Factors> = setup.runs.iter().enumerate().map(of_run).collect::<Result<_, TrainError>>()?;
    Ok(of_members(&parts))
}

/// Returns what pulls runs back to the adapters that they start from, where the experiment asks for it.
fn consolidation(
    world: &World<'_>,
    setup: &TrainerSetup<'_>,
    start: &Factors,
) -> Result<Option<Consolidation>, TrainError> {
    let strength = setup.spec.continual.importance;
    let Some(continued) = setup.continued.filter(|_| strength > 0.0) else { return Ok(None) };
    let of_run = |(place, (run, _)): (usize, &(RunId, Weighting))| {
        let states = continued.last.get(run).map_or(&[][..], |last| &last.states);
        importance(run, states, &member(start, place), &setup.spec.optimiser, world.device())
    };
    let parts: Vec<Factors> = setup.runs.iter().enumerate().map(of_run).collect::<Result<_, TrainError>>()?;
    let importance = of_members(&parts);
    Ok(Some(Consolidation::new(strength, importance, start.clone())))
}

/// Gradients and what was seen of rows, summed over passes.
#[derive(Default)]
struct Part {
    /// By the reward that passes are about alone.
    gradients: BTreeMap<Option<usize>, Factors>,
    reports: Vec<Report>,
}

impl Part {
    /// Adds a pass; `scale` is by how much its gradient is larger on the way (Micikevicius et al., 1710.03740).
    fn take(&mut self, pass: &dyn Pass, world: &World<'_>, factors: &Factors, scale: f64) {
        let leaves = leaves(factors);
        let Loss { total, reports } = pass.loss(world, &world.bank(&leaves));
        let scaled = scale > 1.0;
        let mut graph = if scaled { total * scale } else { total }.backward();
        let own = leaves.into_iter().filter_map(|(name, leaf)| {
            let gradient = leaf.grad_remove(&mut graph)?;
            Some((name, if scaled { gradient / scale } else { gradient }))
        });
        add(self.gradients.entry(pass.reward()).or_default(), own.collect());
        self.reports.extend(reports);
    }
}

/// Returns what an epoch's updates saw of a run: the mean of every metric over rows, and of the gradients' norms.
fn rows_of(updates: &[UpdateStats], run: usize) -> EpochMetrics {
    let mut metrics = EpochMetrics::new();
    let names: std::collections::BTreeSet<&str> =
        updates.iter().flat_map(|update| update.rows.keys().copied()).collect();
    for name in names {
        let values = updates.iter().filter_map(|update| update.rows.get(name)).flat_map(|lists| &lists[run]);
        let values: Vec<f64> = values.filter(|value| !value.is_nan()).map(|value| f64::from(*value)).collect();
        if !values.is_empty() {
            metrics.insert(name.to_owned(), values.iter().sum::<f64>() / values.len() as f64);
        }
    }
    let norms: Vec<f64> = updates.iter().filter_map(|update| update.grad_norms.get(run).copied()).collect();
    if !norms.is_empty() {
        metrics.insert(metric::GRAD_NORM.into(), norms.iter().sum::<f64>() / norms.len() as f64);
    }
    metrics
}

fn moments(values: &[f32]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}
