//! Images without colours: braille dots, as dense as the image is bright.

use image::DynamicImage;
use image::imageops::FilterType;

/// The bit of each dot of a cell, by row and column.
const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// Of the pixels, so many are darker than black and brighter than white: what is left uses the whole range.
const CLIPPED: f64 = 0.02;
/// How much edges are enhanced: outlines distinguish shapes of equal brightness.
const EDGES: f32 = 0.6;

/// Returns an image as rows of braille, so many columns and rows. On a dark background dots are bright; on a light one they are dark.
///
/// Brightness is stretched over the whole range, edges are raised, and what is between black and white is dithered by Floyd and Steinberg.
pub(crate) fn braille(image: &DynamicImage, (columns, rows): (u16, u16), light: bool) -> Vec<String> {
    let (width, height) = (usize::from(columns) * 2, usize::from(rows) * 4);
    let filter = if width >= image.width() as usize { FilterType::Triangle } else { FilterType::Lanczos3 };
    let resized = image.resize_exact(width as u32, height as u32, filter).into_luma8();
    let mut values: Vec<f32> = resized.pixels().map(|pixel| f32::from(pixel.0[0]) / 255.0).collect();
    raise_edges(&mut values, width);
    stretch(&mut values);
    let lit = dots(values, width, light);
    let cell = |column: usize, row: usize| {
        let bit = |x: usize, y: usize| if lit[(4 * row + y) * width + 2 * column + x] { BITS[y][x] } else { 0 };
        let bits: u32 = (0..8).map(|dot| bit(dot % 2, dot / 2)).sum();
        char::from_u32(0x2800 + bits).unwrap_or(' ')
    };
    (0..usize::from(rows)).map(|row| (0..usize::from(columns)).map(|column| cell(column, row)).collect()).collect()
}

/// Adds to every value how far it is from the mean of its neighbours.
fn raise_edges(values: &mut [f32], width: usize) {
    let height = values.len() / width.max(1);
    let old = values.to_vec();
    for y in 0..height {
        for x in 0..width {
            let around = |dx: isize, dy: isize| {
                let (x, y) = (x.saturating_add_signed(dx).min(width - 1), y.saturating_add_signed(dy).min(height - 1));
                old[y * width + x]
            };
            let mean = (around(-2, 0) + around(2, 0) + around(0, -2) + around(0, 2)) / 4.0;
            values[y * width + x] += EDGES * (old[y * width + x] - mean);
        }
    }
}

/// Stretches values to the range from 0 to 1; values that are all alike stay as they are.
fn stretch(values: &mut [f32]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| sorted.get((share * sorted.len() as f64) as usize).copied();
    let (Some(lo), Some(hi)) = (at(CLIPPED), at(1.0 - CLIPPED)) else { return };
    if hi - lo > 1e-3 {
        for value in values {
            *value = ((*value - lo) / (hi - lo)).clamp(0.0, 1.0);
        }
    }
}

/// Returns which dots are set.
fn dots(mut values: Vec<f32>, width: usize, light: bool) -> Vec<bool> {
    let mut bright = vec![false; values.len()];
    for place in 0..values.len() {
        let value = values[place];
        bright[place] = value > 0.5;
        let error = value - if bright[place] { 1.0 } else { 0.0 };
        let column = place % width;
        let spread = [
            (column + 1 < width, place + 1, 7.0),
            (column > 0, place + width - 1, 3.0),
            (true, place + width, 5.0),
            (column + 1 < width, place + width + 1, 1.0),
        ];
        for (_, other, weight) in spread.into_iter().filter(|(inside, ..)| *inside) {
            if let Some(value) = values.get_mut(other) {
                *value += error * weight / 16.0;
            }
        }
    }
    bright.into_iter().map(|bright| bright != light).collect()
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn count(lines: &[String]) -> Vec<u32> {
        lines.iter().flat_map(|line| line.chars()).map(|cell| (cell as u32 - 0x2800).count_ones()).collect()
    }

    /// A bright disc on a dark ground.
    fn disc() -> DynamicImage {
        let pixel = |x: u32, y: u32| {
            let inside = (f64::from(x) - 15.5).hypot(f64::from(y) - 15.5) < 9.0;
            if inside { Rgb([250, 220, 60]) } else { Rgb([30, 60, 40]) }
        };
        RgbImage::from_fn(32, 32, pixel).into()
    }

    #[test]
    fn what_is_bright_has_more_dots_and_on_a_light_background_fewer() {
        let (dark, light) = (count(&braille(&disc(), (16, 8), false)), count(&braille(&disc(), (16, 8), true)));
        assert_eq!(dark.len(), 16 * 8);
        let (middle, corner) = (4 * 16 + 8, 0);
        assert!(dark[middle] >= 6 && dark[corner] <= 2, "{dark:?}");
        assert!(light[middle] <= 2 && light[corner] >= 6, "{light:?}");
    }

    #[test]
    fn grey_is_dithered_to_its_share_of_dots() {
        let half = DynamicImage::from(RgbImage::from_pixel(8, 8, Rgb([128, 128, 128])));
        let set: u32 = count(&braille(&half, (10, 5), false)).iter().sum();
        assert!((170..=230).contains(&set), "{set} of 400");
    }
}
