//! Opening a pipeline: all configs first, so that what cannot work is refused before gigabytes are read.

use super::conditioner::{Conditioner, Encoder, Reader};
use super::family::{ClipStates, Family, Reads, TextPart, Widths};
use super::index::{self, ModelIndex};
use super::source::{Source, VAE};
use super::{Pipeline, PipelineError, fit};
use crate::codec::{Codec, PixelCodec};
use crate::schedule::ScheduleConfig;
use crate::tokenizer::Tokenizer;
use crate::{Compute, T5Config, T5Encoder, TextConfig, TextEncoder, Vae, VaeConfig};

const SCHEDULER: &str = "scheduler/scheduler_config.json";
/// The most that activations take while an image is decoded, 4 GiB: larger images than 1024 × 1024 by Stable Diffusion's autoencoder
/// are decoded in tiles.
const DECODING: u64 = 4 << 30;

/// Opens a pipeline.
pub(super) fn open(source: &Source<'_>, compute: &Compute) -> Result<Pipeline, PipelineError> {
    let index = read_index(source, compute.t5)?;
    let family = index.family;
    check_wanted(family, compute.t5)?;
    let network = (family.network)(&source.bytes(family.denoiser.config)?)?;
    let schedule = schedule(&source.bytes(SCHEDULER)?, &index, network.image_tokens())?;
    let words = |text: &&'static TextPart| Words::read(source, text, network.t5_tokens());
    let texts = index.texts.iter().map(words).collect::<Result<Vec<_>, _>>()?;
    check_lengths(&texts)?;
    let codec = codec(source, &index, compute)?;
    let widths = Widths::of(&texts);
    network.check(widths, &codec)?;

    let numbers = network.numbers(network.sample_size() * codec.factor());
    let readers = texts.into_iter().map(|text| text.load(source, compute)).collect::<Result<_, _>>()?;
    let conditioner = Conditioner::new(readers, numbers, index.zeros_for_no_prompt);
    let embeds_guidance = network.embeds_guidance();
    let backbone =
        source.load(family.denoiser, &compute.device, |parameters| network.load(parameters, widths, compute))?;
    Ok(Pipeline { conditioner, backbone, schedule, codec, embeds_guidance, compute: compute.clone(), files: None })
}

/// Reads the index; text encoders that a pipeline may lack are left out where they are not there, or not wanted.
fn read_index(source: &Source<'_>, t5: bool) -> Result<ModelIndex, PipelineError> {
    let index = source.bytes(index::FILE).map_err(|error| match error {
        PipelineError::MissingFile(_) => PipelineError::NoIndex,
        other => other,
    })?;
    Ok(ModelIndex::read(&index, |text| t5 && source.has_part(text.part.folder))?)
}

/// Refuses to leave out T5 where the family does not do without.
fn check_wanted(family: &Family, t5: bool) -> Result<(), PipelineError> {
    match family.texts.iter().find(|text| matches!(text.reads, Reads::T5 { optional: false })) {
        Some(text) if !t5 => Err(PipelineError::Mismatch {
            file: index::FILE,
            field: text.part.folder,
            value: "left out".into(),
            wanted: format!("{} reads prompts with T5 and does not do without: open it with T5", family.name),
        }),
        _ => Ok(()),
    }
}

/// Reads the schedule, with the noise levels of the family's flows.
fn schedule(json: &[u8], index: &ModelIndex, tokens: Option<usize>) -> Result<ScheduleConfig, PipelineError> {
    let (family, owner) = (index.family, index.schedule_owner());
    let mut schedule = match tokens {
        Some(tokens) => ScheduleConfig::read_for(json, owner, tokens)?,
        None => ScheduleConfig::read_of(json, owner)?,
    };
    match (family.flow, &mut schedule) {
        (Some(levels), ScheduleConfig::Flow(flow)) => flow.levels = levels,
        (Some(_), ScheduleConfig::Ddim(_)) => {
            return Err(PipelineError::Mismatch {
                file: SCHEDULER,
                field: "_class_name",
                value: "no FlowMatchEulerDiscreteScheduler".into(),
                wanted: format!(
                    "{} is a rectified flow: write such a scheduler's config, with the model's shift",
                    family.name
                ),
            });
        }
        _ => {}
    }
    Ok(schedule)
}

/// A text encoder before it is loaded.
struct Words {
    text: &'static TextPart,
    tokenizer: Tokenizer,
    config: WordsConfig,
}

enum WordsConfig {
    Clip(TextConfig),
    T5(T5Config),
}

impl Words {
    /// Reads the config of a text encoder, and the tokenizer that belongs to it.
    fn read(source: &Source<'_>, text: &'static TextPart, t5_tokens: usize) -> Result<Self, PipelineError> {
        let json = source.bytes(text.part.config)?;
        let (tokenizer, config, size) = match text.reads {
            Reads::Clip { .. } => {
                let config = TextConfig::read(&json, text.part.config)?;
                let tokenizer = source.tokenizer(text.tokenizer, config.max_position_embeddings)?;
                let size = config.vocab_size;
                (tokenizer, WordsConfig::Clip(config), size)
            }
            Reads::T5 { .. } => {
                let config = T5Config::read(&json, text.part.config)?;
                let size = config.vocab_size;
                (source.t5_tokenizer(text.tokenizer, t5_tokens)?, WordsConfig::T5(config), size)
            }
        };
        tokenizer.check_vocabulary(size)?;
        Ok(Self { text, tokenizer, config })
    }

    /// Returns the width of the states that are read beside those of other encoders.
    fn clip_width(&self) -> Option<usize> {
        match (&self.config, self.text.reads) {
            (WordsConfig::Clip(config), Reads::Clip { states, .. }) if states != ClipStates::None => {
                Some(config.hidden_size)
            }
            _ => None,
        }
    }

    fn load(self, source: &Source<'_>, compute: &Compute) -> Result<Reader, PipelineError> {
        let kept = compute.kept();
        let encoder = source.load(self.text.part, &compute.device, |parameters| {
            let parameters = &parameters.in_type(kept);
            Ok(match (&self.config, self.text.reads) {
                (WordsConfig::Clip(config), Reads::Clip { states, pooled, projects }) => {
                    let load = if projects { TextEncoder::load_with_projection } else { TextEncoder::load };
                    Encoder::Clip { encoder: Box::new(load(config, parameters)?), states, pooled }
                }
                (WordsConfig::T5(config), _) => Encoder::T5(Box::new(T5Encoder::load(config, parameters)?)),
                (WordsConfig::Clip(_), Reads::T5 { .. }) => unreachable!("the config is that of the part"),
            })
        })?;
        Ok(Reader::new(self.tokenizer, encoder))
    }
}

impl Widths {
    fn of(texts: &[Words]) -> Self {
        let mut widths = Self { clip: texts.iter().filter_map(Words::clip_width).sum(), ..Self::default() };
        for text in texts {
            match (&text.config, text.text.reads) {
                (WordsConfig::Clip(config), Reads::Clip { pooled: true, projects, .. }) => {
                    widths.pooled += if projects { config.projected_width() } else { config.hidden_size };
                }
                (WordsConfig::T5(config), _) => widths.t5 = Some(config.d_model),
                _ => {}
            }
        }
        widths
    }
}

/// Refuses tokenizers of CLIP that cut texts to different lengths, where states lie side by side.
fn check_lengths(texts: &[Words]) -> Result<(), PipelineError> {
    let mut beside = texts.iter().filter(|text| text.clip_width().is_some()).map(|text| text.tokenizer.length());
    match (beside.next(), beside.next()) {
        (Some(first), Some(second)) => fit::check_lengths(first, second),
        _ => Ok(()),
    }
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
