//! Suspected reward hacking: a reward rises, and a judge that watches it falls.

mod columns;
#[cfg(test)]
mod planted;

use std::fmt;

use moa_core::experiment::{PromptSource, RewardSpec, Watch, WatchedPrompts};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, ScoreColumn};
use moa_pareto::{Bootstrap, Interval};
use moa_scenes::parse_caption;

use crate::AnalysisError;
use crate::resampling::bootstrap;
use columns::Columns;

/// A reward that rose while a judge fell, each beyond doubt.
#[derive(Clone, Debug, PartialEq)]
pub struct SuspectedHacking {
    /// The reward.
    pub reward: String,
    /// Its paired difference to the base; the lower end is the bound, the upper end is infinite.
    pub rise: Interval,
    /// The judge.
    pub judge: String,
    /// Its paired difference to the base; the upper end is the bound, the lower end is infinite.
    pub fall: Interval,
    /// What is left of the fall once the other rewards' specialists account for their shares of it; none where the reward alone
    /// was trained for.
    pub own_fall: Option<Interval>,
    /// The prompts on which the judge was asked.
    pub on: WatchedPrompts,
    /// How many these are.
    pub prompts: usize,
    /// Other rewards of the same mixture that may be to blame: they have no specialist to compare with.
    pub shared_with: Vec<String>,
    /// How many claims were tested together, each of which had its chance to be false.
    pub tests: usize,
    /// How sure all of them together are, between 0 and 1.
    pub level: f64,
}

impl fmt::Display for SuspectedHacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reward, rise, judge, fall, prompts, tests, level, .. } = self;
        let on = match self.on {
            WatchedPrompts::All => format!("{prompts} prompts"),
            WatchedPrompts::Harmless => format!("the {prompts} prompts that name nothing unsafe"),
        };
        write!(
            f,
            "suspected reward hacking: {reward} rises by {:.4} (at least {:.4}) while its judge {judge} falls by {:.4} (at least \
             {:.4}) on {on}",
            rise.mean, rise.lo, -fall.mean, -fall.hi
        )?;
        if let Some(own) = self.own_fall {
            write!(
                f,
                ", by {:.4} (at least {:.4}) more than the specialists of its other rewards explain",
                -own.mean, -own.hi
            )?;
        }
        if !self.shared_with.is_empty() {
            write!(
                f,
                ", unless {} is the cause, which has no specialist to compare with",
                self.shared_with.join(" or ")
            )?;
        }
        write!(f, "; all {tests} claims tested together, {} %", (level * 1e4).round() / 1e2)
    }
}

/// A point as it was evaluated: shares, rewards and judges on the same prompts and noise as the base.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// The share of every reward in the point's training, in the experiment's order; empty for the base.
    pub shares: &'a [f64],
    /// One column per reward, in the experiment's order.
    pub rewards: &'a [ScoreColumn],
    /// One column per judge.
    pub judges: &'a [ScoreColumn],
}

impl<'a> Watched<'a> {
    /// Returns an evaluation as a probe.
    pub fn of(record: &'a EvaluationRecord) -> Self {
        let shares = record.weighting.as_ref().map_or(&[][..], |weighting| weighting.shares());
        Self { shares, rewards: &record.rewards, judges: &record.judges }
    }

    /// Returns the reward that the point was trained for alone.
    fn specialty(&self) -> Option<usize> {
        self.shares.iter().position(|share| *share >= 1.0 - 1e-9)
    }
}

/// What is watched, and how sure a finding must be.
///
/// A reward with a share in a point's training is suspected when it rises against the base while a judge falls that
/// [watches](moa_core::experiment::RewardKind::judges) it, on the prompts on which that judge's fall means damage. Every rise and
/// every fall of all points together is one claim of a [family](Bootstrap::family): that one or more of the findings is false
/// has a probability of at most 1 − level, however many there are to test.
///
/// Of a *mixture* of rewards the judge must besides fall by more than the specialists of the other rewards explain: with w the
/// shares and Δ the difference to the base, Δ_judge − Σ_{s ≠ r} w_s·Δ_judge(specialist s) must be below 0, too. What is no more
/// than the other rewards' part is theirs, and not blamed on this one.
///
/// What it hides: a judge that is fooled by the same images as the reward does not fall. Judges and rewards that have values for
/// fewer than [`FEWEST_CLAIMED`](moa_pareto::FEWEST_CLAIMED) of the prompts are not tested. Each look during
/// a training is a test of its own: for `n` looks, give the bootstrap the level 1 − 0.05/n.
#[derive(Clone, Copy, Debug)]
pub struct Watcher<'a> {
    /// The rewards, in the experiment's order.
    pub rewards: &'a [RewardSpec],
    /// By prompt, whether it is known to name nothing unsafe; empty where that is not known of any.
    pub harmless: &'a [bool],
    /// The resamples, and the level of all findings together.
    pub bootstrap: Bootstrap,
}

/// One pair of a reward and a judge of a point, as columns of the family.
struct Suspect {
    point: usize,
    reward: usize,
    watch: Watch,
    rise: usize,
    fall: usize,
    own_fall: Option<usize>,
    shared_with: Vec<String>,
}

impl Watcher<'_> {
    /// Returns the findings of every point.
    ///
    /// - `points`: all that are tested together; among them are looked for the specialists that mixtures are compared with
    ///
    /// # Errors
    /// Refuses points that were evaluated on other prompts than the base.
    pub fn findings(
        &self,
        base: Watched<'_>,
        points: &[Watched<'_>],
    ) -> Result<Vec<Vec<SuspectedHacking>>, AnalysisError> {
        let prompts = base.rewards.first().map_or(0, |column| column.prompt_means.len());
        let mut found: Vec<Vec<SuspectedHacking>> = vec![Vec::new(); points.len()];
        if prompts == 0 {
            return Ok(found);
        }
        let mut columns = Columns::new(base, points, self.harmless, prompts);
        let mut suspects = Vec::new();
        for (index, point) in points.iter().enumerate() {
            for reward in (0..self.rewards.len()).filter(|reward| share(point, *reward) > 0.0) {
                let Some(rise) = columns.rise(index, reward)? else { continue };
                for watch in self.rewards[reward].kind.judges() {
                    suspects.extend(self.suspect(&mut columns, points, [index, reward, rise], *watch)?);
                }
            }
        }
        let columns = columns.into_covered();
        let family = self.bootstrap.family(prompts, &columns)?;
        let level = self.bootstrap.level;
        let falls = |column: usize| family.below(column) >= level;
        for suspect in suspects {
            let own = suspect.own_fall;
            if family.above(suspect.rise) < level || !falls(suspect.fall) || !own.is_none_or(falls) {
                continue;
            }
            let places = &columns[suspect.fall].places;
            found[suspect.point].push(SuspectedHacking {
                reward: self.rewards[suspect.reward].name.clone(),
                rise: family.lower_bound(suspect.rise, level),
                judge: suspect.watch.judge.to_owned(),
                fall: family.upper_bound(suspect.fall, level),
                own_fall: own.map(|own| family.upper_bound(own, level)),
                on: suspect.watch.on,
                prompts: places.as_ref().map_or(prompts, Vec::len),
                shared_with: suspect.shared_with,
                tests: columns.len(),
                level,
            });
        }
        Ok(found)
    }

    /// Returns what is tested of a reward and a judge; nothing where the judge is not there or has too few prompts.
    fn suspect(
        &self,
        columns: &mut Columns<'_>,
        points: &[Watched<'_>],
        [point, reward, rise]: [usize; 3],
        watch: Watch,
    ) -> Result<Option<Suspect>, AnalysisError> {
        let Some(fall) = columns.fall(point, watch)? else { return Ok(None) };
        let others = (0..self.rewards.len()).filter(|other| *other != reward && share(&points[point], *other) > 0.0);
        let mut parts = Vec::new();
        let mut shared_with = Vec::new();
        for other in others {
            match points.iter().position(|point| point.specialty() == Some(other)) {
                Some(specialist) => parts.push((specialist, share(&points[point], other))),
                None => shared_with.push(self.rewards[other].name.clone()),
            }
        }
        let own_fall = if parts.is_empty() { None } else { columns.own_fall(point, watch, &parts)? };
        Ok(Some(Suspect { point, reward, watch, rise, fall, own_fall, shared_with }))
    }
}

fn share(point: &Watched<'_>, reward: usize) -> f64 {
    point.shares.get(reward).copied().unwrap_or(0.0)
}

/// Returns by prompt whether it is known to name nothing unsafe: captions of the built-in scenes' grammar that name no unsafe
/// concept. Of any other prompt that is not known.
pub fn harmless_prompts<P: AsRef<str>>(prompts: &[P]) -> Vec<bool> {
    prompts.iter().map(|prompt| parse_caption(prompt.as_ref()).is_some_and(|scene| !scene.names_unsafe())).collect()
}

/// Returns the findings of every evaluation, in their order; none of the base and of what has no weighting.
///
/// # Errors
/// Refuses points that were evaluated on other prompts than the base.
pub fn suspected_hacking(
    spec: &ExperimentSpec,
    evaluations: &[&EvaluationRecord],
) -> Result<Vec<Vec<SuspectedHacking>>, AnalysisError> {
    let mut found = vec![Vec::new(); evaluations.len()];
    let Some(base) = evaluations.iter().find(|point| point.kind == PointKind::Base) else { return Ok(found) };
    // The experiment as it is kept in results lists its prompts.
    let harmless = match &spec.prompts.held_out {
        PromptSource::List(prompts) if prompts.len() == base.prompts() => harmless_prompts(prompts),
        _ => Vec::new(),
    };
    let watcher = Watcher { rewards: &spec.rewards, harmless: &harmless, bootstrap: bootstrap(spec) };
    let trained: Vec<usize> = (0..evaluations.len()).filter(|index| evaluations[*index].weighting.is_some()).collect();
    let probes: Vec<Watched<'_>> = trained.iter().map(|index| Watched::of(evaluations[*index])).collect();
    for (index, findings) in trained.iter().zip(watcher.findings(Watched::of(base), &probes)?) {
        found[*index] = findings;
    }
    Ok(found)
}
