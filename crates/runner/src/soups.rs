//! The soups of an experiment: trained adapters, merged as recipes say.

use moa_adapter::Adapter;
use moa_core::spec::SoupRecipe;
use moa_core::{ExperimentSpec, PointKind};
use moa_store::Layout;

use crate::RunnerError;
use crate::evaluation::Point;

/// Returns the soups that an experiment asks for, made of its trained adapters.
pub(crate) fn soups(spec: &ExperimentSpec, trained: &[Point], layout: &Layout) -> Result<Vec<Point>, RunnerError> {
    let soup = |SoupRecipe { id, shares, weighting }: SoupRecipe| {
        let part = |(run, share): &(_, f64)| {
            let point = trained.iter().find(|point| point.id == *run)?;
            Some((point.adapter.as_ref()?, *share))
        };
        let parts: Vec<(&Adapter, f64)> = shares.iter().filter_map(part).collect();
        let adapter = Adapter::mean(&parts).map_err(|source| RunnerError::Soup { soup: id.to_string(), source })?;
        let folder = layout.soup_dir(&id);
        Ok(Point { id, kind: PointKind::Soup, weighting: Some(weighting), adapter: Some(adapter), folder })
    };
    spec.soups().into_iter().map(soup).collect()
}
