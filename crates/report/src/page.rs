//! The file: HTML with its styles, its script and the data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::data::Data;
use crate::escape;

const TEMPLATE: &str = include_str!("../page/index.html");

const STYLES: [&str; 6] = [
    include_str!("../page/style/theme.css"),
    include_str!("../page/style/layout.css"),
    include_str!("../page/style/parts.css"),
    include_str!("../page/style/cards.css"),
    include_str!("../page/style/attacks.css"),
    include_str!("../page/style/print.css"),
];

/// What the dark colours are set for.
const DARK: &str = ":root[data-theme=\"dark\"]";

/// In the order in which they run: each uses those before it.
const SCRIPTS: [&str; 17] = [
    include_str!("../page/script/data.js"),
    include_str!("../page/script/state.js"),
    include_str!("../page/script/dom.js"),
    include_str!("../page/script/format.js"),
    include_str!("../page/script/sheets.js"),
    include_str!("../page/script/labels.js"),
    include_str!("../page/script/marks.js"),
    include_str!("../page/script/chart.js"),
    include_str!("../page/script/summary.js"),
    include_str!("../page/script/front.js"),
    include_str!("../page/script/details.js"),
    include_str!("../page/script/table.js"),
    include_str!("../page/script/compare.js"),
    include_str!("../page/script/soups.js"),
    include_str!("../page/script/curves.js"),
    include_str!("../page/script/usage.js"),
    include_str!("../page/script/start.js"),
];

/// A report as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file.
    pub html: String,
    /// Points whose images are shown.
    pub shown: usize,
    /// Points whose images are left out, as there is no room for them.
    pub left_out: usize,
    /// All points.
    pub points: usize,
}

/// Returns the styles for a page without a script, whose colours are as the system's: dark or light.
pub(crate) fn styles_by_system() -> String {
    let [theme, rest @ ..] = STYLES;
    let (light, dark) = theme.split_once(DARK).unwrap_or((theme, ""));
    format!("{light}@media (prefers-color-scheme: dark) {{ :root{dark} }}\n{}", rest.concat())
}

/// Returns the file with its data, and the sections of attacks and of cards of rewards as HTML.
pub(crate) fn html(data: &Data, cards: &str) -> String {
    let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPTS.concat());
    // The script by its hash: no other one runs, whatever comes into the page. Nothing is asked of the network.
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(&script))
    );
    let json = serde_json::to_string(data);
    let json = json.unwrap_or_else(|_| unreachable!("names and finite numbers are always JSON"));
    let parts = [
        ("{{policy}}", policy),
        ("{{title}}", escape::html(&data.title)),
        ("{{style}}", STYLES.concat()),
        ("{{cards}}", cards.to_owned()),
        ("{{data}}", escape::json_in_script(&json)),
        ("{{script}}", script),
    ];
    fill(TEMPLATE, &parts)
}

/// Fills each place of the template once, from the first to the last: what is filled in is not looked at again.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut page = String::with_capacity(template.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let (before, from) = rest.split_at(start);
        page.push_str(before);
        let known = parts.iter().find(|(place, _)| from.starts_with(place));
        let (place, text) = known.unwrap_or_else(|| unreachable!("the template names its parts"));
        page.push_str(text);
        rest = &from[place.len()..];
    }
    page.push_str(rest);
    page
}
