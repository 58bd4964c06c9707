//! ImageReward (Xu et al., 2304.05977; <https://github.com/THUDM/ImageReward>): BLIP reads the prompt beside the image, and linear
//! layers rate the state of the first token.

mod config;
mod text;
mod vision;
mod words;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use moa_adapter::Parameters;
use moa_device::{from_host, to_host};
use rayon::prelude::*;

use self::config::TextConfig;
use self::text::Texts;
use self::vision::{Sizes, Vision};
use self::words::Words;
use super::head::head_of;
use super::open_clip::open_tensors;
use super::processor::PictureProcessor;
use super::shelf::in_weights;
use crate::{LinearHead, Pictures, Raster, RewardError};

/// Most tokens of a text, begin and end among them.
pub(super) const LONGEST: usize = 35;
/// Mean and standard deviation of the scores that ImageReward standardises by.
const MEAN: f32 = 0.167_173_63;
const DEVIATION: f32 = 1.033_339_5;
/// Images that are scored at once.
const ROWS: usize = 16;
/// Most numbers that the gradient of a few images keeps, 2²⁷: 512 MiB in f32.
const MOST_KEPT: usize = 1 << 27;
const CONFIG: &str = "med_config.json";
const WEIGHTS: [&str; 3] = ["ImageReward.safetensors", "model.safetensors", "ImageReward.pt"];

/// ImageReward, open.
pub(crate) struct ImageRewardModel {
    folder: PathBuf,
    device: Device,
    side: usize,
    /// Images whose gradient is computed at once.
    rows: usize,
    processor: PictureProcessor,
    words: Words,
    vision: Vision,
    texts: Texts,
    head: LinearHead,
}

impl ImageRewardModel {
    /// Opens `ImageReward.pt`, or `.safetensors`, and `med_config.json` in a folder, with the tokenizer in another one.
    ///
    /// # Errors
    /// Says which file or tensor is missing, damaged or of another kind.
    pub(super) fn open(folder: &Path, tokenizer: &Path, device: &Device) -> Result<Self, RewardError> {
        let file = weights(folder)?;
        let config = TextConfig::read(&folder.join(CONFIG))?;
        let stored = open_tensors(&file, device)?;
        let (blip, refuse) = (stored.at("blip"), |problem: String| RewardError::file(&file, problem));
        let sizes = Sizes::of(&blip.at("visual_encoder"), &config).map_err(refuse)?;
        let width = stored.shape("blip.visual_encoder.pos_embed").and_then(|shape| shape.get(2).copied()).unwrap_or(0);
        let load = |stored: &Parameters| {
            let vision = Vision::load(&sizes, &blip.at("visual_encoder"))?;
            Ok((vision, Texts::load(&config, &stored.at("blip.text_encoder"), width)?))
        };
        let (vision, texts) = load(&stored).map_err(|error| in_weights(&file, error))?;
        let head = head_of(&stored, "mlp.").map_err(refuse)?;
        if head.weights.len() != config.hidden_size {
            let problem =
                format!("its head takes {} numbers, and texts have {}", head.weights.len(), config.hidden_size);
            return Err(refuse(problem));
        }
        let side = sizes.side;
        let settings = serde_json::json!({ "size": side, "crop_size": side });
        let opened = Self {
            processor: PictureProcessor::parse(&file, &settings)?.cropped_as_torchvision(),
            words: Words::open(tokenizer, LONGEST, config.vocab_size)?,
            folder: folder.to_owned(),
            device: device.clone(),
            rows: (MOST_KEPT / sizes.kept().max(1)).clamp(1, ROWS),
            side,
            vision,
            texts,
            head,
        };
        let grey = Raster { width: side, height: side, colours: vec![[0.5; 3]; side * side] };
        let ids = opened.encode("")?;
        if to_host(opened.rate(&ids, opened.input(&[grey]))).iter().any(|score| !score.is_finite()) {
            let problem = "its weights give scores that are not finite: they hold NaN or are damaged; fetch them again";
            return Err(RewardError::file(file, problem));
        }
        Ok(opened)
    }

    /// Returns the files that a folder's model is read from.
    ///
    /// # Errors
    /// Says which is missing.
    pub(super) fn files(folder: &Path, tokenizer: &Path) -> Result<Vec<PathBuf>, RewardError> {
        Ok(vec![folder.join(CONFIG), weights(folder)?, words::file(tokenizer)?])
    }

    /// Returns the score of each image with its prompt.
    ///
    /// # Errors
    /// Refuses prompts that cannot be tokenised.
    pub(crate) fn scores(&self, prompts: &[String], rasters: &[Raster]) -> Result<Vec<f32>, RewardError> {
        let mut scores = Vec::with_capacity(rasters.len());
        for (prompt, rasters) in runs(prompts, rasters, ROWS) {
            scores.extend(to_host(self.rate(&self.encode(prompt)?, self.input(rasters))));
        }
        Ok(scores)
    }

    /// Returns the scores, and the gradient of each with respect to its image's pixels in [0, 1], `[n, 3, height, width]`, on the
    /// images' device. Few images are taken at once, whatever their number.
    ///
    /// # Errors
    /// Refuses prompts that cannot be tokenised.
    pub(crate) fn gradient(
        &self,
        pictures: &Pictures,
        rasters: &[Raster],
    ) -> Result<(Vec<f32>, Tensor<4>), RewardError> {
        let pixels = pictures.pixels();
        let (mut scores, mut values) = (Vec::with_capacity(rasters.len()), Vec::new());
        for (prompt, rasters) in runs(pictures.prompts(), rasters, self.rows) {
            let leaf = self.input(rasters).autodiff().require_grad();
            let rated = self.rate(&self.encode(prompt)?, leaf.clone());
            scores.extend(to_host(rated.clone().inner()));
            let mut gradients = rated.sum().backward();
            let gradient = leaf.grad_remove(&mut gradients).unwrap_or_else(|| leaf.inner().zeros_like());
            let gradient = to_host(gradient);
            let of_input: Vec<&[f32]> = gradient.chunks_exact(3 * self.side * self.side).collect();
            let pairs = rasters.par_iter().zip(of_input);
            values.extend(
                pairs.flat_map_iter(|(raster, gradient)| self.processor.gradient(raster, gradient)).collect::<Vec<_>>(),
            );
        }
        Ok((scores, from_host(values, pixels.dims(), &pixels.device())))
    }

    /// Returns whether gradients take long: burn's operations on the CPU compute them, several times as slow as an engine of its own.
    pub(crate) fn has_slow_gradient(&self) -> bool {
        self.device.clone().without_autodiff() == Device::flex()
    }

    fn encode(&self, prompt: &str) -> Result<Vec<u32>, RewardError> {
        let explain = |error| format!("the prompt {prompt:?} cannot be tokenised: {error}");
        self.words.encode(prompt).map_err(|error| RewardError::file(&self.folder, explain(error)))
    }

    /// Returns images as the encoder's input, `[rows, 3, side, side]`.
    fn input(&self, rasters: &[Raster]) -> Tensor<4> {
        let values: Vec<f32> = rasters.par_iter().flat_map_iter(|raster| self.processor.process(raster)).collect();
        from_host(values, [rasters.len(), 3, self.side, self.side], &self.device)
    }

    /// Returns the scores of images, `[rows, 3, side, side]`, for a prompt's tokens, `[rows]`.
    fn rate(&self, ids: &[u32], images: Tensor<4>) -> Tensor<1> {
        let states = self.texts.forward(ids, &self.vision.forward(images));
        (self.head.apply_to(states) - MEAN) / DEVIATION
    }
}

/// Returns the file with the weights in a folder.
fn weights(folder: &Path) -> Result<PathBuf, RewardError> {
    let found = WEIGHTS.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
    found.ok_or_else(|| {
        let problem = "it has no ImageReward.pt or ImageReward.safetensors: name the folder of ImageReward, such as \
                       hf:THUDM/ImageReward";
        RewardError::file(folder, problem)
    })
}

/// Returns images that follow each other with one prompt, at most `most` at a time, with it.
fn runs<'a>(prompts: &'a [String], rasters: &'a [Raster], most: usize) -> Vec<(&'a str, &'a [Raster])> {
    let (mut runs, mut start) = (Vec::new(), 0);
    while start < prompts.len() {
        let same = prompts[start..].iter().take(most).take_while(|prompt| **prompt == prompts[start]).count();
        runs.push((prompts[start].as_str(), &rasters[start..start + same]));
        start += same;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_by_prompt_and_few_at_a_time() {
        let prompts = ["a", "a", "a", "b", "a"].map(str::to_owned);
        let raster = |width| Raster { width, height: 1, colours: vec![[0.0; 3]; width] };
        let rasters: Vec<Raster> = (1..=5).map(raster).collect();
        let found: Vec<(&str, Vec<usize>)> = runs(&prompts, &rasters, 2)
            .into_iter()
            .map(|(prompt, rasters)| (prompt, rasters.iter().map(|raster| raster.width).collect()))
            .collect();
        assert_eq!(found, [("a", vec![1, 2]), ("a", vec![3]), ("b", vec![4]), ("a", vec![5])]);
    }
}
