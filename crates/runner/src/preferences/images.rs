//! Images of preferences: from files, and drawn again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, RgbImage};
use moa_adapter::contents::Contents;
use moa_core::NoiseKey;
use moa_device::from_host;
use moa_diffusion::sampler::sample;
use moa_diffusion::{Adapted, Conditions, Pipeline};
use moa_preferences::{Drawn, Preferences};

use crate::RunnerError;

/// Draws images again, and keeps the adapters that it has read.
#[derive(Default)]
pub(crate) struct Redrawing(BTreeMap<PathBuf, Adapted>);

impl Redrawing {
    /// Returns the sample that becomes an image, by the base that drew it; `file` is what names the image.
    pub(crate) fn draw(
        &mut self,
        pipeline: &Pipeline,
        file: &Preferences,
        drawn: &Drawn,
        prompt: &str,
    ) -> Result<Tensor<4>, RunnerError> {
        let folder = file.folder();
        let refuse = |what: &str, reason: String| unreadable(&folder.join(what), &reason);
        let base = Adapted { pipeline: pipeline.clone(), bank: None };
        let Adapted { pipeline, bank } = match &drawn.adapter {
            None => &base,
            Some(adapter) => {
                let named = folder.join(adapter);
                let path = if named.is_dir() { named.join("adapter.safetensors") } else { named };
                if !self.0.contains_key(&path) {
                    let bytes = fs::read(&path).map_err(|error| refuse(adapter, error.to_string()))?;
                    let config = fs::read_to_string(path.with_file_name("adapter_config.json")).ok();
                    let contents = Contents::read(&bytes, config.as_deref());
                    let read = contents.and_then(|contents| contents.adapter());
                    let read = read.map_err(|error| refuse(adapter, error.to_string()))?;
                    let adapted = pipeline.adapted(Some(&read)).map_err(|error| refuse(adapter, error.to_string()))?;
                    self.0.insert(path.clone(), adapted);
                }
                &self.0[&path]
            }
        };
        let context = pipeline.encode_prompts(&[prompt]).map_err(|error| unreadable(file.path(), &error))?;
        let guidance = pipeline.guidance(drawn.guidance as f32);
        let guidance = guidance.map_err(|error| unreadable(file.path(), &error))?;
        let rules = pipeline.schedule().evaluation(drawn.steps as usize);
        let [prompt, image] = drawn.place;
        let key = NoiseKey::new(drawn.seed).named(&drawn.noise).with(prompt).with(image);
        Ok(sample(pipeline, bank.as_ref(), &rules, &Conditions { context, guidance }, &[key]))
    }
}

/// Reads an image file of any kind.
pub(crate) fn decoded(path: &Path) -> Result<DynamicImage, RunnerError> {
    let opened = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let decoded = opened.map_err(|error| unreadable(path, &error))?.decode();
    decoded.map_err(|error| unreadable(path, &error))
}

/// Returns an image of a size: the largest part of that shape around its middle, resized.
pub(crate) fn fitted(image: &DynamicImage, width: u32, height: u32) -> RgbImage {
    if (image.width(), image.height()) == (width, height) {
        return image.to_rgb8();
    }
    image.resize_to_fill(width, height, FilterType::CatmullRom).to_rgb8()
}

/// Returns an image's pixels, `[1, 3, height, width]` in [0, 1].
pub(crate) fn pixels_of(image: &RgbImage, device: &Device) -> Tensor<4> {
    let plane = |channel: usize| image.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 255.0);
    let values: Vec<f32> = (0..3).flat_map(plane).collect();
    from_host(values, [1, 3, image.height() as usize, image.width() as usize], device)
}

pub(crate) fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> RunnerError {
    RunnerError::Image { path: path.to_path_buf(), reason: reason.to_string() }
}
