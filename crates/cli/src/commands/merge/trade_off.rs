//! Trade-offs as the command line says them: `safety>=0.9`, `aesthetics=0.6,alignment=0.4`.

use moa_pareto::{Bound, Constraint, Goal};

use crate::error::CliError;
use crate::suggest::did_you_mean;

/// Returns a constraint from `NAME>=VALUE` or `NAME<=VALUE`; with `base+VALUE` it is one on the gain over the base, whose
/// objectives come after the rewards'.
///
/// # Errors
/// Says what is missing, or which reward is unknown.
pub(super) fn constraint(text: &str, rewards: &[String]) -> Result<Constraint, CliError> {
    let wrong = || {
        CliError::usage(format!("--where {text:?} is no constraint")).hint(
            "write NAME>=VALUE or NAME<=VALUE, in quotes: --where \"safety>=0.9\" or --where \"safety>=base+0.02\"",
        )
    };
    let (name, value, bound): (&str, &str, fn(f64) -> Bound) = if let Some((name, value)) = text.split_once(">=") {
        (name, value, Bound::AtLeast)
    } else if let Some((name, value)) = text.split_once("<=") {
        (name, value, Bound::AtMost)
    } else {
        return Err(wrong());
    };
    let Level { gain, value } = level(value).ok_or_else(wrong)?;
    let objective = objective("--where", name, rewards)? + if gain { rewards.len() } else { 0 };
    Ok(Constraint { objective, bound: bound(value) })
}

/// Returns the goal: the most of one reward, or to be near a target given as `NAME=VALUE,…`.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn goal(maximize: Option<&str>, nearest: Option<&str>, rewards: &[String]) -> Result<Goal, CliError> {
    if let Some(text) = nearest {
        let mut target = vec![None; 2 * rewards.len()];
        for (name, Level { gain, value }) in pairs("--nearest", text, level)? {
            target[objective("--nearest", &name, rewards)? + if gain { rewards.len() } else { 0 }] = Some(value);
        }
        return Ok(Goal::Nearest(target));
    }
    match maximize {
        Some(name) => Ok(Goal::Maximise(objective("--maximize", name, rewards)?)),
        None => Err(CliError::usage("there is no goal: which mixture is best?")
            .hint("add --maximize REWARD or --nearest NAME=VALUE,…; or give shares with --at NAME=SHARE,…")),
    }
}

/// Returns the share of every ingredient from `NAME=SHARE,…`; those that are not named have none.
///
/// # Errors
/// Says which name is unknown, and which shares are negative or do not sum to 1.
pub(super) fn shares(text: &str, ingredients: &[String], extrapolation: f64) -> Result<Vec<f64>, CliError> {
    let mut shares = vec![0.0; ingredients.len()];
    for (name, share) in pairs("--at", text, number)? {
        let index = ingredients.iter().position(|known| *known == name);
        let index = index.ok_or_else(|| unknown("--at", &name, "adapter", ingredients))?;
        if !(-extrapolation..=1.0 + extrapolation).contains(&share) {
            let error = CliError::usage(format!("--at: the share of {name} is {share}"));
            return Err(if extrapolation > 0.0 {
                error.hint(format!(
                    "--extrapolate {extrapolation} allows {} to {}",
                    -extrapolation,
                    1.0 + extrapolation
                ))
            } else {
                error.hint("shares lie between 0 and 1; --extrapolate allows more")
            });
        }
        shares[index] = share;
    }
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(CliError::usage(format!("--at: the shares sum to {sum}")).hint("shares sum to 1"));
    }
    Ok(shares)
}

/// A value of a reward, or of its gain over the base.
struct Level {
    gain: bool,
    value: f64,
}

fn level(text: &str) -> Option<Level> {
    let text = text.trim();
    let Some(gain) = text.strip_prefix("base") else { return Some(Level { gain: false, value: number(text)? }) };
    let gain = gain.trim();
    let value = match gain.split_at_checked(1) {
        None => 0.0,
        Some(("+", value)) => number(value).filter(|value| !value.is_sign_negative())?,
        Some(("-", value)) => -number(value).filter(|value| !value.is_sign_negative())?,
        Some(_) => return None,
    };
    Some(Level { gain: true, value })
}

fn pairs<T>(option: &str, text: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<(String, T)>, CliError> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim().to_owned(), read(value)?))
    };
    let wrong = |part: &str| {
        CliError::usage(format!("{option}: {part:?} is no NAME=NUMBER"))
            .hint(format!("{option} NAME=NUMBER,NAME=NUMBER"))
    };
    text.split(',').map(|part| pair(part).ok_or_else(|| wrong(part))).collect()
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

fn objective(option: &str, name: &str, rewards: &[String]) -> Result<usize, CliError> {
    let name = name.trim();
    let place = rewards.iter().position(|reward| reward == name);
    place.ok_or_else(|| unknown(option, name, "reward", rewards))
}

fn unknown(option: &str, name: &str, what: &str, known: &[String]) -> CliError {
    CliError::usage(format!("{option}: there is no {what} `{name}`; there are {}", known.join(", ")))
        .maybe_hint(did_you_mean(name, known.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["aesthetics", "safety"].map(str::to_owned).to_vec()
    }

    #[test]
    fn constraints_are_read_with_either_sign_and_any_blanks() {
        let read = |text: &str| constraint(text, &names()).unwrap();
        assert_eq!(read("safety>=0.9"), Constraint { objective: 1, bound: Bound::AtLeast(0.9) });
        assert_eq!(read(" aesthetics <= -1e-2"), Constraint { objective: 0, bound: Bound::AtMost(-0.01) });
        assert_eq!(read("safety>=base+0.02"), Constraint { objective: 3, bound: Bound::AtLeast(0.02) });
        assert_eq!(read("aesthetics <= base - 0.5"), Constraint { objective: 2, bound: Bound::AtMost(-0.5) });
        assert_eq!(read("safety>=base"), Constraint { objective: 3, bound: Bound::AtLeast(0.0) });
        for wrong in ["safety>=base0.1", "safety>=base+-1", "safety>=base+", "safety>=bass"] {
            assert!(constraint(wrong, &names()).is_err(), "{wrong}");
        }
        for wrong in ["safety", "safety>0.9", "safety>=", "safety>=NaN", "saftey>=0.9", ">=1"] {
            assert!(constraint(wrong, &names()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_must_be_known_positive_and_sum_to_one() {
        assert_eq!(shares("safety=0.4, aesthetics=0.6", &names(), 0.0).unwrap(), [0.6, 0.4]);
        assert_eq!(shares("safety=1", &names(), 0.0).unwrap(), [0.0, 1.0]);
        for wrong in ["safety=0.5", "safety=1.5,aesthetics=-0.5", "beauty=1", "safety", ""] {
            assert!(shares(wrong, &names(), 0.0).is_err(), "{wrong}");
        }
        assert_eq!(shares("safety=1.5,aesthetics=-0.5", &names(), 0.5).unwrap(), [-0.5, 1.5]);
    }

    #[test]
    fn a_goal_is_needed() {
        assert_eq!(goal(Some("safety"), None, &names()).unwrap(), Goal::Maximise(1));
        assert_eq!(goal(None, Some("safety=0.5"), &names()).unwrap(), Goal::Nearest(vec![None, Some(0.5), None, None]));
        assert!(goal(None, None, &names()).is_err());
        assert!(goal(Some("x"), None, &names()).is_err());
    }
}
