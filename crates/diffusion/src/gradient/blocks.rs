//! Blocks that are computed again in the backward pass (Chen et al., 1604.06174), so that a forward pass keeps their inputs alone.

use std::sync::Arc;

use burn::tensor::{FloatDType, Tensor};
use moa_adapter::{AdapterBank, LayerShape, LowRank};

use super::leaves::Leaves;
use super::{flat, tie};

/// Most weights in linear layers for which activations are kept, 2²⁴: 64 MiB in f32. Stable Diffusion 1 has thirty times as
/// many.
const MOST_WEIGHTS: usize = 1 << 24;

/// What a forward pass with autodiff keeps for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activations {
    /// Everything: fastest.
    Kept,
    /// The inputs of blocks, which are computed once more in the backward pass: a forward pass more, with the memory of one block at a
    /// time.
    Recomputed,
}

impl Activations {
    /// Returns what suits a network with these linear layers.
    pub(crate) fn of(linears: &[LayerShape]) -> Self {
        if is_large(linears) { Self::Recomputed } else { Self::Kept }
    }
}

/// Returns whether a network with these linear layers is large.
pub(crate) fn is_large(linears: &[LayerShape]) -> bool {
    linears.iter().map(|layer| layer.d_in * layer.d_out).sum::<usize>() > MOST_WEIGHTS
}

/// Returns the bytes of a number.
pub(crate) fn bytes_of(kept: FloatDType) -> usize {
    if kept == FloatDType::F32 { 4 } else { 2 }
}

/// What the blocks of one forward pass share.
pub(crate) struct Pass<'a> {
    /// Conditions of every row, `[rows, width]`.
    pub(crate) conditions: &'a Tensor<2>,
    /// The adapters.
    pub(crate) bank: Option<&'a AdapterBank>,
    /// What is kept.
    pub(crate) activations: Activations,
}

impl Pass<'_> {
    /// Applies a block of some layers, which lives on in `block` until the backward pass has computed it again.
    ///
    /// # Shapes
    /// - `x`: what comes in, `[rows, …]`; it and conditions and adapters are what `block` may take gradients to
    pub(crate) fn block<const D: usize, const E: usize>(
        &self,
        x: Tensor<D>,
        layers: impl FnOnce() -> Vec<LayerShape>,
        block: impl Fn(Tensor<D>, &Tensor<2>, Option<&AdapterBank>) -> Tensor<E> + Send + Sync + 'static,
    ) -> Tensor<E> {
        self.apply(x, None, layers, move |x, given| block(x, given.conditions, given.bank))
    }

    /// Applies a block that also reads texts, as [`Pass::block`] does.
    ///
    /// # Shapes
    /// - `texts`: `[rows, tokens, width]`; `block` may take gradients to them, too
    pub(crate) fn reading<const D: usize, const E: usize>(
        &self,
        x: Tensor<D>,
        texts: &Tensor<3>,
        layers: impl FnOnce() -> Vec<LayerShape>,
        block: impl Fn(Tensor<D>, &Tensor<3>, Option<&AdapterBank>) -> Tensor<E> + Send + Sync + 'static,
    ) -> Tensor<E> {
        self.apply(x, Some(texts), layers, move |x, given| {
            let texts = given.texts.unwrap_or_else(|| unreachable!("a block that reads texts is given them"));
            block(x, texts, given.bank)
        })
    }

    fn apply<const D: usize, const E: usize>(
        &self,
        x: Tensor<D>,
        texts: Option<&Tensor<3>>,
        layers: impl FnOnce() -> Vec<LayerShape>,
        block: impl Fn(Tensor<D>, Given<'_>) -> Tensor<E> + Send + Sync + 'static,
    ) -> Tensor<E> {
        let given = Given { conditions: self.conditions, texts, bank: self.bank };
        if self.activations == Activations::Kept {
            return block(x, given);
        }
        let to_texts = texts.is_some_and(Tensor::is_autodiff);
        if !(x.is_autodiff() || self.is_followed() || to_texts) {
            // In a row, as with gradients: kernels may add up in another order where values lie otherwise.
            let output = block(x, given);
            let dims = output.dims();
            return flat(output).reshape(dims);
        }
        let bank = self.bank.map(|bank| of_layers(bank, &layers()));
        let plain = Inputs {
            x: x.clone().inner(),
            conditions: self.conditions.clone().inner(),
            texts: texts.map(|texts| texts.clone().inner()),
            bank: bank.as_ref().map(|bank| each(bank, |factor| factor.clone().inner())),
        };
        let output = block(plain.x.clone(), plain.given());
        let (dims, device) = (output.dims(), output.device());
        let mut others = Vec::new();
        if self.conditions.is_autodiff() {
            others.push(flat(self.conditions.clone()));
        }
        others.extend(texts.filter(|texts| texts.is_autodiff()).cloned().map(flat));
        others.extend(factors(bank.as_ref()).filter(|factor| factor.is_autodiff()).cloned().map(flat));
        if others.is_empty() && !x.is_autodiff() {
            return output;
        }
        let others = if others.is_empty() { Tensor::zeros([1], &device) } else { Tensor::cat(others, 0) };
        let followed = Followed {
            conditions: self.conditions.is_autodiff(),
            texts: to_texts,
            factors: factors(bank.as_ref()).map(Tensor::is_autodiff).collect(),
        };
        let block = Arc::new(block);
        let again = block.clone();
        let pass = move |gradient: Tensor<1>, wanted: [bool; 2]| {
            plain.backward(&followed, wanted, gradient, |x, given| again(x, given))
        };
        match tie([flat(x.clone()), others], flat(output), pass) {
            Some(output) => output.reshape(dims),
            // Other backends keep everything.
            None => block(x, Given { bank: bank.as_ref(), ..given }),
        }
    }

    /// Whether autodiff follows any adapter: with what comes in, whether there may be a backward pass.
    fn is_followed(&self) -> bool {
        factors(self.bank).any(Tensor::is_autodiff)
    }
}

/// What a block is computed from, besides what comes in.
#[derive(Clone, Copy)]
struct Given<'a> {
    conditions: &'a Tensor<2>,
    texts: Option<&'a Tensor<3>>,
    bank: Option<&'a AdapterBank>,
}

/// What a block is computed from, without autodiff.
struct Inputs<const D: usize> {
    x: Tensor<D>,
    conditions: Tensor<2>,
    texts: Option<Tensor<3>>,
    bank: Option<AdapterBank>,
}

/// Which of a block's inputs autodiff follows, besides what comes in.
struct Followed {
    conditions: bool,
    texts: bool,
    factors: Vec<bool>,
}

impl<const D: usize> Inputs<D> {
    fn given(&self) -> Given<'_> {
        Given { conditions: &self.conditions, texts: self.texts.as_ref(), bank: self.bank.as_ref() }
    }

    /// Returns the gradients of Σ `block(…)` ∘ `gradient` with respect to what comes in, and to all else that is followed, one after
    /// another.
    fn backward<const E: usize>(
        self,
        followed: &Followed,
        [wants_x, wants_others]: [bool; 2],
        gradient: Tensor<1>,
        block: impl FnOnce(Tensor<D>, Given<'_>) -> Tensor<E>,
    ) -> [Option<Tensor<1>>; 2] {
        let mut leaves = Leaves::on(&self.x.device());
        let x = leaves.leaf_if(wants_x, self.x);
        let conditions = leaves.leaf_if(followed.conditions && wants_others, self.conditions);
        let texts = self.texts.map(|texts| leaves.leaf_if(followed.texts && wants_others, texts));
        let mut marks = followed.factors.iter();
        let bank = self.bank.map(|bank| {
            each(&bank, |factor| {
                leaves.leaf_if(wants_others && marks.next().copied().unwrap_or_default(), factor.clone())
            })
        });
        let output = block(x, Given { conditions: &conditions, texts: texts.as_ref(), bank: bank.as_ref() });
        let mut found = leaves.gradients(output, gradient).into_iter();
        let dx = if wants_x { found.next() } else { None };
        let others: Vec<Tensor<1>> = found.collect();
        [dx, (!others.is_empty()).then(|| Tensor::cat(others, 0))]
    }
}

/// Returns the part of a bank that adapts some layers.
fn of_layers(bank: &AdapterBank, layers: &[LayerShape]) -> AdapterBank {
    let kept = layers.iter().filter_map(|layer| bank.layers().get_key_value(&layer.name));
    bank.with_layers(kept.map(|(name, factors)| (name.clone(), factors.clone())).collect())
}

/// Returns all factors of a bank, in order.
pub(super) fn factors(bank: Option<&AdapterBank>) -> impl Iterator<Item = &Tensor<3>> {
    bank.into_iter().flat_map(|bank| bank.layers().values()).flat_map(|LowRank { a, b }| [a, b])
}

/// Returns the bank with each factor replaced, in the order of [`factors`].
pub(super) fn each(bank: &AdapterBank, mut with: impl FnMut(&Tensor<3>) -> Tensor<3>) -> AdapterBank {
    let layers = bank.layers().iter();
    bank.with_layers(
        layers.map(|(name, LowRank { a, b })| (name.clone(), LowRank { a: with(a), b: with(b) })).collect(),
    )
}

/// Returns the layers that `of` lists, in its order: what [`Pass::block`] asks of a block.
pub(crate) fn layers_of(of: impl FnOnce(&mut Vec<LayerShape>)) -> Vec<LayerShape> {
    let mut out = Vec::new();
    of(&mut out);
    out
}
