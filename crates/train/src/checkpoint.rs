//! Checkpoints: everything that the next epoch depends on besides the experiment, in one file that restores to the bit.

use std::collections::BTreeMap;

use moa_core::{RunId, Weighting};
use moa_optimiser::{Average, StateError, StateReader, StateWriter};
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::factors::member;
use crate::guard::Ending;
use crate::trainer::{Closing, Learned, Trainer, TrainerSetup};

/// What a checkpoint says of itself. Unknown fields are refused: the states of pre-training have others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    epoch: u32,
    /// What the runs' fingerprints say, in short.
    digest: String,
    /// The training method's name.
    method: String,
    /// The runs that have ended: after which epoch, and that whose adapter is kept.
    ended: BTreeMap<RunId, (u32, u32)>,
    /// By run that is still trained: the epoch of its last sound adapter, and the weight of its distance to the base.
    going_on: Vec<(u32, f32)>,
    /// What the look after the last epoch found, where that is no regular probe.
    closed: Option<Closing>,
}

const FACTOR: &str = "factor";
const SOUND: &str = "sound";
const STEERING: &str = "steering";
const SOUND_STEERING: &str = "sound-steering";

impl Trainer<'_> {
    /// Returns everything that the next epoch depends on, as bytes.
    ///
    /// # Errors
    /// Fails when the state cannot be serialised.
    pub fn checkpoint(&self) -> Result<Vec<u8>, TrainError> {
        let mut file = StateWriter::default();
        let Learned { factors, average, adamw, statistics, steering } = &self.learned;
        if !self.is_over() {
            file.add_all(FACTOR, factors);
            file.add_all(SOUND, &self.sound);
            adamw.save(&mut file);
            statistics.save(&mut file);
            steering.save(STEERING, &mut file);
            self.sound_steering.save(SOUND_STEERING, &mut file);
            self.method.save(&mut file);
            if let Some(average) = average {
                average.save(&mut file);
            }
        }
        for (run, ending) in &self.ended {
            file.add_all(&ended(run), &ending.factors);
        }
        let about = About {
            epoch: self.epoch,
            digest: self.digest(),
            method: self.setup.spec.training.method.name().into(),
            ended: self.ended.iter().map(|(run, ending)| (run.clone(), (ending.after, ending.kept))).collect(),
            closed: self.closed.clone(),
            going_on: self.sound_since.iter().copied().zip(self.world.ties.iter().copied()).collect(),
        };
        Ok(file.finish(&about)?)
    }

    /// Goes back to a checkpoint of the same experiment; what follows is bit-identical to never having stopped. The trainer must not
    /// have trained yet.
    ///
    /// # Errors
    /// Refuses checkpoints that are unreadable, of another method or of another experiment; the trainer is of no use then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        let file = StateReader::open(bytes)?;
        let about: About = file.about()?;
        let method = self.setup.spec.training.method.name();
        if about.method != method {
            return Err(TrainError::Checkpoint(format!(
                "of the method {}, and the experiment has {method}",
                about.method
            )));
        }
        if about.digest != self.digest() {
            return Err(TrainError::Checkpoint("of another run, or of other settings".into()));
        }
        Ok(self.load(&file, about)?)
    }

    fn load(&mut self, file: &StateReader<'_>, about: About) -> Result<(), StateError> {
        let device = self.world.device().clone();
        let one = member(&self.learned.factors, 0);
        for (run, (after, kept)) in about.ended {
            let factors = file.all(&ended(&run), &one, &device)?;
            self.ended.insert(run, Ending { after, kept, factors });
        }
        let runs = &self.world.runs;
        let places: Vec<usize> = (0..runs.len()).filter(|place| !self.ended.contains_key(&runs[*place].0)).collect();
        if places.len() < runs.len() {
            self.keep(&places);
        }
        self.epoch = about.epoch;
        // A training that goes on has not had its last look.
        self.closed = about.closed.filter(|_| about.epoch == self.setup.spec.training.epochs);
        if self.is_over() {
            return Ok(());
        }
        let like = self.learned.factors.clone();
        self.learned.factors = file.all(FACTOR, &like, &device)?;
        self.sound = file.all(SOUND, &like, &device)?;
        self.learned.adamw.load(file, &like, &device)?;
        self.learned.statistics.load(file)?;
        self.learned.steering.load(STEERING, file)?;
        self.sound_steering.load(SOUND_STEERING, file)?;
        self.method.load(file, &like, &self.world)?;
        if self.learned.average.is_some() {
            self.learned.average = Some(Average::load(file, &like, &device)?);
        }
        (self.sound_since, self.world.ties) = about.going_on.into_iter().unzip();
        Ok(())
    }

    /// Names what a checkpoint must belong to.
    fn digest(&self) -> String {
        let TrainerSetup { spec, runs, prompts, held_out, .. } = self.setup;
        let of_run =
            |(id, weighting): &(RunId, Weighting)| spec.fingerprint(id, weighting, [prompts, held_out]).digest();
        runs.iter().map(of_run).collect::<Vec<_>>().join(" ")
    }
}

fn ended(run: &RunId) -> String {
    format!("ended/{run}")
}

impl From<StateError> for TrainError {
    fn from(error: StateError) -> Self {
        Self::Checkpoint(error.to_string())
    }
}
