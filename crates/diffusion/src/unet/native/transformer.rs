//! The spatial transformer: self-attention, cross-attention to the text, feed-forward.

use moa_kernels::{AttentionShape, GroupNorm, LayerNorm, Map, attention, attention_backward, geglu, geglu_backward};

use super::linear::Linear;
use super::pass::{Pass, add_onto};

#[derive(Debug)]
pub(super) struct Attention {
    pub(super) heads: usize,
    /// Whether keys and values come from the text.
    pub(super) crosses: bool,
    pub(super) to_q: Linear,
    pub(super) to_k: Linear,
    pub(super) to_v: Linear,
    pub(super) to_out: Linear,
}

impl Attention {
    /// Returns the shape of one row's attention from the numbers of values in all queries and in all keys.
    fn shape(&self, pass: &Pass<'_>, queries: usize, keys: usize) -> AttentionShape {
        let sources = if self.crosses { pass.text_count } else { pass.rows };
        let width = self.to_q.d_out();
        AttentionShape {
            queries: queries / (pass.rows * width),
            keys: keys / (sources * width),
            heads: self.heads,
            width: width / self.heads,
        }
    }

    /// Adds the attention of normalised tokens `y` to `tokens`.
    fn forward(&self, pass: &mut Pass<'_>, y: Vec<f32>, tokens: &mut [f32]) {
        let q = self.to_q.forward(pass, &y);
        let source: &[f32] = if self.crosses { pass.texts } else { &y };
        let k = self.to_k.forward(pass, source);
        let v = self.to_v.forward(pass, source);
        let shape = self.shape(pass, q.len(), k.len());
        let (query, key) = (q.len() / pass.rows, shape.keys * shape.heads * shape.width);
        let mut weights = pass.workspace.take(pass.rows * shape.weights());
        let mut out = pass.workspace.take(q.len());
        for row in 0..pass.rows {
            let at = key * if self.crosses { pass.text_of[row] } else { row };
            attention(
                shape,
                &q[row * query..][..query],
                &k[at..][..key],
                &v[at..][..key],
                &mut weights[row * shape.weights()..][..shape.weights()],
                &mut out[row * query..][..query],
            );
        }
        self.to_out.forward_onto(pass, &out, tokens);
        pass.workspace.give(y);
        for buffer in [q, k, v, weights, out] {
            pass.keep(buffer);
        }
    }

    /// Adds the gradient of the tokens before the normalisation to `gradient`, which comes as that behind the attention.
    fn backward(&self, pass: &mut Pass<'_>, norm: &LayerNorm, gradient: &mut [f32]) {
        let [out, weights, v, k, q, x] = std::array::from_fn(|_| pass.kept());
        let mut y = pass.workspace.take(x.len());
        norm.forward(&x, &mut y);
        let mut inner = pass.workspace.take(out.len());
        self.to_out.backward(pass, &out, gradient, Some(&mut inner), false);
        let shape = self.shape(pass, q.len(), k.len());
        let (query, key) = (q.len() / pass.rows, shape.keys * shape.heads * shape.width);
        let (mut dq, mut dk, mut dv) =
            (pass.workspace.take(q.len()), pass.workspace.zeros(k.len()), pass.workspace.zeros(v.len()));
        for row in 0..pass.rows {
            let at = key * if self.crosses { pass.text_of[row] } else { row };
            attention_backward(
                shape,
                [&q[row * query..][..query], &k[at..][..key], &v[at..][..key]],
                &weights[row * shape.weights()..][..shape.weights()],
                &inner[row * query..][..query],
                &mut dq[row * query..][..query],
                &mut dk[at..][..key],
                &mut dv[at..][..key],
                pass.workspace,
            );
        }
        let mut dy = pass.workspace.take(y.len());
        self.to_q.backward(pass, &y, &dq, Some(&mut dy), false);
        if self.crosses {
            let texts = pass.texts;
            let mut sums = pass.text_gradient.take();
            self.to_k.backward(pass, texts, &dk, sums.as_deref_mut(), true);
            self.to_v.backward(pass, texts, &dv, sums.as_deref_mut(), true);
            pass.text_gradient = sums;
        } else {
            self.to_k.backward(pass, &y, &dk, Some(&mut dy), true);
            self.to_v.backward(pass, &y, &dv, Some(&mut dy), true);
        }
        norm.backward(&x, &dy, gradient);
        for buffer in [out, weights, v, k, q, x, y, inner, dq, dk, dv, dy] {
            pass.workspace.give(buffer);
        }
    }
}

/// diffusers' `BasicTransformerBlock`.
#[derive(Debug)]
pub(super) struct TransformerBlock {
    pub(super) norm1: LayerNorm,
    pub(super) attn1: Attention,
    pub(super) norm2: LayerNorm,
    pub(super) attn2: Attention,
    pub(super) norm3: LayerNorm,
    pub(super) ff_in: Linear,
    pub(super) ff_out: Linear,
}

impl TransformerBlock {
    fn normal(pass: &mut Pass<'_>, norm: &LayerNorm, tokens: &[f32]) -> Vec<f32> {
        pass.keep_copy(tokens);
        let mut y = pass.workspace.take(tokens.len());
        norm.forward(tokens, &mut y);
        y
    }

    fn forward(&self, pass: &mut Pass<'_>, tokens: &mut [f32]) {
        let y = Self::normal(pass, &self.norm1, tokens);
        self.attn1.forward(pass, y, tokens);
        let y = Self::normal(pass, &self.norm2, tokens);
        self.attn2.forward(pass, y, tokens);
        let y = Self::normal(pass, &self.norm3, tokens);
        let halves = self.ff_in.forward(pass, &y);
        let mut gated = pass.workspace.take(halves.len() / 2);
        geglu(self.ff_in.d_out() / 2, &halves, &mut gated);
        self.ff_out.forward_onto(pass, &gated, tokens);
        pass.workspace.give(y);
        pass.workspace.give(gated);
        pass.keep(halves);
    }

    /// Turns the gradient of the tokens behind the block into that of the tokens before it.
    fn backward(&self, pass: &mut Pass<'_>, gradient: &mut [f32]) {
        // What is cheap to compute again is not kept: norms, gates.
        let (mut halves, x) = (pass.kept(), pass.kept());
        let mut y = pass.workspace.take(x.len());
        self.norm3.forward(&x, &mut y);
        let mut gated = pass.workspace.take(halves.len() / 2);
        geglu(self.ff_in.d_out() / 2, &halves, &mut gated);
        let mut inner = pass.workspace.take(gated.len());
        self.ff_out.backward(pass, &gated, gradient, Some(&mut inner), false);
        geglu_backward(self.ff_in.d_out() / 2, &inner, &mut halves);
        let mut dy = pass.workspace.take(y.len());
        self.ff_in.backward(pass, &y, &halves, Some(&mut dy), false);
        self.norm3.backward(&x, &dy, gradient);
        for buffer in [gated, halves, y, x, inner, dy] {
            pass.workspace.give(buffer);
        }
        for (norm, attention) in [(&self.norm2, &self.attn2), (&self.norm1, &self.attn1)] {
            attention.backward(pass, norm, gradient);
        }
    }
}

/// diffusers' `Transformer2DModel` over a feature map, which is its list of tokens.
#[derive(Debug)]
pub(super) struct SpatialTransformer {
    pub(super) norm: GroupNorm,
    pub(super) proj_in: Linear,
    pub(super) blocks: Vec<TransformerBlock>,
    pub(super) proj_out: Linear,
}

impl SpatialTransformer {
    pub(super) fn forward(&self, pass: &mut Pass<'_>, map: Map, mut x: Vec<f32>) -> Vec<f32> {
        let mut normal = pass.workspace.take(x.len());
        self.norm.forward(map.rows, &x, &mut normal);
        pass.keep_copy(&x);
        let mut tokens = self.proj_in.forward(pass, &normal);
        pass.workspace.give(normal);
        for block in &self.blocks {
            block.forward(pass, &mut tokens);
        }
        self.proj_out.forward_onto(pass, &tokens, &mut x);
        pass.keep(tokens);
        x
    }

    /// Turns the gradient of the map behind the transformer into that of the map before it.
    pub(super) fn backward(&self, pass: &mut Pass<'_>, map: Map, gradient: &mut [f32]) {
        let tokens = pass.kept();
        let mut inner = pass.workspace.take(tokens.len());
        self.proj_out.backward(pass, &tokens, gradient, Some(&mut inner), false);
        for block in self.blocks.iter().rev() {
            block.backward(pass, &mut inner);
        }
        let x = pass.kept();
        let mut normal = pass.workspace.take(x.len());
        self.norm.forward(map.rows, &x, &mut normal);
        let mut outer = pass.workspace.take(normal.len());
        self.proj_in.backward(pass, &normal, &inner, Some(&mut outer), false);
        self.norm.backward(map.rows, &x, &mut outer);
        add_onto(gradient, &outer);
        for buffer in [tokens, inner, normal, x, outer] {
            pass.workspace.give(buffer);
        }
    }
}
