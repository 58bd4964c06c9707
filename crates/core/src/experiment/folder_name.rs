//! Which experiments' names can name a folder, on the systems that results are carried between.

use super::bounds::LONGEST_NAME;
use super::finding::Finding;

/// What a file system counts at most, less what is put behind a name.
const MOST_BYTES: usize = 200;
/// Characters that some system's names cannot hold.
const REFUSED: &str = "/\\:*?\"<>|";
/// Names of devices under Windows, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Refuses what cannot name a folder: letters of every script and single spaces are fine.
pub(super) fn check_folder(field: &str, name: &str) -> Result<(), Finding> {
    problem(name).map_or(Ok(()), |problem| {
        Err(Finding::value(field, format!("{name:?}"), format!("it names the results folder: {problem}")))
    })
}

fn problem(name: &str) -> Option<String> {
    let strange = |c: char| {
        c.is_control()
            || (c.is_whitespace() && c != ' ')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if name.is_empty() {
        return Some("give at least one character".into());
    }
    if name.chars().count() > LONGEST_NAME || name.len() > MOST_BYTES {
        return Some(format!("give at most {LONGEST_NAME} characters"));
    }
    if let Some(found) = name.chars().find(|c| REFUSED.contains(*c)) {
        return Some(format!("remove `{found}`, which some systems do not allow in names"));
    }
    if name.chars().any(strange) {
        return Some("remove tabs, line breaks and control characters".into());
    }
    if name.starts_with([' ', '.', '-']) {
        return Some("begin with a letter, a digit or `_`, not with a space, `.` or `-`".into());
    }
    if name.ends_with([' ', '.']) {
        return Some("end without a space or `.`".into());
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_lowercase();
    let numbered = |port: &str| stem.strip_prefix(port).is_some_and(|rest| matches!(rest.as_bytes(), [b'1'..=b'9']));
    if DEVICES.contains(&&*stem) || numbered("com") || numbered("lpt") {
        return Some(format!("take another than `{name}`, which is a device's name under Windows"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_name_folders_and_what_some_system_refuses_does_not() {
        for good in ["my-experiment", "mein Versuch ü", "実験 1", "a.b_c", "_x", "it's 50 %", "com10", "console", "3"]
        {
            assert_eq!(problem(good), None, "{good}");
        }
        let long = "ü".repeat(65);
        for bad in [
            "",
            " a",
            "a ",
            ".a",
            "a.",
            "..",
            "-a",
            "a/b",
            "a\\b",
            "a:b",
            "what?",
            "a\tb",
            "a\nb",
            "a\u{202e}b",
            "CON",
            "nul.x",
            "com1",
            "Lpt9",
            &long,
        ] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
    }
}
