//! Policy gradient on the sampler's stochastic steps.

use serde::{Deserialize, Serialize};

use super::{Method, MethodSpec, Number, Passes, check_density, check_train_steps, check_updates};
use crate::experiment::ExperimentSpec;
use crate::experiment::bounds::Bounds;
use crate::experiment::finding::Finding;

/// Clipped policy gradient (PPO's surrogate) over steps that have a density.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyGradientSpec {
    /// How many of the sampler's stochastic steps are trained per epoch, drawn at random; the last step has no usable density and is
    /// never among them. Default: 3.
    pub train_steps: u32,
    /// Optimiser updates per epoch; divides `train_steps`. Default: 1.
    pub updates_per_epoch: u32,
    /// Half-width of the clipped ratio, at 16,384 latent dimensions; scaled by √(16384 / D) to D dimensions. Default: 1e-4.
    pub clip: f64,
    /// What is clipped. Default: `Plain`.
    pub ratio: Ratio,
    /// How much the steps weigh. Default: `Noise`.
    pub step_weights: StepWeights,
    /// Which steps are stochastic. Default: `All`.
    pub window: Window,
}

impl Default for PolicyGradientSpec {
    fn default() -> Self {
        Self {
            train_steps: 3,
            updates_per_epoch: 1,
            clip: 1e-4,
            ratio: Ratio::Plain,
            step_weights: StepWeights::Noise,
            window: Window::All,
        }
    }
}

/// The probability ratio that the surrogate clips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ratio {
    /// That of the two densities: exp(log p_new − log p_old).
    #[default]
    Plain,
    /// Its logarithm centred and scaled, so that it is spread alike at every step (GRPO-Guard, 2510.22319): Gaussian ratios are
    /// below 1 on the whole, the more the less noise a step has, and clip on one side only.
    Normalised,
}

/// How much the steps of the sampler weigh in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepWeights {
    /// All alike: the gradient of a step then grows with 1 / its noise, tenfold from the first to the last.
    Equal,
    /// By noise over the change that the prediction makes, so that the gradients of all steps have about one size.
    #[default]
    Noise,
}

/// Which steps are stochastic; the others are deterministic, and none but stochastic steps are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Window {
    /// All but the last.
    #[default]
    All,
    /// So many neighbours, at a new random position in each epoch (Flow-GRPO-fast).
    Random(u32),
    /// So many neighbours that move from the first step to the last, one place every so many epochs, and over again (MixGRPO,
    /// 2507.21802).
    Sliding {
        /// Steps in the window.
        steps: u32,
        /// Epochs that it stays in one place. Default: 10.
        #[serde(default = "sliding_every")]
        every: u32,
    },
}

fn sliding_every() -> u32 {
    10
}

impl Window {
    /// Returns the stochastic steps of an epoch among `steps` steps, the last of which never is; `random` is a number drawn for
    /// the epoch, below the count that it is given.
    pub fn of(self, epoch: u32, steps: usize, random: impl FnOnce(usize) -> usize) -> std::ops::Range<usize> {
        let most = steps.saturating_sub(1);
        let at = |width: u32, place: &dyn Fn(usize) -> usize| {
            let width = (width as usize).min(most);
            let first = place(most - width + 1);
            first..first + width
        };
        match self {
            Self::All => 0..most,
            Self::Random(width) => {
                let width = (width as usize).min(most);
                let first = random(most - width + 1);
                first..first + width
            }
            Self::Sliding { steps: width, every } => {
                at(width, &|places| (epoch.saturating_sub(1) / every.max(1)) as usize % places)
            }
        }
    }

    /// Returns how many steps are stochastic among `steps`.
    pub fn width(self, steps: u32) -> u32 {
        let most = steps.saturating_sub(1);
        match self {
            Self::All => most,
            Self::Random(width) | Self::Sliding { steps: width, .. } => width.min(most),
        }
    }
}

impl PolicyGradientSpec {
    /// Returns the settings with as few passes as there can be.
    pub(super) fn least(&self) -> Self {
        Self { train_steps: 1, updates_per_epoch: 1, window: Window::All, ..*self }
    }

    /// Returns the settings as fields below the method's.
    pub(super) fn listed(&self) -> [Number; 6] {
        let (width, every) = match self.window {
            Window::All => (None, None),
            Window::Random(width) => (Some(width.into()), None),
            Window::Sliding { steps, every } => (Some(steps.into()), Some(every.into())),
        };
        let whole = Bounds::Whole(1, 999);
        [
            ("train_steps", whole, Some(self.train_steps.into())),
            ("updates_per_epoch", whole, Some(self.updates_per_epoch.into())),
            ("clip", Bounds::Above(0.0, 1.0), Some(self.clip)),
            ("window", whole, width.filter(|_| matches!(self.window, Window::Random(_)))),
            ("window.steps", whole, width.filter(|_| !matches!(self.window, Window::Random(_)))),
            ("window.every", Bounds::Whole(1, 100_000), every),
        ]
    }
}

impl Method for PolicyGradientSpec {
    fn name(&self) -> &'static str {
        "PolicyGradient"
    }

    fn numbers(&self) -> Vec<Number> {
        self.listed().to_vec()
    }

    fn check(&self, spec: &ExperimentSpec, field: &str) -> Result<(), Finding> {
        check_density(spec)?;
        let steps = spec.sampler.steps;
        check_train_steps(field, self.train_steps, self.window.width(steps), || match self.window {
            Window::All => format!("sampler.steps is {steps} and the last step is never trained"),
            _ => format!("{field}.window has that many stochastic steps"),
        })?;
        check_updates(field, self.updates_per_epoch, "train_steps", self.train_steps)
    }

    fn passes(&self, spec: &ExperimentSpec) -> Passes {
        let (rollout, training) = (spec.sampler.steps.into(), self.train_steps.into());
        Passes { rollout, training, selects: true, ..Passes::default() }
    }

    fn smallest(&self) -> MethodSpec {
        MethodSpec::PolicyGradient(self.least())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_neighbours_and_never_the_last_step() {
        assert_eq!(Window::All.of(3, 6, |_| 0), 0..5);
        for random in 0..3 {
            let window = Window::Random(3).of(1, 6, |places| {
                assert_eq!(places, 3);
                random
            });
            assert_eq!(window, random..random + 3);
        }
        assert_eq!(Window::Random(9).of(1, 6, |places| places - 1), 0..5, "as many as there are");
    }

    #[test]
    fn a_sliding_window_stays_moves_and_begins_again() {
        let window = Window::Sliding { steps: 2, every: 3 };
        let firsts: Vec<usize> = (1..=15).map(|epoch| window.of(epoch, 5, |_| 0).start).collect();
        assert_eq!(firsts, [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1]);
    }
}
