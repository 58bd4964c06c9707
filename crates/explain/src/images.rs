//! Images on the host, with their prompts.

use burn::tensor::{Device, Tensor};
use moa_device::{from_host, to_host};
use moa_reward::Pictures;

use crate::ExplainError;

/// The most values of all images together, 2²⁹: 2 GiB.
const MOST_VALUES: usize = 1 << 29;

/// One image: its red, green and blue planes in [0, 1], each row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// `3 × height × width` values.
    pub values: Vec<f32>,
}

impl Planes {
    /// Returns the number of pixels.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Returns the images of a batch, `[n, 3, height, width]`.
    pub fn of(pixels: Tensor<4>) -> Vec<Self> {
        let [_, channels, height, width] = pixels.dims();
        let values = to_host(pixels);
        let images = values.chunks_exact((channels * height * width).max(1));
        images.map(|values| Self { height, width, values: values.to_vec() }).collect()
    }

    /// Returns images of one size as a batch on the CPU.
    pub(crate) fn batch<'a>(images: impl Iterator<Item = &'a Self>, height: usize, width: usize) -> Tensor<4> {
        let values: Vec<f32> = images.flat_map(|image| image.values.iter().copied()).collect();
        let count = values.len() / (3 * height * width);
        from_host(values, [count, 3, height, width], &Device::flex())
    }

    /// Returns the image of bytes: red, green, blue, row after row.
    pub fn of_bytes(width: usize, rgb: &[u8]) -> Self {
        let pixels = rgb.len() / 3;
        let values = (0..3).flat_map(|c| (0..pixels).map(move |at| f32::from(rgb[3 * at + c]) / 255.0)).collect();
        Self { height: pixels / width.max(1), width, values }
    }

    /// Returns the image as bytes: red, green, blue, row after row.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (pixels, byte) = (self.pixels(), |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8);
        (0..pixels).flat_map(|at| [0, 1, 2].map(|c| byte(self.values[c * pixels + at]))).collect()
    }

    /// Returns the image with each plane replaced.
    pub(crate) fn by_plane(&self, plane: impl Fn(&[f32]) -> Vec<f32>) -> Self {
        Self { values: self.values.chunks_exact(self.pixels()).flat_map(plane).collect(), ..*self }
    }

    /// Returns the image with each value replaced, kept in [0, 1].
    pub(crate) fn by_value(&self, value: impl Fn(f32) -> f32) -> Self {
        Self { values: self.values.iter().map(|v| value(*v).clamp(0.0, 1.0)).collect(), ..*self }
    }

    /// Returns the luma of each pixel (ITU-R BT.601), in [0, 1].
    pub(crate) fn luma(&self) -> Vec<f32> {
        let pixels = self.pixels();
        let of = |at: usize| {
            0.299 * self.values[at] + 0.587 * self.values[pixels + at] + 0.114 * self.values[2 * pixels + at]
        };
        (0..pixels).map(of).collect()
    }

    /// Returns the image with some pixels of another one: a share in [0, 1] of each pixel.
    pub(crate) fn mixed(&self, other: &Self, shares: &[f32]) -> Self {
        let pixels = self.pixels();
        let value = |(at, (own, other)): (usize, (&f32, &f32))| own + shares[at % pixels] * (other - own);
        Self { values: self.values.iter().zip(&other.values).enumerate().map(value).collect(), ..*self }
    }
}

/// Images of one size, and their prompts. The images of a prompt are neighbours, `group` of each.
#[derive(Clone, Debug)]
pub struct Images {
    planes: Vec<Planes>,
    prompts: Vec<String>,
    group: usize,
}

impl Images {
    /// Returns the images of a batch.
    ///
    /// # Errors
    /// Refuses no images, and more than fit in memory.
    pub fn new(pictures: &Pictures) -> Result<Self, ExplainError> {
        let [count, _, height, width] = pictures.pixels().dims();
        if count == 0 {
            return Err(ExplainError::Images("there are no images"));
        }
        Self::check_size(count, height, width)?;
        let (prompts, group) = (pictures.prompts().to_vec(), pictures.group());
        Ok(Self { planes: Planes::of(pictures.pixels()), prompts, group })
    }

    /// Refuses more images than fit in memory, before they are drawn.
    ///
    /// # Errors
    /// Says how many are too many.
    pub fn check_size(images: usize, height: usize, width: usize) -> Result<(), ExplainError> {
        let values = [3, height, width].iter().try_fold(images, |product: usize, side| product.checked_mul(*side));
        match values {
            Some(values) if values <= MOST_VALUES => Ok(()),
            _ => Err(ExplainError::TooMany { images, width, height, most: MOST_VALUES }),
        }
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.planes.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.planes.is_empty()
    }

    /// Returns the number of images of each prompt.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Returns the images.
    pub fn images(&self) -> &[Planes] {
        &self.planes
    }

    /// Returns the prompt of each image.
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }

    /// Returns height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.planes[0].height, self.planes[0].width]
    }

    /// Returns how many prompts there are.
    pub fn prompt_count(&self) -> usize {
        self.len() / self.group
    }

    /// Returns the mean of a value per image over the images of each prompt.
    pub(crate) fn by_prompt(&self, values: &[f64]) -> Vec<f64> {
        values.chunks(self.group).map(|values| values.iter().sum::<f64>() / values.len() as f64).collect()
    }

    /// Returns the places of one image of each of `count` prompts at even distances.
    pub(crate) fn spread(&self, count: usize) -> Vec<usize> {
        let prompts = self.prompt_count();
        let count = count.min(prompts);
        (0..count).map(|at| at * prompts / count * self.group).collect()
    }
}
