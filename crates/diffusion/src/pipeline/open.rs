//! Opening a pipeline: all configs first, so that what cannot work is refused before gigabytes are read.

use std::path::Path;

use burn::tensor::Device;
use moa_adapter::LayerShape;

use super::conditioner::{Conditioner, Reader};
use super::index::{self, Family, ModelIndex};
use super::source::{Part, Source, TEXT_ENCODER, TEXT_ENCODER_2, UNET, VAE};
use super::{Pipeline, PipelineError, fit};
use crate::codec::{Codec, PixelCodec};
use crate::schedule::ScheduleConfig;
use crate::tokenizer::Tokenizer;
use crate::{ConfigError, TextConfig, TextEncoder, Unet, UnetConfig, Vae, VaeConfig};

const SCHEDULER: &str = "scheduler/scheduler_config.json";

/// Opens a pipeline.
pub(super) fn open(source: &Source<'_>, device: &Device) -> Result<Pipeline, PipelineError> {
    let index = source.bytes(index::FILE).map_err(|error| match error {
        PipelineError::MissingFile(_) => PipelineError::NoIndex,
        other => other,
    })?;
    let index = ModelIndex::read(&index)?;
    let unet = UnetConfig::read(&source.bytes(UNET.config)?)?;
    let schedule = schedule(&source.bytes(SCHEDULER)?)?;
    let words = |part, tokenizer| words(source, part, tokenizer);
    let mut texts = vec![words(TEXT_ENCODER, "tokenizer")?];
    if index.family == Family::Xl {
        texts.push(words(TEXT_ENCODER_2, "tokenizer_2")?);
    }
    let codec = codec(source, &index, device)?;
    let configs: Vec<TextConfig> = texts.iter().map(|(config, _)| config.clone()).collect();
    fit::check(index.family, &unet, &configs, &codec)?;

    let mut texts = texts.into_iter();
    let mut next = |part, projects| {
        let (config, tokenizer) = texts.next().unwrap_or_else(|| unreachable!("there is one for each encoder"));
        let encoder = source.load(part, device, |parameters| {
            let load = if projects { TextEncoder::load_with_projection } else { TextEncoder::load };
            load(&config, parameters)
        })?;
        Ok::<_, PipelineError>(Reader::new(tokenizer, encoder))
    };
    let first = next(TEXT_ENCODER, false)?;
    let conditioner = match index.family {
        Family::StableDiffusion => Conditioner::One(first),
        Family::Xl => {
            let side = (unet.sample_size * codec.factor()) as f32;
            Conditioner::Two {
                readers: Box::new([first, next(TEXT_ENCODER_2, true)?]),
                sizes: [side, side, 0.0, 0.0, side, side],
                zeros: index.zeros_for_empty_prompt,
            }
        }
    };
    let unet = source.load(UNET, device, |parameters| Unet::load(&unet, parameters))?;
    Ok(Pipeline { conditioner, unet, schedule, codec, device: device.clone() })
}

/// Returns the layers of the denoiser in a pipeline's folder that adapters can bend, as [`Pipeline::adaptable`] does, from the
/// headers of its weights alone.
///
/// # Errors
/// Names the folder, and the file that is missing, damaged or unknown.
pub fn adaptable_in(folder: &Path) -> Result<Vec<LayerShape>, PipelineError> {
    let source = Source::Folder(folder);
    let layers = || {
        UnetConfig::read(&source.bytes(UNET.config)?)?;
        source.load(UNET, &Device::flex(), |parameters| {
            let layer = |tensor: String| {
                let name = tensor.strip_suffix(".weight")?.to_owned();
                let [d_out, d_in] = parameters.shape(&tensor)?.try_into().ok()?;
                Some(LayerShape { name, d_in, d_out })
            };
            Ok(parameters.names().into_iter().filter_map(layer).collect())
        })
    };
    layers().map_err(|source: PipelineError| source.within(folder))
}

fn schedule(json: &[u8]) -> Result<ScheduleConfig, PipelineError> {
    let schedule: ScheduleConfig =
        serde_json::from_slice(json).map_err(|source| ConfigError::Json { file: SCHEDULER, source })?;
    if let ScheduleConfig::Ddim(ddim) = &schedule {
        ddim.check()?;
    }
    Ok(schedule)
}

/// Reads the config of a text encoder, and the tokenizer that belongs to it.
fn words(
    source: &Source<'_>,
    part: Part,
    tokenizer: &'static str,
) -> Result<(TextConfig, Tokenizer), PipelineError> {
    let config = TextConfig::read(&source.bytes(part.config)?, part.config)?;
    let tokenizer = source.tokenizer(tokenizer, config.max_position_embeddings)?;
    tokenizer.check_vocabulary(config.vocab_size)?;
    Ok((config, tokenizer))
}

fn codec(source: &Source<'_>, index: &ModelIndex, device: &Device) -> Result<Codec, PipelineError> {
    if !index.has_vae {
        return Ok(Codec::Pixels(PixelCodec { factor: 2 }));
    }
    let config = VaeConfig::read(&source.bytes(VAE.config)?)?;
    let vae = source.load(VAE, device, |parameters| Vae::load(&config, parameters))?;
    Ok(Codec::Vae(Box::new(vae)))
}
