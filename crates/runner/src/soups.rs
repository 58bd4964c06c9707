//! The soups of an experiment: corner adapters, mixed as a weighting says.

use moa_adapter::Adapter;
use moa_core::{ExperimentSpec, PointKind, RunId, Weighting};
use moa_store::Layout;

use crate::RunnerError;
use crate::evaluation::Point;

/// Returns the soups that an experiment asks for, made of its trained corners.
pub(crate) fn soups(spec: &ExperimentSpec, trained: &[Point], layout: &Layout) -> Result<Vec<Point>, RunnerError> {
    let corner = |reward: usize| {
        let is_corner = |point: &&Point| point.weighting.as_ref().and_then(Weighting::corner_index) == Some(reward);
        trained.iter().find(is_corner).and_then(|point| point.adapter.as_ref())
    };
    let Some(corners) = (0..spec.rewards.len()).map(corner).collect::<Option<Vec<&Adapter>>>() else {
        return Ok(Vec::new());
    };
    let soup = |(id, weighting): (RunId, Weighting)| {
        let parts: Vec<(&Adapter, f64)> = corners.iter().copied().zip(weighting.shares().iter().copied()).collect();
        let adapter = Adapter::mean(&parts).map_err(|source| RunnerError::Soup { soup: id.to_string(), source })?;
        let folder = layout.soup_dir(&id);
        Ok(Point { id, kind: PointKind::Soup, weighting: Some(weighting), adapter: Some(adapter), folder })
    };
    spec.soups().into_iter().map(soup).collect()
}
