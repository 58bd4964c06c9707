//! What training took, and what it brought for that.

use moa_core::metric;
use moa_pareto::Bootstrap;

use super::group::Group;
use super::{Figure, SweepResults};
use crate::AnalysisError;

/// What training took: the mean over a sweep's adapters, which are trained together and share its time evenly.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Passes through the denoiser for one adapter, a pass forward and backward counted as three. Probes and evaluation are not in it.
    pub passes: Option<Figure>,
    /// Seconds of wall time for one adapter, without probes and evaluation.
    pub seconds: Option<Figure>,
    /// Images drawn and scored for one adapter; those of the plan where the sweep did not keep them.
    pub images: Option<Figure>,
    /// The own gain (mean over rewards, in the base's standard deviations) for 1,000 passes.
    pub per_1000_passes: Option<Figure>,
    /// The own gain for a second.
    pub per_second: Option<Figure>,
    /// The own gain for 1,000 images.
    pub per_1000_images: Option<Figure>,
    /// The most memory of the host that the sweep held when an epoch ended, in bytes: all adapters together.
    pub peak_memory: Option<Figure>,
    /// The most memory of the device, in bytes.
    pub device_memory: Option<Figure>,
}

impl Cost {
    /// Returns what training took.
    ///
    /// - `own`: by seed, the own gain of each prompt
    pub(super) fn of(group: &Group<'_>, own: &[Option<Vec<f64>>], bootstrap: Bootstrap) -> Result<Self, AnalysisError> {
        let by_seed = |of: fn(&SweepResults) -> Option<f64>| -> Vec<Option<f64>> {
            group.sweeps.iter().map(|sweep| of(sweep)).collect()
        };
        let [passes, seconds, images] = [passes, seconds, images].map(by_seed);
        let per = |cost: &[Option<f64>], unit: f64| {
            let scaled = own.iter().zip(cost).map(|(own, cost)| {
                let factor = unit / cost.filter(|cost| *cost > 0.0)?;
                Some(own.as_ref()?.iter().map(|gain| gain * factor).collect())
            });
            Figure::of_columns(bootstrap, scaled.collect(), None)
        };
        Ok(Self {
            per_1000_passes: per(&passes, 1000.0)?,
            per_second: per(&seconds, 1.0)?,
            per_1000_images: per(&images, 1000.0)?,
            passes: Figure::of_values(passes),
            seconds: Figure::of_values(seconds),
            images: Figure::of_values(images),
            peak_memory: Figure::of_values(by_seed(|sweep| sweep.peak_memory.map(|bytes| bytes as f64))),
            device_memory: Figure::of_values(by_seed(|sweep| sweep.device_memory.map(|bytes| bytes as f64))),
        })
    }
}

/// Returns the mean over adapters of a number of each run; nothing where a run lacks it.
fn mean_over_runs(sweep: &SweepResults, of: impl Fn(&moa_core::RunRecord) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = sweep.snapshot.runs.iter().map(of).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn passes(sweep: &SweepResults) -> Option<f64> {
    mean_over_runs(sweep, |run| sweep.snapshot.curve(&run.id, metric::PASSES).last().map(|(_, passes)| passes))
}

fn seconds(sweep: &SweepResults) -> Option<f64> {
    mean_over_runs(sweep, |run| {
        let seconds = sweep.snapshot.epochs_of(&run.id).iter().map(|epoch| epoch.seconds).sum::<f64>();
        (seconds > 0.0).then_some(seconds)
    })
}

/// Returns the images of one adapter: those kept, else those of the epochs that it was trained.
fn images(sweep: &SweepResults) -> Option<f64> {
    let (snapshot, spec) = (&sweep.snapshot, &sweep.spec);
    if let Some(images) = sweep.images {
        return (!snapshot.runs.is_empty()).then(|| images as f64 / snapshot.runs.len() as f64);
    }
    let train = match &spec.prompts.train {
        moa_core::experiment::PromptSource::List(prompts) => prompts.len(),
        _ => usize::MAX,
    };
    let plan = spec.plan(train, 0);
    let epoch = plan.training_pictures as f64 / (plan.runs * u64::from(spec.training.epochs)).max(1) as f64;
    mean_over_runs(sweep, |run| Some(epoch * f64::from(run.epochs_done)))
}
