//! The gradient of rewards with respect to the images that they score.

use burn::tensor::Tensor;
use moa_device::{from_host, to_host};

use super::{Scorer, refuse_not_finite};
use crate::gradient::GradientView;
use crate::pictures::moved;
use crate::{Pictures, RewardError};

/// Most values of pixels that are differentiated at once, 2²²: formulas over pixels keep a few copies of 16 MiB each.
const MOST_VALUES: usize = 1 << 22;

impl Scorer {
    /// Returns the gradient of Σᵢ Σₖ cₖ·scoreₖ(i) over images i and rewards k with respect to the pixels, without autodiff.
    ///
    /// It is exact, for rewards that compare the images of a group too. Each CLIP embeds the images once for all of its
    /// rewards; a reward whose coefficient is 0 costs nothing and may have no gradient. Memory is bounded: large batches are
    /// taken in parts of whole groups, and large CLIPs a few images and one layer at a time.
    ///
    /// # Shapes
    /// - `coefficients`: cₖ, one per reward, in the rewards' order
    /// - returns `[n, 3, height, width]`
    ///
    /// # Errors
    /// Refuses another number of coefficients than rewards, a coefficient on a reward that has no gradient, batches that a
    /// reward cannot score, and scores and gradients that are not finite.
    pub fn gradient(&self, pictures: &Pictures, coefficients: &[f32]) -> Result<Tensor<4>, RewardError> {
        if coefficients.len() != self.rewards.len() {
            return Err(RewardError::Coefficients { given: coefficients.len(), rewards: self.rewards.len() });
        }
        self.gradient_of(pictures, coefficients, None)
    }

    /// Returns the gradient of one reward's scores of some images, Σᵢ wᵢ·score(i), as [`Scorer::gradient`] does: of rewards that compare
    /// the images of a group, that of an image's own score is not that of the sum.
    ///
    /// # Shapes
    /// - `reward`: the reward's place
    /// - `shares`: wᵢ, one per image
    /// - returns `[n, 3, height, width]`
    ///
    /// # Errors
    /// As [`Scorer::gradient`]; refuses another number of shares than images.
    pub fn gradient_at(&self, pictures: &Pictures, reward: usize, shares: &[f32]) -> Result<Tensor<4>, RewardError> {
        if reward >= self.rewards.len() || shares.len() != pictures.len() {
            return Err(RewardError::Coefficients { given: shares.len(), rewards: self.rewards.len() });
        }
        let coefficients: Vec<f32> =
            (0..self.rewards.len()).map(|place| f32::from(u8::from(place == reward))).collect();
        self.gradient_of(pictures, &coefficients, Some(shares))
    }

    fn gradient_of(
        &self,
        pictures: &Pictures,
        coefficients: &[f32],
        shares: Option<&[f32]>,
    ) -> Result<Tensor<4>, RewardError> {
        let device = pictures.pixels().device();
        let pictures = &self.brought(pictures);
        let [_, channels, height, width] = pictures.pixels().dims();
        let groups = (MOST_VALUES / (pictures.group() * channels * height * width).max(1)).max(1);
        let step = groups * pictures.group();
        let parts = (0..pictures.len()).step_by(step);
        let parts: Vec<_> = parts
            .map(|start| {
                let range = start..(start + step).min(pictures.len());
                self.gradient_of_part(&pictures.part(range.clone()), coefficients, shares.map(|shares| &shares[range]))
            })
            .collect::<Result<_, _>>()?;
        Ok(moved(if parts.is_empty() { pictures.pixels() } else { Tensor::cat(parts, 0) }, &device))
    }

    fn gradient_of_part(
        &self,
        pictures: &Pictures,
        coefficients: &[f32],
        shares: Option<&[f32]>,
    ) -> Result<Tensor<4>, RewardError> {
        let view = GradientView::new(pictures);
        let mut total: Option<Tensor<1>> = None;
        for (reward, coefficient) in self.rewards.iter().zip(coefficients).filter(|(_, c)| **c != 0.0) {
            let name = reward.name();
            let Some(differentiable) = reward.differentiable() else {
                return Err(RewardError::NoGradient { reward: name.to_owned() });
            };
            let scores = differentiable.score(&view)?;
            refuse_not_finite(name, pictures, to_host(scores.clone().inner()).into_iter().map(Some))?;
            let weighted = match shares {
                None => scores.sum() * *coefficient,
                Some(shares) => {
                    let shares = from_host(shares.to_vec(), [shares.len()], &scores.device().without_autodiff());
                    (scores * shares).sum() * *coefficient
                }
            };
            total = Some(match total {
                Some(total) => total + weighted,
                None => weighted,
            });
        }
        let Some(total) = total else { return Ok(pictures.pixels().zeros_like()) };
        let gradient = view.pull_back(&total);
        let largest = gradient.clone().abs().reshape([pictures.len() as i64, -1]).sum_dim(1);
        refuse_not_finite("the rewards' gradient", pictures, to_host(largest).into_iter().map(Some))?;
        Ok(gradient)
    }
}
