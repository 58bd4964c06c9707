//! Variational autoencoders: pictures in and out of the latent space of Stable Diffusion and its kin.

mod block;
mod config;
mod kl;
mod tiles;
mod tiny;

use burn::tensor::{Device, Tensor};
use moa_adapter::{Parameters, ParametersError};
use rayon::prelude::*;

pub use config::{KlConfig, TinyConfig, VaeConfig};
use kl::AutoencoderKl;
use tiles::Tiling;
use tiny::AutoencoderTiny;

#[derive(Clone, Debug)]
enum Network {
    Kl(Box<AutoencoderKl>),
    Tiny(AutoencoderTiny),
}

/// An autoencoder between pictures and the denoiser's latents; always in f32, one picture at a time on each thread.
#[derive(Clone, Debug)]
pub struct Vae {
    network: Network,
    latent_channels: usize,
    scale: f32,
    shift: f32,
    factor: usize,
    bytes_per_latent: u64,
    tiling: Option<Tiling>,
}

impl Vae {
    /// Takes the autoencoder's parameters, under diffusers' key names.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &VaeConfig, parameters: &Parameters) -> Result<Self, ParametersError> {
        let (latent_channels, scale, shift) = config.latents();
        let network = match config {
            VaeConfig::Kl(kl) => Network::Kl(Box::new(AutoencoderKl::load(kl, parameters)?)),
            VaeConfig::Tiny(tiny) => Network::Tiny(AutoencoderTiny::load(tiny, parameters)?),
        };
        let (factor, bytes_per_latent) = (config.factor(), bytes_per_latent(config));
        Ok(Self { network, latent_channels, scale, shift, factor, bytes_per_latent, tiling: None })
    }

    /// Returns the autoencoder with decoding in tiles where a picture's activations would take more than `bytes`
    /// (estimated, see [`Vae::decoding_bytes`]; at least the smallest tile's, 16 latent pixels a side).
    ///
    /// Tiles overlap by a quarter and are blended; as group norms and attention see a tile only, the picture differs a
    /// little from the one decoded whole, above all in its overall tone.
    pub fn within(mut self, bytes: u64) -> Self {
        self.tiling = Some(Tiling::within(bytes, self.bytes_per_latent));
        self
    }

    /// Returns about how many bytes the activations of decoding one picture of `height × width` pixels take, in tiles where the
    /// autoencoder has a budget.
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

    /// Returns the pictures of latents in the denoiser's scale, z / `scaling_factor` + `shift_factor` decoded.
    ///
    /// # Shapes
    /// - `latents`: `[rows, latent_channels, h, w]`
    /// - returns `[rows, 3, h·factor, w·factor]`, clamped to `[0, 1]`
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        let latents = latents / self.scale + self.shift;
        let one = |latents: Tensor<4>| match &self.network {
            Network::Kl(network) => network.decode(latents),
            Network::Tiny(network) => network.decode(latents),
        };
        let one = |row: Tensor<4>| match self.tiling {
            Some(tiling) => tiling.decode(&row, self.factor, one),
            None => one(row),
        };
        let rows: Vec<Tensor<4>> = rows(&latents).collect();
        // On the CPU's own device most of the work keeps one core busy.
        let pictures = if latents.device() == Device::flex() {
            rows.into_par_iter().map(one).collect()
        } else {
            rows.into_iter().map(one).collect()
        };
        Tensor::cat(pictures, 0).clamp(0.0, 1.0)
    }

    /// Returns the latents of pictures in the denoiser's scale: the posterior's mean.
    ///
    /// # Shapes
    /// - `pictures`: `[rows, 3, height, width]` in `[0, 1]`, sides multiples of the factor
    /// - returns `[rows, latent_channels, height / factor, width / factor]`
    pub fn encode(&self, pictures: &Tensor<4>) -> Tensor<4> {
        self.latents(pictures, None)
    }

    /// Returns latents drawn from the posterior with the given standard normal noise, which has the latents' shape. An
    /// `AutoencoderTiny` has no posterior, and leaves the noise alone.
    pub fn encode_with(&self, pictures: &Tensor<4>, noise: &Tensor<4>) -> Tensor<4> {
        self.latents(pictures, Some(noise))
    }

    fn latents(&self, pictures: &Tensor<4>, noise: Option<&Tensor<4>>) -> Tensor<4> {
        let latents = rows(pictures).enumerate().map(|(row, picture)| match &self.network {
            Network::Tiny(network) => network.encode(picture),
            Network::Kl(network) => {
                let [mean, deviation] = network.encode(picture);
                match noise {
                    Some(noise) => mean + deviation * noise.clone().narrow(0, row, 1),
                    None => mean,
                }
            }
        });
        (Tensor::cat(latents.collect(), 0) - self.shift) * self.scale
    }
}

/// Returns the rows of a batch, each as a batch of one.
fn rows(batch: &Tensor<4>) -> impl Iterator<Item = Tensor<4>> {
    (0..batch.dims()[0]).map(|row| batch.clone().narrow(0, row, 1))
}

/// Returns about how many bytes the decoder's activations take for each latent pixel. The peak is at full resolution, where
/// the last upsampling leaves maps as wide as the second level: `MAPS` of them are alive at a time, some as patches of a
/// convolution.
fn bytes_per_latent(config: &VaeConfig) -> u64 {
    const MAPS: usize = 4;
    let width = match config {
        VaeConfig::Kl(kl) => *kl.block_out_channels.get(1).unwrap_or(&kl.block_out_channels[0]),
        VaeConfig::Tiny(tiny) => tiny.decoder_block_out_channels[0],
    };
    (config.factor().pow(2) * width * MAPS * size_of::<f32>()) as u64
}
