//! What a denoiser is conditioned on: the states of texts, and what some models add to them.

use burn::tensor::{FloatDType, Tensor};
use moa_device::{as_type, indices_from_host};

/// The conditions of prompts, or of rows that are denoised.
#[derive(Clone, Debug)]
pub struct TextContext {
    /// The text encoders' states of every token, `[prompts, tokens, width]`.
    pub states: Tensor<3>,
    /// What is added to the time embedding; `None` where the denoiser takes nothing more.
    pub added: Option<AddedConditions>,
    /// The strength of guidance, the same for all prompts, of denoisers that embed one (FLUX.1 dev, latent consistency models);
    /// `None` leaves it at the denoiser's own. Others pass it over.
    pub guidance: Option<f32>,
}

/// Conditions that are added to a denoiser's time embedding (Podell et al., 2307.01952, section 2.2).
#[derive(Clone, Debug)]
pub struct AddedConditions {
    /// One vector for each text, `[prompts, width]`.
    pub pooled: Tensor<2>,
    /// Numbers that are embedded like timesteps, the same for all prompts. Stable Diffusion XL's are pixels: original height
    /// and width, top and left of the crop, target height and width. Empty where the denoiser takes the vectors alone.
    pub time_ids: Vec<f32>,
}

impl From<Tensor<3>> for TextContext {
    /// Returns a context of states alone.
    fn from(states: Tensor<3>) -> Self {
        Self { states, added: None, guidance: None }
    }
}

impl TextContext {
    /// Returns the number of prompts or rows.
    pub fn rows(&self) -> usize {
        self.states.dims()[0]
    }

    /// Returns the contexts in another type of number.
    pub(crate) fn as_type(&self, wanted: FloatDType) -> Self {
        self.map(|states| as_type(states, wanted), |pooled| as_type(pooled, wanted))
    }

    /// Returns the contexts at `indices`, which may repeat.
    pub fn select(&self, indices: &[usize]) -> Self {
        let indices = indices.iter().map(|index| *index as i64).collect();
        let indices = indices_from_host(indices, &self.states.device().without_autodiff());
        self.map(|states| states.select(0, indices.clone()), |pooled| pooled.select(0, indices.clone()))
    }

    /// Returns the contexts `count` times, one copy after the other.
    pub fn repeat(&self, count: usize) -> Self {
        self.map(|states| Tensor::cat(vec![states; count], 0), |pooled| Tensor::cat(vec![pooled; count], 0))
    }

    /// Returns the context of one prompt for `rows` rows; a context of more prompts is returned as it is.
    pub fn expand(&self, rows: usize) -> Self {
        if self.rows() != 1 {
            return self.clone();
        }
        let [_, tokens, width] = self.states.dims();
        self.map(
            |states| states.expand([rows, tokens, width]),
            |pooled| {
                let width = pooled.dims()[1];
                pooled.expand([rows, width])
            },
        )
    }

    /// Returns the contexts with a strength of guidance.
    pub(crate) fn with_guidance(&self, strength: f32) -> Self {
        Self { guidance: Some(strength), ..self.clone() }
    }

    /// Returns a context of zeros of the same shapes, with the same time ids and strength of guidance.
    pub fn zeros_like(&self) -> Self {
        self.map(|states| states.zeros_like(), |pooled| pooled.zeros_like())
    }

    /// Joins contexts of one pipeline and one strength of guidance, in order; `None` of none.
    pub fn cat(contexts: Vec<Self>) -> Option<Self> {
        let Self { added: first, guidance, .. } = contexts.first()?.clone();
        let (states, pooled): (Vec<_>, Vec<_>) =
            contexts.into_iter().map(|context| (context.states, context.added.map(|added| added.pooled))).unzip();
        let added = first.map(|AddedConditions { time_ids, .. }| AddedConditions {
            pooled: Tensor::cat(pooled.into_iter().flatten().collect(), 0),
            time_ids,
        });
        Some(Self { states: Tensor::cat(states, 0), added, guidance })
    }

    /// Whether autodiff follows any of it.
    pub(crate) fn is_autodiff(&self) -> bool {
        self.states.is_autodiff() || self.added.as_ref().is_some_and(|added| added.pooled.is_autodiff())
    }

    fn map(&self, states: impl FnOnce(Tensor<3>) -> Tensor<3>, pooled: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let added = self.added.clone().map(|added| AddedConditions { pooled: pooled(added.pooled), ..added });
        Self { states: states(self.states.clone()), added, guidance: self.guidance }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn context(values: &[f32]) -> TextContext {
        let device = Device::flex();
        let rows = values.len();
        let states = Tensor::from_data(TensorData::new(values.to_vec(), [rows, 1, 1]), &device);
        let pooled = Tensor::from_data(TensorData::new(values.to_vec(), [rows, 1]), &device);
        TextContext { states, added: Some(AddedConditions { pooled, time_ids: vec![8.0] }), guidance: None }
    }

    fn values(context: &TextContext) -> [Vec<f32>; 2] {
        let pooled = context.added.clone().expect("added").pooled;
        [context.states.clone().into_data(), pooled.into_data()].map(|data| data.try_into_vec().expect("f32"))
    }

    #[test]
    fn pooled_vectors_go_where_their_states_go() {
        let all = context(&[1.0, 2.0, 3.0]);
        assert_eq!(values(&all.select(&[2, 0, 2])), [[3.0, 1.0, 3.0]; 2]);
        assert_eq!(values(&all.repeat(2)), [[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]; 2]);
        assert_eq!(values(&all.select(&[1]).expand(3)), [[2.0; 3]; 2]);
        assert_eq!(
            values(&TextContext::cat(vec![all.select(&[1]), all.clone()]).expect("two")),
            [[2.0, 1.0, 2.0, 3.0]; 2]
        );
        let zeros = all.zeros_like();
        assert_eq!(values(&zeros), [[0.0; 3]; 2]);
        assert_eq!(zeros.added.expect("added").time_ids, [8.0], "sizes are no text");
        assert!(TextContext::cat(Vec::new()).is_none());
    }

    #[test]
    fn rows_keep_the_strength_of_guidance_and_the_sizes() {
        let guided = context(&[1.0, 2.0]).with_guidance(4.5);
        let joined = TextContext::cat(vec![guided.clone(), guided.clone()]).expect("two");
        for rows in [guided.select(&[1]), guided.repeat(2), guided.select(&[0]).expand(3), guided.zeros_like(), joined]
        {
            assert_eq!(rows.guidance, Some(4.5));
            assert_eq!(rows.added.expect("added").time_ids, [8.0]);
        }
    }
}
