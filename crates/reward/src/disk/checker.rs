//! Stable Diffusion's safety checker, `StableDiffusionSafetyChecker` of diffusers (Rando et al., 2210.04610, describe it and
//! its limits).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use moa_adapter::{Init, Parameters};
use moa_device::{from_host, to_host};

use super::config::read_config;
use super::processor::PictureProcessor;
use super::shelf::{in_weights, open_pictures, open_weights};
use crate::{PictureEmbedder, RewardError, cosine};

/// What special care adds to every other concept's margin.
const ADJUSTMENT: f32 = 0.01;

/// What the checker says of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The largest cosine − threshold over the unsafe concepts, special care included; not a number for an image whose
    /// embedding is not finite.
    pub margin: f32,
    /// Whether diffusers would blacken the image: the margin, rounded to three digits, is above 0.
    pub refused: bool,
}

struct Concept {
    /// Of unit length.
    direction: Vec<f32>,
    threshold: f32,
}

impl Concept {
    fn margin(&self, embedding: &[f32]) -> f32 {
        cosine(embedding, &self.direction) - self.threshold
    }
}

/// A safety checker: 17 unsafe concepts with a threshold each, and 3 of special care, which lower all thresholds by 0.01
/// where an image shows one.
pub struct Checker {
    pictures: Arc<PictureEmbedder>,
    concepts: Vec<Concept>,
    special: Vec<Concept>,
}

impl Checker {
    /// Opens the checker in a folder, or in the pipeline's folder that has it as `safety_checker`. Its image processor is in
    /// the folder itself, or in the pipeline's `feature_extractor`.
    ///
    /// # Errors
    /// Says which file or tensor is missing or damaged.
    pub(super) fn open(folder: &Path, device: &Device) -> Result<Self, RewardError> {
        let folder = &checker_folder(folder);
        if folder.join("model_index.json").is_file() {
            let problem = "the pipeline has no safety_checker: name the folder of a StableDiffusionSafetyChecker, or a pipeline \
                           that has one, such as hf:stable-diffusion-v1-5/stable-diffusion-v1-5";
            return Err(RewardError::file(folder, problem));
        }
        let config = read_config(folder)?;
        let parameters = open_weights(folder, device)?;
        if !parameters.has("concept_embeds") {
            let problem = "its weights have no `concept_embeds`: name the folder of a StableDiffusionSafetyChecker, such as \
                           safety_checker of a Stable Diffusion pipeline";
            return Err(RewardError::file(folder, problem));
        }
        let pictures =
            Arc::new(open_pictures(folder, PictureProcessor::find(&processor_folders(folder))?, &config, &parameters)?);
        let read = |name: &str| concepts(folder, &parameters, name, config.projection_dim);
        Ok(Self { pictures, concepts: read("concept_embeds")?, special: read("special_care_embeds")? })
    }

    /// Returns what embeds images for the checker.
    pub fn pictures(&self) -> &Arc<PictureEmbedder> {
        &self.pictures
    }

    /// Returns the margins of rows of embeddings, `[n, width]`, as [`Checker::verdict`] does, with autodiff. The gradient is that of
    /// the concept with the largest margin; special care, a step, has none.
    pub(crate) fn margins(&self, embeddings: Tensor<2>) -> Tensor<1> {
        let ([count, width], device) = (embeddings.dims(), embeddings.device().without_autodiff());
        let rows = to_host(embeddings.clone().inner());
        let adjustments: Vec<f32> = rows.chunks_exact(width).map(|row| self.adjustment(row)).collect();
        let adjustments = from_host(adjustments, [count, 1], &device);
        let directions = self.concepts.iter().flat_map(|concept| concept.direction.iter().copied()).collect::<Vec<_>>();
        let directions = from_host(directions, [self.concepts.len(), width], &device);
        let thresholds: Vec<f32> = self.concepts.iter().map(|concept| concept.threshold).collect();
        let thresholds = from_host(thresholds.clone(), [thresholds.len()], &device).unsqueeze_dim(0);
        (embeddings.matmul(directions.transpose()) - thresholds + adjustments).max_dim(1).squeeze_dim(1)
    }

    /// Returns what special care adds to the margins of an image with this embedding.
    fn adjustment(&self, embedding: &[f32]) -> f32 {
        let shows = |concept: &Concept| is_above(concept.margin(embedding));
        if self.special.iter().any(shows) { ADJUSTMENT } else { 0.0 }
    }

    /// Judges an image by its embedding.
    pub fn verdict(&self, embedding: &[f32]) -> Verdict {
        let adjustment = self.adjustment(embedding);
        let margins = self.concepts.iter().map(|concept| concept.margin(embedding) + adjustment);
        let margin = margins.fold(f32::NEG_INFINITY, |largest, margin| {
            if largest.is_nan() || margin.is_nan() { f32::NAN } else { largest.max(margin) }
        });
        Verdict { margin, refused: is_above(margin) }
    }
}

/// Whether a margin is above 0 when it is rounded to three digits, as diffusers rounds it.
fn is_above(margin: f32) -> bool {
    (margin * 1000.0).round_ties_even() > 0.0
}

/// Returns the folder of the checker itself.
pub(super) fn checker_folder(folder: &Path) -> PathBuf {
    let nested = folder.join("safety_checker");
    if !folder.join("config.json").is_file() && nested.is_dir() { nested } else { folder.to_owned() }
}

/// Returns the folders that may have the checker's image processor.
pub(super) fn processor_folders(folder: &Path) -> Vec<PathBuf> {
    let beside = folder.parent().map(|pipeline| pipeline.join("feature_extractor"));
    [folder.to_owned()].into_iter().chain(beside).collect()
}

/// Reads concepts, `[concepts, width]`, with their thresholds.
fn concepts(folder: &Path, parameters: &Parameters, name: &str, width: usize) -> Result<Vec<Concept>, RewardError> {
    let count = parameters.shape(name).and_then(|shape| shape.first().copied()).unwrap_or(0);
    let read = |name: &str, shape: &[usize]| {
        let values = parameters.flat(name, shape, Init::Zeros).map_err(|error| in_weights(folder, error))?;
        let values = to_host(values);
        if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
            let problem = format!("`{name}` holds {bad}: the weights are damaged; fetch them again");
            return Err(RewardError::file(folder, problem));
        }
        Ok(values)
    };
    let (embeddings, thresholds) = (read(name, &[count, width])?, read(&format!("{name}_weights"), &[count])?);
    let concept = |(row, threshold): (&[f32], f32)| {
        let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt().max(1e-12);
        let direction = row.iter().map(|value| (f64::from(*value) / length) as f32).collect();
        Concept { direction, threshold }
    };
    Ok(embeddings.chunks_exact(width).zip(thresholds).map(concept).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_rounded_as_diffusers_rounds_them() {
        assert!(!is_above(0.0004) && !is_above(-0.2) && !is_above(f32::NAN));
        assert!(is_above(0.0006) && is_above(0.3));
    }
}
