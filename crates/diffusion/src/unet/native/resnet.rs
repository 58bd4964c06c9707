//! Residual blocks and changes of resolution.

use moa_kernels::{Convolution, GroupNorm, Map};

use super::linear::Linear;
use super::pass::{Pass, add_onto};

/// diffusers' `ResnetBlock2D`.
#[derive(Debug)]
pub(super) struct ResnetBlock {
    pub(super) norm1: GroupNorm,
    pub(super) conv1: Convolution,
    pub(super) time_emb_proj: Linear,
    pub(super) norm2: GroupNorm,
    pub(super) conv2: Convolution,
    pub(super) conv_shortcut: Option<Convolution>,
}

impl ResnetBlock {
    /// Applies the block to `x`; `time` is `[1 or rows, time_width]`, after SiLU.
    pub(super) fn forward(&self, pass: &mut Pass<'_>, map: Map, x: Vec<f32>, time: &[f32]) -> Vec<f32> {
        let (positions, channels) = (map.positions(), self.conv1.d_out());
        let mut normal = pass.workspace.take(x.len());
        self.norm1.forward(map.rows, &x, &mut normal);
        // What the time adds to every pixel is a bias of the first convolution.
        let mut shift = self.time_emb_proj.forward(pass, time);
        shift.chunks_exact_mut(channels).for_each(|shift| add_onto(shift, self.conv1.bias()));
        let mut hidden = pass.workspace.take(positions * channels);
        self.conv1.forward(map, &normal, &shift, false, &mut hidden, pass.workspace);
        pass.workspace.give(shift);
        pass.workspace.give(normal);
        let mut normal = pass.workspace.take(positions * channels);
        self.norm2.forward(map.rows, &hidden, &mut normal);
        let mut out = match &self.conv_shortcut {
            Some(shortcut) => {
                let mut out = pass.workspace.take(positions * channels);
                shortcut.forward(map, &x, shortcut.bias(), false, &mut out, pass.workspace);
                out
            }
            None => pass.workspace.copy(&x),
        };
        self.conv2.forward(map, &normal, self.conv2.bias(), true, &mut out, pass.workspace);
        pass.workspace.give(normal);
        pass.keep(x);
        pass.keep(hidden);
        out
    }

    /// Returns the gradient of the input, where it is wanted; adds the time's to `time_gradient`.
    pub(super) fn backward(
        &self,
        pass: &mut Pass<'_>,
        map: Map,
        gradient: Vec<f32>,
        time: &[f32],
        time_gradient: &mut [f32],
        wanted: bool,
    ) -> Vec<f32> {
        let (hidden, x) = (pass.kept(), pass.kept());
        let channels = self.conv1.d_out();
        let mut inner = pass.workspace.take(hidden.len());
        self.conv2.backward(map, &gradient, false, &mut inner, pass.workspace);
        self.norm2.backward(map.rows, &hidden, &mut inner);
        let mut shift = pass.workspace.zeros(time.len() / self.time_emb_proj.d_in() * channels);
        let share = inner.len() / (shift.len() / channels);
        for (inner, shift) in inner.chunks_exact(share).zip(shift.chunks_exact_mut(channels)) {
            inner.chunks_exact(channels).for_each(|inner| add_onto(shift, inner));
        }
        self.time_emb_proj.backward(pass, time, &shift, Some(time_gradient), true);
        pass.workspace.give(shift);
        if !wanted {
            for buffer in [hidden, x, inner, gradient] {
                pass.workspace.give(buffer);
            }
            return Vec::new();
        }
        let mut out = pass.workspace.take(x.len());
        self.conv1.backward(map, &inner, false, &mut out, pass.workspace);
        self.norm1.backward(map.rows, &x, &mut out);
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.backward(map, &gradient, true, &mut out, pass.workspace),
            None => add_onto(&mut out, &gradient),
        }
        for buffer in [hidden, x, inner, gradient] {
            pass.workspace.give(buffer);
        }
        out
    }
}

/// Doubles height and width by repeating every pixel.
pub(super) fn upsample(pass: &mut Pass<'_>, map: Map, x: Vec<f32>) -> (Map, Vec<f32>) {
    let channels = x.len() / map.positions();
    let mut out = pass.workspace.take(4 * x.len());
    let line = map.width * channels;
    for (x, out) in x.chunks_exact(line).zip(out.chunks_exact_mut(4 * line)) {
        let (first, second) = out.split_at_mut(2 * line);
        for (x, out) in x.chunks_exact(channels).zip(first.chunks_exact_mut(2 * channels)) {
            out[..channels].copy_from_slice(x);
            out[channels..].copy_from_slice(x);
        }
        second.copy_from_slice(first);
    }
    pass.workspace.give(x);
    (Map { height: 2 * map.height, width: 2 * map.width, ..map }, out)
}

/// Returns the gradient of [`upsample`]'s input, of shape `map`.
pub(super) fn upsample_backward(pass: &mut Pass<'_>, map: Map, gradient: Vec<f32>) -> Vec<f32> {
    let channels = gradient.len() / (4 * map.positions());
    let mut out = pass.workspace.zeros(gradient.len() / 4);
    let line = map.width * channels;
    for (out, gradient) in out.chunks_exact_mut(line).zip(gradient.chunks_exact(4 * line)) {
        for gradient in gradient.chunks_exact(2 * line) {
            for (out, pair) in out.chunks_exact_mut(channels).zip(gradient.chunks_exact(2 * channels)) {
                pair.chunks_exact(channels).for_each(|gradient| add_onto(out, gradient));
            }
        }
    }
    pass.workspace.give(gradient);
    out
}

/// Joins the channels of two maps.
pub(super) fn join(pass: &mut Pass<'_>, positions: usize, left: Vec<f32>, right: Vec<f32>) -> Vec<f32> {
    let (a, b) = (left.len() / positions, right.len() / positions);
    let mut out = pass.workspace.take(left.len() + right.len());
    let pairs = left.chunks_exact(a).zip(right.chunks_exact(b));
    for ((left, right), out) in pairs.zip(out.chunks_exact_mut(a + b)) {
        out[..a].copy_from_slice(left);
        out[a..].copy_from_slice(right);
    }
    pass.workspace.give(left);
    pass.workspace.give(right);
    out
}

/// Splits the channels of a map in two, the second `width` channels wide.
pub(super) fn split(pass: &mut Pass<'_>, positions: usize, x: Vec<f32>, width: usize) -> [Vec<f32>; 2] {
    let all = x.len() / positions;
    let mut left = pass.workspace.take(positions * (all - width));
    let mut right = pass.workspace.take(positions * width);
    let pairs = left.chunks_exact_mut(all - width).zip(right.chunks_exact_mut(width));
    for ((left, right), x) in pairs.zip(x.chunks_exact(all)) {
        let at = left.len();
        left.copy_from_slice(&x[..at]);
        right.copy_from_slice(&x[at..]);
    }
    pass.workspace.give(x);
    [left, right]
}
