//! A simulated rater of scenes, to which the aesthetics head is fitted.
//!
//! No person rated these pictures. The rater is a formula that stands in for people's taste, so that the whole loop runs
//! without data that cannot be shipped; it sees what only a renderer knows, namely which pixels belong to objects:
//!
//! rating = 0.35·contrast + 0.25·harmony + 0.2·balance + 0.2·colourfulness, each part in [0, 1]:
//!
//! - **contrast** of figure and ground: min(1, d / 0.6), where d is the mean distance in Oklab between the object's pixels and
//!   the mean colour of the background (black to white is 1).
//! - **harmony** of hues: fit to a harmonic template ([`crate::rewards::harmony`]).
//! - **balance**: e^(−(r / 0.12)²), where r is the distance of the objects' centre of mass from the picture's centre, in
//!   sides of the picture.
//! - **colourfulness**, moderate: e^(−((M − 0.35) / 0.2)²) with Hasler and Süsstrunk's M ([`crate::rewards::colourfulness`]).
//!   Dull and garish pictures both lose.

use crate::Raster;
use crate::colour::oklab;
use crate::rewards::{colourfulness, harmony};

/// A rating and its parts, each in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Contrast of figure and ground.
    pub contrast: f32,
    /// Harmony of hues.
    pub harmony: f32,
    /// Balance of the composition.
    pub balance: f32,
    /// Moderate colourfulness.
    pub colourfulness: f32,
}

impl Rating {
    /// Returns the weighted sum of the parts.
    pub fn total(&self) -> f32 {
        0.35 * self.contrast + 0.25 * self.harmony + 0.2 * self.balance + 0.2 * self.colourfulness
    }
}

/// Rates a picture whose objects cover each pixel by `mask` (row by row, 0 for background, 255 for object).
///
/// A picture without objects has neither contrast nor balance.
pub fn rate(raster: &Raster, mask: &[u8]) -> Rating {
    let bump = |distance: f32, width: f32| (-(distance / width).powi(2)).exp();
    Rating {
        contrast: (figure_ground(raster, mask) / 0.6).min(1.0),
        harmony: harmony(raster),
        balance: centre_of_mass(raster, mask).map_or(0.0, |[x, y]| bump((x - 0.5).hypot(y - 0.5), 0.12)),
        colourfulness: bump(colourfulness(raster) - 0.35, 0.2),
    }
}

/// Returns the mean Oklab distance of the objects' pixels from the background's mean colour; 0 without objects.
fn figure_ground(raster: &Raster, mask: &[u8]) -> f32 {
    let labs: Vec<[f32; 3]> = raster.colours.iter().map(|colour| oklab(*colour)).collect();
    let (mut ground, mut clear) = ([0.0; 3], 0.0);
    for (lab, covered) in labs.iter().zip(mask) {
        let share = 1.0 - f32::from(*covered) / 255.0;
        clear += share;
        (0..3).for_each(|c| ground[c] += share * lab[c]);
    }
    let ground = ground.map(|sum| sum / clear.max(1.0));
    let (mut distance, mut covered) = (0.0, 0.0);
    for (lab, share) in labs.iter().zip(mask).map(|(lab, covered)| (lab, f32::from(*covered) / 255.0)) {
        covered += share;
        distance += share * (0..3).map(|c| (lab[c] - ground[c]).powi(2)).sum::<f32>().sqrt();
    }
    distance / covered.max(1.0)
}

/// Returns the objects' centre of mass, in sides of the picture from its left and top; `None` without objects.
fn centre_of_mass(raster: &Raster, mask: &[u8]) -> Option<[f32; 2]> {
    let (mut mass, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
    for (place, covered) in mask.iter().enumerate() {
        let share = f32::from(*covered);
        mass += share;
        x_sum += share * ((place % raster.width) as f32 + 0.5);
        y_sum += share * ((place / raster.width) as f32 + 0.5);
    }
    (mass > 0.0).then(|| [x_sum / mass / raster.width as f32, y_sum / mass / raster.height as f32])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 4 × 4 square of `figure` with its corner at `corner`, in an 8 × 8 picture of `ground`.
    fn scene(figure: [f32; 3], ground: [f32; 3], corner: usize) -> Rating {
        let inside =
            |place: usize| (corner..corner + 4).contains(&(place % 8)) && (corner..corner + 4).contains(&(place / 8));
        let colours = (0..64).map(|place| if inside(place) { figure } else { ground }).collect();
        let mask: Vec<u8> = (0..64).map(|place| if inside(place) { 255 } else { 0 }).collect();
        rate(&Raster { width: 8, height: 8, colours }, &mask)
    }

    const BLUE: [f32; 3] = [0.1, 0.2, 0.8];

    #[test]
    fn objects_that_stand_out_in_the_middle_rate_best() {
        let best = scene([1.0, 0.9, 0.6], BLUE, 2);
        assert!(best.contrast > scene([0.15, 0.25, 0.8], BLUE, 2).contrast);
        assert!(best.balance > 0.99 && scene([1.0, 0.9, 0.6], BLUE, 4).balance < 0.1);
        let dull = scene([1.0; 3], [0.0; 3], 2);
        assert!(dull.contrast > 0.99 && dull.colourfulness < best.colourfulness, "{dull:?} {best:?}");
        assert!(best.total() <= 1.0 && best.total() > scene([0.15, 0.25, 0.8], BLUE, 4).total());
    }

    #[test]
    fn an_empty_picture_has_a_rating_without_contrast_and_balance() {
        let rating = rate(&Raster { width: 8, height: 8, colours: vec![BLUE; 64] }, &[0; 64]);
        assert_eq!((rating.contrast, rating.balance), (0.0, 0.0));
        assert!(rating.total().is_finite());
    }
}
