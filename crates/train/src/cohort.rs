//! The runs of an experiment, trained beside each other and independent of each other: a trainer for each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moa_adapter::Adapter;
use moa_core::RunId;

use crate::TrainError;
use crate::batches::in_order;
use crate::clock::Timings;
use crate::common::Common;
use crate::trainer::{EpochMetrics, EpochReport, Trainer, TrainerSetup};

/// The runs of an experiment, or some of them. What becomes of one does not depend on the others, nor on the number of threads: not by a
/// bit.
pub struct Cohort<'a> {
    common: Arc<Common<'a>>,
    members: Vec<Member<'a>>,
    epochs: u32,
}

struct Member<'a> {
    run: RunId,
    trainer: Trainer<'a>,
    /// Why it cannot be trained on.
    failed: bool,
}

/// An epoch of a run.
#[derive(Clone, Debug)]
pub struct RunEpoch {
    /// The run.
    pub run: RunId,
    /// Which epoch, counted from 1.
    pub epoch: u32,
    /// Its metrics.
    pub metrics: EpochMetrics,
}

/// What an epoch of several runs left.
#[derive(Debug, Default)]
pub struct CohortReport {
    /// The runs that were trained.
    pub epochs: Vec<RunEpoch>,
    /// What the guard found, and did.
    pub findings: Vec<(RunId, String)>,
    /// Runs that cannot be trained on, and why; they stand as before the epoch.
    pub failures: Vec<(RunId, TrainError)>,
    /// How long it took. Parts are shares of the whole: runs are trained beside each other.
    pub timings: Timings,
}

impl<'a> Cohort<'a> {
    /// Returns the runs of `setup` before their first epoch.
    ///
    /// # Errors
    /// See [`Trainer::new`].
    pub fn new(setup: TrainerSetup<'a>) -> Result<Self, TrainError> {
        let common = Arc::new(Common::new(&setup)?);
        let member = |run: &'a (RunId, _)| {
            let own = TrainerSetup { runs: std::slice::from_ref(run), ..setup };
            let trainer = Trainer::among(common.clone(), own)?;
            Ok(Member { run: run.0.clone(), trainer, failed: false })
        };
        let members = setup.runs.iter().map(member).collect::<Result<_, TrainError>>()?;
        Ok(Self { common, members, epochs: setup.spec.training.epochs })
    }

    /// Takes a run back to a checkpoint of its own.
    ///
    /// # Errors
    /// See [`Trainer::restore`]; a run that is not of this cohort is passed over.
    pub fn restore(&mut self, run: &RunId, bytes: &[u8]) -> Result<(), TrainError> {
        self.members.iter_mut().filter(|member| member.run == *run).try_for_each(|member| member.trainer.restore(bytes))
    }

    /// Returns the epochs that a run has trained; `None` of one that is not of this cohort.
    pub fn epochs_of(&self, run: &RunId) -> Option<u32> {
        let member = self.member(run)?;
        Some(member.trainer.ended_after(run).unwrap_or_else(|| member.trainer.epochs_done()))
    }

    /// Returns whether a run has no epoch left.
    pub fn is_trained(&self, run: &RunId) -> bool {
        self.member(run).is_some_and(|member| member.is_trained(self.epochs))
    }

    /// Returns whether no run has an epoch left, but those that failed.
    pub fn is_complete(&self) -> bool {
        self.members.iter().all(|member| member.failed || member.is_trained(self.epochs))
    }

    /// Returns the epoch that is trained next: that of the runs which are furthest behind.
    pub fn next_epoch(&self) -> Option<u32> {
        let open = self.members.iter().filter(|member| member.is_open(self.epochs));
        open.map(|member| member.trainer.epochs_done() + 1).min()
    }

    /// Returns everything that a run's next epoch depends on, as bytes; `None` of one that is not of this cohort.
    ///
    /// # Errors
    /// Fails when the state cannot be serialised.
    pub fn checkpoint(&self, run: &RunId) -> Option<Result<Vec<u8>, TrainError>> {
        self.member(run).map(|member| member.trainer.checkpoint())
    }

    /// Returns a run's adapter as it stands; `None` of one that is not of this cohort.
    pub fn adapter(&self, run: &RunId) -> Option<Adapter> {
        self.member(run).map(|member| member.trainer.bank().adapter(0))
    }

    /// Gives a run what an adversary has found on it (see [`Trainer::set_adversaries`]); a run that is not of this cohort is passed over.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub fn set_adversaries(&mut self, run: &RunId, found: &[(usize, String)]) -> Result<(), TrainError> {
        self.members
            .iter_mut()
            .filter(|member| member.run == *run)
            .try_for_each(|member| member.trainer.set_adversaries(found))
    }

    /// Takes in the prompts that arrived so far, all of them in their order, each with the epochs that were trained before: runs return to them in
    /// later epochs.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub fn arrive(&self, arrived: &[(u32, String)]) -> Result<(), TrainError> {
        self.common.arrive(arrived)
    }

    /// Forgets what the base was scored: for when a reward scores otherwise from now on.
    pub fn forget_scores(&self) {
        self.common.forget_scores();
    }

    /// Trains an epoch of the runs that are furthest behind, and looks at their adapters where that is due.
    ///
    /// `progress` is told the share that is finished, from any thread.
    pub fn epoch(&mut self, progress: &(dyn Fn(f64) + Sync)) -> CohortReport {
        let Some(next) = self.next_epoch() else { return CohortReport::default() };
        self.prepare(next);
        let began = Instant::now();
        let (epochs, workers) = (self.epochs, &self.common.workers);
        let open = self.members.iter_mut().filter(|member| member.is_open(epochs));
        let open: Vec<&mut Member<'a>> = open.filter(|member| member.trainer.epochs_done() + 1 == next).collect();
        let shares = Mutex::new(vec![0.0; open.len()]);
        let open: Vec<(usize, Mutex<&mut Member<'a>>)> = open.into_iter().map(Mutex::new).enumerate().collect();
        let trained = in_order(&open, workers, |(place, member)| {
            let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
            let report = member.trainer.epoch(&|share| {
                let mut shares = shares.lock().unwrap_or_else(PoisonError::into_inner);
                shares[*place] = share;
                progress(shares.iter().sum::<f64>() / shares.len() as f64);
            });
            member.failed = report.is_err();
            Ok::<_, std::convert::Infallible>((member.run.clone(), report))
        });
        let mut all = CohortReport::default();
        let Ok(trained) = trained;
        for (run, report) in trained {
            match report {
                Ok(EpochReport { metrics, findings, timings }) => {
                    let metrics = metrics.into_iter().flatten().next().unwrap_or_default();
                    all.epochs.push(RunEpoch { run, epoch: next, metrics });
                    all.findings.extend(findings);
                    all.timings.add(&timings);
                }
                Err(error) => all.failures.push((run, error)),
            }
        }
        all.timings.scale_to(began.elapsed());
        all
    }

    /// Has the base drawn what the runs' next epoch is compared with: once for all of them, by all threads, and outside of what the epoch
    /// is said to take.
    fn prepare(&self, next: u32) {
        let mut open = self.members.iter().filter(|member| member.is_open(self.epochs));
        if let Some(member) = open.find(|member| member.trainer.epochs_done() + 1 == next) {
            // What cannot be drawn fails again in each run's epoch, which says so.
            let _ = member.trainer.prepare();
        }
    }

    fn member(&self, run: &RunId) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.run == *run)
    }
}

impl Member<'_> {
    fn is_trained(&self, epochs: u32) -> bool {
        self.trainer.epochs_done() >= epochs || self.trainer.is_over()
    }

    fn is_open(&self, epochs: u32) -> bool {
        !self.failed && !self.is_trained(epochs)
    }
}

impl Timings {
    /// Adds what another training took.
    fn add(&mut self, other: &Self) {
        self.rollout += other.rollout;
        self.decoding += other.decoding;
        self.scoring += other.scoring;
        self.update += other.update;
        self.whole += other.whole;
        self.pictures += other.pictures;
        self.rows_trained += other.rows_trained;
    }

    /// Makes all parts shares of a time that went by while they went on beside each other.
    fn scale_to(&mut self, whole: Duration) {
        let factor = if self.whole.is_zero() { 0.0 } else { whole.as_secs_f64() / self.whole.as_secs_f64() };
        for part in [&mut self.rollout, &mut self.decoding, &mut self.scoring, &mut self.update] {
            *part = part.mul_f64(factor);
        }
        self.whole = whole;
    }
}
