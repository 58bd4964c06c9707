//! Images to judge: of training prompts, by the base and the adapters of an experiment.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use image::{ImageFormat, RgbImage};
use moa_adapter::AdapterBank;
use moa_core::{ExperimentSpec, NoiseKey, RunId};
use moa_diffusion::{Adapted, Pipeline};
use moa_feedback::{NewImage, PoolOrigin};
use moa_reward::{Pictures, Raster};
use moa_store::{ADAPTER, Layout};
use moa_train::{DrawRequest, TrainError, Workers, draw};

use crate::RunnerError;
use crate::adapters::read_adapter;

/// What drew an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artist {
    /// `base`, or the name of the run or soup.
    pub name: String,
    /// The folder of its adapter; nothing of the base.
    pub folder: Option<PathBuf>,
}

/// Returns the base and the adapters of a results folder, runs first.
///
/// # Errors
/// Says which folder cannot be listed.
pub fn artists(spec: &ExperimentSpec, results: &Path) -> Result<Vec<Artist>, RunnerError> {
    let layout = Layout::new(results);
    let mut artists = vec![Artist { name: "base".into(), folder: None }];
    let mut add = |id: RunId, folder: PathBuf| {
        if folder.join(ADAPTER).is_file() {
            artists.push(Artist { name: id.to_string(), folder: Some(folder) });
        }
    };
    spec.weightings().into_iter().for_each(|(run, _)| {
        let folder = layout.run_dir(&run);
        add(run, folder);
    });
    for soup in layout.soups()? {
        let folder = layout.soup_dir(&soup);
        add(soup, folder);
    }
    Ok(artists)
}

/// Chooses so many of the prompts, in an order of their own: of a larger number the first are the same.
pub fn prompts_to_judge(spec: &ExperimentSpec, prompts: &[String], count: usize) -> Vec<String> {
    let order = NoiseKey::new(spec.seed).named("prompts to judge").permutation(prompts.len());
    order.into_iter().take(count).map(|place| prompts[place].clone()).collect()
}

/// How images are drawn to be judged.
pub struct JudgedDrawing<'a> {
    /// The base.
    pub pipeline: &'a Pipeline,
    /// The experiment: its sampler's steps and guidance in evaluation are used.
    pub spec: &'a ExperimentSpec,
    /// What to draw.
    pub prompts: &'a [String],
    /// Images of each prompt by each artist.
    pub per_prompt: usize,
    /// Tells drawings of the same prompts apart.
    pub occasion: u64,
    /// Threads that draw.
    pub workers: usize,
    /// Set it to stop.
    pub stop: &'a AtomicBool,
}

impl JudgedDrawing<'_> {
    /// Draws the images of an artist. All artists begin with the same noise.
    ///
    /// # Errors
    /// Says what cannot be read or drawn; [`RunnerError::Stopped`] when it was asked to stop.
    pub fn by_artist(&self, artist: &Artist, progress: &(dyn Fn(f64) + Sync)) -> Result<Vec<NewImage>, RunnerError> {
        let adapter = artist.folder.as_deref().map(read_adapter).transpose()?;
        let adapted = self.pipeline.adapted(adapter.as_ref());
        let Adapted { pipeline, bank } = adapted.map_err(|error| RunnerError::adapting(&artist.name, error))?;
        JudgedDrawing { pipeline: &pipeline, ..*self }.by_bank(bank.as_ref(), &artist.name, progress)
    }

    /// Draws the images of the base, or of the only adapter of a bank.
    pub(crate) fn by_bank(
        &self,
        bank: Option<&AdapterBank>,
        artist: &str,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Vec<NewImage>, RunnerError> {
        let evaluation = &self.spec.evaluation;
        let rules = self.pipeline.schedule().evaluation(evaluation.steps as usize);
        let request = DrawRequest {
            prompts: self.prompts,
            per_prompt: self.per_prompt,
            rules: &rules,
            guidance: evaluation.guidance,
            key: NoiseKey::new(self.spec.seed).named("images to judge").with(self.occasion),
            micro_batch: self.spec.training.micro_batch as usize,
            workers: &Workers::new(self.workers),
            stop: Some(self.stop),
        };
        let drawn = draw(self.pipeline, bank, &request, progress).map_err(|source| match source {
            TrainError::Stopped => RunnerError::Stopped,
            source => RunnerError::Evaluate { point: artist.to_owned(), source },
        })?;
        let mut images = Vec::new();
        for pictures in &drawn {
            for (png, prompt) in pngs(pictures).into_iter().zip(pictures.prompts()) {
                let origin = PoolOrigin { name: artist.to_owned(), ..PoolOrigin::default() };
                images.push(NewImage { prompt: prompt.clone(), png, origin });
            }
        }
        Ok(images)
    }
}

/// Returns images as PNG files.
fn pngs(pictures: &Pictures) -> Vec<Vec<u8>> {
    let png = |raster: &Raster| {
        let mut png = Cursor::new(Vec::new());
        let image = RgbImage::from_raw(raster.width as u32, raster.height as u32, raster.to_bytes());
        let written = image.map(|image| image.write_to(&mut png, ImageFormat::Png));
        debug_assert!(matches!(written, Some(Ok(()))), "an image in memory can be written to memory");
        png.into_inner()
    };
    Raster::of(pictures.pixels()).iter().map(png).collect()
}
