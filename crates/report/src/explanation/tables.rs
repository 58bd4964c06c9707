//! The figures of cards as tables.

use std::fmt::Write as _;

use moa_analysis::explanation::{RewardCard, Verdict, signed};

use crate::escape::html;
use crate::table::{self, opened};

/// Returns all tables of a card.
pub(super) fn all(card: &RewardCard) -> String {
    [edits(card), deletion(card), words(card), concepts(card), climbs(card), agreement(card)].concat()
}

/// Returns a table that can be opened; nothing where it has no rows.
fn table(title: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() { String::new() } else { opened(title, &table::table(heads, rows)) }
}

fn edits(card: &RewardCard) -> String {
    let rows: Vec<Vec<String>> = card
        .edits
        .iter()
        .map(|edit| {
            let verdict = edit.verdict();
            let class = match verdict {
                Verdict::Fooled | Verdict::Blind | Verdict::Unsteady => "down",
                Verdict::Steady | Verdict::Notices => "up",
                _ => "dim",
            };
            let (change, reordered) = match (edit.change, edit.reordered) {
                (Some(change), Some(reordered)) => (change.signed(), format!("{:.0} %", 100.0 * reordered)),
                _ => ("cannot be scored".to_owned(), String::new()),
            };
            vec![
                html(&edit.edit),
                edit.expected.word().to_owned(),
                format!("<span class=\"{class}\">{}</span>", verdict.word()),
                change,
                reordered,
            ]
        })
        .collect();
    table("What edits do", &["edit", "wanted", "verdict", "change in SD", "pairs reordered"], &rows)
}

fn deletion(card: &RewardCard) -> String {
    let deletion = card.region.iter().flat_map(|region| &region.deletion);
    let rows: Vec<Vec<String>> = deletion
        .map(|deletion| {
            vec![
                format!("{:.0} %", 100.0 * deletion.share),
                format!("{:.2}", deletion.pointed),
                format!("{:.2}", deletion.elsewhere),
                deletion.ratio.map_or_else(|| "–".into(), |ratio| ratio.factor()),
            ]
        })
        .collect();
    table(
        "Are the heat maps faithful?",
        &["part deleted", "change where they point, SD", "change elsewhere, SD", "ratio"],
        &rows,
    )
}

fn words(card: &RewardCard) -> String {
    let Some(words) = &card.words else { return String::new() };
    let rows: Vec<Vec<String>> =
        words.words.iter().map(|word| vec![html(&word.word), signed(word.effect), word.prompts.to_string()]).collect();
    let mut text = table("Words of the prompt", &["word left out", "score falls by, SD", "prompts"], &rows);
    if words.examples.is_empty() {
        return text;
    }
    text += "<details><summary>Prompts word by word</summary>";
    for example in &words.examples {
        text += "<p class=\"words\">";
        for (word, effect) in &example.words {
            let class = match effect {
                Some(effect) if *effect > 0.1 => " class=\"raises\"",
                Some(effect) if *effect < -0.1 => " class=\"lowers\"",
                Some(_) => "",
                None => " class=\"needed\"",
            };
            let shown = effect.map_or_else(|| "needed".into(), signed);
            let _ = write!(text, "<span{class}>{}<small>{shown}</small></span> ", html(word));
        }
        text += "</p>";
    }
    text + "</details>"
}

fn concepts(card: &RewardCard) -> String {
    let Some(concepts) = &card.concepts else { return String::new() };
    let rows: Vec<Vec<String>> =
        concepts.terms.iter().map(|term| vec![html(&term.concept), signed(term.coefficient)]).collect();
    let title = format!("Concepts: {:.0} % of the variance on other prompts", 100.0 * concepts.explained);
    table(&title, &["concept", "SD of the score per SD of the concept"], &rows)
}

fn climbs(card: &RewardCard) -> String {
    let mut rows = Vec::new();
    for climb in &card.climbs {
        let what = if climb.smooth { "smooth changes" } else { "any change" };
        rows.push(vec![
            format!("{what}, {} images, {} steps", climb.images, climb.steps),
            format!("{:.3}", climb.before),
            format!("{:.3}", climb.after),
        ]);
        let judges = climb.judges.iter();
        rows.extend(judges.map(|change| {
            vec![
                format!("judge {}", html(&change.judge)),
                format!("{:.3}", change.before),
                format!("{:.3}", change.after),
            ]
        }));
    }
    table("Images climbed on the reward", &["", "before", "after"], &rows)
}

fn agreement(card: &RewardCard) -> String {
    let mut rows: Vec<Vec<String>> = card
        .agreement
        .iter()
        .map(|agreement| {
            let judge = if agreement.is_judge { "judge " } else { "" };
            vec![
                format!("{judge}{}", html(&agreement.with)),
                agreement.correlation.signed(),
                agreement.images.to_string(),
            ]
        })
        .collect();
    if let Some(raters) = &card.raters {
        let accuracy = format!("{:.0} % decided alike", 100.0 * raters.accuracy.value);
        rows.push(vec!["raters".into(), accuracy, format!("{} pairs", raters.pairs)]);
    }
    table("With what it agrees", &["", "rank correlation", "images"], &rows)
}
