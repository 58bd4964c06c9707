//! The model card beside an adapter that is written: what is known of it, taken together.

use std::fs;
use std::path::Path;

use moa_adapter::{Adapter, AdapterFormat};
use moa_analysis::card::{Card, CardFile, MARK, Worth, card};
use moa_core::{EvaluationRecord, ExperimentSpec, RunId};
use moa_runner::SoupBench;
use moa_store::{Layout, Snapshot, write_atomically};

use crate::error::CliError;
use crate::output::note;

/// The card's name, as the Hugging Face hub looks for it.
const README: &str = "README.md";

/// Returns what a card says of an adapter in any case.
pub(crate) fn of_adapter(name: &str, base: &str, adapter: &Adapter, formats: &[AdapterFormat]) -> Card {
    let file = |format: &AdapterFormat| match format {
        AdapterFormat::Peft => CardFile::Peft,
        AdapterFormat::Diffusers => CardFile::Diffusers,
        AdapterFormat::Kohya => CardFile::Kohya,
    };
    Card {
        name: name.to_owned(),
        base: base.to_owned(),
        files: formats.iter().map(file).collect(),
        is_transformer: adapter.layers.keys().next().is_some_and(|layer| layer.starts_with("transformer_blocks.")),
        rank: adapter.rank,
        layers: adapter.layers.len(),
        ..Card::default()
    }
}

/// Returns what a card says of a soup.
///
/// - `method`: how it was merged
/// - `measured`: its evaluation, where it has one
///
/// # Errors
/// Fails where scores cannot be resampled.
pub(crate) fn of_soup(
    bench: &SoupBench<'_>,
    adapter: &Adapter,
    shares: &[f64],
    method: String,
    formats: &[AdapterFormat],
    measured: Option<&EvaluationRecord>,
) -> Result<Card, CliError> {
    let spec = bench.spec();
    // A mean of adapters may be among what the sweep has evaluated.
    let known = bench.known_records();
    let known = known.iter().find(|(known, _)| method == "mean" && known == shares).map(|(_, record)| *record);
    let measured = measured.or(known).map(|record| {
        // With a weighting it is watched as a mixture of its adapters.
        let record = EvaluationRecord { weighting: bench.weighting(shares), ..record.clone() };
        Worth::of(spec, bench.evaluations(), &record)
    });
    Ok(Card {
        experiment: spec.name.clone(),
        parts: bench.ingredients().map(ToString::to_string).zip(shares.iter().copied()).collect(),
        method: Some(method),
        settings: settings(spec),
        measured: measured.transpose()?,
        ..of_adapter(&bench.name(shares), &spec.base, adapter, formats)
    })
}

/// Adds what an experiment says of one of its runs or soups, by the folder or the file that the adapter was read from; nothing where it is
/// no experiment's.
pub(crate) fn with_origin(mut card: Card, adapter: &Path) -> Card {
    let folder = if adapter.is_file() { adapter.parent() } else { Some(adapter) };
    let Some((folder, results)) = folder.and_then(|folder| Some((folder, folder.parent()?.parent()?))) else {
        return card;
    };
    let Ok(spec) = ExperimentSpec::load_kept(&Layout::new(results).experiment_file()) else { return card };
    let id = folder.file_name().map(|name| RunId(name.to_string_lossy().into_owned()));
    let Some(id) = id else { return card };
    card.settings.extend(settings(&spec));
    if let Some((_, weighting)) = spec.weightings().into_iter().find(|(run, _)| *run == id) {
        let shares = spec.reward_names().into_iter().zip(weighting.shares().iter().map(|share| format!("{share:.3}")));
        card.settings.extend(shares.map(|(reward, share)| (format!("share of {reward}"), share)));
    }
    if let Some(recipe) = spec.soups().into_iter().find(|recipe| recipe.id == id) {
        card.parts = recipe.shares.into_iter().map(|(run, share)| (run.0, share)).collect();
        card.method = Some("mean".into());
    }
    // A card without figures is better than no adapter.
    if let Ok(snapshot) = Snapshot::read(results)
        && let Some(record) = snapshot.evaluations.iter().find(|record| record.id == id)
    {
        card.measured = Worth::of(&spec, &snapshot.evaluations, record).ok();
    }
    card.experiment = spec.name;
    card
}

/// Returns the settings of an experiment's training that a card names.
fn settings(spec: &ExperimentSpec) -> Vec<(String, String)> {
    let training = &spec.training;
    vec![
        ("method of training".into(), training.method.name().into()),
        ("epochs".into(), training.epochs.to_string()),
        ("learning rate".into(), spec.optimiser.learning_rate.to_string()),
        ("seed".into(), spec.seed.to_string()),
    ]
}

/// Writes the card into an adapter's folder. A `README.md` that moa did not write stays as it is, and that is said.
///
/// # Errors
/// Names the file that cannot be written.
pub(crate) fn write(folder: &Path, of: &Card) -> Result<(), CliError> {
    let path = folder.join(README);
    if fs::read_to_string(&path).is_ok_and(|text| !text.contains(MARK)) {
        note(&format!("{} is not a model card of moa: it stays as it is", path.display()));
        return Ok(());
    }
    Ok(write_atomically(&path, card(of).as_bytes())?)
}
