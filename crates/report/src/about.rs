//! What was trained and what came of it, in sentences.

use moa_analysis::{FrontReport, Recommendation, Why};
use moa_core::experiment::BaseName;
use moa_core::{ExperimentSpec, PointKind, RunState};
use moa_store::{Snapshot, Source};

use crate::data::Advice;

/// Returns what was trained, on what it was evaluated, and what the front has.
pub(crate) fn sentences(front: &FrontReport, spec: &ExperimentSpec) -> Vec<String> {
    let of = |kind: PointKind| front.points.iter().filter(|point| point.kind == kind).count();
    let (trained, soups, blends) = (of(PointKind::Trained), of(PointKind::Soup), of(PointKind::Blend));
    let base = match BaseName::of(&spec.base) {
        BaseName::BuiltIn => "emoji-32, moa's small built-in text-to-image model".to_owned(),
        name => name.for_others(),
    };
    let mut sentences = vec![format!(
        "{} of rank {} {} trained on {base}, for {} with the method {}. The rewards are {}; each adapter has its own shares of them.",
        count(trained, "LoRA adapter"),
        spec.lora.rank,
        if trained == 1 { "was" } else { "were" },
        count(spec.training.epochs as usize, "epoch"),
        spec.training.method.name(),
        listed(&front.rewards),
    )];
    let given = of(PointKind::Given);
    if given > 0 {
        let were = if given == 1 { "was" } else { "were" };
        sentences.push(format!("{} {were} given and evaluated beside them.", count(given, "further adapter")));
    }
    let mixed: Vec<String> = [(soups, "soup"), (blends, "blend")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| count(number, noun))
        .collect();
    if !mixed.is_empty() {
        let what = match (soups > 0, blends > 0) {
            (true, false) => "a soup is one adapter that is merged of several",
            (false, _) => "a blend mixes the predictions of several adapters at every step",
            (true, true) => "a soup is one adapter that is merged of several, a blend mixes the predictions of several",
        };
        sentences.push(format!("{} of them were evaluated, too: {what}.", listed(&mixed)));
    }
    sentences.push(format!(
        "All were evaluated on {} that training never saw, with {} of each, from the same noise for all: differences to the base are \
         those of the adapter.",
        count(front.prompts, "prompt"),
        count(spec.evaluation.images_per_prompt as usize, "image"),
    ));
    let [on, unclear, off] = front.standings();
    sentences.push(format!(
        "Of {}, {on} {} on the Pareto front beyond noise, {off} {} off it, and {unclear} cannot be decided because of the noise.",
        count(front.points.len(), "point"),
        if on == 1 { "is" } else { "are" },
        if off == 1 { "is" } else { "are" },
    ));
    if let Some(volumes) = &front.hypervolumes {
        let interval = |interval: moa_pareto::Interval| match interval.half_width() {
            Some(half) => format!("{:.3} ± {half:.3}", interval.mean),
            None => format!("{:.3}", interval.mean),
        };
        let alone = volumes.base.map_or(String::new(), |base| format!(", of the base alone {}", interval(base)));
        sentences.push(format!(
            "The hypervolume of all points is {}{alone}; {}.",
            interval(volumes.all),
            front.scales.definition()
        ));
    }
    sentences
}

/// Returns the points that are worth choosing.
pub(crate) fn advice(front: &FrontReport) -> Vec<Advice> {
    let title = |why: &Why| match why {
        Why::Most(reward) => format!("Most {}", front.rewards[*reward]),
        Why::Knee => "Knee of the front".into(),
        Why::NoLoss => "Gains without loss".into(),
        Why::Within { .. } => "Keeps the experiment's constraints".into(),
        Why::Beats { trained, .. } => format!("Instead of {trained}"),
    };
    let advice = |one: &Recommendation| Advice {
        title: title(&one.why),
        point: one.point.to_string(),
        sentence: format!("{}.", capitalised(&one.sentence)),
    };
    front.advice.iter().map(advice).collect()
}

/// Returns the sets of points that are not distinguishable, by name.
pub(crate) fn groups(front: &FrontReport) -> Vec<Vec<String>> {
    let name = |place: &usize| front.points[*place].id.to_string();
    front.groups.iter().map(|group| group.iter().map(name).collect()).collect()
}

/// Returns what a reader of the figures must know.
pub(crate) fn warnings(front: &FrontReport, snapshot: &Snapshot) -> Vec<String> {
    let mut warnings = Vec::new();
    let evaluated = snapshot.runs.iter().filter(|run| run.state == RunState::Evaluated).count();
    if evaluated < snapshot.runs.len() {
        let how = if snapshot.source == Source::Live {
            "The sweep was running when this report was made"
        } else {
            "The sweep is not complete"
        };
        warnings.push(format!("{how}: {evaluated} of {} are evaluated.", count(snapshot.runs.len(), "adapter")));
    }
    warnings.extend(front.scale_findings.iter().map(|finding| format!("{}.", capitalised(&finding.to_string()))));
    warnings.extend(front.few_prompts().map(|text| format!("{}.", capitalised(&text))));
    warnings
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}
