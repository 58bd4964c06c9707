//! Rows of a snapshot, column by column.

use moa_core::{PointKind, RunId, Weighting};

use crate::{ImageScores, Snapshot};

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column<'a> {
    Text(Vec<&'a str>),
    Whole(Vec<u32>),
    Number(Vec<f64>),
}

/// Columns of equal length, by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows<'a> {
    pub(super) columns: Vec<(&'static str, Column<'a>)>,
    pub(super) count: usize,
}

impl<'a> Rows<'a> {
    /// Returns every metric of every epoch: runs in the experiment's order, then epochs, then metrics by name.
    pub(super) fn epochs(snapshot: &'a Snapshot) -> Self {
        let (mut runs, mut epochs, mut metrics, mut values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let strays = snapshot.epochs.keys().filter(|id| snapshot.run(id).is_none());
        for id in snapshot.runs.iter().map(|run| &run.id).chain(strays) {
            for epoch in snapshot.epochs_of(id) {
                for (metric, value) in &epoch.metrics {
                    runs.push(id.as_str());
                    epochs.push(epoch.epoch);
                    metrics.push(metric.as_str());
                    values.push(*value);
                }
            }
        }
        let count = runs.len();
        Self {
            columns: vec![
                ("run", Column::Text(runs)),
                ("kind", Column::Text(vec![PointKind::Trained.name(); count])),
                ("epoch", Column::Whole(epochs)),
                ("metric", Column::Text(metrics)),
                ("value", Column::Number(values)),
            ],
            count,
        }
    }

    /// Returns the seconds of every epoch of every run: its share of what the runs trained together took.
    pub(super) fn times(snapshot: &'a Snapshot) -> Self {
        let epochs =
            snapshot.runs.iter().flat_map(|run| snapshot.epochs_of(&run.id).iter().map(move |epoch| (run, epoch)));
        let (mut runs, mut numbers, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        for (run, epoch) in epochs {
            runs.push(run.id.as_str());
            numbers.push(epoch.epoch);
            seconds.push(epoch.seconds);
        }
        let count = runs.len();
        Self {
            columns: vec![
                ("run", Column::Text(runs)),
                ("epoch", Column::Whole(numbers)),
                ("seconds", Column::Number(seconds)),
            ],
            count,
        }
    }

    /// Returns every prompt's mean of every reward, with the variance among its images where it was kept (not a number elsewhere), then
    /// of every judge. Prompts are counted from 0, those of judges that leave
    /// some out as they are counted in the evaluation. Whether the point is a soup that was added stands last.
    pub(super) fn evaluations(snapshot: &'a Snapshot) -> Self {
        let (mut ids, mut kinds, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let (mut roles, mut prompts, mut means, mut variances) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut added = Vec::new();
        for evaluation in &snapshot.evaluations {
            let rewards = evaluation.rewards.iter().map(|column| ("reward", column));
            for (role, column) in rewards.chain(evaluation.judges.iter().map(|column| ("judge", column))) {
                let places = column.prompts.clone().unwrap_or_else(|| (0..column.prompt_means.len() as u32).collect());
                for (index, (prompt, mean)) in places.into_iter().zip(&column.prompt_means).enumerate() {
                    ids.push(evaluation.id.as_str());
                    kinds.push(evaluation.kind.name());
                    names.push(column.name.as_str());
                    roles.push(role);
                    prompts.push(prompt);
                    added.push(if evaluation.added.is_some() { "true" } else { "false" });
                    means.push(*mean);
                    variances.push(
                        column
                            .prompt_variances
                            .as_ref()
                            .and_then(|known| known.get(index))
                            .map_or(f64::NAN, |known| *known),
                    );
                }
            }
        }
        let count = ids.len();
        Self {
            columns: vec![
                ("id", Column::Text(ids)),
                ("kind", Column::Text(kinds)),
                ("column", Column::Text(names)),
                ("role", Column::Text(roles)),
                ("prompt", Column::Whole(prompts)),
                ("mean", Column::Number(means)),
                ("variance", Column::Number(variances)),
                ("added", Column::Text(added)),
            ],
            count,
        }
    }

    /// Returns every image's score: points in the snapshot's order, then rewards and judges, prompts, images. Prompts and images are counted from 0;
    /// images of a judge that has nothing to say of them are left out.
    pub(super) fn images(points: &'a [(RunId, PointKind, ImageScores)]) -> Self {
        let (mut ids, mut kinds, mut prompts, mut images) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut names, mut roles, mut scores) = (Vec::new(), Vec::new(), Vec::new());
        for (id, kind, point) in points {
            let group = point.images_per_prompt.max(1);
            for column in &point.columns {
                for (place, score) in (0..).zip(&column.scores) {
                    let Some(score) = score else { continue };
                    ids.push(id.as_str());
                    kinds.push(kind.name());
                    prompts.push(place / group);
                    images.push(place % group);
                    names.push(column.name.as_str());
                    roles.push(column.role.name());
                    scores.push(f64::from(*score));
                }
            }
        }
        let count = ids.len();
        Self {
            columns: vec![
                ("id", Column::Text(ids)),
                ("kind", Column::Text(kinds)),
                ("prompt", Column::Whole(prompts)),
                ("image", Column::Whole(images)),
                ("column", Column::Text(names)),
                ("role", Column::Text(roles)),
                ("score", Column::Number(scores)),
            ],
            count,
        }
    }

    /// Returns the prompts of every set with their places, counted from 0: those by which other tables name them.
    pub(super) fn prompts(sets: &'a [(&'static str, Vec<String>)]) -> Self {
        let (mut names, mut places, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (name, prompts) in sets {
            for (place, prompt) in (0..).zip(prompts) {
                names.push(*name);
                places.push(place);
                texts.push(prompt.as_str());
            }
        }
        let count = names.len();
        Self {
            columns: vec![
                ("set", Column::Text(names)),
                ("place", Column::Whole(places)),
                ("prompt", Column::Text(texts)),
            ],
            count,
        }
    }

    /// Returns the shares of every run, then of every soup and blend.
    pub(super) fn weightings(snapshot: &'a Snapshot) -> Self {
        let (mut ids, mut kinds, mut rewards, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut add = |id: &'a str, kind: PointKind, weighting: &Weighting| {
            for (reward, share) in snapshot.sweep.rewards.iter().zip(weighting.shares()) {
                ids.push(id);
                kinds.push(kind.name());
                rewards.push(reward.as_str());
                shares.push(*share);
            }
        };
        for run in &snapshot.runs {
            add(run.id.as_str(), PointKind::Trained, &run.weighting);
        }
        let mixed = |kind: PointKind| matches!(kind, PointKind::Soup | PointKind::Blend);
        for point in snapshot.evaluations.iter().filter(|point| mixed(point.kind)) {
            if let Some(weighting) = &point.weighting {
                add(point.id.as_str(), point.kind, weighting);
            }
        }
        let count = ids.len();
        Self {
            columns: vec![
                ("id", Column::Text(ids)),
                ("kind", Column::Text(kinds)),
                ("reward", Column::Text(rewards)),
                ("share", Column::Number(shares)),
            ],
            count,
        }
    }
}
