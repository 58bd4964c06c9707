//! The soups and blends of an experiment: trained adapters, mixed as recipes say.

use std::collections::BTreeSet;
use std::path::PathBuf;

use moa_adapter::Merge;
use moa_core::experiment::SoupRecipe;
use moa_core::provenance::{Made, Mixture};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunEvent, RunId, Warning};
use moa_diffusion::Pipeline;
use moa_store::Layout;

use crate::RunnerError;
use crate::adapters::{keep_adapter, made, merged};
use crate::evaluation::{Model, Point};
use crate::recorder::Recorder;

/// Returns the soups that an experiment asks for, then its blends, then the soups that were added to it, made of its trained adapters. Soups
/// are merged and written where they are not there.
///
/// - `trained`: the runs and given adapters that are there; what needs others is left out
pub(crate) fn mixtures(
    spec: &ExperimentSpec,
    trained: &[RunId],
    layout: &Layout,
    base: &Pipeline,
    recorder: &mut Recorder<'_>,
) -> Result<Vec<Point>, RunnerError> {
    let can_be = |recipe: &SoupRecipe| recipe.shares.iter().all(|(run, _)| trained.contains(run));
    let mut points = Vec::new();
    for SoupRecipe { id, shares, weighting } in spec.soups().into_iter().filter(can_be) {
        let folder = layout.soup_dir(&id);
        // A soup is merged again: its adapters may have changed since.
        let (merged, mixture) = merged(&id, &shares, &Merge::default(), layout, base)?;
        keep_adapter(&merged, &made(spec, Made::Merged(mixture)), &id, &folder, recorder)?;
        points.push(Point { id, kind: PointKind::Soup, weighting, model: Model::Stored, folder, added: None });
    }
    for SoupRecipe { id, shares, weighting } in spec.blends().into_iter().filter(can_be) {
        let parts: Vec<(PathBuf, f64)> =
            shares.iter().map(|(run, share)| (layout.ingredient_dir(run), *share)).collect();
        let folder = layout.blend_dir(&id);
        let model = Model::Blend(parts);
        points.push(Point { id, kind: PointKind::Blend, weighting, model, folder, added: None });
    }
    for record in added(spec, layout)? {
        points.extend(again(spec, record, trained, layout, base, recorder)?);
    }
    Ok(points)
}

/// Returns the soups that were added to an experiment and that it does not plan itself.
pub(crate) fn added(spec: &ExperimentSpec, layout: &Layout) -> Result<Vec<EvaluationRecord>, RunnerError> {
    let planned: BTreeSet<RunId> = spec.soups().into_iter().map(|recipe| recipe.id).collect();
    let records = moa_store::added(layout)?.into_iter().map(|(_, record)| record);
    Ok(records.filter(|record| !planned.contains(&record.id)).collect())
}

/// Returns whether a soup is of runs that an experiment has.
pub(crate) fn is_of(spec_runs: &BTreeSet<RunId>, mixture: &Mixture) -> bool {
    mixture.shares().iter().all(|(run, _)| spec_runs.contains(run))
}

/// Merges an added soup of the adapters as they are now; nothing, and a warning, where that cannot be.
fn again(
    spec: &ExperimentSpec,
    record: EvaluationRecord,
    trained: &[RunId],
    layout: &Layout,
    base: &Pipeline,
    recorder: &mut Recorder<'_>,
) -> Result<Option<Point>, RunnerError> {
    let Some(recipe) = &record.added else { return Ok(None) };
    let (id, shares) = (record.id, recipe.shares());
    let runs = spec.weightings().into_iter().map(|(id, _)| id);
    let known: BTreeSet<RunId> = runs.chain(spec.given().into_iter().map(|(id, _)| id)).collect();
    let left = |why: String| {
        let message = format!("the soup `{id}`, which was added to the experiment, is left out: {why}");
        RunEvent::Warned(Warning { run: None, message })
    };
    if let Some((run, _)) = shares.iter().find(|(run, _)| !known.contains(run)) {
        recorder.tell(&left(format!("it is made of `{run}`, which the experiment does not have")))?;
        return Ok(None);
    }
    let Some(how) = Merge::of(&recipe.merge) else {
        recorder.tell(&left(format!("this version of moa does not have the method `{}`", recipe.merge.method)))?;
        return Ok(None);
    };
    if !shares.iter().all(|(run, _)| trained.contains(run)) {
        return Ok(None);
    }
    let folder = layout.soup_dir(&id);
    let (merged, mixture) = merged(&id, &shares, &how, layout, base)?;
    keep_adapter(&merged, &made(spec, Made::Merged(mixture.clone())), &id, &folder, recorder)?;
    let weighting = spec.soup_weighting(&shares);
    Ok(Some(Point { id, kind: PointKind::Soup, weighting, model: Model::Stored, folder, added: Some(mixture) }))
}
