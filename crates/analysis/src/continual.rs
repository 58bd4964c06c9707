//! What an experiment in phases learned, kept and forgot: after each phase, the gains over the base in the rewards and on the prompts of each.

mod read;
mod table;

use moa_core::{EvaluationRecord, ExperimentSpec, RunId, ScoreColumn};
use moa_pareto::{Bootstrap, Interval};

use crate::resampling::difference;
use crate::{AnalysisError, bootstrap};

/// The matrix of an experiment in phases, one for each weighting.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseReport {
    /// The experiment's name.
    pub name: String,
    /// The phases' names, in order.
    pub phases: Vec<String>,
    /// By weighting.
    pub runs: Vec<PhaseRun>,
}

/// What the adapters of a weighting became from phase to phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseRun {
    /// The run's name in each phase.
    pub ids: Vec<RunId>,
    /// By phase and reward of the phase.
    pub columns: Vec<PhaseColumn>,
    /// What comes of all columns that are trained for; nothing until the last phase is evaluated on all of them.
    pub summary: Option<PhaseSummary>,
}

/// A reward of a phase, on that phase's held-out prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseColumn {
    /// The phase, counted from 0.
    pub phase: usize,
    /// The reward's name.
    pub reward: String,
    /// What the weighting gives it in this phase.
    pub share: f64,
    /// The base's mean.
    pub base: f64,
    /// The base's standard deviation within prompts, where that is known.
    pub deviation: Option<f64>,
    /// After each phase, the gain over the base, paired over prompts and noise; nothing where that is not evaluated yet.
    pub gains: Vec<Option<Interval>>,
    /// By how much the best gain after this phase or a later one, but the last, is above the one after the last (Chaudhry et al., 1801.10112):
    /// what was forgotten. Nothing of the last phase. Which gain is the best is not in the interval: with many phases it leans upwards.
    pub forgotten: Option<Interval>,
    /// The share of this phase's own gain that is left after the last phase. Nothing of the last phase, where there is no gain beyond noise, and
    /// of a reward that the weighting gives no share.
    pub kept: Option<Interval>,
    /// The gain after the last phase less that after this one: backward transfer. Nothing of the last phase.
    pub backward: Option<Interval>,
    /// The gain after the phase before: forward transfer. Nothing of the first phase.
    pub forward: Option<Interval>,
}

/// Means over the columns that are trained for, in the base's standard deviations within prompts (Lopez-Paz & Ranzato, 1706.08840). Ends of
/// intervals are the means of the columns' ends, which holds whatever the columns' prompts have in common, and is wider than need be
/// where that is nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseSummary {
    /// What each phase gained in its own rewards.
    pub learned: Interval,
    /// Forgetting.
    pub forgotten: Option<Interval>,
    /// Backward transfer.
    pub backward: Option<Interval>,
    /// Forward transfer.
    pub forward: Option<Interval>,
    /// The mean share of earlier gains that is left, of which none counts as more than 1, and the least share.
    pub kept: Option<[Interval; 2]>,
}

/// What is known of a phase: its experiment, and everything evaluated on its prompts.
#[derive(Clone, Debug)]
pub struct PhaseResults {
    /// The phase's name.
    pub name: String,
    /// The phase as an experiment.
    pub spec: ExperimentSpec,
    /// The base; nothing until it is evaluated.
    pub base: Option<EvaluationRecord>,
    /// After each phase, by weighting: the adapter on this phase's prompts.
    pub after: Vec<Vec<Option<EvaluationRecord>>>,
}

impl PhaseRun {
    /// Returns what to call the run: its names in the phases, each once in a row.
    pub fn label(&self) -> String {
        let mut names: Vec<&str> = self.ids.iter().map(RunId::as_str).collect();
        names.dedup();
        names.join(" → ")
    }
}

impl PhaseReport {
    /// Returns what the phases' evaluations add up to.
    ///
    /// # Errors
    /// Refuses evaluations that do not fit each other.
    pub fn of(name: &str, phases: &[PhaseResults]) -> Result<Self, AnalysisError> {
        let runs = phases.first().map_or(0, |phase| phase.spec.weightings().len());
        Ok(Self {
            name: name.to_owned(),
            phases: phases.iter().map(|phase| phase.name.clone()).collect(),
            runs: (0..runs).map(|run| run_of(phases, run)).collect::<Result<_, _>>()?,
        })
    }
}

fn run_of(phases: &[PhaseResults], run: usize) -> Result<PhaseRun, AnalysisError> {
    let mut ids = Vec::new();
    let mut columns = Vec::new();
    for (place, phase) in phases.iter().enumerate() {
        let Some((id, weighting)) = phase.spec.weightings().into_iter().nth(run) else { continue };
        ids.push(id);
        for (reward, share) in weighting.shares().iter().enumerate() {
            columns.extend(column(phases, place, run, reward, *share)?);
        }
    }
    let summary = summary(&columns, phases.len());
    Ok(PhaseRun { ids, columns, summary })
}

/// Returns a column; nothing until the base is evaluated.
fn column(
    phases: &[PhaseResults],
    place: usize,
    run: usize,
    reward: usize,
    share: f64,
) -> Result<Option<PhaseColumn>, AnalysisError> {
    let PhaseResults { spec, base, after, .. } = &phases[place];
    let Some(base) = base.as_ref().and_then(|base| base.rewards.get(reward)) else { return Ok(None) };
    let (bootstrap, kind) = (bootstrap(spec), &spec.rewards[reward].kind);
    let scores: Vec<Option<&ScoreColumn>> = (0..phases.len())
        .map(|phase| after.get(phase)?.get(run)?.as_ref().and_then(|record| record.rewards.get(reward)))
        .collect();
    let between = |one: &ScoreColumn, other: &ScoreColumn| difference(&bootstrap, one, other, kind.range());
    let gains = scores.iter().map(|score| score.map(|score| between(score, base)).transpose());
    let gains = gains.collect::<Result<Vec<_>, _>>()?;
    let last = phases.len() - 1;
    let ended = scores[last].filter(|_| place < last);
    let own = scores[place];
    let best = scores[place..last].iter().flatten().max_by(|one, other| one.mean().total_cmp(&other.mean()));
    let pair = |one: Option<&ScoreColumn>, other: Option<&ScoreColumn>| match (one, other) {
        (Some(one), Some(other)) => between(one, other).map(Some),
        _ => Ok(None),
    };
    let kept = match (own, ended, gains[place]) {
        (Some(own), Some(ended), Some(gain)) if share > 0.0 && gain.is_above(0.0) => {
            Some(share_kept(&bootstrap, own, ended, base)?)
        }
        _ => None,
    };
    Ok(Some(PhaseColumn {
        phase: place,
        reward: spec.rewards[reward].name.clone(),
        share,
        base: base.mean(),
        deviation: base.deviation(),
        forgotten: pair(best.copied(), ended)?,
        backward: pair(ended, own)?,
        forward: place.checked_sub(1).and_then(|before| gains[before]),
        kept,
        gains,
    }))
}

/// Returns the ratio of the gain that is left to the gain that there was, whose interval is that of the resampled ratios.
fn share_kept(
    bootstrap: &Bootstrap,
    own: &ScoreColumn,
    ended: &ScoreColumn,
    base: &ScoreColumn,
) -> Result<Interval, AnalysisError> {
    let gains = |column: &ScoreColumn| -> Vec<f64> {
        column.prompt_means.iter().zip(&base.prompt_means).map(|(one, other)| one - other).collect()
    };
    let (left, had) = (gains(ended), gains(own));
    let sum =
        |counts: &[f64], values: &[f64]| counts.iter().zip(values).map(|(count, value)| count * value).sum::<f64>();
    Ok(bootstrap.statistic(left.len(), |counts| sum(counts, &left) / sum(counts, &had))?)
}

fn summary(columns: &[PhaseColumn], phases: usize) -> Option<PhaseSummary> {
    let trained: Vec<&PhaseColumn> = columns.iter().filter(|column| column.share > 0.0).collect();
    if trained.is_empty() || trained.iter().any(|column| column.gains.iter().any(Option::is_none)) {
        return None;
    }
    let scaled = |column: &PhaseColumn, interval: Interval| {
        // A score in which the base's images do not differ has no deviation: then it counts as it is.
        let unit = column.deviation.unwrap_or(1.0);
        Interval { mean: interval.mean / unit, lo: interval.lo / unit, hi: interval.hi / unit }
    };
    let mean_of = |of: fn(&PhaseColumn) -> Option<Interval>| {
        mean(trained.iter().filter_map(|column| Some(scaled(column, of(column)?))))
    };
    let kept: Vec<Interval> = trained.iter().filter_map(|column| column.kept).collect();
    let least = kept.iter().copied().min_by(|one, other| one.mean.total_cmp(&other.mean));
    debug_assert!(trained.iter().all(|column| column.phase < phases));
    Some(PhaseSummary {
        learned: mean_of(|column| column.gains[column.phase])?,
        forgotten: mean_of(|column| column.forgotten),
        backward: mean_of(|column| column.backward),
        forward: mean_of(|column| column.forward),
        kept: mean(kept.iter().map(at_most_one)).zip(least).map(|(mean, least)| [mean, least]),
    })
}

/// Returns a share, cut at 1: what a later phase adds to one reward does not make up for what another one lost.
fn at_most_one(share: &Interval) -> Interval {
    Interval { mean: share.mean.min(1.0), lo: share.lo.min(1.0), hi: share.hi.min(1.0) }
}

/// Returns the mean of estimates; its ends are the means of theirs.
fn mean(intervals: impl Iterator<Item = Interval>) -> Option<Interval> {
    let all: Vec<Interval> = intervals.collect();
    let count = all.len() as f64;
    let of = |end: fn(&Interval) -> f64| all.iter().map(end).sum::<f64>() / count;
    (!all.is_empty()).then(|| Interval { mean: of(|i| i.mean), lo: of(|i| i.lo), hi: of(|i| i.hi) })
}

#[cfg(test)]
mod tests {
    use moa_core::PointKind;

    use super::*;

    /// Three phases with one reward each, on 64 prompts that gain the same but for a hundredth.
    fn phases(gains: [[f64; 3]; 3]) -> Vec<PhaseResults> {
        let text = r#"(name: "all", rewards: [(kind: Safety)], weightings: [Corners], training: (epochs: 3), evaluation: (resamples: 200),
            phases: [(name: "a", until: 1), (name: "b", until: 2), (name: "c")])"#;
        let spec = ExperimentSpec::from_ron(text, "all.ron").unwrap();
        let prompts = 64;
        let record = |phase: usize, gain: f64| {
            let score = |i: usize| {
                let level = 0.3 + 0.1 * phase as f64 + 0.002 * i as f64;
                let own = if gain == 0.0 { 0.0 } else { gain * if i.is_multiple_of(2) { 0.99 } else { 1.01 } };
                [level + own - 0.05, level + own + 0.05].map(|score| score as f32)
            };
            let scores: Vec<f32> = (0..prompts).flat_map(score).collect();
            EvaluationRecord {
                id: RunId("safety".into()),
                kind: PointKind::Trained,
                weighting: None,
                images_per_prompt: 2,
                rewards: vec![ScoreColumn::of_images("safety", &scores, 2)],
                judges: Vec::new(),
                distance_to_base: None,
                added: None,
            }
        };
        (0..3)
            .map(|phase| PhaseResults {
                name: ["a", "b", "c"][phase].into(),
                spec: spec.phase(phase).unwrap(),
                base: Some(record(phase, 0.0)),
                after: (0..3).map(|after| vec![Some(record(phase, gains[after][phase]))]).collect(),
            })
            .collect()
    }

    fn near(found: Option<Interval>, wanted: f64) {
        let found = found.unwrap();
        assert!((found.mean - wanted).abs() < 1e-5 && found.contains(wanted), "{found:?} for {wanted}");
    }

    #[test]
    fn the_matrix_is_that_of_hand_made_numbers() {
        // After a, b and c: gains in a, b and c.
        let gains = [[0.2, 0.02, 0.0], [0.24, 0.3, -0.05], [0.06, 0.27, 0.1]];
        let report = PhaseReport::of("all", &phases(gains)).unwrap();
        let run = &report.runs[0];
        assert_eq!((report.runs.len(), run.columns.len(), run.label().as_str()), (1, 3, "safety"));
        for (phase, column) in run.columns.iter().enumerate() {
            assert!((column.base - (0.3 + 0.1 * phase as f64 + 0.002 * 31.5)).abs() < 1e-6);
            for (found, wanted) in column.gains.iter().zip(&gains) {
                near(*found, wanted[phase]);
            }
        }
        let [a, b, c] = [&run.columns[0], &run.columns[1], &run.columns[2]];
        near(a.forgotten, 0.24 - 0.06);
        near(b.forgotten, 0.03);
        near(a.backward, 0.06 - 0.2);
        near(b.backward, -0.03);
        near(a.kept, 0.3);
        near(b.kept, 0.9);
        near(b.forward, 0.02);
        near(c.forward, -0.05);
        assert_eq!((a.forward, c.forgotten, c.kept, c.backward), (None, None, None, None));
        // In the base's deviations: two images 0.1 apart.
        let unit = 0.1 / 2f64.sqrt();
        let summary = run.summary.as_ref().unwrap();
        let close =
            |found: Interval, wanted: f64| assert!((found.mean - wanted).abs() < 1e-4, "{found:?} for {wanted}");
        close(summary.learned, (0.2 + 0.3 + 0.1) / 3.0 / unit);
        close(summary.forgotten.unwrap(), 0.105 / unit);
        close(summary.backward.unwrap(), (-0.14 - 0.03) / 2.0 / unit);
        close(summary.forward.unwrap(), (0.02 - 0.05) / 2.0 / unit);
        let [mean, least] = summary.kept.unwrap();
        close(mean, 0.6);
        close(least, 0.3);
    }

    #[test]
    fn what_gained_nothing_has_nothing_to_keep_and_what_is_open_says_nothing() {
        let report = PhaseReport::of("all", &phases([[0.0; 3], [0.0; 3], [0.1; 3]])).unwrap();
        assert!(report.runs[0].columns[0].kept.is_none(), "a share of nothing is no number");
        let mut open = phases([[0.2; 3]; 3]);
        open[0].after[2] = vec![None];
        let report = PhaseReport::of("all", &open).unwrap();
        let column = &report.runs[0].columns[0];
        assert_eq!((column.gains[2], column.kept, column.forgotten), (None, None, None));
        assert!(report.runs[0].summary.is_none());
        open[1].base = None;
        assert_eq!(PhaseReport::of("all", &open).unwrap().runs[0].columns.len(), 2);
    }

    #[test]
    fn tables_have_every_figure() {
        let report = PhaseReport::of("all", &phases([[0.2, 0.0, 0.0], [0.1, 0.3, 0.0], [0.1, 0.3, 0.1]])).unwrap();
        let csv = report.to_csv();
        assert_eq!(csv.lines().count(), 1 + 3 * 3, "a line for each cell: {csv}");
        assert!(csv.lines().nth(7).is_some_and(|line| line.starts_with("safety,c,a,safety,1,0.1")), "{csv}");
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["phases"][1], "b");
        let kept = json["runs"][0]["columns"][0]["kept"]["mean"].as_f64().unwrap();
        assert!((kept - 0.5).abs() < 1e-6, "{kept}");
        assert!(json["runs"][0]["columns"][2]["kept"].is_null());
    }
}
