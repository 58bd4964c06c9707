//! The reward that an adapter implies: by how much its denoising loss is below the base's, times β (Rafailov et al., 2305.18290; Wallace
//! et al., 2311.12908). Methods of preferences hold it against votes or advantages.

use std::sync::Arc;

use burn::tensor::{Tensor, activation::log_sigmoid};
use moa_adapter::AdapterBank;
use moa_core::metric;
use moa_diffusion::sampler::predict;

use super::forward::{Conditioned, Noised, NoisedSlice, passes};
use super::{Gathered, Loss, Pass};
use crate::TrainError;
use crate::anchor::Anchor;
use crate::epoch::Epoch;
use crate::report::Report;
use crate::stored::StoredSlice;
use crate::trainer::EpochMetrics;
use crate::world::World;

/// What a method makes of implied rewards and of the rows' values, both `[rows]`.
pub(super) type Judge = Arc<dyn Fn(Tensor<1>, Tensor<1>) -> Judged + Send + Sync>;

/// What a method makes of rows.
pub(super) struct Judged {
    /// One loss for each unit of rows, `[units]`.
    pub(super) losses: Tensor<1>,
    /// What is reported of rows or units beside it.
    pub(super) reports: Vec<Report>,
}

/// Noised images, by what they imply.
pub(super) struct ImpliedPass {
    pub(super) rows: NoisedSlice,
    pub(super) beta: f64,
    /// What a unit weighs: 1 / (units · levels).
    pub(super) weight: f32,
    /// Rows in a unit.
    pub(super) unit: usize,
    /// What units' losses weigh among themselves, `[units]`; nothing where all weigh alike.
    pub(super) weights: Option<Tensor<1>>,
    pub(super) judge: Judge,
}

impl ImpliedPass {
    /// Returns a pass of an update of `count` units of each run at `levels` levels, all of which weigh alike.
    pub(super) fn new(rows: NoisedSlice, beta: f64, [unit, count, levels]: [usize; 3], judge: Judge) -> Self {
        Self { rows, beta, weight: 1.0 / (count * levels) as f32, unit, weights: None, judge }
    }
}

impl Pass for ImpliedPass {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let NoisedSlice { noised: Noised { x, timesteps, .. }, conditions, slice } = &self.rows;
        let base = predict(world.pipeline, None, x.clone(), timesteps, conditions);
        let new = predict(world.pipeline, Some(bank), x.clone(), timesteps, conditions);
        let implied = implied(new.clone(), base.clone(), &self.rows.noised.target, self.beta);
        let anchor = Anchor::known(world, &new, &base);
        let weights = [self.weight, self.weight / self.unit as f32];
        judged(implied, slice.values.clone(), anchor, &self.judge, self.weights.as_ref(), weights)
    }
}

/// Returns the passes over an epoch's share of stored preferences, in which a unit weighs as a file's votes and a run's objective say.
pub(super) fn stored(
    epoch: &Epoch<'_>,
    slices: Vec<StoredSlice>,
    [levels, updates]: [u32; 2],
    [unit, count]: [usize; 2],
    beta: f64,
    judge: &(dyn Fn(usize) -> Judge + Sync),
) -> Result<Gathered, TrainError> {
    let mut all: Vec<Vec<Box<dyn Pass>>> = Vec::new();
    for StoredSlice { slice, conditions, weights } in slices {
        let rows = [Conditioned { slice: Arc::new(slice), conditions }];
        let own = passes(epoch, &rows, [levels, updates], unit, &|rows, levels, _| {
            let judge = judge(rows.rows());
            let alike = ImpliedPass::new(rows, beta, [unit, count, levels], judge);
            Ok(Box::new(ImpliedPass { weights: Some(weights.clone()), ..alike }))
        })?;
        all.resize_with(own.len(), Vec::new);
        all.iter_mut().zip(own).for_each(|(all, own)| all.extend(own));
    }
    let members = epoch.world.members();
    // Nothing was drawn, and nothing scored.
    let nothing = vec![Vec::new(); epoch.world.spec.rewards.len()];
    Ok(Gathered { scores: vec![nothing; members], metrics: vec![EpochMetrics::new(); members], updates: all })
}

/// Returns the loss of a pass from the rewards that its rows imply; a unit weighs `weight` times its own, a row's distance to the base `tie`.
pub(super) fn judged(
    implied: Tensor<1>,
    values: Tensor<1>,
    anchor: Option<Anchor>,
    judge: &Judge,
    own: Option<&Tensor<1>>,
    [weight, tie]: [f32; 2],
) -> Loss {
    let [rows] = implied.dims();
    // What does not count is not reported either: 0/0 is not a number, and such are left out of means.
    let counts = own.map(|own| own.clone() / own.clone());
    let seen = match &counts {
        Some(counts) => {
            let [units] = counts.dims();
            let by_row: Tensor<1> = counts.clone().reshape([units, 1]).expand([units, rows / units]).reshape([rows]);
            implied.clone().inner() * by_row
        }
        None => implied.clone().inner(),
    };
    let Judged { losses, mut reports } = judge(implied, values);
    let told = match counts {
        Some(counts) => losses.clone().inner() * counts,
        None => losses.clone().inner(),
    };
    reports.extend([Report::all(metric::IMPLIED_REWARD, &seen), Report::all(metric::LOSS, &told)]);
    let losses = match own {
        Some(own) => losses * Tensor::from_inner(own.clone()),
        None => losses,
    };
    let mut total = losses.sum() * weight;
    if let Some(anchor) = anchor {
        total = total + anchor.penalty(tie);
        reports.push(anchor.report(1.0));
    }
    Loss { total, reports }
}

/// Returns β·(‖base − target‖² − ‖new − target‖²), norms that are means over dimensions, `[rows]`.
///
/// Taken as β·⟨base − new, base + new − 2·target⟩: near the base the two norms are nearly the same, and rounding would be most of their
/// difference.
///
/// # Shapes
/// All `[rows, c, h, w]`, the new policy's with autodiff and the others without.
pub(super) fn implied(new: Tensor<4>, base: Tensor<4>, target: &Tensor<4>, beta: f64) -> Tensor<1> {
    let [rows, ..] = new.dims();
    let [base, target] = [base, target.clone()].map(Tensor::from_inner);
    let apart = base.clone() - new.clone();
    let product = apart * (base + new - target * 2.0);
    product.reshape([rows as i64, -1]).mean_dim(1).reshape([rows]) * beta as f32
}

/// Returns each pair's loss −p·ln σ(r_a − r_b) − (1 − p)·ln σ(r_b − r_a), `[pairs]`: p, the share of votes for a, is the value of its
/// row, and a pair's rows are neighbours. An undecided pair (p = ½ exactly, of groups without spread most often) has no loss: it
/// would only hold the adapter back.
pub(super) fn preference(implied: Tensor<1>, values: Tensor<1>) -> Judged {
    let [rows] = implied.dims();
    let column = |tensor: Tensor<1>, place: usize| -> Tensor<1> {
        tensor.reshape([rows as i64 / 2, 2]).narrow(1, place, 1).reshape([rows / 2])
    };
    let margin = column(implied.clone(), 0) - column(implied, 1);
    let votes = column(values, 0);
    let decided = votes.clone().not_equal_elem(0.5).float();
    let losses = soft(margin.clone(), votes.clone()) * Tensor::from_inner(decided);
    // An undecided pair is right half of the time.
    let right = Report::all(metric::PAIRS_RIGHT, &(margin.inner() * (votes - 0.5))).mapped(|agreed| match agreed {
        agreed if agreed > 0.0 => 1.0,
        agreed if agreed < 0.0 => 0.0,
        undecided => undecided + 0.5,
    });
    Judged { losses, reports: vec![right] }
}

/// Returns −p·ln σ(m) − (1 − p)·ln σ(−m), all `[n]`.
pub(super) fn soft(margin: Tensor<1>, votes: Tensor<1>) -> Tensor<1> {
    let votes = Tensor::from_inner(votes);
    let against = votes.clone().neg() + 1.0;
    (votes * log_sigmoid(margin.clone()) + against * log_sigmoid(margin.neg())).neg()
}
