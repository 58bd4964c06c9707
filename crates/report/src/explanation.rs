//! Report cards of rewards, as a page of their own and as a part of the report: plain HTML, without a script.

mod figures;
mod tables;

use std::fmt::Write as _;
use std::path::Path;

use moa_analysis::explanation::{Explanation, RewardCard};

use crate::escape::html;
use crate::{ReportError, page};
use figures::Files;

/// Returns the report cards of rewards as one HTML file that needs no network; `folder` holds the images that the cards name.
///
/// # Errors
/// Names an image that cannot be read.
pub fn explanation_page(explanation: &Explanation, folder: &Path) -> Result<String, ReportError> {
    let title = format!("{} – rewards explained", explanation.experiment);
    let body = format!(
        "<main><section><p class=\"kicker\">Report cards of rewards, by moa</p><h1>{}</h1>{}</section></main>\
         <footer><p>Made by moa. This file is complete: it loads nothing, and sends nothing.</p></footer>",
        html(&title),
        cards(explanation, Some(folder))?
    );
    // No script runs, and nothing is asked of the network.
    let policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n",
        html(&title),
        page::styles_by_system(),
    ))
}

/// Returns the cards as HTML; without a folder, without their images.
pub(crate) fn cards(explanation: &Explanation, folder: Option<&Path>) -> Result<String, ReportError> {
    let mut text = format!(
        "<p class=\"prose\">{} images of {} prompts, drawn by {} with {}. Effects are in standard deviations (SD) of the reward's scores over \
         these images; bars are 95 % intervals over prompts.</p>",
        explanation.images,
        explanation.prompts,
        html(&explanation.drawn_by),
        html(&explanation.base)
    );
    for reward in &explanation.cards {
        text += &card(reward, &Files { folder })?;
    }
    Ok(text)
}

fn card(card: &RewardCard, files: &Files<'_>) -> Result<String, ReportError> {
    let mut text = format!(
        "<article class=\"panel card\"><h3>{}</h3><p class=\"dim\">mean {:.3}, SD {:.3}, from {:.3} to {:.3}</p><ul class=\"findings\">",
        html(&card.reward),
        card.scores.mean,
        card.scores.deviation,
        card.scores.least,
        card.scores.greatest
    );
    for finding in card.findings() {
        // Writing to a string cannot fail.
        let _ = write!(text, "<li>{}</li>", html(&finding));
    }
    text += "</ul>";
    text += &files.maps(card)?;
    text += &files.climbs(card)?;
    text += &tables::all(card);
    for note in &card.notes {
        let _ = write!(text, "<p class=\"dim\">Note: {}</p>", html(note));
    }
    Ok(text + "</article>")
}
