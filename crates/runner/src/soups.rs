//! The soups and blends of an experiment: trained adapters, mixed as recipes say.

use std::path::PathBuf;

use moa_core::experiment::{BaseName, SoupRecipe};
use moa_core::{ExperimentSpec, PointKind, RunId};
use moa_store::Layout;

use crate::RunnerError;
use crate::adapters::{keep_adapter, merged};
use crate::evaluation::{Model, Point};
use crate::recorder::Recorder;

/// Returns the soups that an experiment asks for, then its blends, made of its trained adapters. Soups are merged and written where they
/// are not there.
///
/// - `trained`: the runs whose adapters are there; what needs others is left out
pub(crate) fn mixtures(
    spec: &ExperimentSpec,
    trained: &[RunId],
    layout: &Layout,
    recorder: &mut Recorder<'_>,
) -> Result<Vec<Point>, RunnerError> {
    let can_be = |recipe: &SoupRecipe| recipe.shares.iter().all(|(run, _)| trained.contains(run));
    let base = BaseName::of(&spec.base).for_others();
    let mut points = Vec::new();
    for recipe in spec.soups().into_iter().filter(can_be) {
        let folder = layout.soup_dir(&recipe.id);
        // A soup is merged anew: its adapters may be others than when it was made.
        let merged = merged(&recipe, layout)?;
        keep_adapter(&merged, &recipe.id, &folder, &base, recorder)?;
        points.push(point(recipe, PointKind::Soup, Model::Stored, folder));
    }
    for recipe in spec.blends().into_iter().filter(can_be) {
        let parts: Vec<(PathBuf, f64)> =
            recipe.shares.iter().map(|(run, share)| (layout.run_dir(run), *share)).collect();
        let folder = layout.blend_dir(&recipe.id);
        points.push(point(recipe, PointKind::Blend, Model::Blend(parts), folder));
    }
    Ok(points)
}

fn point(recipe: SoupRecipe, kind: PointKind, model: Model, folder: PathBuf) -> Point {
    Point { id: recipe.id, kind, weighting: Some(recipe.weighting), model, folder }
}
