//! Where each field of a RON text stands, so that a fault found after parsing can be pointed at.
//!
//! The scan knows brackets, strings and comments only and never fails: on broken text it tells as much as it saw.

mod token;

use std::ops::Range;

pub(super) use token::{Token, Tokens};

/// One value of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The path, such as `rewards[1].name`; the whole text's is empty. A variant's content has the variant's own path, and
    /// the keys of a map are fields.
    pub(super) path: String,
    /// Where the key begins; where there is none, the value.
    pub(super) start: usize,
    /// The value, in bytes.
    pub(super) value: Range<usize>,
}

/// Brackets that do not match.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BracketFault {
    /// The bracket that is not closed, and the path of the value that it opens.
    pub(super) opened: (char, usize, String),
    /// The bracket that stands in its place; none at the end of the text.
    pub(super) found: Option<(char, usize)>,
}

/// The values of a RON text with their paths.
#[derive(Debug, Default)]
pub(super) struct Outline {
    entries: Vec<Entry>,
    pub(super) bracket_fault: Option<BracketFault>,
}

/// A bracket that is open.
struct Frame {
    bracket: char,
    opened_at: usize,
    path: String,
    /// Items finished.
    index: usize,
    /// The current item's key with its position.
    key: Option<(String, usize)>,
    /// Where the current item's value begins.
    start: Option<usize>,
    /// The token before, and the end of the one before that.
    last: Range<usize>,
    before_last: usize,
}

impl Frame {
    fn new(bracket: char, opened_at: usize, path: String) -> Self {
        Self { bracket, opened_at, path, index: 0, key: None, start: None, last: 0..0, before_last: 0 }
    }

    fn saw(&mut self, token: Range<usize>) {
        self.start.get_or_insert(token.start);
        self.before_last = self.last.end;
        self.last = token;
    }

    fn item_path(&self) -> String {
        match &self.key {
            Some((key, _)) if self.path.is_empty() => key.clone(),
            Some((key, _)) => format!("{}.{key}", self.path),
            None if self.bracket == '[' => format!("{}[{}]", self.path, self.index),
            None => self.path.clone(),
        }
    }

    /// Ends the current item, if there is one.
    fn finish(&mut self, end: usize, entries: &mut Vec<Entry>) {
        let path = self.item_path();
        let key = self.key.take().map(|(_, start)| start);
        if let Some(start) = self.start.take() {
            // The content of a variant belongs to the variant's entry.
            if path != self.path || self.bracket == TEXT {
                entries.push(Entry { path, start: key.unwrap_or(start), value: start..end.max(start) });
            }
        }
        self.index += 1;
    }
}

/// Deeper nesting is no experiment; paths would grow without end.
const DEEPEST: usize = 64;

/// Stands for the bracket around the whole text.
const TEXT: char = ' ';

impl Outline {
    /// Scans a text.
    pub(super) fn new(text: &str) -> Self {
        let mut outline = Self::default();
        let mut stack = vec![Frame::new(TEXT, 0, String::new())];
        for (token, range) in Tokens::new(text) {
            let depth = stack.len();
            let Some(frame) = stack.last_mut() else { break };
            match token {
                Token::Open(_) if depth > DEEPEST => return outline,
                Token::Open(bracket) => {
                    let path = frame.item_path();
                    frame.saw(range.clone());
                    stack.push(Frame::new(bracket, range.start, path));
                }
                Token::Close(bracket) => {
                    frame.finish(frame.last.end, &mut outline.entries);
                    if closing(frame.bracket) != Some(bracket) {
                        if frame.bracket != TEXT {
                            outline.bracket_fault = Some(frame.unclosed(Some((bracket, range.start))));
                        }
                        return outline;
                    }
                    stack.pop();
                    if let Some(parent) = stack.last_mut() {
                        parent.last.end = range.end;
                    }
                }
                Token::Comma => frame.finish(frame.last.end, &mut outline.entries),
                Token::Colon => {
                    let key = frame.last.clone();
                    if frame.key.is_some() {
                        // A comma is missing before the key.
                        frame.finish(frame.before_last, &mut outline.entries);
                    }
                    frame.start = None;
                    frame.key = Some((text[key.clone()].trim_matches('"').into(), key.start));
                }
                Token::Word => frame.saw(range),
            }
        }
        if let Some(frame) = stack.last().filter(|frame| frame.bracket != TEXT) {
            outline.bracket_fault = Some(frame.unclosed(None));
        }
        while let Some(mut frame) = stack.pop() {
            frame.finish(text.len(), &mut outline.entries);
        }
        outline
    }

    /// Whether the text holds nothing but blanks and comments.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns all values.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Returns the paths of all values.
    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.path.as_str())
    }

    /// Returns the value at `path`.
    pub(super) fn find(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Returns the value at `path`, or where the text has none the nearest one around it.
    pub(super) fn nearest(&self, path: &str) -> Option<&Entry> {
        let ends = path.rmatch_indices(['.', '[']).map(|(end, _)| end);
        std::iter::once(path.len()).chain(ends).chain([0]).find_map(|end| self.find(&path[..end]))
    }

    /// Returns the innermost value that stands at byte `offset`, its key included.
    pub(super) fn around(&self, offset: usize) -> Option<&Entry> {
        let holds = |entry: &&Entry| entry.start <= offset && offset < entry.value.end.max(entry.start + 1);
        self.entries.iter().filter(holds).min_by_key(|entry| entry.value.end - entry.start)
    }

    /// Returns the second of two values with the same path.
    pub(super) fn duplicate(&self) -> Option<&Entry> {
        let mut seen = std::collections::HashSet::new();
        self.entries.iter().find(|entry| !seen.insert(&entry.path))
    }
}

impl Frame {
    fn unclosed(&self, found: Option<(char, usize)>) -> BracketFault {
        BracketFault { opened: (self.bracket, self.opened_at, self.path.clone()), found }
    }
}

/// Returns the bracket that closes `open`.
pub(super) fn closing(open: char) -> Option<char> {
    match open {
        '(' => Some(')'),
        '[' => Some(']'),
        '{' => Some('}'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r##"#![enable(implicit_some)]
// a comment with ( brackets [
Spec(
    name: "a (strange) name",
    rewards: [(kind: Safety), (kind: Jpeg(quality: 9))],
    weightings: [Corners, List([{"a,b": 1, "c": 2.5}])], /* ( /* [ */ */
    raw: r#"quote " and ( bracket"#, c: ')',
)"##;

    #[test]
    fn every_value_is_found_by_its_path() {
        let outline = Outline::new(TEXT);
        for (path, value) in [
            ("name", "\"a (strange) name\""),
            ("rewards", "[(kind: Safety), (kind: Jpeg(quality: 9))]"),
            ("rewards[0]", "(kind: Safety)"),
            ("rewards[1].kind", "Jpeg(quality: 9)"),
            ("rewards[1].kind.quality", "9"),
            ("weightings[0]", "Corners"),
            ("weightings[1]", "List([{\"a,b\": 1, \"c\": 2.5}])"),
            ("weightings[1][0].a,b", "1"),
            ("weightings[1][0].c", "2.5"),
            ("raw", "r#\"quote \" and ( bracket\"#"),
            ("c", "')'"),
        ] {
            let entry = outline.find(path).unwrap_or_else(|| panic!("{path} in {outline:#?}"));
            assert_eq!(&TEXT[entry.value.clone()], value, "{path}");
        }
        assert_eq!(outline.bracket_fault, None);
        assert_eq!(outline.duplicate(), None);
    }

    #[test]
    fn a_field_that_is_not_written_is_placed_at_the_struct_around_it() {
        let outline = Outline::new(TEXT);
        assert_eq!(outline.nearest("rewards[1].name").map(|entry| entry.path.as_str()), Some("rewards[1]"));
        assert_eq!(outline.nearest("sampler.steps").map(|entry| entry.path.as_str()), Some(""));
        assert_eq!(outline.nearest(""), outline.find(""));
    }

    #[test]
    fn offsets_lead_to_the_innermost_value() {
        let outline = Outline::new(TEXT);
        let at = |part: &str| outline.around(TEXT.find(part).unwrap()).map(|entry| entry.path.as_str());
        assert_eq!(at("quality"), Some("rewards[1].kind.quality"));
        assert_eq!(at("2.5"), Some("weightings[1][0].c"));
        assert_eq!(at("Spec("), Some(""));
    }

    #[test]
    fn broken_texts_are_outlined_as_far_as_they_go() {
        let outline = Outline::new("(a: [1, 2), b: 3)");
        let fault = outline.bracket_fault.as_ref().map(|fault| (fault.opened.0, fault.opened.1, fault.found));
        assert_eq!(fault, Some(('[', 4, Some((')', 9)))));
        let outline = Outline::new("(a: 1, b: (c: 2");
        assert_eq!(outline.bracket_fault.as_ref().map(|fault| fault.opened.2.as_str()), Some("b"));
        let outline = Outline::new("(a: 1\n b: 2)");
        assert_eq!(outline.find("a").map(|entry| entry.value.clone()), Some(4..5));
        assert!(outline.find("b").is_some());
        assert_eq!(Outline::new("{\"a\": 1, \"a\": 2}").duplicate().map(|entry| entry.start), Some(9));
    }

    #[test]
    fn no_text_makes_the_scan_fail() {
        for text in ["", ":", ",", ")", "((((", "\"", "r#\"", "'", "/*", "a:b:c", "é: \"ü", "#![", "{:}", "[,]", "'a"]
        {
            let outline = Outline::new(text);
            assert!(outline.entries.iter().all(|entry| text.get(entry.value.clone()).is_some()), "{text}: {outline:?}");
        }
        Outline::new(&"[".repeat(100_000));
    }
}
