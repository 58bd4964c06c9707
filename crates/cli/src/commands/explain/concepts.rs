//! The CLIP in whose space concepts are named, and the concepts.

use std::sync::Arc;

use moa_core::experiment::{BaseName, FileRole};
use moa_explain::{Concept, Dictionary, Images, Meter, emoji_concepts, general_concepts};
use moa_reward::disk::Shelf;
use moa_reward::{PictureEmbedder, TextEmbedder};

use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::hub;

type Halves = (Arc<PictureEmbedder>, Arc<TextEmbedder>);

/// Returns the concepts with what the images have of them: those of a file, or moa's own. Nothing where neither the base nor a reward brings
/// a CLIP that embeds texts.
///
/// # Errors
/// Fails where the CLIP cannot be opened, or a phrase cannot be tokenised.
pub(super) fn dictionary(
    listed: Option<Vec<Concept>>,
    experiment: &Experiment,
    device: &OpenDevice,
    set: &Images,
    meter: &Meter<'_>,
) -> Result<Option<Dictionary>, CliError> {
    let Some((pictures, texts)) = clip(experiment, device)? else { return Ok(None) };
    let is_built_in = BaseName::of(&experiment.spec.base) == BaseName::BuiltIn;
    let own = || if is_built_in { emoji_concepts() } else { general_concepts() };
    let concepts = listed.unwrap_or_else(own);
    Ok(Some(Dictionary::new(&concepts, &pictures, &texts, set, meter)?))
}

/// Returns the CLIP beside the built-in base, or that of the first reward on one with texts.
fn clip(experiment: &Experiment, device: &OpenDevice) -> Result<Option<Halves>, CliError> {
    let device = device.places().rewards;
    if BaseName::of(&experiment.spec.base) == BaseName::BuiltIn {
        let embedder = moa_zoo::embedder(&device)?;
        return Ok(Some((embedder.picture_embedder().clone(), embedder.text_embedder().clone())));
    }
    let files = experiment.spec.rewards.iter().map(|reward| reward.kind.files());
    let Some(files) = files.into_iter().find(|files| files.iter().any(|(role, _)| *role == FileRole::ImagesAndTexts))
    else {
        return Ok(None);
    };
    let named = |wanted| files.iter().find(|(role, _)| *role == wanted).map(|(_, name)| name.as_str());
    let Some(model) = named(FileRole::ImagesAndTexts) else { return Ok(None) };
    let processor = named(FileRole::Processor);
    let shelf = Shelf::new(hub::cache().as_deref(), &device);
    Ok(Some((shelf.pictures(model, processor)?, shelf.texts(model, processor)?)))
}
