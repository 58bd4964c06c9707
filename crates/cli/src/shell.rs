//! Words as a shell takes them.

use std::path::Path;

/// Returns a word that a shell reads back as it is; in quotes where it has to be.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Returns words as one line that a shell reads back.
pub(crate) fn line<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Returns the command line that this process is, ready to be typed again.
pub(crate) fn command_line() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_else(|| "moa".into());
    let program = Path::new(&program).file_stem().map_or("moa".into(), |name| name.to_string_lossy().into_owned());
    line(std::iter::once(program).chain(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        for (word, text) in [
            ("results/über-1.ron", "results/über-1.ron"),
            ("--array=1-4%2", "--array=1-4%2"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("$HOME`x`\"\\", "'$HOME`x`\"\\'"),
            ("~me", "'~me'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quoted(word), text);
        }
        assert_eq!(line(["moa", "my file"]), "moa 'my file'");
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_reads_words_back() {
        let words = ["über 'quoted' \"twice\"", "$(touch x) `y` \\ *", "-n", "a\nb"];
        let script = format!("printf '%s\\0' {}", line(words));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let read: Vec<_> = output.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        assert_eq!(read[..words.len()], words);
    }
}
