//! What lies between two adapters: soups, blends and trained adapters, by share.

use std::fmt::Write as _;

use moa_core::experiment::SoupRecipe;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_pareto::{Bootstrap, Interval, Sample};

use crate::AnalysisError;
use crate::report::csv;
use crate::resampling::{bootstrap, difference};

/// The mixtures of two adapters, from one to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The adapter at share 0.
    pub from: RunId,
    /// The adapter at share 1.
    pub to: RunId,
    /// Soups, then blends, then adapters trained for weightings between those of the two; as far as there are any.
    pub paths: Vec<EdgePath>,
}

/// One way from one adapter to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgePath {
    /// How what lies between was made.
    pub kind: PointKind,
    /// The shares of the second adapter at which something was evaluated, rising, 0 and 1 included.
    pub shares: Vec<f64>,
    /// By reward, its means at the shares.
    pub rewards: Vec<Vec<Interval>>,
    /// By reward, the paired differences to the base at the shares; none before the base is evaluated.
    pub gains: Option<Vec<Vec<Interval>>>,
    /// By reward, the linear-mode gap: the mean over what lies between of reward − the chord between the two ends. Above 0
    /// it gains, below 0 there is a barrier between the adapters.
    pub gaps: Vec<Interval>,
}

impl Edge {
    /// Returns the path of a kind.
    pub fn path(&self, kind: PointKind) -> Option<&EdgePath> {
        self.paths.iter().find(|path| path.kind == kind)
    }
}

/// Returns the edges as CSV: a line for each edge, kind, reward and share, with the mean, the paired difference to the base and
/// the gap of the path, each with its interval.
pub(crate) fn table(edges: &[Edge], rewards: &[String]) -> String {
    let mut text = "from,to,kind,share,reward,mean,lo,hi,gain,gain_lo,gain_hi,gap,gap_lo,gap_hi\n".to_owned();
    for Edge { from, to, paths } in edges {
        for EdgePath { kind, shares, rewards: means, gains, gaps } in paths {
            for (reward, name) in rewards.iter().enumerate() {
                for (place, share) in shares.iter().enumerate() {
                    let _ = write!(text, "{from},{to},{},{share:.6},{name}", kind.name());
                    csv::cells(&mut text, Some(means[reward][place]));
                    csv::cells(&mut text, gains.as_ref().map(|gains| gains[reward][place]));
                    csv::cells(&mut text, Some(gaps[reward]));
                    text.push('\n');
                }
            }
        }
    }
    text
}

/// Evaluations with the share of the second adapter.
type Stops<'a> = Vec<(f64, &'a EvaluationRecord)>;

/// Returns the edges on which mixtures of two adapters were evaluated.
pub(crate) fn edges(evaluations: &[&EvaluationRecord], spec: &ExperimentSpec) -> Result<Vec<Edge>, AnalysisError> {
    let find = |id: &RunId| evaluations.iter().copied().find(|point| point.id == *id);
    let mut between: Vec<(RunId, RunId, [Stops<'_>; 2])> = Vec::new();
    let recipes = spec.soups().into_iter().map(|recipe| (0, recipe));
    for (kind, recipe) in recipes.chain(spec.blends().into_iter().map(|recipe| (1, recipe))) {
        let SoupRecipe { id, shares, .. } = recipe;
        let ([(from, _), (to, share)], Some(point)) = (&shares[..], find(&id)) else { continue };
        let known = between.iter().position(|(one, other, _)| one == from && other == to);
        let place = known.unwrap_or_else(|| {
            between.push((from.clone(), to.clone(), [Vec::new(), Vec::new()]));
            between.len() - 1
        });
        between[place].2[kind].push((*share, point));
    }
    let base = evaluations.iter().copied().find(|point| point.kind == PointKind::Base);
    let bootstrap = bootstrap(spec);
    let mut edges = Vec::new();
    for (from, to, [soups, blends]) in between {
        let (Some(first), Some(last)) = (find(&from), find(&to)) else { continue };
        let trained = trained_between(evaluations, first, last);
        let mut paths = Vec::new();
        for (kind, inner) in [(PointKind::Soup, soups), (PointKind::Blend, blends), (PointKind::Trained, trained)] {
            if !inner.is_empty() {
                paths.push(path(&bootstrap, spec, kind, [first, last], inner, base)?);
            }
        }
        edges.push(Edge { from, to, paths });
    }
    Ok(edges)
}

/// Returns the trained adapters whose weightings lie between those of two, with their place on the line.
fn trained_between<'a>(
    evaluations: &[&'a EvaluationRecord],
    first: &EvaluationRecord,
    last: &EvaluationRecord,
) -> Stops<'a> {
    let (Some(from), Some(to)) = (&first.weighting, &last.weighting) else { return Vec::new() };
    let (from, to) = (from.shares(), to.shares());
    let length: f64 = from.iter().zip(to).map(|(a, b)| (b - a).powi(2)).sum();
    let place = |point: &&'a EvaluationRecord| {
        let shares = point.weighting.as_ref().filter(|_| point.kind == PointKind::Trained)?.shares();
        let along: f64 = shares.iter().zip(from).zip(to).map(|((x, a), b)| (x - a) * (b - a)).sum();
        let share = along / length;
        let off = shares.iter().zip(from).zip(to).map(|((x, a), b)| (x - a - share * (b - a)).abs());
        let inside = length > 0.0 && off.fold(0.0, f64::max) < 1e-9 && share > 1e-9 && share < 1.0 - 1e-9;
        inside.then_some((share, *point))
    };
    evaluations.iter().filter_map(place).collect()
}

fn path(
    bootstrap: &Bootstrap,
    spec: &ExperimentSpec,
    kind: PointKind,
    [first, last]: [&EvaluationRecord; 2],
    mut inner: Stops<'_>,
    base: Option<&EvaluationRecord>,
) -> Result<EdgePath, AnalysisError> {
    inner.sort_by(|one, other| one.0.total_cmp(&other.0));
    let stops: Stops<'_> = [(0.0, first)].into_iter().chain(inner.iter().copied()).chain([(1.0, last)]).collect();
    let count = first.rewards.len();
    let range = |reward: usize| spec.rewards.get(reward).and_then(|reward| reward.kind.range());
    let by_reward = |of: &dyn Fn(usize, &EvaluationRecord) -> Result<Interval, AnalysisError>| {
        let along = |reward| stops.iter().map(|(_, point)| of(reward, point)).collect();
        (0..count).map(along).collect::<Result<Vec<Vec<_>>, _>>()
    };
    let rewards = by_reward(&|reward, point| {
        Ok(bootstrap.mean(Sample::within(&point.rewards[reward].prompt_means, range(reward)))?)
    })?;
    let gain = |base: &EvaluationRecord| {
        by_reward(&|reward, point| difference(bootstrap, &point.rewards[reward], &base.rewards[reward], range(reward)))
    };
    let gap = |reward| gap(bootstrap, first, last, &inner, reward);
    Ok(EdgePath {
        kind,
        shares: stops.iter().map(|(share, _)| *share).collect(),
        rewards,
        gains: base.map(gain).transpose()?,
        gaps: (0..count).map(gap).collect::<Result<_, _>>()?,
    })
}

/// Returns the mean over what lies between and over prompts of reward − chord.
fn gap(
    bootstrap: &Bootstrap,
    first: &EvaluationRecord,
    last: &EvaluationRecord,
    inner: &[(f64, &EvaluationRecord)],
    reward: usize,
) -> Result<Interval, AnalysisError> {
    let of = |point: &EvaluationRecord, prompt: usize| point.rewards[reward].prompt_means[prompt];
    let prompts = first.rewards[reward].prompt_means.len();
    let gap = |prompt: usize| {
        let above = |(share, point): &(f64, &EvaluationRecord)| {
            of(point, prompt) - ((1.0 - share) * of(first, prompt) + share * of(last, prompt))
        };
        inner.iter().map(above).sum::<f64>() / inner.len() as f64
    };
    let gaps: Vec<f64> = (0..prompts).map(gap).collect();
    Ok(bootstrap.mean(Sample::new(&gaps))?)
}
