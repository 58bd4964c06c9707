//! Harmony of hues: how well an image's colours fit one of Matsuda's templates (Cohen-Or et al., "Color harmonization",
//! 2006).
//!
//! A template is a set of sectors on the hue wheel, turned by any angle. The image's discord with it is the mean angle
//! from each pixel's hue to the nearest sector, weighted by chroma (saturation × value, so that greys and blacks have
//! no say). Harmony is e^(−d / 5°) with d the least discord over five templates (i, V, L, I, Y) and 72 turns. The templates
//! that cover half of the wheel and more (T, X) are left out: two colours always fit them.
//!
//! Hues are counted in bins, so that a small change of a hue changes nothing: the gradient, exact almost everywhere, is that of the
//! chroma alone. It fades colours that do not fit and strengthens those that do, and never turns a hue.

use burn::tensor::Tensor;
use moa_device::from_host;
use rayon::prelude::*;

use super::moments::channels;
use super::per_picture;
use crate::colour::hue_saturation;
use crate::{Differentiable, GradientView, Raster, Reward, RewardError, View};

/// Hue bins and turns: 5° each.
const BINS: usize = 72;

/// The width of a bin.
const DEGREES: f32 = 360.0 / BINS as f32;

/// Sectors as (centre, half width), in bins.
const TEMPLATES: [&[(f32, f32)]; 5] = [
    &[(0.0, 1.8)],
    &[(0.0, 9.36)],
    &[(0.0, 1.8), (18.0, 7.92)],
    &[(0.0, 1.8), (36.0, 1.8)],
    &[(0.0, 9.36), (36.0, 1.8)],
];

/// Fit of the image's hues to the best template of harmonic colours.
pub struct Harmony {
    name: String,
}

impl Harmony {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Returns the harmony of an image, in [0, 1]; an image without colours has 1.
pub fn harmony(raster: &Raster) -> f32 {
    let Some(fit) = Fit::of(raster) else { return 1.0 };
    (-fit.discord / 5.0).exp()
}

/// The template and turn that fit an image best.
struct Fit {
    template: &'static [(f32, f32)],
    turn: usize,
    /// In degrees.
    discord: f32,
}

impl Fit {
    /// Returns the best fit; nothing for an image without colours.
    fn of(raster: &Raster) -> Option<Self> {
        let mut histogram = [0.0_f32; BINS];
        for colour in &raster.colours {
            let (hue, saturation) = hue_saturation(*colour);
            let chroma = saturation * colour[0].max(colour[1]).max(colour[2]);
            histogram[bin(hue)] += chroma;
        }
        let total: f32 = histogram.iter().sum();
        if total <= f32::EPSILON * raster.colours.len() as f32 {
            return None;
        }
        let discord = |template: &[(f32, f32)], turn: usize| {
            let weighted = histogram.iter().enumerate().map(|(bin, weight)| weight * outside(template, bin, turn));
            weighted.sum::<f32>() / total * DEGREES
        };
        let turns = |template: &'static [(f32, f32)]| {
            (0..BINS).map(move |turn| Self { template, turn, discord: discord(template, turn) })
        };
        TEMPLATES.into_iter().flat_map(turns).min_by(|a, b| a.discord.total_cmp(&b.discord))
    }
}

fn bin(hue: f32) -> usize {
    (hue / 360.0 * BINS as f32).round() as usize % BINS
}

/// Returns the angle of each pixel's hue to the best template, in units of 5°; nothing for an image without colours, not a number for
/// one that holds values that are not finite.
fn angles(raster: &Raster) -> Option<Vec<f32>> {
    if !raster.is_finite() {
        return Some(vec![f32::NAN; raster.colours.len()]);
    }
    let fit = Fit::of(raster)?;
    let angle = |colour: &[f32; 3]| outside(fit.template, bin(hue_saturation(*colour).0), fit.turn) * DEGREES / 5.0;
    Some(raster.colours.iter().map(angle).collect())
}

/// Returns how many bins a hue lies outside the nearest sector of a turned template.
fn outside(template: &[(f32, f32)], bin: usize, turn: usize) -> f32 {
    let hue = ((bin + BINS - turn) % BINS) as f32;
    let distance = |&(centre, half): &(f32, f32)| {
        let apart = (hue - centre).abs();
        (apart.min(BINS as f32 - apart) - half).max(0.0)
    };
    template.iter().map(distance).fold(f32::INFINITY, f32::min)
}

impl Reward for Harmony {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(per_picture(view, harmony))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Harmony {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let [red, green, blue] = channels(view);
        let dims = red.dims();
        let fits: Vec<_> = view.rasters().par_iter().map(angles).collect();
        let grey: Vec<f32> = fits.iter().map(|angles| if angles.is_none() { 1.0 } else { 0.0 }).collect();
        let angles = fits.into_iter().flat_map(|angles| angles.unwrap_or_else(|| vec![0.0; dims[1]])).collect();
        let device = view.pictures().pixels().device();
        let angles = from_host(angles, dims, &device);
        let grey = from_host(grey.clone(), [grey.len()], &device);
        let most = red.clone().max_pair(green.clone()).max_pair(blue.clone());
        let chroma = most - red.min_pair(green).min_pair(blue);
        let discord = (chroma.clone() * angles).sum_dim(1).squeeze_dim(1) / (chroma.sum_dim(1).squeeze_dim(1) + grey);
        Ok((-discord).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(colours: &[[f32; 3]]) -> f32 {
        harmony(&Raster { width: colours.len(), height: 1, colours: colours.to_vec() })
    }

    #[test]
    fn one_hue_neighbours_and_opposites_are_harmonic_and_triads_are_not() {
        let (red, orange, cyan) = ([1.0, 0.0, 0.0], [1.0, 0.4, 0.0], [0.0, 1.0, 1.0]);
        let (green, blue) = ([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        assert!(of(&[red, red]) > 0.999);
        assert!(of(&[red, orange]) > 0.999);
        assert!(of(&[red, cyan]) > 0.999);
        assert!(of(&[red, green, blue]) < 0.5, "{}", of(&[red, green, blue]));
        let wheel = [red, [1.0, 1.0, 0.0], green, cyan, blue, [1.0, 0.0, 1.0]];
        assert!(of(&wheel) < of(&[red, green, blue]));
    }

    #[test]
    fn greys_have_no_say() {
        assert!(of(&[[0.5; 3], [0.1; 3]]) > 0.999);
        let colours = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let with_greys = [colours.as_slice(), &[[0.5; 3]; 5]].concat();
        assert!((of(&colours) - of(&with_greys)).abs() < 1e-6);
    }
}
