//! Report cards on the terminal.

use std::fmt::Write as _;

use moa_analysis::explanation::{Explanation, RegionMethod, RewardCard, signed};

use crate::output::prose;
use crate::paint::{self, Look, paint};
use crate::text::{Table, count};

/// Returns all cards.
///
/// - `labels`: the experiment's rewards with their units
pub(super) fn as_text(explanation: &Explanation, labels: &[String]) -> String {
    let colours = paint::on_output();
    let cards = explanation.cards.iter().map(|card| {
        let label = labels.iter().find(|label| label.split('/').next() == Some(&*card.reward));
        let head = format!(
            "{}, over {} of {} by {}\n",
            label.unwrap_or(&card.reward),
            count(explanation.images as u64, "image"),
            count(explanation.prompts as u64, "prompt"),
            explanation.drawn_by
        );
        paint(head.trim_end(), Look::Bold, colours) + "\n" + &one(card)
    });
    cards.collect::<Vec<_>>().join("\n\n")
}

fn one(card: &RewardCard) -> String {
    let mut text = format!(
        "scores     mean {:.3}, standard deviation {:.3}, from {:.3} to {:.3}\n\n",
        card.scores.mean, card.scores.deviation, card.scores.least, card.scores.greatest
    );
    for finding in card.findings() {
        text += &prose(&format!("- {finding}\n"));
    }
    for part in [heat(card), words(card), concepts(card), edits(card), climbs(card), agreement(card)] {
        if !part.is_empty() {
            text += "\n";
            text += &part;
        }
    }
    for note in &card.notes {
        text += &prose(&format!("\nnote: {note}\n"));
    }
    text
}

fn heat(card: &RewardCard) -> String {
    let Some(region) = &card.region else { return String::new() };
    let mut table = Table::new(["deleted where heat maps point", "change/SD", "elsewhere/SD", "ratio"]);
    for deletion in &region.deletion {
        table.row([
            format!("{:.0} % of the image", 100.0 * deletion.share),
            format!("{:.2}", deletion.pointed),
            format!("{:.2}", deletion.elsewhere),
            deletion.ratio.map_or_else(|| "-".into(), |ratio| ratio.factor()),
        ]);
    }
    let how = match (region.method, region.error) {
        (RegionMethod::IntegratedGradients, Some(error)) => format!(
            "Integrated gradients from the blurred image; attributions miss the difference of scores by {error:.3} SD on average.\n"
        ),
        (RegionMethod::IntegratedGradients, None) => "Integrated gradients from the blurred image.\n".into(),
        (RegionMethod::Occlusion, _) => "Occlusion by a patch of the blurred image.\n".into(),
    };
    paint::table(&table.render(), |_| false) + &prose(&how)
}

fn words(card: &RewardCard) -> String {
    let Some(words) = card.words.as_ref().filter(|words| words.reads) else { return String::new() };
    let mut table = Table::new(["word left out", "score falls by/SD", "prompts"]);
    for word in words.words.iter().take(8) {
        table.row([word.word.clone(), signed(word.effect), word.prompts.to_string()]);
    }
    paint::table(&table.render(), |_| false)
}

fn concepts(card: &RewardCard) -> String {
    let Some(concepts) = card.concepts.as_ref().filter(|concepts| !concepts.terms.is_empty()) else {
        return String::new();
    };
    let mut table = Table::new(["concept", "SD per SD"]);
    for term in &concepts.terms {
        table.row([term.concept.clone(), signed(term.coefficient)]);
    }
    paint::table(&table.render(), |_| false)
        + &prose(&format!(
            "Of {} concepts; these explain {:.0} % of the variance on other prompts.\n",
            concepts.choices,
            100.0 * concepts.explained
        ))
}

fn edits(card: &RewardCard) -> String {
    if card.edits.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["edit", "wanted", "verdict", "change/SD", "pairs reordered"]);
    for edit in &card.edits {
        let (change, reordered) = match (edit.change, edit.reordered) {
            (Some(change), Some(reordered)) => (change.signed(), format!("{:.0} %", 100.0 * reordered)),
            _ => ("cannot be scored".into(), String::new()),
        };
        table.row([edit.edit.clone(), edit.expected.word().into(), edit.verdict().word().into(), change, reordered]);
    }
    paint::table(&table.render_with_left(3), |_| false)
}

fn climbs(card: &RewardCard) -> String {
    if card.climbs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["climbed on the reward", "before", "after", "change/SD"]);
    for climb in &card.climbs {
        let what = if climb.smooth { "smooth changes" } else { "any change" };
        table.row([
            format!("{what}, {}", count(climb.images as u64, "image")),
            format!("{:.3}", climb.before),
            format!("{:.3}", climb.after),
            signed(climb.gain(card.scores.deviation)),
        ]);
        for change in &climb.judges {
            let (before, after) = (format!("{:.3}", change.before), format!("{:.3}", change.after));
            table.row([format!("  judge {}", change.judge), before, after]);
        }
    }
    paint::table(&table.render(), |line| line.starts_with("  "))
}

fn agreement(card: &RewardCard) -> String {
    let mut text = String::new();
    if !card.agreement.is_empty() {
        let mut table = Table::new(["agrees with", "rank correlation"]);
        for agreement in &card.agreement {
            let judge = if agreement.is_judge { "judge " } else { "" };
            table.row([format!("{judge}{}", agreement.with), agreement.correlation.signed()]);
        }
        text += &paint::table(&table.render(), |_| false);
    }
    if let Some(raters) = &card.raters {
        let range = match (raters.accuracy.low, raters.accuracy.high) {
            (Some(low), Some(high)) => format!(" [{:.0}, {:.0}]", 100.0 * low, 100.0 * high),
            _ => String::new(),
        };
        let by_gap: Vec<String> = raters
            .by_gap
            .iter()
            .map(|part| format!("{:.0} % at a gap of {:.2} SD", 100.0 * part.accuracy, part.gap))
            .collect();
        let _ = writeln!(
            text,
            "\nraters     decided as by them: {:.0} %{range} of {} pairs; {}",
            100.0 * raters.accuracy.value,
            raters.pairs,
            by_gap.join(", ")
        );
    }
    text
}
