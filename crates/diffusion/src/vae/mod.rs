//! Variational autoencoders: images in and out of the latent space of Stable Diffusion and its kin.

mod block;
mod config;
mod encoder;
mod kl;
mod recompute;
mod tiles;
mod tiny;

use burn::tensor::{FloatDType, Tensor};
use moa_adapter::{Parameters, ParametersError};
use moa_device::as_type;

pub use config::{KlConfig, TinyConfig, VaeConfig};
use encoder::LazyEncoder;
use kl::KlDecoder;
use tiles::Tiling;
use tiny::TinyDecoder;

use crate::gradient::{Activations, bytes_of};

/// Most bytes of activations (see [`Vae::decoding_bytes`]) of an image whose gradient is computed from all activations at once;
/// larger ones keep the inputs of blocks, which are computed once more. The gradient takes about eight times as much (2 GiB), and about
/// three times where blocks are computed once more (measured at 128 and 288 pixels a side with Stable Diffusion's autoencoder).
const MOST_KEPT: u64 = 1 << 28;

#[derive(Clone, Debug)]
enum Decoder {
    Kl(Box<KlDecoder>),
    Tiny(TinyDecoder),
}

/// An autoencoder between images and the denoiser's latents, one image at a time on each thread. Latents and images are f32; the decoder
/// computes in the type of its weights, the encoder in f32.
///
/// The decoder is read when the autoencoder is loaded. The encoder is read from the same files when it is first used: sampling and
/// most training need none, and that of Stable Diffusion takes 137 MB.
#[derive(Clone, Debug)]
pub struct Vae {
    decoder: Decoder,
    encoder: LazyEncoder,
    latent_channels: usize,
    /// The type of number that the decoder computes in.
    kept: FloatDType,
    scale: f32,
    shift: f32,
    factor: usize,
    bytes_per_latent: u64,
    tiling: Option<Tiling>,
}

impl Vae {
    /// Takes the decoder's parameters, under diffusers' key names, and stores where the encoder's are. The decoder computes in the
    /// parameters' type of number.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &VaeConfig, parameters: &Parameters) -> Result<Self, ParametersError> {
        let kept = parameters.kept();
        let (latent_channels, scale, shift) = config.latents();
        let decoder = match config {
            VaeConfig::Kl(kl) => Decoder::Kl(Box::new(KlDecoder::load(kl, parameters)?)),
            VaeConfig::Tiny(tiny) => Decoder::Tiny(TinyDecoder::load(tiny, parameters)?),
        };
        let encoder = LazyEncoder::new(config, &parameters.in_type(FloatDType::F32));
        let (factor, bytes_per_latent) = (config.factor(), bytes_per_latent(config, bytes_of(kept)));
        Ok(Self { decoder, encoder, latent_channels, kept, scale, shift, factor, bytes_per_latent, tiling: None })
    }

    /// Returns the autoencoder with decoding in tiles where an image's activations would take more than `bytes`
    /// (estimated, see [`Vae::decoding_bytes`]; at least the smallest tile's, 16 latent pixels a side).
    ///
    /// Tiles overlap by a quarter and are blended; as group norms and attention see a tile only, the image differs a
    /// little from the one decoded whole, above all in its overall tone.
    pub fn within(mut self, bytes: u64) -> Self {
        self.tiling = Some(Tiling::within(bytes, self.bytes_per_latent));
        self
    }

    /// Returns about how many bytes the activations of decoding one image of `height × width` pixels take, in tiles where the
    /// autoencoder has a budget. The gradient of an image takes about eight times as much up to 256 MiB, and above about three times.
    pub fn decoding_bytes(&self, height: usize, width: usize) -> u64 {
        let latents = [height / self.factor, width / self.factor];
        let [height, width] = self.tiling.map_or(latents, |tiling| tiling.tile(latents));
        (height * width) as u64 * self.bytes_per_latent
    }

    /// Returns how many pixels along a side one latent pixel stands for; 8 for Stable Diffusion.
    pub fn factor(&self) -> usize {
        self.factor
    }

    /// Returns the number of channels of latents; 4 for Stable Diffusion.
    pub fn latent_channels(&self) -> usize {
        self.latent_channels
    }

    /// Returns the images of latents in the denoiser's scale, z / `scaling_factor` + `shift_factor` decoded.
    ///
    /// Gradients flow to latents that autodiff follows. The forward pass keeps the latents alone; the backward pass decodes every
    /// image (and tile) once more, one at a time on each thread. As in PyTorch, no gradient flows to pixels that are clamped.
    ///
    /// # Shapes
    /// - `latents`: `[rows, latent_channels, h, w]`
    /// - returns `[rows, 3, h·factor, w·factor]`, clamped to `[0, 1]`
    pub fn decode(&self, latents: &Tensor<4>) -> Tensor<4> {
        let vae = self.clone();
        recompute::rows(latents, move |row| vae.decode_one(row))
    }

    /// Decodes one image's latents, `[1, latent_channels, h, w]`.
    fn decode_one(&self, latents: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = latents.dims();
        let latents = latents / self.scale + self.shift;
        let images = match self.tiling.filter(|tiling| tiling.splits([height, width])) {
            // Each tile is tied by itself, so that the backward pass holds the activations of one.
            Some(tiling) => tiling.decode(&latents, self.factor, |tile| {
                let decoder = self.clone();
                recompute::tied(tile, move |tile| decoder.decode_whole(tile))
            }),
            None => self.decode_whole(latents),
        };
        images.clamp(0.0, 1.0)
    }

    /// Decodes latents in the autoencoder's own scale at once.
    fn decode_whole(&self, latents: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = latents.dims();
        let bytes = (height * width) as u64 * self.bytes_per_latent;
        let activations = if bytes > MOST_KEPT { Activations::Recomputed } else { Activations::Kept };
        let latents = as_type(latents, self.kept);
        let images = match &self.decoder {
            Decoder::Kl(decoder) => decoder.decode(latents, activations),
            Decoder::Tiny(decoder) => decoder.decode(latents, activations),
        };
        as_type(images, FloatDType::F32)
    }

    /// Returns the latents of images in the denoiser's scale, (z − `shift_factor`) · `scaling_factor`. Of an `AutoencoderKL` z is the
    /// mean of the posterior, which is its mode. No gradient flows through it.
    ///
    /// # Shapes
    /// - `images`: `[rows, 3, height, width]` in `[0, 1]`, sides multiples of the factor
    /// - returns `[rows, latent_channels, height / factor, width / factor]`
    ///
    /// # Errors
    /// Fails when the encoder, which is read at the first call, is missing from the autoencoder's files or does not fit its config.
    pub fn encode(&self, images: &Tensor<4>) -> Result<Tensor<4>, ParametersError> {
        let encoder = self.encoder.get()?;
        let latents = recompute::rows(&images.clone().inner(), move |image| encoder.encode(image));
        Ok((latents - self.shift) * self.scale)
    }
}

/// Returns about how many bytes the decoder's activations take for each latent pixel. The peak is at full resolution, where
/// the last upsampling leaves maps as wide as the second level: `MAPS` of them are alive at a time, some as patches of a
/// convolution.
fn bytes_per_latent(config: &VaeConfig, bytes_of_a_number: usize) -> u64 {
    const MAPS: usize = 4;
    let width = match config {
        VaeConfig::Kl(kl) => *kl.block_out_channels.get(1).unwrap_or(&kl.block_out_channels[0]),
        VaeConfig::Tiny(tiny) => tiny.decoder_block_out_channels[0],
    };
    (config.factor().pow(2) * width * MAPS * bytes_of_a_number) as u64
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use burn::tensor::{Device, TensorData};
    use moa_adapter::weight_files;
    use moa_core::NoiseKey;

    use super::*;

    fn vae(name: &str) -> Vae {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let config = VaeConfig::read(&fs::read(folder.join("config.json")).expect("config")).expect("known");
        let files = weight_files(&folder, "diffusion_pytorch_model").expect("weights");
        Vae::load(&config, &Parameters::open(&files, &Device::flex()).expect("weights")).expect("fits")
    }

    fn noise(name: &str, dims: [usize; 4]) -> Tensor<4> {
        let values = NoiseKey::new(5).named(name).normal(dims.iter().product());
        Tensor::from_data(TensorData::new(values, dims), &Device::flex())
    }

    #[test]
    fn decoders_computed_again_in_parts_have_the_same_gradients() {
        for name in ["vae_kl", "vae_sd3", "vae_tiny"] {
            let vae = vae(name);
            let latents = noise("latents", [1, vae.latent_channels, 5, 4]);
            let [kept, recomputed] = [Activations::Kept, Activations::Recomputed].map(|activations| {
                let leaf = latents.clone().autodiff().require_grad();
                let images = match &vae.decoder {
                    Decoder::Kl(decoder) => decoder.decode(leaf.clone(), activations),
                    Decoder::Tiny(decoder) => decoder.decode(leaf.clone(), activations),
                };
                let towards = noise("towards", images.dims());
                let mut gradients = (images * towards).sum().backward();
                leaf.grad_remove(&mut gradients).expect("a leaf has a gradient")
            });
            let largest = kept.clone().abs().max().into_scalar::<f32>();
            let worst = (recomputed - kept).abs().max().into_scalar::<f32>();
            assert!(largest > 0.1 && worst < 1e-4 * largest, "{name}: {worst} of {largest}");
        }
    }
}
