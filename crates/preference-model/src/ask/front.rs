//! The pair that says most about which point is the best.

use moa_core::NoiseKey;

use super::batch::{Growing, watched};
use super::{Question, Random, Strategy};
use crate::linear::{Matrix, dot};
use crate::model::RewardModel;
use crate::pool::Pool;

/// Asks the pairs whose answers lower the variance between points most, where it matters which is the better one. A *point* is a set
/// of images (of the base, an adapter, a soup), and is worth the mean score of its images. With `P(p)` the posterior probability
/// that p is the best point, `c_p` the mean of its images' coordinates, and h the expected curvature of the answer,
///
/// ```text
/// gain = h/(1 + h·dᵀΣd) · Σ over p < q of √(P(p)·P(q)) · (dᵀΣ(c_p − c_q))²
/// ```
///
/// The square root keeps challengers in play whose probability is small. The images of a pair need not belong to the points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// The images of each point, by their places in the pool; at least two points, none of them empty.
    pub points: Vec<Vec<usize>>,
    /// Draws from the posterior for the probabilities. Default of [`Front::new`]: 1,024.
    pub draws: usize,
}

/// Contrasts that weigh less than this share of the heaviest are left out.
const LEAST: f64 = 1e-3;

impl Front {
    /// Returns the strategy for these points.
    pub fn new(points: Vec<Vec<usize>>) -> Self {
        Self { points, draws: 1024 }
    }

    /// Returns the posterior's mean of each point and the rows whose inner products are their covariances.
    fn posterior(&self, growing: &Growing) -> (Vec<f64>, Matrix) {
        let Growing { scores, spreads } = growing;
        let mut rows = Matrix::zeros(self.points.len(), spreads.columns);
        let mut means = vec![0.0; self.points.len()];
        for (point, images) in self.points.iter().enumerate() {
            for image in images {
                let share = 1.0 / images.len() as f64;
                means[point] += share * scores[*image];
                rows.row_mut(point).iter_mut().zip(spreads.row(*image)).for_each(|(sum, y)| *sum += share * y);
            }
        }
        (means, rows)
    }

    /// Returns the posterior probability of each point to be the best, from draws.
    pub fn probabilities(&self, pool: &Pool, model: &RewardModel, key: NoiseKey) -> Vec<f64> {
        self.best(&Growing::new(pool, model), key)
    }

    fn best(&self, growing: &Growing, key: NoiseKey) -> Vec<f64> {
        let (means, rows) = self.posterior(growing);
        let mut wins = vec![0.0; means.len()];
        let mut noise = vec![0.0_f32; rows.columns];
        for draw in 0..self.draws {
            key.named("best").with(draw as u64).fill_normal(&mut noise);
            let wide: Vec<f64> = noise.iter().map(|value| f64::from(*value)).collect();
            let values = means.iter().enumerate().map(|(point, mean)| mean + dot(rows.row(point), &wide));
            let best = values.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
            if let Some((best, _)) = best {
                wins[best] += 1.0 / self.draws as f64;
            }
        }
        wins
    }
}

impl Strategy for Front {
    fn name(&self) -> &'static str {
        "front"
    }

    fn choose(&self, question: &Question<'_>) -> Vec<usize> {
        let usable = self.points.len() >= 2
            && self
                .points
                .iter()
                .all(|images| !images.is_empty() && images.iter().all(|image| *image < question.pool.len()));
        let Some(model) = question.model.filter(|_| usable) else { return Random.choose(question) };
        let growing = Growing::after(question, model);
        let (_, rows) = self.posterior(&growing);
        let best = self.best(&growing, question.key);
        let mut weighted = Vec::new();
        for p in 0..best.len() {
            for q in p + 1..best.len() {
                // A point that no draw made the best may still be: half a draw.
                let floor = 0.5 / self.draws.max(1) as f64;
                weighted.push(((best[p].max(floor) * best[q].max(floor)).sqrt(), p, q));
            }
        }
        let top = weighted.iter().map(|(weight, ..)| *weight).fold(0.0, f64::max);
        let contrasts: Vec<f64> = weighted
            .iter()
            .filter(|(weight, ..)| *weight >= LEAST * top)
            .flat_map(|(weight, p, q)| {
                let scale = weight.sqrt();
                rows.row(*p).iter().zip(rows.row(*q)).map(move |(p, q)| scale * (p - q))
            })
            .collect();
        let contrasts = Matrix::from_values(contrasts.len() / rows.columns, rows.columns, contrasts);
        watched(question, model, growing, &contrasts)
    }
}
