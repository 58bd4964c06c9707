//! Pillow's antialiased resampling of 8-bit images, bit by bit (`ImagingResample` in its `Resample.c`).
//!
//! A filter of a fixed support is widened by the factor that a side shrinks by, so that every source pixel counts; the
//! coefficients are rounded to fixed point; columns are done before rows, and rounded to bytes in between.

/// Bits behind the point of a coefficient.
const PRECISION: u32 = 32 - 8 - 2;

/// How pixels are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A tent, ±1 pixel.
    Bilinear,
    /// Keys' cubic with a = −½, ±2 pixels.
    Bicubic,
    /// Lanczos' windowed sinc, ±3 pixels.
    Lanczos,
}

impl Filter {
    /// Returns the filter of a `resample` code in `preprocessor_config.json`.
    pub fn of_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Lanczos),
            2 => Some(Self::Bilinear),
            3 => Some(Self::Bicubic),
            _ => None,
        }
    }

    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let distance = x.abs();
        match self {
            _ if distance >= self.support() => 0.0,
            Self::Bilinear => 1.0 - distance,
            Self::Bicubic if distance < 1.0 => ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0,
            Self::Bicubic => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A,
            Self::Lanczos => sinc(x) * sinc(x / 3.0),
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) }
}

/// An RGB image, row by row, one byte for each channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

impl Bytes {
    /// Returns the image at another size; no side may be 0.
    pub(super) fn resized(&self, width: usize, height: usize, filter: Filter) -> Self {
        self.widened(width, filter).heightened(height, filter)
    }

    /// Returns the gradient with respect to this image's bytes from the one of the image at another size, both row by row,
    /// RGB.
    ///
    /// Rounding passes a gradient on as it is; where a mixture left the range of a byte and was cut, its gradient is 0.
    pub(super) fn resized_gradient(&self, width: usize, height: usize, filter: Filter, gradient: &[f32]) -> Vec<f32> {
        let between = self.widened(width, filter);
        let of_rows = between.heightened_gradient(height, filter, gradient);
        if width == self.width {
            return of_rows;
        }
        let taps = taps(self.width, width, filter);
        let mut result = vec![0.0; self.rgb.len()];
        let stride = self.width * 3;
        let rows = self.rgb.chunks_exact(stride).zip(of_rows.chunks_exact(width * 3));
        for ((row, gradient), result) in rows.zip(result.chunks_exact_mut(stride)) {
            for (Taps { first, weights }, gradient) in taps.iter().zip(gradient.chunks_exact(3)) {
                for (channel, gradient) in gradient.iter().enumerate() {
                    let start = first * 3 + channel;
                    spread(weights, row[start..].iter().step_by(3), *gradient, result[start..].iter_mut().step_by(3));
                }
            }
        }
        result
    }

    fn widened(&self, width: usize, filter: Filter) -> Self {
        if width == self.width {
            return self.clone();
        }
        let taps = taps(self.width, width, filter);
        let mut rgb = Vec::with_capacity(width * self.height * 3);
        for row in self.rgb.chunks_exact(self.width * 3) {
            for Taps { first, weights } in &taps {
                rgb.extend([0, 1, 2].map(|channel| byte(mixed(weights, row[first * 3 + channel..].iter().step_by(3)))));
            }
        }
        Self { width, height: self.height, rgb }
    }

    fn heightened(self, height: usize, filter: Filter) -> Self {
        if height == self.height {
            return self;
        }
        let stride = self.width * 3;
        let mut rgb = Vec::with_capacity(height * stride);
        for Taps { first, weights } in taps(self.height, height, filter) {
            let column = |place: usize| self.rgb[first * stride + place..].iter().step_by(stride);
            rgb.extend((0..stride).map(|place| byte(mixed(&weights, column(place)))));
        }
        Self { width: self.width, height, rgb }
    }

    fn heightened_gradient(&self, height: usize, filter: Filter, gradient: &[f32]) -> Vec<f32> {
        if height == self.height {
            return gradient.to_vec();
        }
        let stride = self.width * 3;
        let mut result = vec![0.0; self.rgb.len()];
        let taps = taps(self.height, height, filter);
        for (Taps { first, weights }, gradient) in taps.iter().zip(gradient.chunks_exact(stride)) {
            for (place, gradient) in gradient.iter().enumerate() {
                let start = first * stride + place;
                let column = self.rgb[start..].iter().step_by(stride);
                spread(weights, column, *gradient, result[start..].iter_mut().step_by(stride));
            }
        }
        result
    }
}

/// The pixels that one pixel of the result is mixed from.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// Returns the taps of every pixel along a side.
fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let widened = scale.max(1.0);
    let support = filter.support() * widened;
    let of = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weight = |pixel: usize| filter.weight((pixel as f64 - centre + 0.5) * (1.0 / widened));
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| {
            let scaled = weight / sum * f64::from(1 << PRECISION);
            (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i32
        };
        Taps { first, weights: weights.iter().map(fixed).collect() }
    };
    (0..to).map(of).collect()
}

/// Returns a mixture of bytes, rounded, which may lie outside the range of a byte.
fn mixed<'a>(weights: &[i32], pixels: impl Iterator<Item = &'a u8>) -> i32 {
    let half = 1 << (PRECISION - 1);
    let sum = weights.iter().zip(pixels).fold(half, |sum, (weight, pixel)| sum + weight * i32::from(*pixel));
    sum >> PRECISION
}

fn byte(mixture: i32) -> u8 {
    mixture.clamp(0, 255) as u8
}

/// Adds the gradient of a mixture to those of the pixels that it is mixed from.
fn spread<'a>(
    weights: &[i32],
    pixels: impl Iterator<Item = &'a u8>,
    gradient: f32,
    result: impl Iterator<Item = &'a mut f32>,
) {
    if gradient == 0.0 || !(0..=255).contains(&mixed(weights, pixels)) {
        return;
    }
    let unit = gradient / (1 << PRECISION) as f32;
    weights.iter().zip(result).for_each(|(weight, result)| *result += *weight as f32 * unit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_picture_stays_plain_and_edges_overshoot_only_with_cubic() {
        let plain = Bytes { width: 5, height: 3, rgb: vec![200; 45] };
        for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            assert_eq!(plain.resized(9, 2, filter).rgb, vec![200; 54]);
        }
        let edge = Bytes { width: 4, height: 1, rgb: [[50; 3], [50; 3], [200; 3], [200; 3]].concat() };
        let range = |filter| {
            let rgb = edge.resized(16, 1, filter).rgb;
            (rgb.iter().min().copied(), rgb.iter().max().copied())
        };
        assert_eq!(range(Filter::Bilinear), (Some(50), Some(200)));
        let (least, most) = range(Filter::Bicubic);
        assert!(least < Some(50) && most > Some(200));
        assert_eq!(edge.resized(4, 1, Filter::Bicubic), edge);
    }
}
