//! Opening a pipeline: all configs first, so that what cannot work is refused before gigabytes are read.

use std::path::Path;

use burn::tensor::Device;
use moa_adapter::{LayerShape, Parameters};

use super::conditioner::{Conditioner, Reader};
use super::index::{self, Family, ModelIndex};
use super::network::Network;
use super::source::{Part, Source, TEXT_ENCODER, TEXT_ENCODER_2, VAE};
use super::{Pipeline, PipelineError, fit};
use crate::codec::{Codec, PixelCodec};
use crate::schedule::{FlowLevels, ScheduleConfig};
use crate::tokenizer::Tokenizer;
use crate::{Compute, ConfigError, TextConfig, TextEncoder, Vae, VaeConfig};

const SCHEDULER: &str = "scheduler/scheduler_config.json";
/// The most that activations take while an image is decoded, 4 GiB: larger images than 1024 × 1024 by Stable Diffusion's autoencoder
/// are decoded in tiles.
const DECODING: u64 = 4 << 30;
/// Stable Diffusion 3's third text encoder.
const T5: &str = "text_encoder_3";

/// Opens a pipeline.
pub(super) fn open(source: &Source<'_>, compute: &Compute) -> Result<Pipeline, PipelineError> {
    let kept = compute.kept();
    let index = read_index(source)?;
    let network = Network::read(source, index.family)?;
    let schedule = schedule(&source.bytes(SCHEDULER)?, &index)?;
    let words = |part, tokenizer| words(source, part, tokenizer);
    let mut texts = vec![words(TEXT_ENCODER, "tokenizer")?];
    if index.family != Family::StableDiffusion {
        texts.push(words(TEXT_ENCODER_2, "tokenizer_2")?);
    }
    if let [(_, first), (_, second)] = &texts[..] {
        fit::check_lengths(first.length(), second.length())?;
    }
    let codec = codec(source, &index, compute)?;
    let configs: Vec<TextConfig> = texts.iter().map(|(config, _)| config.clone()).collect();
    network.check(index.family, &configs, &codec)?;

    let mut texts = texts.into_iter();
    let mut next = |part, projects| {
        let (config, tokenizer) = texts.next().unwrap_or_else(|| unreachable!("there is one for each encoder"));
        let encoder = source.load(part, &compute.device, |parameters| {
            let load = if projects { TextEncoder::load_with_projection } else { TextEncoder::load };
            load(&config, &parameters.in_type(kept))
        })?;
        Ok::<_, PipelineError>(Reader::new(tokenizer, encoder))
    };
    let first = next(TEXT_ENCODER, index.family == Family::Sd3)?;
    let conditioner = match index.family {
        Family::StableDiffusion => Conditioner::One(Box::new(first)),
        Family::Xl => {
            let side = (network.sample_size() * codec.factor()) as f32;
            Conditioner::Two {
                readers: Reader::pair(first, next(TEXT_ENCODER_2, true)?),
                sizes: [side, side, 0.0, 0.0, side, side],
                zeros: index.zeros_for_empty_prompt,
            }
        }
        Family::Sd3 => Conditioner::Pooled(Reader::pair(first, next(TEXT_ENCODER_2, true)?)),
    };
    let backbone = network.load(source, compute)?;
    Ok(Pipeline { conditioner, backbone, schedule, codec, compute: compute.clone() })
}

/// Reads the index, and refuses a part that would be left out against its will.
fn read_index(source: &Source<'_>) -> Result<ModelIndex, PipelineError> {
    let index = source.bytes(index::FILE).map_err(|error| match error {
        PipelineError::MissingFile(_) => PipelineError::NoIndex,
        other => other,
    })?;
    let index = ModelIndex::read(&index)?;
    if index.family == Family::Sd3 && source.has_part(T5) {
        let wanted = "it is not known: take the folder text_encoder_3 away, and images are drawn without it, as diffusers \
                      draws them with text_encoder_3=None";
        return Err(ConfigError::Field { file: index::FILE, field: T5, value: "there".into(), wanted }.into());
    }
    Ok(index)
}

/// Returns the layers of the denoiser in a pipeline's folder that can be adapted, as [`Pipeline::adaptable`] does, from the
/// headers of its weights alone.
///
/// # Errors
/// Names the folder, and the file that is missing, damaged or unknown.
pub fn adaptable_in(folder: &Path) -> Result<Vec<LayerShape>, PipelineError> {
    let source = Source::Folder(folder);
    let read = || {
        let family = read_index(&source)?.family;
        Network::read(&source, family)?;
        source.load(Network::part(family), &Device::flex(), |parameters| Ok(layers(parameters)))
    };
    read().map_err(|source: PipelineError| source.within(folder))
}

/// Returns the linear layers among a denoiser's parameters: those with weights of two dimensions.
pub(super) fn layers(parameters: &Parameters) -> Vec<LayerShape> {
    let layer = |tensor: String| {
        let name = tensor.strip_suffix(".weight")?.to_owned();
        let [d_out, d_in] = parameters.shape(&tensor)?.try_into().ok()?;
        Some(LayerShape { name, d_in, d_out })
    };
    parameters.names().into_iter().filter_map(layer).collect()
}

/// Reads the schedule, with the noise levels of the family's flows.
fn schedule(json: &[u8], index: &ModelIndex) -> Result<ScheduleConfig, PipelineError> {
    let mut schedule = ScheduleConfig::read_of(json, index.schedule_owner())?;
    match (index.family, &mut schedule) {
        (Family::Sd3, ScheduleConfig::Flow(flow)) => flow.levels = FlowLevels::Timesteps,
        (Family::Sd3, ScheduleConfig::Ddim(_)) => {
            let wanted =
                "Stable Diffusion 3 is a rectified flow: write such a scheduler's config, with the model's shift";
            let (field, value) = ("_class_name", "no FlowMatchEulerDiscreteScheduler".into());
            return Err(ConfigError::Field { file: SCHEDULER, field, value, wanted }.into());
        }
        _ => {}
    }
    Ok(schedule)
}

/// Reads the config of a text encoder, and the tokenizer that belongs to it.
fn words(source: &Source<'_>, part: Part, tokenizer: &'static str) -> Result<(TextConfig, Tokenizer), PipelineError> {
    let config = TextConfig::read(&source.bytes(part.config)?, part.config)?;
    let tokenizer = source.tokenizer(tokenizer, config.max_position_embeddings)?;
    tokenizer.check_vocabulary(config.vocab_size)?;
    Ok((config, tokenizer))
}

fn codec(source: &Source<'_>, index: &ModelIndex, compute: &Compute) -> Result<Codec, PipelineError> {
    if !index.has_vae {
        return Ok(Codec::Pixels(PixelCodec { factor: 2 }));
    }
    let config = VaeConfig::read(&source.bytes(VAE.config)?)?;
    let vae = source
        .load(VAE, &compute.device, |parameters| Vae::load(&config, &parameters.in_type(compute.kept_by_decoders())))?;
    Ok(Codec::Vae(Box::new(vae.within(DECODING))))
}
