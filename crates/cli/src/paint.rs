//! Colours: when there are any, and what has which.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On terminals, unless the environment says otherwise
    #[default]
    Auto,
    Always,
    Never,
}

/// What the user has chosen, once that is known.
static CHOSEN: OnceLock<Colour> = OnceLock::new();

/// Keeps the user's choice; the first one counts.
pub(crate) fn choose(colour: Colour) {
    let _ = CHOSEN.set(colour);
}

/// Returns whether colours are refused, whatever the terminal: by `--color never`, or by the environment
/// (<https://no-color.org>, <https://bixense.com/clicolors>).
pub(crate) fn is_refused() -> bool {
    decide(chosen(), false, variable) == Some(false)
}

/// Returns whether standard output takes colours.
pub(crate) fn on_output() -> bool {
    decide(chosen(), true, variable).unwrap_or_else(|| std::io::stdout().is_terminal())
}

/// Returns whether standard error takes colours.
pub(crate) fn on_error() -> bool {
    decide(chosen(), true, variable).unwrap_or_else(|| std::io::stderr().is_terminal())
}

fn chosen() -> Colour {
    CHOSEN.get().copied().unwrap_or_default()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns whether to use colours; nothing where a terminal decides.
///
/// - `dumb_counts`: whether a terminal without colours counts as a refusal
fn decide(colour: Colour, dumb_counts: bool, variable: impl Fn(&str) -> Option<String>) -> Option<bool> {
    match colour {
        Colour::Always => Some(true),
        Colour::Never => Some(false),
        Colour::Auto if variable("NO_COLOR").is_some() => Some(false),
        Colour::Auto if variable("CLICOLOR_FORCE").is_some_and(|value| value != "0") => Some(true),
        Colour::Auto if variable("CLICOLOR").is_some_and(|value| value == "0") => Some(false),
        Colour::Auto if dumb_counts && variable("TERM").is_some_and(|term| term == "dumb") => Some(false),
        Colour::Auto => None,
    }
}

const PLAIN: &str = "\x1b[0m";

/// How a text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Bold,
    Dim,
    Good,
    Bad,
    Warning,
    Hint,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Warning => "\x1b[1;33m",
            Self::Hint => "\x1b[1;36m",
        }
    }
}

/// Returns a text with a look, where there are `colours`.
pub(crate) fn paint(text: &str, look: Look, colours: bool) -> String {
    if colours && !text.is_empty() { format!("{}{text}{PLAIN}", look.code()) } else { text.to_owned() }
}

/// Returns a table for standard output: its heading in bold, arrows green and red, lines that are `dim` stepping back.
pub(crate) fn table(text: &str, dim: impl Fn(&str) -> bool) -> String {
    with_colours(text, dim, on_output())
}

fn with_colours(text: &str, dim: impl Fn(&str) -> bool, colours: bool) -> String {
    if !colours {
        return text.to_owned();
    }
    let line = |(number, line): (usize, &str)| match number {
        0 => paint(line, Look::Bold, true) + "\n",
        _ if dim(line) => paint(line, Look::Dim, true) + "\n",
        _ => arrows(line) + "\n",
    };
    text.lines().enumerate().map(line).collect()
}

/// Returns a line with its arrows and marks in colours.
fn arrows(line: &str) -> String {
    let marks = [('↑', Look::Good), ('✓', Look::Good), ('↓', Look::Bad), ('✗', Look::Bad)];
    let mut text = String::with_capacity(line.len());
    for letter in line.chars() {
        match marks.iter().find(|(mark, _)| *mark == letter) {
            Some((mark, look)) => text.push_str(&paint(&mark.to_string(), *look, true)),
            None => text.push(letter),
        }
    }
    text
}

/// Returns a line for standard error with the word that says what it is in colour: "error:", "warning:", "hint:".
pub(crate) fn label(line: &str, colours: bool) -> String {
    let looks = [("error:", Look::Bad), ("warning:", Look::Warning), ("hint:", Look::Hint)];
    let found = looks.iter().find_map(|(word, look)| Some((word, look, line.strip_prefix(word)?)));
    match found {
        Some((word, look, rest)) => paint(word, *look, colours) + rest,
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(colour: Colour, variables: &[(&str, &str)]) -> Option<bool> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        decide(colour, true, find)
    }

    #[test]
    fn the_option_counts_before_the_environment_and_that_before_the_terminal() {
        assert_eq!(decided(Colour::Auto, &[]), None);
        assert_eq!(decided(Colour::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), Some(false));
        assert_eq!(decided(Colour::Auto, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")]), Some(true));
        assert_eq!(decided(Colour::Auto, &[("CLICOLOR_FORCE", "0")]), None);
        assert_eq!(decided(Colour::Auto, &[("CLICOLOR", "0")]), Some(false));
        assert_eq!(decided(Colour::Auto, &[("TERM", "dumb")]), Some(false));
        assert_eq!(decided(Colour::Always, &[("NO_COLOR", "1")]), Some(true));
        assert_eq!(decided(Colour::Never, &[("CLICOLOR_FORCE", "1")]), Some(false));
    }

    #[test]
    fn tables_have_bold_headings_and_dim_noise() {
        let text = "point  safety\nbase  0.1 ↑\nrest  0.2\n";
        assert_eq!(with_colours(text, |_| false, false), text);
        let painted = with_colours(text, |line| line.starts_with("rest"), true);
        assert_eq!(painted, "\x1b[1mpoint  safety\x1b[0m\nbase  0.1 \x1b[32m↑\x1b[0m\n\x1b[2mrest  0.2\x1b[0m\n");
        assert_eq!(label("hint: do", true), "\x1b[1;36mhint:\x1b[0m do");
        assert_eq!(label("hint: do", false), "hint: do");
    }
}
