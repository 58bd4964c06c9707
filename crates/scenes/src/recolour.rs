//! Sprites drawn in one colour.

use crate::{Sprite, Tint};

/// How far a pixel's luminance must be from the drawing's median to get the darkest or the lightest shade, of 255.
const REACH: i32 = 130;
/// The share of the tint in its darkest shade, of 255; the rest is black.
const DARKEST: i32 = 105;
/// The share of the tint in its lightest shade, of 255; the rest is white.
const LIGHTEST: i32 = 105;

impl Sprite {
    /// Returns the drawing in shades of one colour: its median luminance becomes the tint, darker parts such as eyes
    /// and outlines a dark shade of it, lighter parts a light one. Its coverage stays the same.
    pub fn tinted(&self, tint: Tint) -> Self {
        let middle = median(self.rgba().chunks_exact(4).map(|pixel| (luminance(pixel), pixel[3])));
        let paint = |pixel: &[u8]| {
            let alpha = i32::from(pixel[3]);
            let [red, green, blue] = shade(tint, luminance(pixel) - middle).map(|c| ((c * alpha + 127) / 255) as u8);
            [red, green, blue, pixel[3]]
        };
        Self::new(self.side(), self.rgba().chunks_exact(4).flat_map(paint).collect())
    }
}

/// Returns the luminance (ITU-R BT.601) of a premultiplied pixel before it was premultiplied, in 0–255.
fn luminance(pixel: &[u8]) -> i32 {
    let sum = 299 * i32::from(pixel[0]) + 587 * i32::from(pixel[1]) + 114 * i32::from(pixel[2]);
    (sum * 255 / (1000 * i32::from(pixel[3]).max(1))).min(255)
}

/// Returns the luminance that halves the coverage of (luminance, coverage) pixels.
fn median(pixels: impl Iterator<Item = (i32, u8)>) -> i32 {
    let mut coverage = [0_u32; 256];
    pixels.for_each(|(luminance, covered)| coverage[luminance as usize] += u32::from(covered));
    let half = coverage.iter().sum::<u32>() / 2;
    let mut below = 0;
    coverage.iter().take_while(|&&covered| (below += covered, below).1 <= half).count().min(255) as i32
}

/// Returns the shade of a tint for a luminance that differs from the median by `offset`, sRGB in 0–255.
fn shade(tint: Tint, offset: i32) -> [i32; 3] {
    let (end, rest) = if offset < 0 { (DARKEST, 0) } else { (LIGHTEST, 255) };
    let share = 255 - (255 - end) * offset.abs().min(REACH) / REACH;
    tint.rgb().map(|channel| (i32::from(channel) * share + rest * (255 - share) + 127) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Background, Concept, SpriteSize, Sprites, Vendor};

    fn drawings() -> impl Iterator<Item = (Concept, Vendor, &'static Sprite)> {
        let all = Concept::ALL.into_iter().flat_map(|concept| Vendor::ALL.map(|vendor| (concept, vendor)));
        all.filter_map(|(c, v)| Some((c, v, Sprites::embedded().get(c, v, SpriteSize::Small)?)))
    }

    /// Returns the colours of a drawing, not premultiplied, and how much of their pixels they cover.
    fn colours(sprite: &Sprite) -> Vec<([u8; 3], usize)> {
        let pixels = sprite.rgba().chunks_exact(4).filter(|pixel| pixel[3] > 0);
        let straight = |channel: u8, alpha: u8| (u32::from(channel) * 255 / u32::from(alpha)) as u8;
        pixels.map(|p| ([0, 1, 2].map(|channel| straight(p[channel], p[3])), usize::from(p[3]))).collect()
    }

    /// Returns the share of a drawing's coverage whose colour satisfies a condition.
    fn share(sprite: &Sprite, is: impl Fn([u8; 3]) -> bool) -> f64 {
        let colours = colours(sprite);
        let all: usize = colours.iter().map(|(_, covered)| covered).sum();
        let fitting: usize = colours.iter().filter(|(colour, _)| is(*colour)).map(|(_, covered)| covered).sum();
        fitting as f64 / all as f64
    }

    fn distance(a: [u8; 3], b: [u8; 3]) -> f64 {
        a.iter().zip(b).map(|(&a, b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn a_ramp_goes_from_dark_over_the_tint_to_light() {
        for tint in Tint::ALL {
            assert_eq!(shade(tint, 0), tint.rgb().map(i32::from));
            let shades: Vec<i32> = (-255..=255).map(|offset| shade(tint, offset).iter().sum()).collect();
            assert!(shades.windows(2).all(|pair| pair[0] <= pair[1]));
            assert_eq!(shade(tint, -REACH), shade(tint, -255));
            assert_eq!(shade(tint, REACH), shade(tint, 255));
        }
    }

    #[test]
    fn the_median_counts_pixels_by_coverage() {
        assert_eq!(median([(10, 255), (200, 255), (200, 255)].into_iter()), 200);
        assert_eq!(median([(10, 255), (200, 100), (200, 100)].into_iter()), 10);
        assert_eq!(luminance(&[100, 100, 100, 100]), 255, "white at a coverage of 100");
        assert_eq!(luminance(&[0, 0, 0, 0]), 0);
    }

    #[test]
    fn coverage_stays_and_most_of_it_is_nearest_to_its_own_tint() {
        for (concept, vendor, sprite) in drawings() {
            for tint in Tint::ALL {
                let tinted = sprite.tinted(tint);
                assert!(tinted.alpha().eq(sprite.alpha()));
                let own = share(&tinted, |colour| {
                    let to = |tint: &Tint| distance(colour, tint.rgb());
                    Tint::ALL.into_iter().min_by(|a, b| to(a).total_cmp(&to(b))) == Some(tint)
                });
                assert!(own > 0.5, "{concept:?} by {vendor:?} in {tint:?}: {own}");
            }
        }
    }

    #[test]
    fn drawings_keep_their_contrast() {
        let cat = Sprites::embedded().get(Concept::Cat, Vendor::Twemoji, SpriteSize::Small).expect("drawn");
        for tint in Tint::ALL {
            let sums =
                colours(&cat.tinted(tint)).into_iter().map(|(colour, _)| colour.iter().map(|&c| i32::from(c)).sum());
            let (low, high) = sums.fold((i32::MAX, 0), |(low, high), sum: i32| (low.min(sum), high.max(sum)));
            assert!(high - low > 150, "{tint:?}: {low} to {high}");
        }
    }

    #[test]
    fn every_tinted_drawing_stands_out_from_every_background_that_it_suits() {
        for (concept, vendor, sprite) in drawings() {
            for (tint, background) in Tint::ALL.into_iter().flat_map(|t| Background::ALL.map(|b| (t, b))) {
                let seen = share(&sprite.tinted(tint), |colour| distance(colour, background.rgb()) > 60.0);
                assert!(
                    seen > 0.5 || !tint.suits(background),
                    "{concept:?} by {vendor:?}, {tint:?} on {background:?}: {seen}"
                );
            }
        }
    }
}
