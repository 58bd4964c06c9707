//! The gradient of embeddings with respect to pixels, with the memory of one layer at a time.

use burn::tensor::Tensor;

use super::PictureTower;

/// Most values of states between layers that a forward pass keeps for the backward pass, 2²⁶: 256 MiB in f32.
const MOST_STATES: usize = 1 << 26;

/// What the backward pass needs of a forward pass through a [`PictureTower`].
pub(crate) struct Followed {
    /// `[rows, 3, image_size, image_size]`, normalised.
    pixels: Tensor<4>,
    /// What each layer takes, and what the last one gives; nothing where that is too much to keep.
    states: Option<Vec<Tensor<3>>>,
}

impl PictureTower {
    /// Returns pictures' embeddings, as [`PictureTower::embed`] does, and what their gradient needs.
    ///
    /// The backward pass computes each layer once more, so that it holds the activations of a single layer (Chen et al.,
    /// 1604.06174); of a batch whose states between layers are over 256 MiB it holds those of a few rows.
    pub(crate) fn follow(&self, pixels: Tensor<4>) -> (Tensor<2>, Followed) {
        let (count, step) = (pixels.dims()[0], self.rows_at_once());
        if step < count {
            let part = |start: usize| self.embed(pixels.clone().narrow(0, start, step.min(count - start)));
            let embeddings = Tensor::cat((0..count).step_by(step).map(part).collect(), 0);
            return (embeddings, Followed { pixels, states: None });
        }
        let states = self.states(pixels.clone());
        let last = states[states.len() - 1].clone();
        (self.project(last), Followed { pixels, states: Some(states) })
    }

    /// Returns the gradient with respect to the pixels, `[rows, 3, image_size, image_size]`, from that of the embeddings,
    /// `[rows, width]`.
    pub(crate) fn pull_back(&self, followed: Followed, gradient: Tensor<2>) -> Tensor<4> {
        let Followed { pixels, states } = followed;
        if let Some(states) = states {
            return self.pull_back_states(pixels, states, gradient);
        }
        let (count, step) = (pixels.dims()[0], self.rows_at_once());
        let part = |start: usize| {
            let rows = step.min(count - start);
            let pixels = pixels.clone().narrow(0, start, rows);
            let states = self.states(pixels.clone());
            self.pull_back_states(pixels, states, gradient.clone().narrow(0, start, rows))
        };
        Tensor::cat((0..count).step_by(step).map(part).collect(), 0)
    }

    fn pull_back_states(&self, pixels: Tensor<4>, mut states: Vec<Tensor<3>>, gradient: Tensor<2>) -> Tensor<4> {
        let tower = self.vision().tower();
        let mut take = || states.pop().unwrap_or_else(|| unreachable!("one more state than layers"));
        let mut gradient = through(take(), gradient, |x| self.project(x));
        for layer in (0..tower.depth()).rev() {
            gradient = through(take(), gradient, |x| tower.layer(layer, x, false));
        }
        through(pixels, gradient, |pixels| self.vision().tokens(pixels))
    }

    /// Returns what each layer takes, and what the last one gives.
    fn states(&self, pixels: Tensor<4>) -> Vec<Tensor<3>> {
        let tower = self.vision().tower();
        let mut states = vec![self.vision().tokens(pixels)];
        for layer in 0..tower.depth() {
            states.push(tower.layer(layer, states[layer].clone(), false));
        }
        states
    }

    /// Returns the number of rows whose states are kept at a time.
    fn rows_at_once(&self) -> usize {
        let config = self.config();
        let states = (config.num_hidden_layers + 1) * (config.patches().pow(2) + 1) * config.hidden_size;
        (MOST_STATES / states).max(1)
    }
}

/// Returns the gradient of a function's argument from that of its result.
fn through<const A: usize, const B: usize>(
    x: Tensor<A>,
    gradient: Tensor<B>,
    function: impl Fn(Tensor<A>) -> Tensor<B>,
) -> Tensor<A> {
    let leaf = x.autodiff().require_grad();
    let mut gradients = (function(leaf.clone()) * gradient).sum().backward();
    leaf.grad_remove(&mut gradients).unwrap_or_else(|| leaf.inner().zeros_like())
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use moa_adapter::Parameters;
    use moa_core::NoiseKey;

    use super::*;
    use crate::raster::host;
    use crate::{Clip, ClipConfig};

    #[test]
    fn states_that_are_computed_again_give_the_gradient_of_states_that_were_kept() {
        let tower = r#""hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2"#;
        let json = format!(
            r#"{{ "projection_dim": 8,
                "text_config": {{ {tower}, "vocab_size": 9, "max_position_embeddings": 4, "eos_token_id": 8 }},
                "vision_config": {{ {tower}, "image_size": 16, "patch_size": 4 }} }}"#
        );
        let (config, device) = (ClipConfig::read(&json).expect("config"), Device::flex());
        let map = Clip::fresh(&config, NoiseKey::new(1), &device).expect("fits");
        let (tower, _) = Clip::load(&config, &Parameters::stored(map, &device)).expect("fits").into_towers();
        let normal = |stream, dims: [usize; 4]| {
            let values = NoiseKey::new(stream).normal(dims.iter().product());
            Tensor::<4>::from_data(TensorData::new(values, dims), &device)
        };
        let pixels = normal(2, [3, 3, 16, 16]);
        let gradient = normal(3, [3, 8, 1, 1]).reshape([3, 8]);
        let (embeddings, kept) = tower.follow(pixels.clone());
        assert_eq!(host(embeddings), host(tower.embed(pixels.clone())));
        let again = Followed { pixels, states: None };
        let (kept, again) = (tower.pull_back(kept, gradient.clone()), tower.pull_back(again, gradient));
        assert_eq!(host(kept), host(again));
    }
}
