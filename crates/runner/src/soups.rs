//! The soups and blends of an experiment: trained adapters, mixed as recipes say.

use moa_adapter::Adapter;
use moa_core::experiment::SoupRecipe;
use moa_core::{ExperimentSpec, PointKind};
use moa_store::Layout;

use crate::RunnerError;
use crate::evaluation::{Model, Point};

/// Returns the soups that an experiment asks for, then its blends, made of its trained adapters.
pub(crate) fn mixtures(spec: &ExperimentSpec, trained: &[Point], layout: &Layout) -> Result<Vec<Point>, RunnerError> {
    let parts = |recipe: &SoupRecipe| -> Vec<(&Adapter, f64)> {
        let part = |(run, share): &(_, f64)| {
            let point = trained.iter().find(|point| point.id == *run)?;
            Some((point.adapter()?, *share))
        };
        recipe.shares.iter().filter_map(part).collect()
    };
    let soup = |recipe: SoupRecipe| {
        let failed = |source| RunnerError::Soup { soup: recipe.id.to_string(), source };
        let model = Model::Adapter(Adapter::mean(&parts(&recipe)).map_err(failed)?);
        let SoupRecipe { id, weighting, .. } = recipe;
        let folder = layout.soup_dir(&id);
        Ok(Point { id, kind: PointKind::Soup, weighting: Some(weighting), model, folder })
    };
    let blend = |recipe: SoupRecipe| {
        let model = Model::Blend(parts(&recipe).into_iter().map(|(adapter, share)| (adapter.clone(), share)).collect());
        let SoupRecipe { id, weighting, .. } = recipe;
        let folder = layout.blend_dir(&id);
        Ok(Point { id, kind: PointKind::Blend, weighting: Some(weighting), model, folder })
    };
    let soups = spec.soups().into_iter().map(soup);
    soups.chain(spec.blends().into_iter().map(blend)).collect()
}
