//! Rotary positions (Su et al., 2104.09864): queries and keys are turned by angles that grow with their positions.

use burn::tensor::{Device, FloatDType, Tensor};
use moa_device::{as_type, from_host};

/// The base of the wavelengths.
const THETA: f64 = 10_000.0;

/// The angles of a sequence of tokens: their cosines and sines, each `[tokens, head width]`, every angle twice in a row.
#[derive(Clone, Debug)]
pub(super) struct Rotary {
    cosines: Tensor<2>,
    sines: Tensor<2>,
}

impl Rotary {
    /// Returns the angles of tokens with a position along each of several axes, each of which has so many of a head's values.
    ///
    /// - `axes`: even numbers
    pub(super) fn of(positions: &[[usize; 3]], axes: [usize; 3], device: &Device) -> Self {
        let angles: Vec<f64> = positions
            .iter()
            .flat_map(|position| {
                position.iter().zip(axes).flat_map(|(place, width)| {
                    let angle = move |pair: usize| *place as f64 / THETA.powf(2.0 * pair as f64 / width as f64);
                    (0..width).map(move |value| angle(value / 2))
                })
            })
            .collect();
        let of = |function: fn(f64) -> f64| {
            let values = angles.iter().map(|angle| function(*angle) as f32).collect();
            from_host(values, [positions.len(), axes.iter().sum::<usize>()], device)
        };
        Self { cosines: of(f64::cos), sines: of(f64::sin) }
    }

    /// Turns `[rows, heads, tokens, head width]`: of each two values (a, b) in a row, to (a·cos − b·sin, b·cos + a·sin), in f32.
    pub(super) fn turn(&self, x: Tensor<4>) -> Tensor<4> {
        let (kept, dims @ [rows, heads, tokens, width]): (FloatDType, _) = (x.dtype().into(), x.dims());
        let x = as_type(x, FloatDType::F32);
        let pairs = x.clone().reshape([rows, heads, tokens, width / 2, 2]);
        let other = Tensor::cat(vec![pairs.clone().narrow(4, 1, 1).neg(), pairs.narrow(4, 0, 1)], 4).reshape(dims);
        as_type(x * self.cosines.clone().unsqueeze() + other * self.sines.clone().unsqueeze(), kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_turn_by_their_axis() {
        let device = Device::flex();
        let rotary = Rotary::of(&[[0, 0, 0], [0, 2, 3]], [2, 4, 2], &device);
        let x = Tensor::<1>::ones([16], &device).reshape([1, 1, 2, 8]);
        let found: Vec<f32> = rotary.turn(x).into_data().try_into_vec().expect("f32");
        assert_eq!(found[..10], [1.0; 10], "nothing turns at position 0");
        // Along the second axis, the second pair turns a hundredth as fast: 10000^(−2/4).
        for (place, angle) in [(10, 2.0f64), (12, 0.02), (14, 3.0)] {
            let wanted = [angle.cos() - angle.sin(), angle.cos() + angle.sin()];
            for (value, wanted) in found[place..place + 2].iter().zip(wanted) {
                assert!((f64::from(*value) - wanted).abs() < 1e-6, "{place}: {value} against {wanted}");
            }
        }
    }
}
