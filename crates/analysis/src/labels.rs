//! Short names of points, for plots.

use std::collections::HashMap;

use moa_core::{PointKind, RunId};

/// The shortest abbreviation of a reward.
const SHORTEST: usize = 3;

/// Returns a short name for each point, unique among them: rewards are abbreviated where a name has several, as in `aes50+ali50`, and a
/// mixture that is called like a trained adapter says what it is.
pub fn labels<'a>(points: impl IntoIterator<Item = (&'a RunId, PointKind)>, rewards: &[String]) -> Vec<String> {
    let points: Vec<(&RunId, PointKind)> = points.into_iter().collect();
    let short = abbreviations(rewards);
    let trained = |name: &str| points.iter().any(|(id, kind)| *kind == PointKind::Trained && id.as_str() == name);
    let label = |(id, kind): &(&RunId, PointKind)| {
        let prefix = match kind {
            PointKind::Soup => "soup-",
            PointKind::Blend => "blend-",
            PointKind::Given => return id.to_string(),
            PointKind::Base | PointKind::Trained => return shortened(id.as_str(), &short),
        };
        let name = id.as_str().strip_prefix(prefix).unwrap_or(id.as_str());
        if trained(name) {
            format!("{} {}", prefix.trim_end_matches('-'), shortened(name, &short))
        } else {
            shortened(name, &short)
        }
    };
    let labels: Vec<String> = points.iter().map(label).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for label in &labels {
        *counts.entry(label).or_default() += 1;
    }
    let unique = |(label, (id, _)): (&String, &(&RunId, PointKind))| {
        if counts[&**label] > 1 { id.to_string() } else { label.clone() }
    };
    labels.iter().zip(&points).map(unique).collect()
}

/// Returns each reward with the shortest beginning that no other has.
fn abbreviations(rewards: &[String]) -> Vec<(&str, String)> {
    let short = |reward: &String| {
        let letters: Vec<char> = reward.chars().collect();
        let begins = |length: usize| letters[..length].iter().collect::<String>();
        let alone = |begin: &String| !rewards.iter().any(|other| other != reward && other.starts_with(&**begin));
        let found = (SHORTEST.min(letters.len())..letters.len()).map(begins).find(alone);
        found.unwrap_or_else(|| reward.clone())
    };
    rewards.iter().map(|reward| (&**reward, short(reward))).collect()
}

/// Returns a name of several rewards with percents in short.
fn shortened(name: &str, short: &[(&str, String)]) -> String {
    let part = |part: &str| {
        let number = part.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let reward = part.strip_suffix(number).filter(|_| !number.is_empty());
        let known = reward.and_then(|reward| short.iter().find(|(full, _)| *full == reward));
        known.map(|(_, short)| format!("{short}{number}"))
    };
    name.split('-').map(part).collect::<Option<Vec<_>>>().map_or_else(|| name.to_owned(), |parts| parts.join("+"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_rewards_are_short_and_none_is_twice() {
        let rewards = ["alignment", "aligned", "safety"].map(str::to_owned);
        let points = [
            ("base", PointKind::Base),
            ("alignment", PointKind::Trained),
            ("centre", PointKind::Trained),
            ("soup-centre", PointKind::Soup),
            ("soup-alignment50-safety50", PointKind::Soup),
            ("soup-alignment37.5-safety62.5", PointKind::Soup),
            ("blend-alignment50-safety50", PointKind::Blend),
            ("mine", PointKind::Soup),
        ];
        let ids: Vec<(RunId, PointKind)> = points.iter().map(|(id, kind)| (RunId((*id).into()), *kind)).collect();
        let labels = labels(ids.iter().map(|(id, kind)| (id, *kind)), &rewards);
        assert_eq!(labels[..4], ["base", "alignment", "centre", "soup centre"]);
        assert_eq!(labels[4], "soup-alignment50-safety50", "the blend has the same shares");
        assert_eq!(labels[5], "alignm37.5+saf62.5");
        assert_eq!(labels[7], "mine");
    }
}
