//! Prose broken between words, to the width of a terminal.

/// A label and the blanks behind it are no wider than this.
const WIDEST_LABEL: usize = 24;
/// Narrower terminals break lines themselves.
const NARROWEST: usize = 20;

/// Returns a text whose lines are no wider than `width`, where words allow that; unchanged without a width.
///
/// Lines continue under their text: behind the blanks that they begin with, or behind a label and two blanks. Lines that begin with two
/// blanks exactly are commands to be copied, and stay as they are; so do the words between backticks.
pub(crate) fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width >= NARROWEST) else { return text.to_owned() };
    text.split('\n').map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let is_command = line.starts_with("  ") && !line.starts_with("   ");
    if is_command || line.chars().count() <= width {
        return line.to_owned();
    }
    let indent = indent(line);
    let head: String = line.chars().take(indent).collect();
    let blanks = " ".repeat(indent);
    let (mut lines, mut current) = (Vec::new(), head);
    let mut is_empty = true;
    for word in words(&line[current.len()..]) {
        let fits = current.chars().count() + usize::from(!is_empty) + word.chars().count() <= width;
        if !fits && !is_empty {
            lines.push(std::mem::replace(&mut current, blanks.clone()));
            is_empty = true;
        }
        if !is_empty {
            current.push(' ');
        }
        current.push_str(&word);
        is_empty = false;
    }
    lines.push(current);
    lines.join("\n")
}

/// Returns the column under which a line continues.
fn indent(line: &str) -> usize {
    let leading = line.chars().take_while(|c| *c == ' ').count();
    let Some((label, behind)) = line.trim_start().split_once("  ") else { return leading };
    let blanks = 2 + behind.chars().take_while(|c| *c == ' ').count();
    let column = leading + label.chars().count() + blanks;
    if column <= WIDEST_LABEL { column } else { leading }
}

/// Returns the words of a line; what stands between backticks is one.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        if letter == ' ' && !quoted {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        quoted ^= letter == '`';
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_go_on_under_their_text() {
        assert_eq!(wrapped("one two three four five", Some(20)), "one two three four\nfive");
        assert_eq!(wrapped("label      one two three four", Some(24)), "label      one two three\n           four");
        assert_eq!(wrapped("    one two three four five", Some(20)), "    one two three\n    four five");
        assert_eq!(
            wrapped("one two\n  moa sweep my.ron --out somewhere", Some(20)),
            "one two\n  moa sweep my.ron --out somewhere"
        );
        assert_eq!(wrapped("try `moa front results/my` now", Some(28)), "try `moa front results/my`\nnow");
        assert_eq!(
            wrapped("a-word-that-is-wider-than-the-line and", Some(20)),
            "a-word-that-is-wider-than-the-line\nand"
        );
        assert_eq!(wrapped("one two three four five", None), "one two three four five");
    }
}
