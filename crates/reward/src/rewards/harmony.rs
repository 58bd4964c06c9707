//! Harmony of hues: how well a picture's colours fit one of Matsuda's templates (Cohen-Or et al., "Color harmonization",
//! 2006).
//!
//! A template is a set of sectors on the hue wheel, turned by any angle. The picture's discord with it is the mean angle
//! from each pixel's hue to the nearest sector, weighted by chroma (saturation × value, so that greys and blacks have
//! no say). Harmony is e^(−d / 5°) with d the least discord over five templates (i, V, L, I, Y) and 72 turns. The templates
//! that cover half of the wheel and more (T, X) are left out: two colours always fit them.

use super::{Reward, Unit, per_picture};
use crate::colour::hue_saturation;
use crate::{Raster, RewardError, View};

/// Hue bins and turns: 5° each.
const BINS: usize = 72;

/// Sectors as (centre, half width), in bins.
const TEMPLATES: [&[(f32, f32)]; 5] = [
    &[(0.0, 1.8)],
    &[(0.0, 9.36)],
    &[(0.0, 1.8), (18.0, 7.92)],
    &[(0.0, 1.8), (36.0, 1.8)],
    &[(0.0, 9.36), (36.0, 1.8)],
];

/// Fit of the picture's hues to the best template of harmonic colours.
pub struct Harmony {
    name: String,
}

impl Harmony {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Returns the harmony of a picture, in [0, 1]; a picture without colours has 1.
pub fn harmony(raster: &Raster) -> f32 {
    let mut histogram = [0.0_f32; BINS];
    for colour in &raster.colours {
        let (hue, saturation) = hue_saturation(*colour);
        let chroma = saturation * colour[0].max(colour[1]).max(colour[2]);
        histogram[(hue / 360.0 * BINS as f32).round() as usize % BINS] += chroma;
    }
    let total: f32 = histogram.iter().sum();
    if total <= f32::EPSILON * raster.colours.len() as f32 {
        return 1.0;
    }
    let discord = |template: &[(f32, f32)], turn: usize| {
        let weighted = histogram.iter().enumerate().map(|(bin, weight)| weight * outside(template, bin, turn));
        weighted.sum::<f32>() / total * (360.0 / BINS as f32)
    };
    let turns = |template: &'static [(f32, f32)]| (0..BINS).map(move |turn| (template, turn));
    let least = TEMPLATES.into_iter().flat_map(turns).map(|(template, turn)| discord(template, turn));
    (-least.fold(f32::INFINITY, f32::min) / 5.0).exp()
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

    fn unit(&self) -> Unit {
        Unit { meaning: "fit of hues to a harmonic template".into(), least: 0.0, most: 1.0 }
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(per_picture(view, harmony))
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
