//! The denoiser's own engine for the CPU: the same U-Net as [`crate::Unet`] on the kernels of `moa-kernels`, forward and
//! backward, with frozen weights and a bank of adapters (docs/decisions/007).
//!
//! The batch is cut into parts of a few rows of one adapter: a part's feature maps stay in the processor's second-level
//! cache, and threads take parts. A part's size depends on the batch alone, never on the number of threads.

mod bank;
mod build;
mod gradient;
mod linear;
mod part;
mod pass;
mod resnet;
#[cfg(test)]
mod tests;
mod transformer;

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use moa_adapter::AdapterBank;
use moa_kernels::{Convolution, GroupNorm, Map, Workspace, silu_backward, silu_in_place};
use rayon::prelude::*;

use self::bank::{LastBanks, MergedBank, Wanted};
use self::gradient::{Sources, tie, values};
use self::linear::Linear;
use self::part::{Part, parts};
use self::pass::{Pass, add_onto};
use self::resnet::{ResnetBlock, join, split, upsample, upsample_backward};
use self::transformer::SpatialTransformer;

#[derive(Debug)]
struct Stage {
    resnets: Vec<ResnetBlock>,
    attentions: Vec<SpatialTransformer>,
    resample: Option<Convolution>,
}

/// The denoiser with frozen weights, on the host.
#[derive(Debug)]
pub(crate) struct Unet {
    size: usize,
    channels: [usize; 2],
    conv_in: Convolution,
    time_1: Linear,
    time_2: Linear,
    down: Vec<Stage>,
    mid: Stage,
    up: Vec<Stage>,
    norm_out: GroupNorm,
    conv_out: Convolution,
    /// Names of the layers that can be adapted, sorted: a layer's number is its place here.
    names: Vec<String>,
    last: LastBanks,
}

/// What a forward pass leaves for the backward pass.
#[derive(Debug)]
pub(crate) struct Trace {
    bank: Option<Arc<MergedBank>>,
    wanted: Wanted,
    parts: Vec<PartTrace>,
}

/// The same for one part.
#[derive(Debug)]
struct PartTrace {
    part: Part,
    /// The workspace that the tape's buffers come from, and go back to.
    workspace: Workspace,
    tape: Vec<Vec<f32>>,
    time: TimeTrace,
}

/// The activations of the time embedding, each `[1 or rows, …]`.
#[derive(Debug)]
struct TimeTrace {
    waves: Vec<f32>,
    hidden: Vec<f32>,
    active: Vec<f32>,
    embedding: Vec<f32>,
    time: Vec<f32>,
}

/// Which gradients a backward pass takes, besides those of the factors that are followed.
#[derive(Clone, Copy, Debug)]
struct To {
    input: bool,
    text: bool,
}

/// What a backward pass finds; empty where it was not asked for.
#[derive(Debug, Default)]
struct Gradients {
    /// Of all factors that autodiff follows, one after another.
    factors: Vec<f32>,
    /// Of the input, `[rows, in_channels, size, size]`.
    input: Vec<f32>,
    /// Of the text states, `[rows, tokens, width]`.
    text: Vec<f32>,
}

/// What a batch is conditioned on.
pub(crate) struct Inputs<'a> {
    /// The sinusoidal embedding of each row's timestep, `[rows, width]`.
    pub(crate) waves: &'a [f32],
    /// Text states, `[rows, tokens, width]`.
    pub(crate) context: &'a Tensor<3>,
    /// The adapters.
    pub(crate) bank: Option<&'a AdapterBank>,
}

impl Unet {
    /// Predicts noise or velocity; `None` when the tensors are not this engine's. Gradients flow to `x`, to the text states and to the
    /// adapters' factors, whichever of them autodiff follows.
    ///
    /// # Shapes
    /// - `x`: `[rows, in_channels, size, size]`
    /// - returns `[rows, out_channels, size, size]`
    pub(crate) fn forward(self: &Arc<Self>, x: Tensor<4>, inputs: &Inputs<'_>) -> Option<Tensor<4>> {
        let [rows, _, height, width] = x.dims();
        if height != self.size || width != self.size || rows == 0 {
            return None;
        }
        let (wanted, factors) = Wanted::of(inputs.bank, &self.names);
        let bank = inputs.bank.map(|bank| self.last.merged(bank, &self.names));
        let to_text = inputs.context.is_autodiff();
        let records = !factors.is_empty() || x.is_autodiff() || to_text;
        let sources = Sources { factors, x: x.clone(), context: inputs.context.clone() };
        let x = x.inner();
        let device = x.device();
        let x = values(x.into_data());
        let context = values(inputs.context.clone().inner().into_data());
        let parts = parts(rows, bank.as_ref().map_or(1, |bank| bank.members()), &context, !to_text)?;
        let linears = self.linears();
        let results: Vec<(Vec<f32>, Option<PartTrace>)> = parts
            .into_par_iter()
            .map(|part| {
                let adapter = bank.as_ref().map(|bank| bank.member(part.member, &linears));
                self.forward_part(part, &x, inputs.waves, adapter, records)
            })
            .collect();
        let (mut output, mut traces) = (Vec::with_capacity(rows * self.channels[1] * height * width), Vec::new());
        for (values, trace) in results {
            output.extend_from_slice(&values);
            traces.extend(trace);
        }
        let output = Tensor::from_data(TensorData::new(output, [rows, self.channels[1], height, width]), &device);
        if records {
            return tie(self.clone(), sources, Trace { bank, wanted, parts: traces }, output);
        }
        Some(output)
    }

    /// Returns the gradients of all factors that autodiff follows, and those that `to` asks for, from the gradient of the output,
    /// `[rows, out_channels, size, size]`. Text states have one only where autodiff followed them in the forward pass.
    fn backward(&self, trace: Trace, gradient: &[f32], to: To) -> Gradients {
        let Trace { bank, wanted, parts } = trace;
        let linears = self.linears();
        let found: Vec<(usize, Gradients)> = parts
            .into_par_iter()
            .map(|part| {
                let member = part.part.member;
                let adapter = bank.as_ref().map(|bank| bank.member(member, &linears));
                (member, self.backward_part(part, gradient, adapter, &wanted, to))
            })
            .collect();
        let mut all = Gradients { factors: vec![0.0; wanted.total], ..Gradients::default() };
        for (member, part) in found {
            wanted.add(member, &part.factors, &mut all.factors);
            all.input.extend(part.input);
            all.text.extend(part.text);
        }
        all
    }

    fn map(&self, rows: usize) -> Map {
        Map { rows, height: self.size, width: self.size }
    }

    fn forward_part(
        &self,
        part: Part,
        x: &[f32],
        waves: &[f32],
        adapter: Option<&[Option<linear::Merged>]>,
        records: bool,
    ) -> (Vec<f32>, Option<PartTrace>) {
        let rows = part.rows.len();
        let mut map = self.map(rows);
        let per_row = |channels: usize| channels * self.size * self.size;
        let mut workspace = Workspace::borrow();
        let mut pass = Pass {
            rows,
            adapter,
            texts: &part.texts,
            text_count: part.text_count,
            text_of: &part.text_of,
            tape: records.then(Vec::new),
            places: &[],
            gradients: Vec::new(),
            text_gradient: None,
            workspace: &mut workspace,
        };
        let time = self.time(&mut pass, waves, &part.rows);
        let x = &x[part.rows.start * per_row(self.channels[0])..part.rows.end * per_row(self.channels[0])];
        let x = channels_last(&mut pass, rows, self.channels[0], x);
        let mut hidden = pass.workspace.take(map.positions() * self.conv_in.d_out());
        self.conv_in.forward(map, &x, self.conv_in.bias(), false, &mut hidden, pass.workspace);
        pass.workspace.give(x);
        let mut skips = vec![pass.workspace.copy(&hidden)];
        for stage in &self.down {
            for (i, resnet) in stage.resnets.iter().enumerate() {
                hidden = resnet.forward(&mut pass, map, hidden, &time.time);
                if let Some(attention) = stage.attentions.get(i) {
                    hidden = attention.forward(&mut pass, map, hidden);
                }
                skips.push(pass.workspace.copy(&hidden));
            }
            if let Some(downsample) = &stage.resample {
                let result = downsample.result(map);
                let mut out = pass.workspace.take(result.positions() * downsample.d_out());
                downsample.forward(map, &hidden, downsample.bias(), false, &mut out, pass.workspace);
                pass.workspace.give(std::mem::replace(&mut hidden, out));
                map = result;
                skips.push(pass.workspace.copy(&hidden));
            }
        }
        hidden = self.mid.resnets[0].forward(&mut pass, map, hidden, &time.time);
        hidden = self.mid.attentions[0].forward(&mut pass, map, hidden);
        hidden = self.mid.resnets[1].forward(&mut pass, map, hidden, &time.time);
        for stage in &self.up {
            for (i, resnet) in stage.resnets.iter().enumerate() {
                let skip = skips.pop().unwrap_or_else(|| unreachable!("the way up mirrors the way down"));
                let joined = join(&mut pass, map.positions(), hidden, skip);
                hidden = resnet.forward(&mut pass, map, joined, &time.time);
                if let Some(attention) = stage.attentions.get(i) {
                    hidden = attention.forward(&mut pass, map, hidden);
                }
            }
            if let Some(conv) = &stage.resample {
                let (larger, wide) = upsample(&mut pass, map, hidden);
                map = larger;
                hidden = pass.workspace.take(map.positions() * conv.d_out());
                conv.forward(map, &wide, conv.bias(), false, &mut hidden, pass.workspace);
                pass.workspace.give(wide);
            }
        }
        let mut normal = pass.workspace.take(hidden.len());
        self.norm_out.forward(rows, &hidden, &mut normal);
        pass.keep(hidden);
        let mut out = pass.workspace.take(map.positions() * self.channels[1]);
        self.conv_out.forward(map, &normal, self.conv_out.bias(), false, &mut out, pass.workspace);
        let mut result = vec![0.0; out.len()];
        transpose(&out, rows, self.channels[1], &mut result);
        pass.workspace.give(normal);
        pass.workspace.give(out);
        if let Some(tape) = pass.tape.take() {
            return (result, Some(PartTrace { part, workspace, tape, time }));
        }
        workspace.put_back();
        (result, None)
    }

    /// Returns the gradients of one part, those of the factors for its adapter alone.
    fn backward_part(
        &self,
        trace: PartTrace,
        gradient: &[f32],
        adapter: Option<&[Option<linear::Merged>]>,
        wanted: &Wanted,
        to: To,
    ) -> Gradients {
        let PartTrace { part, mut workspace, tape, time } = trace;
        let rows = part.rows.len();
        let per_row = self.channels[1] * self.size * self.size;
        let mut pass = Pass {
            rows,
            adapter,
            texts: &part.texts,
            text_count: part.text_count,
            text_of: &part.text_of,
            tape: Some(tape),
            places: &wanted.places,
            gradients: vec![0.0; wanted.size],
            text_gradient: to.text.then(|| vec![0.0; part.texts.len()]),
            workspace: &mut workspace,
        };
        let mut map = self.map(rows);
        let gradient = &gradient[part.rows.start * per_row..part.rows.end * per_row];
        let gradient = channels_last(&mut pass, rows, self.channels[1], gradient);
        let hidden = pass.kept();
        let mut inner = pass.workspace.take(hidden.len());
        self.conv_out.backward(map, &gradient, false, &mut inner, pass.workspace);
        self.norm_out.backward(rows, &hidden, &mut inner);
        pass.workspace.give(hidden);
        pass.workspace.give(gradient);
        let mut time_gradient = pass.workspace.zeros(time.time.len());
        let times = &time.time;
        let mut skips = Vec::new();
        // Channels that each residual block on the way up got from the way down, first pushed last.
        let mut widths = self.skip_widths();
        for stage in self.up.iter().rev() {
            if let Some(conv) = &stage.resample {
                let smaller = Map { height: map.height / 2, width: map.width / 2, ..map };
                let mut wide = pass.workspace.take(inner.len() / conv.d_out() * conv.d_in());
                conv.backward(map, &inner, false, &mut wide, pass.workspace);
                pass.workspace.give(inner);
                inner = upsample_backward(&mut pass, smaller, wide);
                map = smaller;
            }
            for (i, resnet) in stage.resnets.iter().enumerate().rev() {
                if let Some(attention) = stage.attentions.get(i) {
                    attention.backward(&mut pass, map, &mut inner);
                }
                let joined = resnet.backward(&mut pass, map, inner, times, &mut time_gradient, true);
                let width = widths.next().unwrap_or_else(|| unreachable!("the way up mirrors the way down"));
                let [left, right] = split(&mut pass, map.positions(), joined, width);
                skips.push(right);
                inner = left;
            }
        }
        inner = self.mid.resnets[1].backward(&mut pass, map, inner, times, &mut time_gradient, true);
        self.mid.attentions[0].backward(&mut pass, map, &mut inner);
        inner = self.mid.resnets[0].backward(&mut pass, map, inner, times, &mut time_gradient, true);
        let add_skip = |pass: &mut Pass<'_>, skips: &mut Vec<Vec<f32>>, inner: &mut [f32]| {
            let skip = skips.pop().unwrap_or_else(|| unreachable!("the way up mirrors the way down"));
            add_onto(inner, &skip);
            pass.workspace.give(skip);
        };
        for (level, stage) in self.down.iter().enumerate().rev() {
            if let Some(downsample) = &stage.resample {
                add_skip(&mut pass, &mut skips, &mut inner);
                let larger = Map { height: 2 * map.height, width: 2 * map.width, ..map };
                let mut out = pass.workspace.take(larger.positions() * downsample.d_in());
                downsample.backward(larger, &inner, false, &mut out, pass.workspace);
                pass.workspace.give(std::mem::replace(&mut inner, out));
                map = larger;
            }
            for (i, resnet) in stage.resnets.iter().enumerate().rev() {
                add_skip(&mut pass, &mut skips, &mut inner);
                if let Some(attention) = stage.attentions.get(i) {
                    attention.backward(&mut pass, map, &mut inner);
                }
                // Before the first block lie no adapters, and no text is read.
                let wanted = to.input || level > 0 || i > 0;
                inner = resnet.backward(&mut pass, map, inner, times, &mut time_gradient, wanted);
            }
        }
        if wanted.size > 0 {
            self.time_backward(&mut pass, &time, &mut time_gradient);
        }
        let mut input = Vec::new();
        if to.input {
            add_skip(&mut pass, &mut skips, &mut inner);
            let mut x = pass.workspace.take(map.positions() * self.channels[0]);
            self.conv_in.backward(map, &inner, false, &mut x, pass.workspace);
            input.resize(x.len(), 0.0);
            transpose(&x, rows, self.channels[0], &mut input);
            pass.workspace.give(x);
        }
        for buffer in skips.into_iter().chain([inner, time_gradient]) {
            pass.workspace.give(buffer);
        }
        let factors = std::mem::take(&mut pass.gradients);
        let text = pass.text_gradient.take().unwrap_or_default();
        workspace.put_back();
        Gradients { factors, input, text }
    }

    /// Returns the embedding of the time after SiLU, once for all rows when they are at one step.
    fn time(&self, pass: &mut Pass<'_>, waves: &[f32], rows: &Range<usize>) -> TimeTrace {
        let width = self.time_1.d_in();
        let waves = &waves[rows.start * width..rows.end * width];
        let same = waves.chunks_exact(width).all(|other| other == &waves[..width]);
        let waves = if same { waves[..width].to_vec() } else { waves.to_vec() };
        let hidden = self.time_1.forward(pass, &waves);
        let mut active = hidden.clone();
        silu_in_place(&mut active);
        let embedding = self.time_2.forward(pass, &active);
        let mut time = embedding.clone();
        silu_in_place(&mut time);
        TimeTrace { waves, hidden, active, embedding, time }
    }

    fn time_backward(&self, pass: &mut Pass<'_>, time: &TimeTrace, gradient: &mut [f32]) {
        silu_backward(&time.embedding, gradient);
        let mut inner = pass.workspace.take(time.active.len());
        self.time_2.backward(pass, &time.active, gradient, Some(&mut inner), false);
        silu_backward(&time.hidden, &mut inner);
        self.time_1.backward(pass, &time.waves, &inner, None, false);
        pass.workspace.give(inner);
    }

    /// Returns the channels of the skips, in the order in which the backward pass meets them.
    fn skip_widths(&self) -> impl Iterator<Item = usize> {
        let mut widths = vec![self.conv_in.d_out()];
        for stage in &self.down {
            widths.extend(stage.resnets.iter().map(|resnet| resnet.conv2.d_out()));
            widths.extend(stage.resample.as_ref().map(Convolution::d_out));
        }
        widths.into_iter()
    }
}

/// Turns `[rows, channels, positions]` into `[rows, positions, channels]`.
fn channels_last(pass: &mut Pass<'_>, rows: usize, channels: usize, x: &[f32]) -> Vec<f32> {
    let mut out = pass.workspace.take(x.len());
    transpose(x, rows, x.len() / (rows * channels), &mut out);
    out
}

/// Turns `[rows, a, b]` into `[rows, b, a]`, `b` given.
fn transpose(x: &[f32], rows: usize, b: usize, out: &mut [f32]) {
    let size = x.len() / rows;
    let a = size / b;
    for (x, out) in x.chunks_exact(size).zip(out.chunks_exact_mut(size)) {
        for (j, out) in out.chunks_exact_mut(a).enumerate() {
            out.iter_mut().enumerate().for_each(|(i, out)| *out = x[i * b + j]);
        }
    }
}
