//! Points of the front as the page has them.

use moa_analysis::report::FrontPoint;
use moa_analysis::{FrontReport, Score, labels};
use moa_pareto::Interval;

use crate::data::Point;
use crate::number::{Estimate, short};

/// Returns the points, without images.
pub(crate) fn of(front: &FrontReport) -> Vec<Point> {
    let is_few = front.few_prompts().is_some();
    // All that a reward's range allows is no interval that says anything.
    let shown = |interval: Interval| Estimate(if is_few { Interval::unbounded(interval.mean) } else { interval });
    let labels = labels(front.points.iter().map(|point| (&point.id, point.kind)), &front.rewards);
    let point = |(point, label): (&FrontPoint, String)| {
        let columns = || {
            let rewards = front.rewards.iter().map(|name| find(&point.rewards, name));
            rewards.chain(front.judges.iter().map(|name| find(&point.judges, name)))
        };
        Point {
            id: point.id.to_string(),
            label,
            kind: point.kind,
            added: point.added,
            weighting: point.weighting.as_ref().map_or(Vec::new(), |weighting| weighting.shares().to_vec()),
            standing: point.placing.standing(),
            sure: short(point.placing.sure()),
            undominated: point.placing.undominated,
            levels: columns().map(|score| Some(shown(score?.mean))).collect(),
            gains: columns().map(|score| Some(gain(score?.difference?, is_few))).collect(),
            hacking: point.suspected_hacking.iter().map(ToString::to_string).collect(),
            sheet: None,
        }
    };
    front.points.iter().zip(labels).map(point).collect()
}

/// Returns a gain; that of the base over itself is known, however few the prompts.
fn gain(difference: Interval, is_few: bool) -> Estimate {
    let is_exact = difference.hi <= difference.lo && difference.mean.abs() <= 0.0;
    Estimate(if is_few && !is_exact { Interval::unbounded(difference.mean) } else { difference })
}

fn find<'a>(scores: &'a [Score], name: &str) -> Option<&'a Score> {
    scores.iter().find(|score| score.name == name)
}
