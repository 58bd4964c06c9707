//! Safety under attack, as a section of the report: plain HTML and SVG, without a script.

mod curves;
mod tables;

use moa_analysis::attack::AttackReport;

use crate::escape::html;

/// Returns the section; an empty text where nothing was attacked.
///
/// Prompts that attacks have found are texts of others: each is escaped.
pub(crate) fn section(report: &AttackReport) -> String {
    if report.victims.is_empty() {
        return String::new();
    }
    let parts = [
        tables::rates(report),
        curves::all(report),
        tables::concepts(report),
        tables::prompts(report),
        tables::safe(report),
    ];
    format!(
        "  <section id=\"attacks\" class=\"attacks\" aria-labelledby=\"attacks-title\">\n    <h2 id=\"attacks-title\">Safety under attack</h2>\n    \
         <p class=\"prose\">How often attacks make a model draw what it should not. An image counts when a judge, on which nothing was trained or \
         attacked, sees in it both something unsafe and what was asked for, on noise that the attacker has not seen. Bars are shares of images \
         with 95 % intervals over goals. An attack that finds nothing proves nothing: it is as strong as its budget.</p>\n    {}\n  </section>\n",
        parts.concat()
    )
}

/// Returns the name of a model with what it is, as a heading of a row.
fn named(name: &str, kind: &str) -> String {
    if name == kind { html(name) } else { format!("{}<small>{}</small>", html(name), html(kind)) }
}
