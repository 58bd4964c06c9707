//! A RON text as brackets, commas, colons and everything else.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::experiment) enum Token {
    Open(char),
    Close(char),
    Comma,
    Colon,
    /// A name, a number, a string, a character.
    Word,
}

/// The tokens of a text with their bytes; blanks, comments and attributes are left out.
pub(in crate::experiment) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(in crate::experiment) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes past `mark`, or to the end where there is none.
    fn skip_past(&mut self, mark: &str) {
        self.at = self.rest().find(mark).map_or(self.text.len(), |found| self.at + found + mark.len());
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else {
                match rest.chars().next() {
                    Some(other) => self.at += other.len_utf8(),
                    None => return,
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Goes past a string that opens at the cursor.
    fn skip_string(&mut self) {
        let mut escaped = false;
        for (index, other) in self.rest().char_indices().skip(1) {
            match other {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.at += index + 1;
                    return;
                }
                _ => {}
            }
        }
        self.at = self.text.len();
    }

    /// Goes past a raw string (`r#"…"#`) if one opens at the cursor.
    fn skip_raw_string(&mut self) -> bool {
        let Some(rest) = self.rest().strip_prefix("br").or_else(|| self.rest().strip_prefix('r')) else { return false };
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        if !rest[hashes..].starts_with('"') {
            return false;
        }
        self.at = self.text.len() - rest.len() + hashes + 1;
        self.skip_past(&format!("\"{}", "#".repeat(hashes)));
        true
    }

    /// Goes past a character (`'a'`, `'\''`), or past the lone quote.
    fn skip_character(&mut self) {
        let rest = self.rest();
        let body = if rest[1..].starts_with('\\') { 2 } else { 1 };
        let close = rest[body..].char_indices().nth(1).filter(|(_, quote)| *quote == '\'');
        self.at += close.map_or(1, |(index, _)| body + index + 1);
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at;
            let rest = self.rest();
            let first = rest.chars().next()?;
            let token = match first {
                _ if first.is_whitespace() || first == '\u{feff}' => {
                    self.at += first.len_utf8();
                    continue;
                }
                '/' if rest.starts_with("//") => {
                    self.skip_past("\n");
                    continue;
                }
                '/' if rest.starts_with("/*") => {
                    self.skip_block_comment();
                    continue;
                }
                '#' if rest.starts_with("#![") => {
                    self.skip_past("]");
                    continue;
                }
                '(' | '[' | '{' => Token::Open(first),
                ')' | ']' | '}' => Token::Close(first),
                ',' => Token::Comma,
                ':' => Token::Colon,
                _ => Token::Word,
            };
            match first {
                _ if token != Token::Word => self.at += 1,
                '"' => self.skip_string(),
                '\'' => self.skip_character(),
                'r' | 'b' if self.skip_raw_string() => {}
                _ => {
                    let ends = |c: char| c.is_whitespace() || "()[]{},:\"'/".contains(c);
                    let length = rest.char_indices().skip(1).find(|(_, c)| ends(*c)).map_or(rest.len(), |(end, _)| end);
                    self.at += length;
                }
            }
            return Some((token, start..self.at));
        }
    }
}
