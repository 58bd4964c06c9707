//! Diversity: how far a picture lies from the other pictures of its prompt.
//!
//! A group's spread is the mean cosine distance of its pairs, v(G) = mean_{i≠j} (1 − cos(e_i, e_j)), with e_i the CLIP
//! embeddings. Picture i scores d_i = mean_{j≠i} (1 − cos(e_i, e_j)), its mean distance to the others, so that the mean
//! score of a group is its spread. d_i is the leave-one-out contribution up to an affine map that is the same for the
//! whole group: v(G) − v(G∖i) = 2·(d_i − v(G)) / (n − 2). Where scores are standardised in their group the two give the
//! same advantages, and d_i is also defined for n = 2.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::{Differentiable, Embeddings, GradientView, PictureEmbedder, Reward, RewardError, View, cosine};

/// Mean cosine distance to the other pictures of the same prompt.
pub struct Diversity {
    name: String,
    pictures: Arc<PictureEmbedder>,
}

impl Diversity {
    /// Returns the reward under a name, for groups of `group` pictures, in the space of a CLIP.
    ///
    /// # Errors
    /// Refuses groups of one picture, which has no others.
    pub fn new(name: impl Into<String>, group: usize, pictures: Arc<PictureEmbedder>) -> Result<Self, RewardError> {
        let name = name.into();
        if group < 2 {
            return Err(RewardError::GroupTooSmall { reward: name, group });
        }
        Ok(Self { name, pictures })
    }
}

impl Reward for Diversity {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let group = view.pictures().group();
        if group < 2 {
            return Err(RewardError::GroupTooSmall { reward: self.name.clone(), group });
        }
        Ok(distances(&*view.embeddings(&self.pictures)?, view.pictures().len(), group))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Diversity {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let (count, group) = (view.pictures().len(), view.pictures().group());
        if group < 2 {
            return Err(RewardError::GroupTooSmall { reward: self.name.clone(), group });
        }
        let embeddings = view.embeddings(&self.pictures)?;
        let rows = embeddings.reshape([count / group, group, self.pictures.width()]);
        // Σ_{j≠i} e_i·e_j = e_i·Σ_j e_j − e_i·e_i
        let all = (rows.clone() * rows.clone().sum_dim(1)).sum_dim(2);
        let cosines = all - rows.square().sum_dim(2);
        Ok((cosines / -((group - 1) as f64) + 1.0).reshape([count]))
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(&self.pictures)
    }
}

/// Returns each row's mean cosine distance to the other rows of its group of two or more.
pub(crate) fn distances(embeddings: &Embeddings, count: usize, group: usize) -> Vec<f32> {
    (0..count)
        .map(|i| {
            let start = i / group * group;
            let others = (start..start + group).filter(|j| *j != i);
            let distance = |j| f64::from(1.0 - cosine(embeddings.row(i), embeddings.row(j)));
            (others.map(distance).sum::<f64>() / (group - 1) as f64) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: [f32; 2] = [1.0, 0.0];
    const UP: [f32; 2] = [0.0, 1.0];
    const LEFT: [f32; 2] = [-1.0, 0.0];

    #[test]
    fn identical_pictures_score_zero_and_the_odd_one_out_most() {
        let rows = Embeddings::new(2, [RIGHT, RIGHT, RIGHT, RIGHT, RIGHT, LEFT].concat());
        let scores = distances(&rows, 6, 3);
        assert_eq!(scores, [0.0, 0.0, 0.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn the_mean_is_the_spread_and_differences_are_leave_one_out() {
        let diagonal = [0.6, 0.8];
        let rows = Embeddings::new(2, [RIGHT, UP, LEFT, diagonal].concat());
        let spread = |indices: &[usize]| {
            let mut sum = 0.0;
            for (place, i) in indices.iter().enumerate() {
                sum += indices[..place].iter().map(|j| 1.0 - cosine(rows.row(*i), rows.row(*j))).sum::<f32>();
            }
            sum / (indices.len() * (indices.len() - 1) / 2) as f32
        };
        let (scores, whole) = (distances(&rows, 4, 4), spread(&[0, 1, 2, 3]));
        assert!((scores.iter().sum::<f32>() / 4.0 - whole).abs() < 1e-6);
        for (i, score) in scores.iter().enumerate() {
            let others: Vec<usize> = (0..4).filter(|j| *j != i).collect();
            assert!((whole - spread(&others) - (score - whole)).abs() < 1e-6, "2 / (n - 2) is 1 for n = 4");
        }
    }
}
