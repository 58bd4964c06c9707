//! The image tower on the CPU's own kernels (docs/decisions/007): embeddings with what their gradient needs, and the gradient.
//!
//! Images are shared out among the threads; one image's numbers have the same bits in any batch. Weights are frozen, so that the
//! backward pass needs, of each linear layer, its weight alone. Only the class token of the last layer is embedded: there, other
//! tokens are keys and values and no more.

use moa_adapter::Linear;
use moa_device::to_host;
use moa_diffusion::LayerNorm;
use moa_diffusion::text::{Activation, Block, Tower};
use moa_kernels::{
    AttentionShape, Left, Packed, Right, Start, Workspace, attention, attention_backward, gelu_backward, gelu_in_place,
    gemm, quick_gelu_backward, quick_gelu_in_place,
};

use super::VisionConfig;

/// A linear layer, ready for both directions.
#[derive(Debug)]
struct Product {
    d_in: usize,
    d_out: usize,
    bias: Option<Vec<f32>>,
    forward: Packed,
    backward: Packed,
}

impl Product {
    /// Takes a weight, `[d_in, d_out]`.
    fn new([d_in, d_out]: [usize; 2], weight: &[f32], bias: Option<Vec<f32>>) -> Self {
        let forward = Packed::new(d_in, d_out, weight, d_out, 1);
        Self { d_in, d_out, bias, forward, backward: Packed::new(d_out, d_in, weight, 1, d_out) }
    }

    fn of(linear: &Linear) -> Self {
        let weight = linear.weight();
        Self::new(weight.dims(), &to_host(weight.inner()), linear.bias().map(|bias| to_host(bias.inner())))
    }

    /// Applies the layer to `[tokens, d_in]`.
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let tokens = x.len() / self.d_in;
        let mut out = vec![0.0; tokens * self.d_out];
        let start = self.bias.as_deref().map_or(Start::Zero, Start::Bias);
        let shape = [tokens, self.d_out, self.d_in];
        gemm(shape, Left::rows(x, self.d_in), Right::Packed(&self.forward), &mut out, self.d_out, start);
        out
    }

    /// Adds the gradient of the input to `out`, `[tokens, d_in]`, from that of the result.
    fn pull_back(&self, gradient: &[f32], out: &mut [f32]) {
        let shape = [gradient.len() / self.d_out, self.d_in, self.d_out];
        let left = Left::rows(gradient, self.d_out);
        gemm(shape, left, Right::Packed(&self.backward), out, self.d_in, Start::Result);
    }
}

fn norm(norm: &LayerNorm) -> moa_kernels::LayerNorm {
    let [weight, bias] = [norm.weight(), norm.bias()].map(|values| to_host(values.inner()));
    moa_kernels::LayerNorm::new(norm.epsilon() as f32, weight, bias)
}

fn normed(norm: &moa_kernels::LayerNorm, x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    norm.forward(x, &mut out);
    out
}

fn add(out: &mut [f32], values: &[f32]) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
}

/// One layer of the transformer.
#[derive(Debug)]
struct Layer {
    heads: usize,
    activation: Activation,
    norm1: moa_kernels::LayerNorm,
    queries: Product,
    keys: Product,
    values: Product,
    out: Product,
    norm2: moa_kernels::LayerNorm,
    fc1: Product,
    fc2: Product,
}

/// What a layer's backward pass starts from.
#[derive(Debug)]
struct LayerTape {
    /// What comes in, `[tokens, width]`.
    x: Vec<f32>,
    /// How many of the tokens are transformed.
    queries: usize,
    /// Nothing where the backward pass computes it again.
    activations: Option<Activations>,
}

/// What a layer's backward pass needs beside what comes in.
#[derive(Debug)]
struct Activations {
    /// Queries, keys and values.
    qkv: [Vec<f32>; 3],
    /// Attention's weights, `[heads, queries, tokens]`.
    weights: Vec<f32>,
    /// The states after attention, `[queries, width]`.
    middle: Vec<f32>,
    /// What the activation takes, `[queries, inner]`.
    inner: Vec<f32>,
}

impl Layer {
    fn of(block: &Block<'_>) -> Self {
        let [queries, keys, values, out] = block.attention.map(Product::of);
        let [norm1, norm2] = block.norms.map(norm);
        let [fc1, fc2] = block.feed_forward.map(Product::of);
        Self { heads: block.heads, activation: block.activation, norm1, queries, keys, values, out, norm2, fc1, fc2 }
    }

    fn shape(&self, queries: usize, keys: usize) -> AttentionShape {
        AttentionShape { queries, keys, heads: self.heads, width: self.queries.d_out / self.heads }
    }

    /// Transforms the first `queries` of some tokens.
    fn forward(&self, x: &[f32], queries: usize) -> (Vec<f32>, Activations) {
        let width = self.queries.d_in;
        let y = normed(&self.norm1, x);
        let q = self.queries.apply(&y[..queries * width]);
        let [k, v] = [&self.keys, &self.values].map(|product| product.apply(&y));
        let shape = self.shape(queries, x.len() / width);
        let (mut weights, mut mixed) = (vec![0.0; shape.weights()], vec![0.0; q.len()]);
        attention(shape, &q, &k, &v, &mut weights, &mut mixed);
        let mut middle = self.out.apply(&mixed);
        add(&mut middle, x);
        let inner = self.fc1.apply(&normed(&self.norm2, &middle));
        let mut active = inner.clone();
        match self.activation {
            Activation::QuickGelu => quick_gelu_in_place(&mut active),
            Activation::Gelu => gelu_in_place(&mut active),
        }
        let mut result = self.fc2.apply(&active);
        add(&mut result, &middle);
        (result, Activations { qkv: [q, k, v], weights, middle, inner })
    }

    /// Returns the gradient of all tokens from that of the transformed ones.
    fn backward(&self, tape: &LayerTape, mut gradient: Vec<f32>, workspace: &mut Workspace) -> Vec<f32> {
        let LayerTape { x, queries, activations } = tape;
        let again = activations.is_none().then(|| self.forward(x, *queries).1);
        let activations = activations.as_ref().or(again.as_ref());
        let Activations { qkv: [q, k, v], weights, middle, inner } =
            activations.unwrap_or_else(|| unreachable!("what is not kept is computed again"));
        let mut slopes = vec![0.0; inner.len()];
        self.fc2.pull_back(&gradient, &mut slopes);
        match self.activation {
            Activation::QuickGelu => quick_gelu_backward(inner, &mut slopes),
            Activation::Gelu => gelu_backward(inner, &mut slopes),
        }
        let mut of_normed = vec![0.0; middle.len()];
        self.fc1.pull_back(&slopes, &mut of_normed);
        self.norm2.backward(middle, &of_normed, &mut gradient);

        let mut of_mixed = vec![0.0; q.len()];
        self.out.pull_back(&gradient, &mut of_mixed);
        let [mut dq, mut dk, mut dv] = [q, k, v].map(|values| vec![0.0; values.len()]);
        let shape = self.shape(q.len() / self.queries.d_out, k.len() / self.keys.d_out);
        attention_backward(shape, [q, k, v], weights, &of_mixed, &mut dq, &mut dk, &mut dv, workspace);
        let mut of_normed = vec![0.0; x.len()];
        self.queries.pull_back(&dq, &mut of_normed[..q.len() / self.queries.d_out * self.queries.d_in]);
        self.keys.pull_back(&dk, &mut of_normed);
        self.values.pull_back(&dv, &mut of_normed);
        gradient.resize(x.len(), 0.0);
        self.norm1.backward(x, &of_normed, &mut gradient);
        gradient
    }
}

/// The tower with its projection.
#[derive(Debug)]
pub(super) struct Engine {
    config: VisionConfig,
    patches: Product,
    /// The class token with its position, then the positions of the patches, `[1 + patches², width]`.
    start: Vec<f32>,
    pre_norm: moa_kernels::LayerNorm,
    layers: Vec<Layer>,
    post_norm: moa_kernels::LayerNorm,
    projection: Product,
}

/// The parts of a tower that the engine is made of.
pub(super) struct Parts<'a> {
    pub(super) config: &'a VisionConfig,
    /// `[3·patch², width]`.
    pub(super) patches: Vec<f32>,
    /// `[1 + patches², width]`, the class token added to its position.
    pub(super) start: Vec<f32>,
    pub(super) pre_norm: &'a LayerNorm,
    pub(super) tower: &'a Tower,
    pub(super) post_norm: &'a LayerNorm,
    pub(super) projection: &'a Linear,
}

/// What the backward pass of one image needs.
#[derive(Debug)]
pub(super) struct Tape {
    /// The tokens before the first norm.
    tokens: Vec<f32>,
    layers: Vec<LayerTape>,
    /// The class token's last state.
    last: Vec<f32>,
    embedding: Vec<f32>,
    /// The length of the embedding before it was scaled to 1.
    length: f32,
}

impl Engine {
    pub(super) fn new(parts: Parts<'_>) -> Self {
        let Parts { config, patches, start, pre_norm, tower, post_norm, projection } = parts;
        let d_in = config.num_channels * config.patch_size.pow(2);
        Self {
            patches: Product::new([d_in, config.hidden_size], &patches, None),
            start,
            pre_norm: norm(pre_norm),
            layers: tower.blocks().map(|block| Layer::of(&block)).collect(),
            post_norm: norm(post_norm),
            projection: Product::of(projection),
            config: config.clone(),
        }
    }

    /// Embeds one image, `[3, image_size, image_size]`, normalised; returns the embedding, of unit length, in the tape. Unless it
    /// `keeps` all activations, the backward pass computes each layer once more (Chen et al., 1604.06174).
    pub(super) fn forward(&self, pixels: &[f32], keeps: bool) -> Tape {
        let width = self.config.hidden_size;
        let mut flat = vec![0.0; pixels.len()];
        self.each_patch_row(|flat_at, pixels_at, length| {
            flat[flat_at..][..length].copy_from_slice(&pixels[pixels_at..][..length]);
        });
        let mut tokens = self.start.clone();
        add(&mut tokens[width..], &self.patches.apply(&flat));
        let mut x = normed(&self.pre_norm, &tokens);
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let queries = if index + 1 == self.layers.len() { 1 } else { x.len() / width };
            let (result, activations) = layer.forward(&x, queries);
            layers.push(LayerTape { x, queries, activations: keeps.then_some(activations) });
            x = result;
        }
        x.truncate(width);
        let mut embedding = self.projection.apply(&normed(&self.post_norm, &x));
        let length = (embedding.iter().map(|value| value * value).sum::<f32>() + 1e-12).sqrt();
        for value in &mut embedding {
            *value /= length;
        }
        Tape { tokens, layers, last: x, embedding, length }
    }

    /// Returns the gradient of the pixels from that of the embedding.
    pub(super) fn backward(&self, tape: &Tape, gradient: &[f32]) -> Vec<f32> {
        let mut workspace = Workspace::borrow();
        let width = self.config.hidden_size;
        // Of u/|u|, only what is at right angles to it counts.
        let along: f32 = gradient.iter().zip(&tape.embedding).map(|(g, e)| g * e).sum();
        let of_embedding = gradient.iter().zip(&tape.embedding).map(|(g, e)| (g - along * e) / tape.length);
        let mut of_normed = vec![0.0; width];
        self.projection.pull_back(&of_embedding.collect::<Vec<_>>(), &mut of_normed);
        let mut gradient = vec![0.0; width];
        self.post_norm.backward(&tape.last, &of_normed, &mut gradient);
        if self.layers.is_empty() {
            gradient.resize(tape.tokens.len(), 0.0);
        }
        for (layer, tape) in self.layers.iter().zip(&tape.layers).rev() {
            gradient = layer.backward(tape, gradient, &mut workspace);
        }
        let mut of_tokens = vec![0.0; tape.tokens.len()];
        self.pre_norm.backward(&tape.tokens, &gradient, &mut of_tokens);
        let mut flat = vec![0.0; self.config.num_channels * self.config.image_size.pow(2)];
        self.patches.pull_back(&of_tokens[width..], &mut flat);
        let mut pixels = vec![0.0; flat.len()];
        self.each_patch_row(|flat_at, pixels_at, length| {
            pixels[pixels_at..][..length].copy_from_slice(&flat[flat_at..][..length]);
        });
        workspace.put_back();
        pixels
    }

    /// Visits every row of every channel of every patch: its place in the list of patches, its place in the image, its length.
    fn each_patch_row(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let VisionConfig { image_size: side, patch_size: patch, num_channels: channels, .. } = self.config;
        let across = side / patch;
        let mut flat_at = 0;
        for place in 0..across * across {
            let corner = place / across * patch * side + place % across * patch;
            for channel in 0..channels {
                for row in 0..patch {
                    visit(flat_at, channel * side * side + corner + row * side, patch);
                    flat_at += patch;
                }
            }
        }
    }
}

impl Tape {
    /// Returns the embedding, of unit length.
    pub(super) fn embedding(&self) -> &[f32] {
        &self.embedding
    }
}

/// Returns about how many values a [`Tape`] of such a tower holds, with all activations and without.
pub(super) fn tape_values(config: &VisionConfig) -> [usize; 2] {
    let tokens = config.patches().pow(2) + 1;
    let activations = 4 * config.hidden_size + config.intermediate_size + config.num_attention_heads * tokens;
    let inputs = (config.num_hidden_layers + 1) * tokens * config.hidden_size;
    [inputs + config.num_hidden_layers * tokens * activations, inputs]
}
