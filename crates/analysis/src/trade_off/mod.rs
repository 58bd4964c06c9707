//! How trade-offs are written: one grammar for the command line, the terminal UI and reports.
//!
//! ```text
//! constraint   NAME>=LEVEL | NAME<=LEVEL            safety>=0.9    safety>=base+0.02    safety.attacked>=0.8
//! goal         max NAME | NAME=LEVEL, …             max aesthetics    aesthetics=0.6, safety=base+0.01
//! request      constraints and one goal, by commas  safety>=base+0.02, max aesthetics
//! shares       NAME=SHARE, …                        aesthetics=0.6, alignment=0.4
//! LEVEL        a number, or base, base+NUMBER, base-NUMBER: a gain over the base
//! ```
//!
//! Objectives are the rewards in the experiment's order, then their gains over the base. Safety under attack is no objective: it is known only of
//! points that were attacked, so that it narrows the choice to these ([`Constraints::attacked`]).

mod error;
mod level;
mod shares;

use moa_pareto::{Bound, Constraint, Goal};

use crate::attack::AXIS;

pub use error::TradeOffError;
use level::{Level, number, pairs};
pub use shares::shares;

/// Constraints on what is chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraints {
    /// On rewards, then on their gains over the base.
    pub rewards: Vec<Constraint>,
    /// The least safety under attack, [`AXIS`]; of several the highest.
    pub attacked: Option<f64>,
}

/// Returns constraints from `NAME>=LEVEL` or `NAME<=LEVEL` each; those on [`AXIS`] are from below, a number of 0 to 1.
///
/// # Errors
/// Says what is missing, or which reward is unknown.
pub fn constraints<T: AsRef<str>>(texts: &[T], rewards: &[String]) -> Result<Constraints, TradeOffError> {
    let mut all = Constraints::default();
    for text in texts.iter().map(AsRef::as_ref) {
        if is_on_attacks(text, rewards) {
            let value = text.split_once(">=").and_then(|(_, value)| number(value));
            let value = value.filter(|value| (0.0..=1.0).contains(value));
            let least = value.ok_or_else(|| TradeOffError::Attacked { text: text.trim().into() })?;
            all.attacked = Some(all.attacked.map_or(least, |known| known.max(least)));
        } else {
            all.rewards.push(constraint(text, rewards)?);
        }
    }
    Ok(all)
}

/// Returns whether a text is about safety under attack; a reward of that name comes first.
fn is_on_attacks(text: &str, rewards: &[String]) -> bool {
    split(text).is_some_and(|(name, ..)| name.trim() == AXIS) && !rewards.iter().any(|reward| reward == AXIS)
}

/// Returns a constraint from `NAME>=LEVEL` or `NAME<=LEVEL`.
///
/// # Errors
/// Says what is missing, or which reward is unknown; refuses constraints on [`AXIS`], which no mixture can be measured for.
pub fn constraint(text: &str, rewards: &[String]) -> Result<Constraint, TradeOffError> {
    if is_on_attacks(text, rewards) {
        return Err(TradeOffError::NotAttacked);
    }
    let wrong = || TradeOffError::NoConstraint { text: text.trim().into() };
    let (name, value, bound) = split(text).ok_or_else(wrong)?;
    let level = Level::read(value).ok_or_else(wrong)?;
    Ok(Constraint { objective: level.objective(name, rewards)?, bound: bound(level.value) })
}

/// Returns the goal of having the most of one reward.
///
/// # Errors
/// Names an unknown reward.
pub fn most(name: &str, rewards: &[String]) -> Result<Goal, TradeOffError> {
    Ok(Goal::Maximise(reward(name, rewards)?))
}

/// Returns the goal of coming near to `NAME=LEVEL, …`.
///
/// # Errors
/// Says which part is wrong.
pub fn nearest(text: &str, rewards: &[String]) -> Result<Goal, TradeOffError> {
    let mut target = vec![None; 2 * rewards.len()];
    for (name, level) in pairs(text, "NAME=NUMBER", Level::read)? {
        target[level.objective(&name, rewards)?] = Some(level.value);
    }
    Ok(Goal::Nearest(target))
}

/// Returns constraints and goal of a request, e.g. `safety>=base+0.02, max aesthetics`.
///
/// # Errors
/// Says which part is wrong, and what is missing.
pub fn wish(text: &str, rewards: &[String]) -> Result<(Vec<Constraint>, Goal), TradeOffError> {
    let mut constraints = Vec::new();
    let mut goal: Option<Goal> = None;
    let mut near: Vec<&str> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let maximised = ["max ", "maximise ", "maximize "].iter().find_map(|word| part.strip_prefix(word));
        if split(part).is_some() {
            constraints.push(constraint(part, rewards)?);
        } else if let Some(name) = maximised {
            if goal.replace(most(name, rewards)?).is_some() {
                return Err(TradeOffError::TwoGoals);
            }
        } else if part.contains('=') {
            near.push(part);
        } else {
            return Err(TradeOffError::NoPart { text: part.into() });
        }
    }
    match (goal, near.is_empty()) {
        (Some(_), false) => Err(TradeOffError::MostAndNear),
        (Some(goal), true) => Ok((constraints, goal)),
        (None, false) => Ok((constraints, nearest(&near.join(","), rewards)?)),
        (None, true) => Err(TradeOffError::NoGoal),
    }
}

/// Returns a constraint as it is written, e.g. `safety>=base+0.02`.
pub fn written(constraint: &Constraint, rewards: &[String]) -> String {
    let (sign, value) = match constraint.bound {
        Bound::AtLeast(value) => (">=", value),
        Bound::AtMost(value) => ("<=", value),
    };
    match constraint.objective.checked_sub(rewards.len()) {
        None => format!("{}{sign}{value}", rewards[constraint.objective]),
        Some(reward) if value == 0.0 => format!("{}{sign}base", rewards[reward]),
        Some(reward) => format!("{}{sign}base{value:+}", rewards[reward]),
    }
}

/// Returns an objective in words, e.g. `safety` or `the gain of safety over the base`.
pub fn objective_name(objective: usize, rewards: &[String]) -> String {
    match objective.checked_sub(rewards.len()) {
        None => rewards[objective].clone(),
        Some(reward) => format!("the gain of {} over the base", rewards[reward]),
    }
}

/// Makes a bound of a value.
type Bounded = fn(f64) -> Bound;

fn split(text: &str) -> Option<(&str, &str, Bounded)> {
    let least = text.split_once(">=").map(|(name, value)| (name, value, Bound::AtLeast as Bounded));
    least.or_else(|| text.split_once("<=").map(|(name, value)| (name, value, Bound::AtMost as Bounded)))
}

/// Returns the place of a reward.
///
/// # Errors
/// Names an unknown reward.
pub fn reward(name: &str, rewards: &[String]) -> Result<usize, TradeOffError> {
    let name = name.trim();
    rewards.iter().position(|reward| reward == name).ok_or_else(|| TradeOffError::Unknown {
        what: "reward",
        name: name.into(),
        known: rewards.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["aesthetics", "safety"].map(str::to_owned).to_vec()
    }

    #[test]
    fn constraints_are_read_with_either_sign_and_any_blanks_and_written_as_they_are_read() {
        let read = |text: &str| constraint(text, &names()).unwrap();
        assert_eq!(read("safety>=0.9"), Constraint { objective: 1, bound: Bound::AtLeast(0.9) });
        assert_eq!(read(" aesthetics <= -1e-2"), Constraint { objective: 0, bound: Bound::AtMost(-0.01) });
        assert_eq!(read("safety>=base+0.02"), Constraint { objective: 3, bound: Bound::AtLeast(0.02) });
        assert_eq!(read("aesthetics <= base - 0.5"), Constraint { objective: 2, bound: Bound::AtMost(-0.5) });
        assert_eq!(read("safety>=base"), Constraint { objective: 3, bound: Bound::AtLeast(0.0) });
        for text in ["safety>=0.9", "aesthetics<=-0.01", "safety>=base+0.02", "aesthetics<=base-0.5", "safety>=base"] {
            assert_eq!(written(&read(text), &names()), text);
        }
        for wrong in ["safety>=base0.1", "safety>=base+-1", "safety>=base+", "safety>=bass"] {
            assert!(constraint(wrong, &names()).is_err(), "{wrong}");
        }
        for wrong in ["safety", "safety>0.9", "safety>=", "safety>=NaN", "saftey>=0.9", ">=1"] {
            assert!(constraint(wrong, &names()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn safety_under_attack_is_a_constraint_from_below_on_what_was_attacked() {
        let read = |texts: &[&str]| constraints(texts, &names());
        let all = read(&["safety.attacked >= 0.8", "safety>=base", "safety.attacked>=0.7"]).unwrap();
        assert_eq!(all.attacked, Some(0.8));
        assert_eq!(all.rewards, [Constraint { objective: 3, bound: Bound::AtLeast(0.0) }]);
        assert_eq!(read(&["safety>=0.9"]).unwrap().attacked, None);
        for wrong in ["safety.attacked<=0.8", "safety.attacked>=base", "safety.attacked>=80", "safety.attacked>="] {
            let message = read(&[wrong]).unwrap_err().to_string();
            assert!(message.contains(wrong) && message.contains("0 to 1"), "{wrong}: {message}");
        }
        let message = wish("safety.attacked>=0.8, max safety", &names()).unwrap_err().to_string();
        assert!(message.contains("moa merge --where"), "{message}");
        let own = vec![AXIS.to_owned()];
        assert_eq!(constraints(&["safety.attacked<=2"], &own).unwrap().rewards.len(), 1, "a reward may have the name");
    }

    #[test]
    fn a_wish_has_constraints_with_gains_and_one_goal() {
        let (constraints, goal) = wish(" safety >= base+0.02 , aesthetics>=0.5, max aesthetics", &names()).unwrap();
        assert_eq!(constraints.len(), 2);
        assert_eq!(constraints[0], Constraint { objective: 3, bound: Bound::AtLeast(0.02) });
        assert_eq!(goal, Goal::Maximise(0));
        let near = wish("safety=0.7, aesthetics=base+0.1", &names()).unwrap().1;
        assert_eq!(near, Goal::Nearest(vec![None, Some(0.7), Some(0.1), None]));
        for (wrong, word) in [
            ("", "no goal"),
            ("safety>=0.65", "no goal"),
            ("max beauty", "aesthetics, safety"),
            ("safety>=high, max aesthetics", "safety>=high"),
            ("safety>=NaN, max aesthetics", "safety>=NaN"),
            ("safety", "NAME>=VALUE"),
            ("max safety, max aesthetics", "twice"),
            ("max safety, aesthetics=1", "exclude"),
        ] {
            let message = wish(wrong, &names()).unwrap_err().to_string();
            assert!(message.contains(word), "{wrong}: {message}");
        }
    }
}
