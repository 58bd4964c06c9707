//! The gradient of a tower's input with respect to the image that it is made of.

use super::{Bytes, Centre, PictureProcessor};
use crate::{Preprocessor, Raster};

impl PictureProcessor {
    /// Returns the gradient with respect to an image's colours in [0, 1] from that of [`PictureProcessor::process`]'s result.
    ///
    /// Rounding to bytes, which has no slope, passes a gradient on as it is (Bengio et al., 1308.3432, call that
    /// straight-through); resizing, cropping and normalising are linear but where resizing leaves the range of a byte and is
    /// cut: there the gradient is 0.
    ///
    /// # Shapes
    /// - `gradient`: `[3, height, width]` of the result, in a row
    /// - returns `[3, height, width]` of the image, in a row
    pub(crate) fn gradient(&self, picture: &Raster, gradient: &[f32]) -> Vec<f32> {
        let source = Bytes { width: picture.width, height: picture.height, rgb: picture.to_bytes() };
        let resized = self.resize.map(|(size, filter)| (size.of(&source), filter));
        let [height, width] = resized.map_or([source.height, source.width], |(size, _)| size);
        let deviations = self.normalise.as_ref().map_or([1.0; 3], |Preprocessor { image_std, .. }| *image_std);
        let slopes = deviations.map(|deviation| (255.0 * self.rescale / f64::from(deviation)) as f32);
        let mut bytes = uncropped(gradient, self.crop.unwrap_or([height, width]), [height, width], self.centre);
        for pixel in bytes.chunks_exact_mut(3) {
            pixel.iter_mut().zip(slopes).for_each(|(value, slope)| *value *= slope);
        }
        if let Some(([height, width], filter)) = resized {
            bytes = source.resized_gradient(width, height, filter, &bytes);
        }
        (0..3).flat_map(|channel| bytes.iter().skip(channel).step_by(3).copied()).collect()
    }
}

/// Returns the gradient of an image, row by row, RGB, from that of its centre, `[3, height, width]`: 0 where the image was
/// cut, and nothing of the black that was put around it.
fn uncropped(gradient: &[f32], part: [usize; 2], [height, width]: [usize; 2], centre: Centre) -> Vec<f32> {
    let (top, left) = (centre.start(height, part[0]), centre.start(width, part[1]));
    let mut whole = vec![0.0; height * width * 3];
    for (channel, plane) in gradient.chunks_exact(part[0] * part[1]).enumerate() {
        for (row, line) in plane.chunks_exact(part[1]).enumerate() {
            let y = row as isize + top;
            if !(0..height as isize).contains(&y) {
                continue;
            }
            for (column, value) in line.iter().enumerate() {
                let x = column as isize + left;
                if (0..width as isize).contains(&x) {
                    whole[(y as usize * width + x as usize) * 3 + channel] = *value;
                }
            }
        }
    }
    whole
}
