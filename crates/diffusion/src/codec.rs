//! Images into and out of the denoiser's space: by an autoencoder, or by pixel-unshuffle where there is none.

use burn::tensor::Tensor;
use moa_adapter::ParametersError;

use crate::Vae;

/// What lies between the denoiser's space and images.
#[derive(Clone, Debug)]
pub enum Codec {
    /// Pixels, folded into channels.
    Pixels(PixelCodec),
    /// An autoencoder's latents. It takes one image at a time on each thread, so that memory does not grow with the batch.
    Vae(Box<Vae>),
}

impl Codec {
    /// Returns the samples of images `[n, 3, h·f, w·f]` in `[0, 1]`: `[n, channels, h, w]`, in the denoiser's scale. An autoencoder
    /// encodes as [`Vae::encode`] says.
    ///
    /// # Errors
    /// Fails when an autoencoder's encoder, which is read at the first call, is missing or does not fit its config.
    pub fn encode(&self, images: Tensor<4>) -> Result<Tensor<4>, ParametersError> {
        match self {
            Self::Pixels(codec) => Ok(codec.encode(images)),
            Self::Vae(vae) => vae.encode(&images),
        }
    }

    /// Returns the images of samples `[n, channels, h, w]`: `[n, 3, h·f, w·f]` in `[0, 1]`. Gradients flow to the samples; not to
    /// pixels that are clamped to the range.
    pub fn decode(&self, samples: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Pixels(codec) => codec.decode(samples),
            Self::Vae(vae) => vae.decode(&samples),
        }
    }

    /// Returns about how many bytes it takes to decode one image of so many pixels.
    pub fn decoding_bytes(&self, height: usize, width: usize) -> u64 {
        match self {
            Self::Pixels(_) => (3 * height * width * size_of::<f32>()) as u64,
            Self::Vae(vae) => vae.decoding_bytes(height, width),
        }
    }

    /// Returns f, the pixels along a side of an image for each along a side of a sample.
    pub fn factor(&self) -> usize {
        match self {
            Self::Pixels(codec) => codec.factor,
            Self::Vae(vae) => vae.factor(),
        }
    }

    /// Returns the channels of samples.
    pub fn channels(&self) -> usize {
        match self {
            Self::Pixels(codec) => 3 * codec.factor * codec.factor,
            Self::Vae(vae) => vae.latent_channels(),
        }
    }
}

/// Folds `factor × factor` pixels into channels, in PyTorch's order (channel · factor² + row · factor + column), with
/// colours scaled from `[0, 1]` to `[−1, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelCodec {
    /// Pixels folded along each side.
    pub factor: usize,
}

impl PixelCodec {
    /// Returns latents `[n, c·f², h/f, w/f]` of images `[n, c, h, w]`.
    pub fn encode(self, images: Tensor<4>) -> Tensor<4> {
        let ([n, c, h, w], f) = (images.dims(), self.factor);
        (images * 2.0 - 1.0).reshape([n, c, h / f, f, w / f, f]).permute([0, 1, 3, 5, 2, 4]).reshape([
            n,
            c * f * f,
            h / f,
            w / f,
        ])
    }

    /// Returns images `[n, c, h·f, w·f]` of latents `[n, c·f², h, w]`, clamped to `[0, 1]`.
    pub fn decode(self, latents: Tensor<4>) -> Tensor<4> {
        let ([n, c, h, w], f) = (latents.dims(), self.factor);
        let images = latents.reshape([n, c / (f * f), f, f, h, w]).permute([0, 1, 4, 2, 5, 3]);
        ((images.reshape([n, c / (f * f), h * f, w * f]) + 1.0) / 2.0).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn channels_follow_pytorch_and_decoding_inverts() {
        let values: Vec<f32> = (0..16).map(|v| v as f32 / 16.0).collect();
        let picture = Tensor::<4>::from_data(TensorData::new(values.clone(), [1, 1, 4, 4]), &Device::flex());
        let codec = PixelCodec { factor: 2 };
        let latents = codec.encode(picture);
        let first = latents.clone().narrow(1, 1, 1).into_data().try_into_vec::<f32>().expect("f32");
        let wanted: Vec<f32> = [1.0, 3.0, 9.0, 11.0].iter().map(|v| v / 16.0 * 2.0 - 1.0).collect();
        assert_eq!(first, wanted, "channel 1 holds row 0, column 1 of every square");
        assert_eq!(codec.decode(latents).into_data().try_into_vec::<f32>().expect("f32"), values);
    }

    #[test]
    fn gradients_flow_to_latents_whose_pixels_are_not_clamped() {
        let device = Device::flex();
        let codec = PixelCodec { factor: 2 };
        // Channel 1 is row 0, column 1: pixels 0.75, clamped, 0.25 and 0.5 in order of channels.
        let latents = Tensor::<4>::from_data([[[[0.5f32]], [[1.5]], [[-0.5]], [[0.0]]]], &device);
        let leaf = latents.autodiff().require_grad();
        let weights = Tensor::<4>::from_data([[[[1.0f32, 2.0], [3.0, 4.0]]]], &device);
        let mut gradients = (codec.decode(leaf.clone()) * weights).sum().backward();
        let gradient = leaf.grad_remove(&mut gradients).expect("a leaf has a gradient");
        // Half of each pixel's weight: colours span 2 in latents.
        assert_eq!(gradient.into_data().try_into_vec::<f32>().expect("f32"), [0.5, 0.0, 1.5, 2.0]);
    }
}
