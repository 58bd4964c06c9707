//! Who chooses what is asked.

use moa_core::experiment::{BUILT_IN_BASE, Precision};
use moa_feedback::{Active, ActiveSettings, PoolFolder};
use moa_preference_model::{Features, PreferenceModelError};
use moa_rating::{Chooser, Random};
use moa_runner::Look;
use moa_zoo::NamedClip;

use super::{Arguments, Way};
use crate::bar::work_with_bar;
use crate::error::CliError;
use crate::global::Global;
use crate::hub;
use crate::output::note;

/// Height and width of what the built-in CLIP knows.
const BUILT_IN_SIZE: [u32; 2] = [32, 32];

/// Opens the chooser that was asked for; random questions where no CLIP knows the images.
pub(super) fn open(arguments: &Arguments, global: Global, folder: &PoolFolder) -> Result<Box<dyn Chooser>, CliError> {
    let random = || Ok::<Box<dyn Chooser>, CliError>(Box::new(Random::new(arguments.seed)));
    if arguments.ask == Way::Random {
        return random();
    }
    let clip = match &arguments.clip {
        Some(clip) => clip,
        None if first_size(folder) == Some(BUILT_IN_SIZE) => BUILT_IN_BASE,
        None => {
            note("questions are random: name a CLIP with --clip, and they are chosen by what the answers leave open");
            return random();
        }
    };
    let features = features(clip, global, folder)?;
    let settings = ActiveSettings { asking: arguments.ask.into(), seed: arguments.seed, ..ActiveSettings::default() };
    Ok(Box::new(Active::new(&folder.pool(), &features, settings)?))
}

/// Computes what a CLIP makes of the images.
fn features(clip: &str, global: Global, folder: &PoolFolder) -> Result<Features, CliError> {
    let device = global.device.open_for(Precision::F32, None)?;
    let (hub, places) = (hub::cache(), device.places());
    let clip = NamedClip::open(clip, hub.as_deref(), &places.rewards)?;
    let look = Look { clip: &clip, hub: hub.as_deref(), places: &places };
    let pool = folder.pool();
    let images = pool.images().iter().map(|image| (image.file.as_path(), image.prompt.as_str()));
    let values = work_with_bar("embedding", global.quiet, |bar| look.at_files(images, bar))?;
    Ok(Features::new(clip.features.width(), values)?)
}

/// Returns height and width of the first image.
fn first_size(folder: &PoolFolder) -> Option<[u32; 2]> {
    let first = folder.path().join(&folder.entries().first()?.file);
    let (width, height) = image::image_dimensions(first).ok()?;
    Some([height, width])
}

impl From<PreferenceModelError> for CliError {
    fn from(error: PreferenceModelError) -> Self {
        Self::failure(format!("failed to choose questions: {error}"))
    }
}
