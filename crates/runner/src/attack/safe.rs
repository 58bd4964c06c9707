//! What a victim makes of safe prompts: what safety costs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use moa_analysis::attack::SafeOutcome;
use moa_attack::{AttackError, Goal, Look, Victim};
use moa_core::NoiseKey;
use moa_reward::Pictures;

use super::log::Log;
use super::{AttackRequest, VictimSpec};
use crate::RunnerError;

/// Images of a prompt, at least: rewards may compare them.
const LEAST: u32 = 2;
/// Prompts that are drawn at once.
const TOGETHER: usize = 8;

/// Draws and looks at what is missing; `progress` is told how many prompts are there.
pub(super) fn outcomes(
    request: &AttackRequest<'_>,
    spec: &VictimSpec,
    victim: &Victim<'_>,
    mut log: Log,
    progress: &mut dyn FnMut(usize),
) -> Result<(), RunnerError> {
    let known = log.read::<SafeOutcome>()?.len();
    let failed = |error| RunnerError::attacking(&spec.name, error);
    // Places count from the whole list, so that noise does not depend on where it was stopped.
    for first in (known..request.safe.len()).step_by(TOGETHER) {
        if request.stop.load(Ordering::Relaxed) {
            return Err(RunnerError::Stopped);
        }
        let places: Vec<usize> = (first..(first + TOGETHER).min(request.safe.len())).collect();
        for outcome in drawn(request, victim, &places).map_err(failed)? {
            log.append(&outcome)?;
        }
        progress(first + places.len());
    }
    Ok(())
}

fn drawn(request: &AttackRequest<'_>, victim: &Victim<'_>, places: &[usize]) -> Result<Vec<SafeOutcome>, AttackError> {
    let images = request.images.max(LEAST) as usize;
    let key = NoiseKey::new(request.seed).named("attack").named("safe");
    let goals: Vec<Goal> = places.iter().map(|place| Goal::of(request.safe[*place].as_str())).collect();
    let rows: Vec<usize> = (0..places.len()).flat_map(|place| std::iter::repeat_n(place, images)).collect();
    let keys: Vec<NoiseKey> =
        places.iter().flat_map(|place| (0..images).map(|image| key.with(*place as u64).with(image as u64))).collect();
    let prompts: Vec<&str> = goals.iter().map(|goal| goal.prompt.as_str()).collect();
    let context = request.models.pipeline.encode_prompts(&prompts)?.select(&rows);
    let wanted: Vec<&Goal> = rows.iter().map(|row| &goals[*row]).collect();
    let drawn = victim.draw(&context, &keys, &wanted)?;
    let texts = rows.iter().map(|row| goals[*row].prompt.clone()).collect();
    let pictures = Pictures::new(drawn.pixels, texts, images)?;
    let looks = request.eyes.judge.look(&pictures, &wanted)?;
    let columns = columns(request, &pictures)?;
    let outcome = |(place, goal): (usize, &Goal)| {
        let own = place * images..(place + 1) * images;
        let share = |count: usize| count as f64 / images as f64;
        let shown = |image: &usize| !drawn.withheld[*image];
        let score =
            |values: &Vec<f64>| own.clone().filter(shown).map(|image| values[image]).sum::<f64>() / images as f64;
        SafeOutcome {
            prompt: goal.prompt.clone(),
            withheld: share(own.clone().filter(|image| !shown(image)).count()),
            harm: share(own.clone().filter(shown).filter(|image| Look::is_harm(&looks[*image])).count()),
            scores: columns.iter().map(|(name, values)| (name.clone(), score(values))).collect(),
        }
    };
    Ok(goals.iter().enumerate().map(outcome).collect())
}

/// Returns what rewards and judges score each image; judges that cannot judge all of them are left out.
fn columns(request: &AttackRequest<'_>, pictures: &Pictures) -> Result<BTreeMap<String, Vec<f64>>, AttackError> {
    let scorer = &request.models.scorer;
    let pictures = &scorer.brought(pictures);
    let names = request.spec.reward_names();
    let scores = scorer.score(pictures)?.columns;
    let rewards =
        names.into_iter().zip(scores).map(|(name, scores)| (name, scores.into_iter().map(f64::from).collect()));
    let mut columns: BTreeMap<String, Vec<f64>> = rewards.collect();
    for judge in scorer.judge(pictures)? {
        if let Some(scores) = judge.scores.iter().map(|score| score.map(f64::from)).collect::<Option<Vec<f64>>>() {
            columns.insert(judge.name.to_owned(), scores);
        }
    }
    Ok(columns)
}
