//! Recommendations in words.

use moa_core::RunId;
use moa_pareto::Interval;

use super::Why;
use crate::resampling::LEVEL;
use crate::trade_off::written;
use crate::{FrontPoint, Score};

/// Names in a list, at most; the others are counted.
const MOST_NAMES: usize = 3;

/// Returns why a point is recommended, what it gains and costs, and how sure that is. It reads after the point's name and a colon.
pub(super) fn sentence(
    why: &Why,
    point: &FrontPoint,
    picked: Option<f64>,
    alike: &[RunId],
    rewards: &[String],
) -> String {
    let mut parts = vec![match why {
        Why::Most(reward) => format!("the most {}", rewards[*reward]),
        Why::Knee => "the knee of the front: beyond it, more of one reward costs most of the others".into(),
        Why::NoLoss => "gains most among those that lose nothing beyond noise".into(),
        Why::Within { constraints, goal, surely } => {
            let what = goal.map_or("the best".into(), |reward| format!("the most {}", rewards[reward]));
            let kept: Vec<String> = constraints.iter().map(|one| written(one, rewards)).collect();
            let how = if *surely { "" } else { " (by its means; its bounds on other prompts do not)" };
            if kept.is_empty() { what } else { format!("{what} that keeps {}{how}", kept.join(" and ")) }
        }
        Why::Beats { trained, sure } if *sure >= LEVEL => {
            format!(
                "a mixture that beats {trained} in every reward in which they differ ({:.0} % sure)",
                floor_percent(*sure)
            )
        }
        Why::Beats { trained, .. } => {
            format!("a mixture that is at least as good as {trained} in every mean, though not beyond noise")
        }
    }];
    if !matches!(why, Why::Beats { .. }) {
        parts.extend(balance(point, why));
    }
    if let Some(picked) = picked {
        parts.push(format!("picked in {:.0} % of resamples", 100.0 * picked));
    }
    if !alike.is_empty() {
        let more = alike.len().saturating_sub(MOST_NAMES);
        let mut names: Vec<String> = alike.iter().take(MOST_NAMES).map(ToString::to_string).collect();
        names.extend((more > 0).then(|| format!("{more} more")));
        let of_reward = |reward: usize| format!(" in {}", rewards[reward]);
        parts.push(format!(
            "not distinguishable{} from {}",
            picked_for(why).map(of_reward).unwrap_or_default(),
            names.join(", ")
        ));
    }
    if let Some(first) = point.suspected_hacking.first() {
        parts.push(format!("but suspected of hacking {}", first.reward));
    }
    parts.join("; ")
}

/// Returns what a point gains and loses beyond noise; what it is picked for stands first.
fn balance(point: &FrontPoint, why: &Why) -> Option<String> {
    let first = picked_for(why);
    let known: Vec<(usize, &Score, Interval)> =
        point.rewards.iter().enumerate().filter_map(|(place, score)| Some((place, score, score.difference?))).collect();
    let of = |is_sought: &dyn Fn(usize, Interval) -> bool| -> Vec<String> {
        let mut chosen: Vec<_> = known.iter().filter(|(place, _, gain)| is_sought(*place, *gain)).collect();
        chosen.sort_by_key(|(place, ..)| Some(*place) != first);
        chosen.into_iter().map(|(_, score, gain)| format!("{} {}", score.name, signed(*gain))).collect()
    };
    let gains = of(&|place, gain| gain.lo > 0.0 || Some(place) == first);
    let losses = of(&|place, gain| gain.hi < 0.0 && Some(place) != first);
    let unclear =
        known.iter().filter(|(place, _, gain)| gain.lo <= 0.0 && gain.hi >= 0.0 && Some(*place) != first).count();
    let mut parts = Vec::new();
    if !gains.is_empty() {
        parts.push(gains.join(", "));
    }
    if !losses.is_empty() {
        parts.push(format!("costs {}", losses.join(", ")));
    } else if unclear > 0 && !gains.is_empty() && *why != Why::NoLoss {
        parts.push("no loss beyond noise".into());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Returns the place of the one reward for which a point is picked.
fn picked_for(why: &Why) -> Option<usize> {
    match why {
        Why::Most(reward) | Why::Within { goal: Some(reward), .. } => Some(*reward),
        _ => None,
    }
}

/// Returns a gain with its interval, e.g. `+0.058 (+0.046 to +0.070)`.
fn signed(gain: Interval) -> String {
    if gain.is_bounded() {
        format!("{:+.3} ({:+.3} to {:+.3})", gain.mean, gain.lo, gain.hi)
    } else {
        format!("{:+.3}", gain.mean)
    }
}

/// Returns a confidence in percent, never 100: no number of prompts makes sure.
fn floor_percent(confidence: f64) -> f64 {
    (100.0 * confidence).floor().min(99.0)
}
