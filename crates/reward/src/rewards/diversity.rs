//! Diversity: how far an image lies from the other images of its prompt.
//!
//! A group's spread is the mean distance of its pairs, v(G) = mean_{i≠j} d_ij, with d_ij = 1 − cos(e_i, e_j) and e_i the CLIP
//! embeddings. Image i scores d_i = mean_{j≠i} d_ij, its mean distance to the others, so that the mean
//! score of a group is its spread. d_i is the leave-one-out contribution up to an affine map that is the same for the
//! whole group: v(G) − v(G∖i) = 2·(d_i − v(G)) / (n − 2). Where scores are standardised in their group the two give the
//! same advantages, and d_i is also defined for n = 2.
//!
//! Garbage lies far from everything, and would win. Where it is known from which cosine on an image is of its prompt
//! ([`Match`]), a pair counts by how surely both of its images are: d_ij = m_i·m_j·(1 − cos(e_i, e_j)).

use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use crate::{
    Differentiable, Embeddings, GradientView, Match, PictureEmbedder, Reward, RewardError, TextEmbedder, View, cosine,
};

/// Mean cosine distance to the other images of the same prompt.
pub struct Diversity {
    name: String,
    pictures: Arc<PictureEmbedder>,
    /// Which images count.
    matches: Option<(Match, Arc<TextEmbedder>)>,
}

impl Diversity {
    /// Returns the reward under a name, for groups of `group` images, in the space of a CLIP.
    ///
    /// # Errors
    /// Refuses groups of one image, which has no others.
    pub fn new(name: impl Into<String>, group: usize, pictures: Arc<PictureEmbedder>) -> Result<Self, RewardError> {
        let name = name.into();
        if group < 2 {
            return Err(RewardError::GroupTooSmall { reward: name, group });
        }
        Ok(Self { name, pictures, matches: None })
    }

    /// Returns the reward among the images that are of their prompts, whose texts the same CLIP embeds.
    #[must_use]
    pub fn among_matches(self, head: Match, texts: Arc<TextEmbedder>) -> Self {
        Self { matches: Some((head, texts)), ..self }
    }

    fn group(&self, group: usize) -> Result<usize, RewardError> {
        if group < 2 { Err(RewardError::GroupTooSmall { reward: self.name.clone(), group }) } else { Ok(group) }
    }
}

impl Reward for Diversity {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let group = self.group(view.pictures().group())?;
        let embeddings = view.embeddings(&self.pictures)?;
        let matches = match &self.matches {
            Some((head, texts)) => {
                let rows = embeddings.rows().zip(view.pictures().prompts());
                let matches = rows.map(|(row, prompt)| Ok(head.probability(cosine(row, &texts.embed(prompt)?))));
                matches.collect::<Result<_, RewardError>>()?
            }
            None => vec![1.0; view.pictures().len()],
        };
        Ok(distances(&embeddings, &matches, group))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Diversity {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let (count, group) = (view.pictures().len(), self.group(view.pictures().group())?);
        let embeddings = view.embeddings(&self.pictures)?;
        let matches = match &self.matches {
            Some((head, texts)) => {
                let cosines = view.prompt_cosines(&self.pictures, texts)?;
                sigmoid((cosines - head.threshold) * head.slope)
            }
            None => embeddings.clone().narrow(1, 0, 1).reshape([count]).ones_like(),
        };
        // Σ_{j≠i} m_i·m_j·(1 − e_i·e_j) = m_i·(Σ_j m_j − m_i) − (m_i·e_i·Σ_j m_j·e_j − m_i²·e_i·e_i)
        let matches = matches.reshape([count / group, group, 1]);
        let rows = embeddings.reshape([count / group, group, self.pictures.width()]) * matches.clone();
        let cosines = (rows.clone() * rows.clone().sum_dim(1)).sum_dim(2) - rows.square().sum_dim(2);
        let pairs = matches.clone() * (matches.clone().sum_dim(1) - matches);
        Ok(((pairs - cosines) / (group - 1) as f64).reshape([count]))
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(&self.pictures)
    }
}

/// Returns each row's mean cosine distance to the other rows of its group of two or more, each pair weighted by both rows' matches.
pub(crate) fn distances(embeddings: &Embeddings, matches: &[f32], group: usize) -> Vec<f32> {
    (0..matches.len())
        .map(|i| {
            let start = i / group * group;
            let others = (start..start + group).filter(|j| *j != i);
            let distance = |j: usize| {
                f64::from(matches[i] * matches[j]) * f64::from(1.0 - cosine(embeddings.row(i), embeddings.row(j)))
            };
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
        let scores = distances(&rows, &[1.0; 6], 3);
        assert_eq!(scores, [0.0, 0.0, 0.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn what_is_not_of_its_prompt_neither_gains_nor_gives() {
        let rows = Embeddings::new(2, [RIGHT, UP, LEFT].concat());
        let scores = distances(&rows, &[1.0, 1.0, 0.0], 3);
        assert_eq!(scores, [0.5, 0.5, 0.0]);
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
        let (scores, whole) = (distances(&rows, &[1.0; 4], 4), spread(&[0, 1, 2, 3]));
        assert!((scores.iter().sum::<f32>() / 4.0 - whole).abs() < 1e-6);
        for (i, score) in scores.iter().enumerate() {
            let others: Vec<usize> = (0..4).filter(|j| *j != i).collect();
            assert!((whole - spread(&others) - (score - whole)).abs() < 1e-6, "2 / (n - 2) is 1 for n = 4");
        }
    }
}
