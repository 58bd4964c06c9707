//! What a fitted preference sees of images: their features by a CLIP.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use moa_device::{from_host, to_host};
use moa_diffusion::{Compute, Pipeline};
use moa_preferences::{Image, Preferences};
use moa_reward::Pictures;
use moa_reward::disk::preference::PreferenceFeatures;
use moa_zoo::{BaseModel, NamedClip, ZooError};

use crate::preferences::{Album, Redrawing, decoded, fitted, pixels_of, unreadable};
use crate::{Places, RunnerError};

/// Looks at images with a CLIP; bases that drew images are opened when they are first needed.
pub struct Look<'a> {
    /// The CLIP.
    pub clip: &'a NamedClip,
    /// The folder of the hub's downloads.
    pub hub: Option<&'a Path>,
    /// Where models compute.
    pub places: &'a Places,
}

impl Look<'_> {
    /// Computes the features of an album's images, `[images, features]`.
    ///
    /// # Errors
    /// Says which image cannot be read, drawn or embedded.
    pub(crate) fn at_album(
        &self,
        file: &Preferences,
        album: &Album<'_>,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<f32>, RunnerError> {
        let mut redrawn = Redrawn { look: self, bases: BTreeMap::new(), adapters: Redrawing::default() };
        let sight = &self.clip.features;
        let picture = |&(prompt, image): &(usize, &Image)| {
            let text = album.prompts[prompt].as_str();
            let pixels = match image {
                Image::File(_) => pixels_of_file(sight, &file.path_of(image).unwrap_or_default()),
                Image::Drawn(drawn) => redrawn.pixels(file, drawn, text),
            };
            (pixels, text)
        };
        features(sight, album.images.iter().map(picture), progress)
    }

    /// Computes the features of image files, `[images, features]`.
    ///
    /// # Errors
    /// Says which image cannot be read or embedded.
    pub fn at_files<'p>(
        &self,
        images: impl ExactSizeIterator<Item = (&'p Path, &'p str)>,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<f32>, RunnerError> {
        features_of_files(&self.clip.features, images, progress)
    }
}

/// Computes the features of image files, `[images, features]`.
///
/// # Errors
/// Says which image cannot be read or embedded.
pub(super) fn features_of_files<'p>(
    sight: &PreferenceFeatures,
    images: impl ExactSizeIterator<Item = (&'p Path, &'p str)>,
    progress: &dyn Fn(f64),
) -> Result<Vec<f32>, RunnerError> {
    features(sight, images.map(|(path, prompt)| (pixels_of_file(sight, path), prompt)), progress)
}

/// Embeds images in turn, each by itself: its features do not depend, not even in the last bit, on what was embedded beside it or before a
/// sweep was resumed.
fn features<'p>(
    sight: &PreferenceFeatures,
    images: impl ExactSizeIterator<Item = (Result<Tensor<4>, RunnerError>, &'p str)>,
    progress: &dyn Fn(f64),
) -> Result<Vec<f32>, RunnerError> {
    let count = images.len();
    let mut values = Vec::with_capacity(count * sight.width());
    for (done, (pixels, prompt)) in images.enumerate() {
        let pictures = Pictures::new(pixels?, vec![prompt.to_owned()], 1).map_err(RunnerError::Look)?;
        values.extend(sight.of(&pictures).map_err(RunnerError::Look)?);
        progress((done + 1) as f64 / count as f64);
    }
    Ok(values)
}

/// Reads an image file, cut and resized where the CLIP takes one size alone.
fn pixels_of_file(sight: &PreferenceFeatures, path: &Path) -> Result<Tensor<4>, RunnerError> {
    let image = decoded(path)?;
    let [height, width] = sight.embedder().only_size().unwrap_or([image.height(), image.width()]);
    Ok(pixels_of(&fitted(&image, width, height), &Device::flex()))
}

/// Draws images again.
struct Redrawn<'a> {
    look: &'a Look<'a>,
    bases: BTreeMap<String, Pipeline>,
    adapters: Redrawing,
}

impl Redrawn<'_> {
    fn pixels(
        &mut self,
        file: &Preferences,
        drawn: &moa_preferences::Drawn,
        prompt: &str,
    ) -> Result<Tensor<4>, RunnerError> {
        let Places { base, engine, .. } = self.look.places;
        if !self.bases.contains_key(&drawn.base) {
            let compute = Compute { engine: *engine, ..Compute::from(base) };
            let beside = file.folder().join(&drawn.base);
            let name = if beside.is_dir() { beside.display().to_string() } else { drawn.base.clone() };
            let opened = BaseModel::find(&name, self.look.hub).and_then(|base| base.open(compute));
            let opened = opened.map_err(|error: ZooError| unreadable(file.path(), &error))?;
            self.bases.insert(drawn.base.clone(), opened);
        }
        let pipeline = &self.bases[&drawn.base];
        let pixels = pipeline.decode(self.adapters.draw(pipeline, file, drawn, prompt)?);
        Ok(from_host(to_host(pixels.clone()), pixels.dims(), &Device::flex()))
    }
}
