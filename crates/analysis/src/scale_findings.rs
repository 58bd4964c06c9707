//! Rewards that a hypervolume says nothing of: constant ones, and those that are outside of what counts as 0 and as 1.

use std::fmt;

use moa_core::experiment::RewardKind;
use moa_core::{EvaluationRecord, ExperimentSpec};

use crate::{Origin, RewardScale, Scales};

/// With fewer means of prompts it may be chance that they are alike.
const FEWEST: usize = 8;
/// How much of a value is rounding.
const ROUNDING: f64 = 1e-9;

/// What is wrong with a reward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScaleFault {
    /// Every prompt of every point has this mean.
    Constant(f64),
    /// No point's mean is above what counts as 0.
    Below {
        /// The least and the greatest mean of a point.
        means: [f64; 2],
    },
    /// No point's mean is below what counts as 1.
    Above {
        /// The least and the greatest mean of a point.
        means: [f64; 2],
    },
}

/// A reward of which the hypervolume says nothing, or is nothing because of it.
///
/// Scales that were measured fit by their definition ([`Scales`]): only the experiment's own and those of kinds can be beside the scores.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleFinding {
    /// The reward, and what counts as 0 and as 1 in it.
    pub reward: RewardScale,
    /// What is wrong.
    pub fault: ScaleFault,
    /// Whether its kind takes a `range`.
    takes_range: bool,
}

/// Returns what is wrong with the rewards of evaluations, in the experiment's order.
pub fn scale_findings(spec: &ExperimentSpec, evaluations: &[&EvaluationRecord], scales: &Scales) -> Vec<ScaleFinding> {
    let finding = |(index, reward): (usize, &RewardScale)| {
        let columns = || evaluations.iter().filter_map(|evaluation| evaluation.rewards.get(index));
        let kind = spec.rewards.get(index).map(|reward| &reward.kind);
        let takes_range = matches!(kind, Some(RewardKind::Program(_) | RewardKind::Http(_) | RewardKind::Onnx(_)));
        let prompts = columns().flat_map(|column| &column.prompt_means).copied();
        let (count, [least, most]) = (prompts.clone().count(), ends(prompts));
        let means = ends(columns().map(moa_core::ScoreColumn::mean));
        let is_given = |origin: Origin| origin != Origin::Measured;
        let fault = if count >= FEWEST && most - least <= ROUNDING * least.abs().max(most.abs()) {
            ScaleFault::Constant(means[0])
        } else if is_given(reward.reference_from) && means[1] <= reward.scale.reference {
            ScaleFault::Below { means }
        } else if is_given(reward.best_from) && means[0] >= reward.scale.best {
            ScaleFault::Above { means }
        } else {
            return None;
        };
        (count > 0).then(|| ScaleFinding { reward: reward.clone(), fault, takes_range })
    };
    scales.rewards.iter().enumerate().filter_map(finding).collect()
}

fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], value| [least.min(value), most.max(value)])
}

impl ScaleFinding {
    /// Returns where an end of the scale comes from.
    fn source(&self, origin: Origin, end: &str) -> String {
        match origin {
            Origin::Experiment => format!("`hypervolume.{end}`"),
            Origin::Kind if self.takes_range => "its `range`".into(),
            Origin::Kind | Origin::Measured => "the scale of its kind".into(),
        }
    }

    /// Returns what to do.
    fn remedy(&self) -> String {
        let name = &self.reward.name;
        let own = format!("`hypervolume: (reference: {{\"{name}\": …}}, best: {{\"{name}\": …}})`");
        if self.takes_range {
            format!("give it a `range` that holds its scores, or {own}")
        } else {
            format!("give {own}")
        }
    }
}

impl fmt::Display for ScaleFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RewardScale { name, scale, reference_from, best_from } = &self.reward;
        match self.fault {
            ScaleFault::Constant(value) => {
                write!(
                    f,
                    "reward {name} is {value:.4} for every prompt of every point: nothing is gained or lost in it"
                )?;
                if value <= scale.reference {
                    write!(f, ", and the hypervolume is 0, as {:.4} counts as 0", scale.reference)?;
                }
                write!(f, "; check what scores it, or take it out of `rewards`")
            }
            ScaleFault::Below { means: [least, most] } => write!(
                f,
                "reward {name} has means of {least:.4} to {most:.4}, and {:.4} counts as 0 ({}), so that the hypervolume is 0 whatever the other \
                 rewards are: {}",
                scale.reference,
                self.source(*reference_from, "reference"),
                self.remedy()
            ),
            ScaleFault::Above { means: [least, most] } => write!(
                f,
                "reward {name} has means of {least:.4} to {most:.4}, and {:.4} counts as 1 ({}), so that the hypervolume is beyond its scale: {}",
                scale.best,
                self.source(*best_from, "best"),
                self.remedy()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use moa_core::PointKind;
    use moa_core::experiment::OnnxSpec;

    use super::*;
    use crate::FrontReport;
    use crate::sample::{snapshot, spec};

    const POINTS: [(&str, PointKind, [f64; 2]); 2] =
        [("base", PointKind::Base, [0.5, -3.0]), ("centre", PointKind::Trained, [0.6, -2.0])];

    /// What is found where the second reward is a model's, with this range and these levels of base and centre.
    fn found(range: Option<[f64; 2]>, levels: [f64; 2], change: impl FnOnce(&mut ExperimentSpec)) -> Vec<String> {
        let mut points = POINTS;
        (points[0].2[1], points[1].2[1]) = (levels[0], levels[1]);
        let (snapshot, mut spec) = (snapshot(&points, 16), spec());
        spec.rewards[1].kind = RewardKind::Onnx(OnnxSpec { range, ..OnnxSpec::of("a.onnx") });
        change(&mut spec);
        let report = FrontReport::of(&snapshot, &spec, Scales::of(&spec, &snapshot.evaluations)).unwrap();
        report.scale_findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn means_beside_their_range_are_named_with_what_was_found() {
        let [below] = &found(None, [-3.0, -2.0], |_| ())[..] else { panic!("one finding") };
        assert!(below.starts_with("reward contrast has means of -") && below.contains(" to -"), "{below}");
        assert!(below.contains("and 0.0000 counts as 0 (its `range`), so that the hypervolume is 0"), "{below}");
        assert!(
            below.contains("give it a `range` that holds its scores, or `hypervolume: (reference: {\"contrast\": …}"),
            "{below}"
        );
        let [above] = &found(None, [3.0, 4.0], |_| ())[..] else { panic!("one finding") };
        assert!(above.contains("and 1.0000 counts as 1 (its `range`)"), "{above}");
        assert_eq!(found(Some([-4.0, -1.0]), [-3.0, -2.0], |_| ()), Vec::<String>::new());
        assert_eq!(found(None, [-0.5, 0.5], |_| ()), Vec::<String>::new(), "one point is inside");
        let own = found(Some([-4.0, -1.0]), [-3.0, -2.0], |spec| {
            spec.hypervolume.reference.insert("contrast".into(), -1.5);
        });
        assert!(own[0].contains("-1.5000 counts as 0 (`hypervolume.reference`)"), "{own:?}");
    }

    #[test]
    fn a_measured_scale_fits() {
        let mut points = POINTS.to_vec();
        points.extend([("safety", PointKind::Trained, [0.7, -3.0]), ("contrast", PointKind::Trained, [0.5, -1.0])]);
        let (snapshot, spec) = (snapshot(&points, 16), spec());
        let scales = Scales::of(&spec, &snapshot.evaluations);
        assert_eq!(scales.rewards[1].reference_from, Origin::Measured);
        let all: Vec<&EvaluationRecord> = snapshot.evaluations.iter().collect();
        assert_eq!(scale_findings(&spec, &all, &scales), []);
    }

    #[test]
    fn constant_rewards_are_named_where_there_are_enough_prompts() {
        let of = |prompts: usize, value: f64| {
            let (mut snapshot, spec) = (snapshot(&POINTS, prompts), spec());
            for evaluation in &mut snapshot.evaluations {
                evaluation.rewards[0].prompt_means.fill(value);
                evaluation.rewards[1].prompt_means.iter_mut().for_each(|mean| *mean = 0.5 + 0.1 * (*mean + 2.5));
            }
            let all: Vec<&EvaluationRecord> = snapshot.evaluations.iter().collect();
            let found = scale_findings(&spec, &all, &Scales::of(&spec, &snapshot.evaluations));
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            of(16, 0.5),
            [
                "reward safety is 0.5000 for every prompt of every point: nothing is gained or lost in it; check what scores it, or take it \
              out of `rewards`"
            ]
        );
        assert!(of(16, 0.0)[0].contains("and the hypervolume is 0, as 0.0000 counts as 0; check"), "{:?}", of(16, 0.0));
        assert!(of(2, 0.5).is_empty(), "four means may be alike by chance");
    }
}
