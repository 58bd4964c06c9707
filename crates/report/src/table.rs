//! Tables as HTML.

use std::fmt::Write as _;

/// Returns a table that scrolls where it is too wide; heads and cells are HTML, the first cell of a row is its heading.
pub(crate) fn table(heads: &[impl AsRef<str>], rows: &[Vec<String>]) -> String {
    let mut text = "<div class=\"scroll\"><table><thead><tr>".to_owned();
    // Writing to a string cannot fail.
    for head in heads {
        let _ = write!(text, "<th scope=\"col\">{}</th>", head.as_ref());
    }
    text += "</tr></thead><tbody>";
    for row in rows {
        text += "<tr>";
        for (place, cell) in row.iter().enumerate() {
            let _ = if place == 0 {
                write!(text, "<th scope=\"row\">{cell}</th>")
            } else {
                write!(text, "<td>{cell}</td>")
            };
        }
        text += "</tr>";
    }
    text + "</tbody></table></div>"
}

/// Returns what can be opened under a title; both are HTML.
pub(crate) fn opened(title: &str, body: &str) -> String {
    format!("<details><summary>{title}</summary>{body}</details>")
}
