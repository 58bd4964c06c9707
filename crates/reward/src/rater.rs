//! A simulated rater of images, to which the aesthetics head is fitted.
//!
//! No person rated these images. The rater is a formula that stands in for people's taste, so that the whole loop runs
//! without data that cannot be shipped. It sees pixels alone, so it rates scenes, generated images and garbage alike:
//!
//! rating = 0.4·contrast + 0.25·colourfulness + 0.2·balance + 0.15·harmony, each part in [0, 1]:
//!
//! - **contrast** of figure and ground: min(1, d / 0.6), where d is the mean distance in Oklab (black to white is 1) of the
//!   figure's pixels from the ground's colour. The ground is the colour that most pixels are close to; the figure is what differs
//!   from it.
//! - **colourfulness**, moderate: e^(−((M − 0.35) / 0.2)²) with Hasler and Süsstrunk's M ([`crate::rewards::colourfulness`]).
//!   Dull and garish images both lose.
//! - **balance**: e^(−(r / 0.12)²), where r is the distance of the figure's centre of mass from the image's centre, in
//!   sides of the image.
//! - **harmony** of hues: fit to a harmonic template ([`crate::rewards::harmony`]).

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
        0.4 * self.contrast + 0.25 * self.colourfulness + 0.2 * self.balance + 0.15 * self.harmony
    }
}

/// Distance in Oklab within which a pixel is of the ground's colour.
const NEAR: f32 = 0.04;
/// Distance in Oklab from which a pixel is of the figure; between the two it is so in part.
const FAR: f32 = 0.1;
/// One in so many pixels is tried as the ground's colour.
const STRIDE: usize = 5;

/// An image as figure and ground, pixels row by row.
struct Figure {
    /// How much of each pixel belongs to the figure, in [0, 1].
    shares: Vec<f32>,
    /// Each pixel's distance from the ground's colour, in Oklab.
    distances: Vec<f32>,
}

impl Figure {
    fn of(raster: &Raster) -> Self {
        let labs: Vec<[f32; 3]> = raster.colours.iter().map(|colour| oklab(*colour)).collect();
        let ground = ground(&labs);
        let distances: Vec<f32> = labs.iter().map(|lab| distance(*lab, ground)).collect();
        Self { shares: distances.iter().map(|distance| covered(*distance)).collect(), distances }
    }

    /// Returns the figure's mean distance from the ground.
    fn contrast(&self) -> f32 {
        let weighted = self.shares.iter().zip(&self.distances).map(|(share, distance)| share * distance);
        weighted.sum::<f32>() / self.shares.iter().sum::<f32>().max(1.0)
    }
}

/// Rates an image. One that is all ground has neither contrast nor balance.
pub fn rate(raster: &Raster) -> Rating {
    let bump = |distance: f32, width: f32| (-(distance / width).powi(2)).exp();
    let figure = Figure::of(raster);
    Rating {
        contrast: (figure.contrast() / 0.6).min(1.0),
        harmony: harmony(raster),
        balance: centre_of_mass(&figure.shares, raster.width)
            .map_or(0.0, |[x, y]| bump((x - 0.5).hypot(y - 0.5), 0.12)),
        colourfulness: bump(colourfulness(raster) - 0.35, 0.2),
    }
}

fn covered(distance: f32) -> f32 {
    let share = ((distance - NEAR) / (FAR - NEAR)).clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f32>().sqrt()
}

/// Returns the mean of the largest set of pixels that are close to one of them.
fn ground(labs: &[[f32; 3]]) -> [f32; 3] {
    let near = |of: [f32; 3]| labs.iter().filter(move |lab| distance(**lab, of) < NEAR);
    let densest = labs.iter().step_by(STRIDE).max_by_key(|lab| near(**lab).count());
    let Some(densest) = densest else { return [0.0; 3] };
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for lab in near(*densest) {
        count += 1.0;
        (0..3).for_each(|c| sum[c] += lab[c]);
    }
    sum.map(|sum| sum / f32::max(count, 1.0))
}

/// Returns the figure's centre of mass, in sides of the image from its left and top; `None` without a figure.
fn centre_of_mass(figure: &[f32], width: usize) -> Option<[f32; 2]> {
    let (mut mass, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
    for (place, share) in figure.iter().enumerate() {
        mass += share;
        x_sum += share * ((place % width) as f32 + 0.5);
        y_sum += share * ((place / width) as f32 + 0.5);
    }
    let height = figure.len() / width;
    (mass > 0.5).then(|| [x_sum / mass / width as f32, y_sum / mass / height as f32])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 4 × 4 square of `figure` with its corner at `corner`, in an 8 × 8 image of `ground`.
    fn scene(figure: [f32; 3], ground: [f32; 3], corner: usize) -> Rating {
        let inside =
            |place: usize| (corner..corner + 4).contains(&(place % 8)) && (corner..corner + 4).contains(&(place / 8));
        let colours = (0..64).map(|place| if inside(place) { figure } else { ground }).collect();
        rate(&Raster { width: 8, height: 8, colours })
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
        let rating = rate(&Raster { width: 8, height: 8, colours: vec![BLUE; 64] });
        assert_eq!((rating.contrast, rating.balance), (0.0, 0.0));
        assert!(rating.total().is_finite());
    }

    #[test]
    fn the_figure_is_what_the_renderer_drew() {
        let kinds =
            moa_scenes::Kinds { single: 1.0, tinted: 1.0, pair: 1.0, tinted_pair: 1.0, several: 1.0, trio: 1.0 };
        let distribution = moa_scenes::SceneDistribution { kinds, ..Default::default() };
        let mut rng = moa_scenes::SceneRng::new(4);
        let (mut right, mut all) = (0.0, 0.0);
        for _ in 0..100 {
            let scene = moa_scenes::sample_scene(&mut rng, &distribution);
            let rendered = scene.render(moa_scenes::Sprites::embedded(), &mut rng);
            let found = Figure::of(&Raster::of_bytes(moa_scenes::SIDE, &rendered.pixels)).shares;
            for (found, drawn) in found.iter().zip(&rendered.mask) {
                right += 1.0 - (found - f32::from(*drawn) / 255.0).abs();
                all += 1.0;
            }
        }
        assert!(right / all > 0.93, "{}", right / all);
    }
}
