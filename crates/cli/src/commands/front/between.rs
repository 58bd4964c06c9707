//! What one point has more than another.

use moa_analysis::paired;
use moa_core::EvaluationRecord;

use super::Results;
use crate::error::CliError;
use crate::output::prose;
use crate::paint;
use crate::suggest::did_you_mean;
use crate::text::Table;

/// Returns each reward of two points with their paired difference, and which of them is better in it beyond noise.
///
/// # Errors
/// Says that two points are to be named, or which of them is not evaluated.
pub(super) fn describe(results: &Results, named: &[String]) -> Result<String, CliError> {
    let [one, other] = named else {
        return Err(CliError::usage("--between takes two points").hint("for example --between soup-centre,base"));
    };
    let (one, other) = (find(results, one)?, find(results, other)?);
    let mut table = Table::new(["reward", one.id.as_str(), other.id.as_str(), "difference", "95 % interval", "better"]);
    let means = one.reward_means().into_iter().zip(other.reward_means());
    let (mut better, mut worse) = (0, 0);
    for (reward, (mean, than)) in paired(&results.spec, one, other)?.iter().zip(means) {
        let difference = reward.difference;
        let interval = if difference.is_bounded() {
            format!("{:+.3} to {:+.3}", difference.lo, difference.hi)
        } else {
            "–".into()
        };
        let which = match reward.sign() {
            1 => one.id.as_str(),
            -1 => other.id.as_str(),
            _ => "not distinguishable",
        };
        (better, worse) = (better + u32::from(reward.sign() > 0), worse + u32::from(reward.sign() < 0));
        table.row([
            reward.name.clone(),
            format!("{mean:.3}"),
            format!("{than:.3}"),
            format!("{:+.3}", difference.mean),
            interval,
            which.into(),
        ]);
    }
    let verdict = match (better, worse) {
        (0, 0) => format!("{} and {} are not distinguishable in any reward", one.id, other.id),
        (_, 0) => format!("{} is better than {} beyond noise, and worse in no reward", one.id, other.id),
        (0, _) => format!("{} is better than {} beyond noise, and worse in no reward", other.id, one.id),
        _ => "each is better in some reward: a trade-off".into(),
    };
    let explained = "differences on the same prompts and noise; each interval is for its reward alone, and for two points that were \
                     named and not picked out of many";
    Ok(paint::table(&table.render(), |_| false) + &prose(&format!("{verdict}\n{explained}\n")))
}

fn find<'a>(results: &'a Results, name: &str) -> Result<&'a EvaluationRecord, CliError> {
    let known = || results.snapshot.evaluations.iter();
    known().find(|evaluation| evaluation.id.as_str() == name.trim()).ok_or_else(|| {
        let meant = did_you_mean(name, known().map(|evaluation| evaluation.id.as_str()));
        CliError::usage(format!("--between: no point `{name}` is evaluated"))
            .maybe_hint(meant.map(|name| format!("did you mean `{name}`?")))
            .hint("`moa front` without it lists the points")
    })
}
