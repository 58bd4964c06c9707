//! A trade-off as one types it: `safety>=0.65, alignment>=0.8, max aesthetics`.

use moa_pareto::{Bound, Constraint, Goal};

/// Returns constraints and goal. Without a goal, the request is incomplete: it is
/// refused with a hint.
pub(crate) fn read(text: &str, rewards: &[String]) -> Result<(Vec<Constraint>, Goal), String> {
    let objective = |name: &str| {
        let name = name.trim();
        let place = rewards.iter().position(|reward| reward == name);
        place.ok_or_else(|| format!("there is no reward `{name}`; there are {}", rewards.join(", ")))
    };
    let number = |text: &str, part: &str| {
        let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| format!("`{}`: `{}` is no number", part.trim(), text.trim()))
    };
    let mut constraints = Vec::new();
    let mut most = None;
    let mut target: Vec<Option<f64>> = vec![None; rewards.len()];
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        if let Some((name, value)) = part.split_once(">=") {
            constraints.push(Constraint { objective: objective(name)?, bound: Bound::AtLeast(number(value, part)?) });
        } else if let Some((name, value)) = part.split_once("<=") {
            constraints.push(Constraint { objective: objective(name)?, bound: Bound::AtMost(number(value, part)?) });
        } else if let Some(name) = part.trim().strip_prefix("max ") {
            if most.replace(objective(name)?).is_some() {
                return Err("`max` is given twice: one reward can be had the most of".into());
            }
        } else if let Some((name, value)) = part.split_once('=') {
            target[objective(name)?] = Some(number(value, part)?);
        } else {
            return Err(format!(
                "`{}` is no wish: write NAME>=VALUE, NAME<=VALUE, NAME=VALUE or max NAME",
                part.trim()
            ));
        }
    }
    let near = target.iter().any(Option::is_some);
    match most {
        Some(_) if near => Err("`max` and NAME=VALUE exclude each other".into()),
        Some(reward) => Ok((constraints, Goal::Maximise(reward))),
        None if near => Ok((constraints, Goal::Nearest(target))),
        None => Err("there is no goal: add `max NAME`, or NAME=VALUE to come near to".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_refused_with_the_way_out() {
        let rewards = ["aesthetics", "safety"].map(str::to_owned);
        let (constraints, goal) = read(" safety >= 0.65 , max aesthetics", &rewards).unwrap();
        assert_eq!(constraints, [Constraint { objective: 1, bound: Bound::AtLeast(0.65) }]);
        assert_eq!(goal, Goal::Maximise(0));
        assert_eq!(read("safety=0.7", &rewards).unwrap().1, Goal::Nearest(vec![None, Some(0.7)]));
        for (wrong, word) in [
            ("", "no goal"),
            ("safety>=0.65", "no goal"),
            ("max beauty", "aesthetics, safety"),
            ("safety>=high, max aesthetics", "`high`"),
            ("safety>=NaN, max aesthetics", "`NaN`"),
            ("safety", "NAME>=VALUE"),
            ("max safety, max aesthetics", "twice"),
            ("max safety, aesthetics=1", "exclude"),
        ] {
            let message = read(wrong, &rewards).unwrap_err();
            assert!(message.contains(word), "{wrong}: {message}");
        }
    }
}
