//! The gradient of embeddings with respect to pixels, with the memory of one layer at a time.

use burn::tensor::Tensor;
use moa_device::{from_host, to_host};
use rayon::prelude::*;

use super::PictureTower;
use super::native::{Engine, Tape, tape_values};

/// Most values that a forward pass keeps for the backward pass, 2²⁶: 256 MiB in f32.
const MOST_KEPT: usize = 1 << 26;

/// What the backward pass needs of a forward pass through a [`PictureTower`].
pub(crate) struct Followed {
    /// `[rows, 3, image_size, image_size]`, normalised.
    pixels: Tensor<4>,
    kept: Kept,
}

enum Kept {
    /// All activations or what each layer takes, by the engine of the CPU, image by image.
    Tapes(Vec<Tape>),
    /// What each layer takes, and what the last one gives.
    States(Vec<Tensor<3>>),
    /// Nothing: all together is too much.
    Nothing,
}

impl PictureTower {
    /// Returns images' embeddings, as [`PictureTower::embed`] does up to rounding, and what their gradient needs.
    ///
    /// On the CPU (`flex`) an engine of its own computes towers up to ViT-L; elsewhere, and for larger towers, burn's operations do the work, a
    /// layer at a time. What is kept is bounded at 256 MiB: all activations, where the engine's fit, so that the backward pass costs as
    /// much as the forward pass; or what each layer takes, and the backward pass computes each layer once more (Chen et al.,
    /// 1604.06174); or nothing, and it repeats the whole forward pass, on few rows at a time.
    pub(crate) fn follow(&self, pixels: Tensor<4>) -> (Tensor<2>, Followed) {
        let count = pixels.dims()[0];
        let [all, inputs] = tape_values(self.config()).map(|values| values * count <= MOST_KEPT);
        if let Some(engine) = self.engine() {
            let images = to_host(pixels.clone());
            let images = images.par_chunks_exact(images.len() / count.max(1));
            let (kept, values) = if inputs {
                let tapes: Vec<Tape> = images.map(|image| engine.forward(image, all)).collect();
                let values: Vec<f32> = tapes.iter().flat_map(Tape::embedding).copied().collect();
                (Kept::Tapes(tapes), values)
            } else {
                let embed = |image| engine.forward(image, false).embedding().to_vec();
                (Kept::Nothing, images.flat_map_iter(embed).collect())
            };
            let embeddings = from_host(values, [count, self.width()], &pixels.device());
            return (embeddings, Followed { pixels, kept });
        }
        if inputs {
            let states = self.states(pixels.clone());
            let last = states[states.len() - 1].clone();
            return (self.project(last), Followed { pixels, kept: Kept::States(states) });
        }
        let step = self.rows_at_once();
        let part = |start: usize| self.embed(pixels.clone().narrow(0, start, step.min(count - start)));
        let embeddings = Tensor::cat((0..count).step_by(step).map(part).collect(), 0);
        (embeddings, Followed { pixels, kept: Kept::Nothing })
    }

    /// Returns the gradient with respect to the pixels, `[rows, 3, image_size, image_size]`, from that of the embeddings,
    /// `[rows, width]`.
    pub(crate) fn pull_back(&self, followed: Followed, gradient: Tensor<2>) -> Tensor<4> {
        let Followed { pixels, kept } = followed;
        match (kept, self.engine()) {
            (Kept::States(states), _) => self.pull_back_states(pixels, states, gradient),
            (Kept::Tapes(tapes), Some(engine)) => {
                let gradients = to_host(gradient);
                let rows = gradients.par_chunks_exact(self.width());
                let values = tapes.into_par_iter().zip(rows).flat_map_iter(|(tape, row)| engine.backward(&tape, row));
                of_values(values.collect(), &pixels)
            }
            (_, Some(engine)) => self.pull_back_again(engine, &pixels, gradient),
            (_, None) => self.pull_back_parts(&pixels, &gradient, self.rows_at_once()),
        }
    }

    fn pull_back_parts(&self, pixels: &Tensor<4>, gradient: &Tensor<2>, step: usize) -> Tensor<4> {
        let count = pixels.dims()[0];
        let part = |start: usize| {
            let rows = step.min(count - start);
            let pixels = pixels.clone().narrow(0, start, rows);
            let states = self.states(pixels.clone());
            self.pull_back_states(pixels, states, gradient.clone().narrow(0, start, rows))
        };
        Tensor::cat((0..count).step_by(step).map(part).collect(), 0)
    }

    fn pull_back_again(&self, engine: &Engine, pixels: &Tensor<4>, gradient: Tensor<2>) -> Tensor<4> {
        let (images, gradients) = (to_host(pixels.clone()), to_host(gradient));
        let images = images.par_chunks_exact(images.len() / pixels.dims()[0].max(1));
        let pairs = images.zip(gradients.par_chunks_exact(self.width()));
        of_values(
            pairs.flat_map_iter(|(image, row)| engine.backward(&engine.forward(image, false), row)).collect(),
            pixels,
        )
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

    /// Returns the number of rows that burn's operations take at a time where not all can be kept.
    fn rows_at_once(&self) -> usize {
        let [_, inputs] = tape_values(self.config());
        (MOST_KEPT / inputs).max(1)
    }
}

/// Returns values with the shape and the device of a tensor.
fn of_values(values: Vec<f32>, like: &Tensor<4>) -> Tensor<4> {
    from_host(values, like.dims(), &like.device())
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
    use crate::{Clip, ClipConfig};

    fn tower(activation: &str) -> PictureTower {
        let tower = format!(
            r#""hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2,
               "hidden_act": "{activation}""#
        );
        let json = format!(
            r#"{{ "projection_dim": 8,
                "text_config": {{ {tower}, "vocab_size": 9, "max_position_embeddings": 4, "eos_token_id": 8 }},
                "vision_config": {{ {tower}, "image_size": 16, "patch_size": 4 }} }}"#
        );
        let (config, device) = (ClipConfig::read(&json).expect("config"), Device::flex());
        let map = Clip::fresh(&config, NoiseKey::new(1), &device).expect("fits");
        Clip::load(&config, &Parameters::stored(map, &device)).expect("fits").into_towers().0
    }

    fn normal(stream: u64, dims: [usize; 4]) -> Tensor<4> {
        let values = NoiseKey::new(stream).normal(dims.iter().product());
        Tensor::from_data(TensorData::new(values, dims), &Device::flex())
    }

    fn assert_close(found: &[f32], wanted: &[f32]) {
        let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 0.0 && found.len() == wanted.len());
        let worst = found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-5 * largest, "{worst} of {largest}");
    }

    #[test]
    fn the_engine_has_the_embeddings_and_gradients_of_burns_operations() {
        for activation in ["quick_gelu", "gelu"] {
            let tower = tower(activation);
            let pixels = normal(2, [3, 3, 16, 16]);
            let gradient = normal(3, [3, 8, 1, 1]).reshape([3, 8]);
            let (embeddings, followed) = tower.follow(pixels.clone());
            assert!(matches!(followed.kept, Kept::Tapes(_)));
            assert_close(&to_host(embeddings), &to_host(tower.embed(pixels.clone())));
            let wanted =
                to_host(tower.pull_back_states(pixels.clone(), tower.states(pixels.clone()), gradient.clone()));
            assert_close(&to_host(tower.pull_back_parts(&pixels, &gradient, 2)), &wanted);
            assert_close(&to_host(tower.pull_back(followed, gradient)), &wanted);
        }
    }

    #[test]
    fn what_is_computed_again_gives_the_gradient_of_what_was_kept() {
        let tower = tower("quick_gelu");
        let pixels = normal(2, [3, 3, 16, 16]);
        let gradient = normal(3, [3, 8, 1, 1]).reshape([3, 8]);
        let (_, kept) = tower.follow(pixels.clone());
        let again = Followed { pixels, kept: Kept::Nothing };
        let (kept, again) = (tower.pull_back(kept, gradient.clone()), tower.pull_back(again, gradient));
        assert_eq!(to_host(kept), to_host(again));
    }
}
