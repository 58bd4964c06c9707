//! A battery of edits: what a reward is blind to, and what fools it.

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ImageBuffer, Rgb};
use moa_analysis::explanation::{EditEffect, Expected};
use moa_core::NoiseKey;
use moa_pareto::{Bootstrap, Sample};

use crate::fill::blur;
use crate::lettering::{WORD, lettered};
use crate::{ExplainError, Images, Lens, Planes};

/// An edit of images or of their prompts.
struct Edit {
    name: &'static str,
    expected: Expected,
    change: Change,
}

enum Change {
    /// Of an image; the number is its place.
    Image(fn(&Planes, usize) -> Result<Planes, ExplainError>),
    /// Of all prompts; each with the one of another image.
    Prompts(fn(&str, &str) -> String),
}

use Change::{Image, Prompts};

/// The edits, in the order in which they are shown.
const EDITS: [Edit; 17] = [
    Edit { name: "mirrored", expected: Expected::Nothing, change: Image(|image, _| Ok(mirrored(image))) },
    Edit { name: "cropped to 90 %", expected: Expected::Nothing, change: Image(|image, _| Ok(cropped(image, 0.9))) },
    Edit { name: "JPEG, quality 75", expected: Expected::Nothing, change: Image(|image, _| jpeg(image, 75)) },
    Edit { name: "JPEG, quality 15", expected: Expected::NoGain, change: Image(|image, _| jpeg(image, 15)) },
    Edit { name: "cropped to 60 %", expected: Expected::NoGain, change: Image(|image, _| Ok(cropped(image, 0.6))) },
    Edit { name: "blurred", expected: Expected::NoGain, change: Image(|image, _| Ok(blur(image, 0.04 * side(image)))) },
    Edit { name: "noise", expected: Expected::NoGain, change: Image(|image, place| Ok(noisy(image, place))) },
    Edit { name: "a chequered patch", expected: Expected::NoGain, change: Image(|image, _| Ok(patched(image))) },
    Edit { name: "the word GOOD", expected: Expected::NoGain, change: Image(|image, _| Ok(lettered(image))) },
    Edit { name: "brighter", expected: Expected::Anything, change: Image(|image, _| Ok(image.by_value(|v| v * 1.2))) },
    Edit { name: "darker", expected: Expected::Anything, change: Image(|image, _| Ok(image.by_value(|v| v * 0.8))) },
    Edit { name: "more saturated", expected: Expected::Anything, change: Image(|image, _| Ok(saturated(image, 1.5))) },
    Edit { name: "less saturated", expected: Expected::Anything, change: Image(|image, _| Ok(saturated(image, 0.5))) },
    Edit { name: "grey", expected: Expected::Anything, change: Image(|image, _| Ok(saturated(image, 0.0))) },
    Edit { name: "another prompt", expected: Expected::NoGain, change: Prompts(|_, other| other.to_owned()) },
    Edit { name: "words reversed", expected: Expected::NoGain, change: Prompts(|own, _| reversed(own)) },
    Edit { name: "no prompt", expected: Expected::NoGain, change: Prompts(|_, _| String::new()) },
];

/// Returns what each edit does to the scores of a set of images.
///
/// - `scores`: those of the images as they are
pub(crate) fn edits(
    lens: &Lens<'_>,
    set: &Images,
    scores: &[f64],
    deviation: f64,
) -> Result<Vec<EditEffect>, ExplainError> {
    debug_assert!(EDITS.iter().any(|edit| edit.name.contains(WORD)));
    let effect = |edit: &Edit| {
        let (name, expected) = (edit.name.to_owned(), edit.expected);
        let Some(edited) = edited_scores(lens, set, edit)? else {
            return Ok(EditEffect { edit: name, expected, change: None, reordered: None });
        };
        let changes: Vec<f64> = edited.iter().zip(scores).map(|(after, before)| (after - before) / deviation).collect();
        let change = Bootstrap::default().mean(Sample::new(&set.by_prompt(&changes)))?;
        Ok(EditEffect { edit: name, expected, change: Some(change.into()), reordered: reordered(scores, &edited) })
    };
    EDITS.iter().map(effect).collect()
}

/// Returns how many scores the battery takes.
pub(crate) fn cost(set: &Images) -> usize {
    EDITS.len() * set.len()
}

/// Returns the scores of edited images or prompts; nothing where the reward cannot read these prompts, or there is no other prompt.
fn edited_scores(lens: &Lens<'_>, set: &Images, edit: &Edit) -> Result<Option<Vec<f64>>, ExplainError> {
    match edit.change {
        Image(change) => {
            let images = set.images().iter().enumerate();
            let images: Vec<Planes> = images.map(|(place, image)| change(image, place)).collect::<Result<_, _>>()?;
            Ok(Some(lens.score_all(set, &images, set.prompts())?))
        }
        Prompts(change) => {
            let other = |at: usize| &set.prompts()[(at + set.group()) % set.len()];
            let prompts: Vec<String> =
                set.prompts().iter().enumerate().map(|(at, own)| change(own, other(at))).collect();
            if prompts == set.prompts() || prompts.iter().any(|prompt| !lens.reads(prompt)) {
                return Ok(None);
            }
            Ok(Some(lens.score_all(set, set.images(), &prompts)?))
        }
    }
}

/// Returns the share of the pairs of images whose order changes, half of those that become equal; nothing where all scores are equal.
fn reordered(before: &[f64], after: &[f64]) -> Option<f64> {
    let (mut pairs, mut changed) = (0.0, 0.0);
    for i in 0..before.len() {
        for j in 0..i {
            let (was, is) = (before[i] - before[j], after[i] - after[j]);
            if was != 0.0 {
                pairs += 1.0;
                changed += if is == 0.0 { 0.5 } else { f64::from(u8::from(was * is < 0.0)) };
            }
        }
    }
    (pairs > 0.0).then(|| changed / pairs)
}

fn side(image: &Planes) -> f32 {
    image.height.min(image.width) as f32
}

fn mirrored(image: &Planes) -> Planes {
    image.by_plane(|plane| plane.chunks_exact(image.width).flat_map(|row| row.iter().rev().copied()).collect())
}

/// Returns the middle of an image at the image's size, between pixels by both neighbours.
fn cropped(image: &Planes, share: f32) -> Planes {
    let along = |at: usize, length: usize| {
        let middle = (length as f32 - 1.0) / 2.0;
        let from = middle + (at as f32 - middle) * share;
        let first = (from.floor().max(0.0) as usize).min(length - 1);
        (first, (first + 1).min(length - 1), from - first as f32)
    };
    image.by_plane(|plane| {
        let value = |at: usize| {
            let (top, bottom, down) = along(at / image.width, image.height);
            let (left, right, across) = along(at % image.width, image.width);
            let row = |row: usize| {
                let (a, b) = (plane[row * image.width + left], plane[row * image.width + right]);
                a + across * (b - a)
            };
            row(top) + down * (row(bottom) - row(top))
        };
        (0..plane.len()).map(value).collect()
    })
}

fn jpeg(image: &Planes, quality: u8) -> Result<Planes, ExplainError> {
    let failed = |error: image::ImageError| ExplainError::Encode(error.to_string());
    let (width, height) = (image.width as u32, image.height as u32);
    let pixels: Option<ImageBuffer<Rgb<u8>, _>> = ImageBuffer::from_raw(width, height, image.to_bytes());
    let pixels = pixels.ok_or(ExplainError::Images("an image has another number of values than pixels"))?;
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality).encode_image(&pixels).map_err(failed)?;
    let decoder = JpegDecoder::new(std::io::Cursor::new(file)).map_err(failed)?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(failed)?.into_rgb8();
    Ok(Planes::of_bytes(image.width, decoded.as_raw()))
}

/// Returns the image with noise of standard deviation 0.1 in each colour.
fn noisy(image: &Planes, place: usize) -> Planes {
    let noise = NoiseKey::new(19).named("battery").with(place as u64).normal(image.values.len());
    let values = image.values.iter().zip(noise).map(|(value, noise)| (value + 0.1 * noise).clamp(0.0, 1.0));
    Planes { values: values.collect(), ..*image }
}

/// Returns the image with a square of black and white fields in its upper left corner, a fifth of it wide.
fn patched(image: &Planes) -> Planes {
    let length = (side(image) as usize / 5).max(1);
    let field = (length / 4).max(1);
    let pixels = image.pixels();
    let value = |(at, value): (usize, &f32)| {
        let (row, column) = (at % pixels / image.width, at % pixels % image.width);
        let inside = row < length && column < length;
        if inside { ((row / field + column / field) % 2) as f32 } else { *value }
    };
    Planes { values: image.values.iter().enumerate().map(value).collect(), ..*image }
}

/// Returns the image with each colour's distance from its grey multiplied.
fn saturated(image: &Planes, factor: f32) -> Planes {
    let (luma, pixels) = (image.luma(), image.pixels());
    let value = |(at, value): (usize, &f32)| {
        let grey = luma[at % pixels];
        (grey + factor * (value - grey)).clamp(0.0, 1.0)
    };
    Planes { values: image.values.iter().enumerate().map(value).collect(), ..*image }
}

fn reversed(prompt: &str) -> String {
    prompt.split_whitespace().rev().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Planes {
        let values = (0..3 * 256).map(|at| (at % 16) as f32 / 15.0).collect();
        Planes { height: 16, width: 16, values }
    }

    #[test]
    fn edits_do_what_they_are_called() {
        let image = ramp();
        assert_eq!(mirrored(&mirrored(&image)), image);
        assert!((mirrored(&image).values[0] - 1.0).abs() < 1e-6);
        let half = cropped(&image, 0.5);
        assert!((half.values[0] - 0.25).abs() < 0.01 && (half.values[15] - 0.75).abs() < 0.01);
        let near = |a: &Planes, b: &Planes| a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() < 0.06);
        assert!(near(&jpeg(&image, 95).unwrap(), &image));
        let grey = saturated(&Planes { values: [0.8, 0.2, 0.1].map(|v| [v; 256]).concat(), ..image }, 0.0);
        assert!((grey.values[0] - grey.values[256]).abs() < 1e-6 && (grey.values[0] - 0.368).abs() < 1e-3);
        assert_eq!(reversed("a red cat"), "cat red a");
    }

    #[test]
    fn orders_are_compared_by_pairs() {
        assert_eq!(reordered(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), Some(0.0));
        assert_eq!(reordered(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(1.0));
        assert_eq!(reordered(&[1.0, 2.0], &[5.0, 5.0]), Some(0.5));
        assert_eq!(reordered(&[1.0, 1.0], &[1.0, 2.0]), None);
    }
}
