//! Whole groups of a prompt's images, noised alike, by what the denoising loss implies: group preferences (DGPO, Luo et al., 2510.08425)
//! and centred reward distillation (CRD, 2603.14128).

use std::sync::Arc;

use burn::tensor::{Tensor, activation::log_sigmoid};
use moa_core::experiment::{GroupLoss, GroupSpec};

use super::forward::{Drawn, passes};
use super::implied::{ImpliedPass, Judge, Judged};
use super::{Gathered, Method};
use crate::TrainError;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::selection::Choice;
use crate::statistics::Statistics;

/// The method.
pub(crate) struct Group {
    pub(crate) spec: GroupSpec,
}

impl Method for Group {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let GroupSpec { loss, levels, updates_per_epoch, beta } = self.spec;
        let drawn = Drawn::new(epoch, policy, statistics)?;
        let group = epoch.texts.group;
        let judge: Judge = Arc::new(move |implied, advantages| {
            let losses = match loss {
                GroupLoss::Preference => group_preference(implied, advantages, group),
                GroupLoss::Regression => centred_regression(implied, advantages, group),
            };
            Judged { losses, reports: Vec::new() }
        });
        let whole = |advantages: &crate::Advantages| Choice {
            samples: (0..advantages.values.len()).collect(),
            values: advantages.values.clone(),
        };
        let choices: Vec<Choice> = drawn.advantages.iter().map(whole).collect();
        let slices = drawn.chosen(epoch, &choices, group);
        let groups = epoch.samples() / group;
        let updates = passes(epoch, &slices, [levels, updates_per_epoch], group, &|rows, levels, _| {
            Ok(Box::new(ImpliedPass::new(rows, beta, [group, groups, levels], judge.clone())))
        })?;
        Ok(drawn.gathered(updates))
    }
}

/// Returns rows by group, less their groups' means, `[groups, group]`.
fn centred(rows: Tensor<1>, group: usize) -> Tensor<2> {
    let rows: Tensor<2> = rows.reshape([-1, group as i64]);
    rows.clone() - rows.mean_dim(1)
}

/// Returns each group's loss −ln σ(mean of A·r), A the centred advantages, `[groups]`.
pub(super) fn group_preference(implied: Tensor<1>, advantages: Tensor<1>, group: usize) -> Tensor<1> {
    let [rows] = implied.dims();
    let advantages = Tensor::from_inner(centred(advantages, group));
    let implied: Tensor<2> = implied.reshape([-1, group as i64]);
    log_sigmoid((implied * advantages).mean_dim(1).reshape([rows / group])).neg()
}

/// Returns each group's loss: the mean square of the difference between centred implied rewards and centred advantages, `[groups]`.
pub(super) fn centred_regression(implied: Tensor<1>, advantages: Tensor<1>, group: usize) -> Tensor<1> {
    let [rows] = implied.dims();
    let off = centred(implied, group) - Tensor::from_inner(centred(advantages, group));
    off.powi_scalar(2).mean_dim(1).reshape([rows / group])
}
