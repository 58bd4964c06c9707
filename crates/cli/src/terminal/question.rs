//! Asking the terminal what it can, without losing a key.
//!
//! A terminal answers on the same line that keys come on. Whoever waits for an answer that does not come, and reads on, takes the next key
//! away; so this reads only what is there, until the last question is answered or time is up, and hands on whatever is no answer.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _, stdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// How long a terminal has to say what it can; most answer within milliseconds.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long nothing is read where nothing is there.
const PAUSE: Duration = Duration::from_millis(2);
/// Kitty's images, the size of a cell in pixels, the background, and last what every terminal answers: its attributes, with sixel's.
const QUESTIONS: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b]11;?\x07\x1b[c";

/// What the terminal said, and what was typed meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kitty: bool,
    pub(super) sixel: bool,
    /// Columns and rows of a cell in pixels.
    pub(super) cell: Option<(u16, u16)>,
    /// Whether the background is light.
    pub(super) light: Option<bool>,
    pub(super) typed: Vec<Event>,
    /// Whether the last question was answered.
    ended: bool,
}

/// Asks.
pub(super) fn ask() -> Answer {
    let Some(mut terminal) = open() else { return Answer::default() };
    if stdout().write_all(QUESTIONS.as_bytes()).and_then(|()| stdout().flush()).is_err() {
        return Answer::default();
    }
    let (mut bytes, mut buffer, until) = (Vec::new(), [0; 1024], Instant::now() + PATIENCE);
    let mut answer = Answer::default();
    while !answer.ended && Instant::now() < until {
        match terminal.read(&mut buffer) {
            Ok(count @ 1..) => {
                bytes.extend_from_slice(&buffer[..count]);
                answer = read(&bytes);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(PAUSE),
            _ => break,
        }
    }
    answer
}

/// Opens the terminal so that reading never waits.
#[cfg(unix)]
fn open() -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    /// `O_NONBLOCK`.
    const WITHOUT_WAITING: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 0x4 };
    File::options().read(true).custom_flags(WITHOUT_WAITING).open("/dev/tty").ok()
}

#[cfg(not(unix))]
fn open() -> Option<File> {
    None
}

/// Tells answers from keys.
fn read(bytes: &[u8]) -> Answer {
    let mut answer = Answer::default();
    let text = String::from_utf8_lossy(bytes);
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = answer.take(rest).or_else(|| answer.take_key(rest)) {
            rest = &rest[length..];
        } else {
            rest = &rest[first.len_utf8()..];
            answer.typed.extend(key(first));
        }
    }
    answer
}

impl Answer {
    /// Takes an answer at the beginning of a text, and returns how long it is; nothing where the text begins with none. An answer that has
    /// not ended yet takes all of the text.
    fn take(&mut self, text: &str) -> Option<usize> {
        if let Some(rest) = text.strip_prefix("\x1b_G") {
            let (body, length) = until(rest, &["\x1b\\"]);
            self.kitty |= body.contains(";OK");
            return Some(3 + length);
        }
        if let Some(rest) = text.strip_prefix("\x1b]11;") {
            let (body, length) = until(rest, &["\x07", "\x1b\\"]);
            self.light = is_light(body).or(self.light);
            return Some(5 + length);
        }
        if let Some(rest) = text.strip_prefix("\x1b[?") {
            let (body, length) = until(rest, &["c"]);
            if length > body.len() {
                self.sixel |= body.split(';').any(|attribute| attribute == "4");
                self.ended = true;
            }
            return Some(3 + length);
        }
        if let Some(rest) = text.strip_prefix("\x1b[6;") {
            let (body, length) = until(rest, &["t"]);
            if let Some((height, width)) = body.split_once(';') {
                let size = width.parse().ok().zip(height.parse().ok());
                self.cell = size.filter(|(width, height)| *width > 0 && *height > 0);
            }
            return Some(4 + length);
        }
        None
    }

    /// Takes a key of several bytes at the beginning of a text.
    fn take_key(&mut self, text: &str) -> Option<usize> {
        let keys = [
            ("A", KeyCode::Up),
            ("B", KeyCode::Down),
            ("C", KeyCode::Right),
            ("D", KeyCode::Left),
            ("H", KeyCode::Home),
            ("F", KeyCode::End),
            ("Z", KeyCode::BackTab),
            ("1~", KeyCode::Home),
            ("4~", KeyCode::End),
            ("5~", KeyCode::PageUp),
            ("6~", KeyCode::PageDown),
        ];
        let rest = text.strip_prefix("\x1b[").or_else(|| text.strip_prefix("\x1bO"))?;
        if let Some((ending, code)) = keys.iter().find(|(ending, _)| rest.starts_with(ending)) {
            self.typed.push(Event::Key(KeyEvent::new(*code, KeyModifiers::NONE)));
            return Some(2 + ending.len());
        }
        // The mouse, and what else begins so: no key.
        let end = rest.find(|end: char| ('@'..='~').contains(&end))?;
        Some(2 + end + 1)
    }
}

/// Returns a text up to the first of some endings, and how long it is with that; all of it where there is none.
fn until<'a>(text: &'a str, endings: &[&str]) -> (&'a str, usize) {
    let found = endings.iter().filter_map(|ending| Some((text.find(ending)?, ending.len()))).min();
    found.map_or((text, text.len()), |(place, length)| (&text[..place], place + length))
}

/// Returns whether `rgb:RRRR/GGGG/BBBB` is light.
fn is_light(colour: &str) -> Option<bool> {
    let mut parts = colour.strip_prefix("rgb:")?.split('/');
    let mut next = || {
        let part = parts.next()?;
        let most = 16f64.powi(part.len() as i32) - 1.0;
        Some(f64::from(u16::from_str_radix(part, 16).ok()?) / most)
    };
    let (red, green, blue) = (next()?, next()?, next()?);
    Some(0.3 * red + 0.59 * green + 0.11 * blue > 0.5)
}

/// Returns the key of a character as it is typed.
fn key(character: char) -> Option<Event> {
    let (code, modifiers) = match character {
        '\r' | '\n' => (KeyCode::Enter, KeyModifiers::NONE),
        '\t' => (KeyCode::Tab, KeyModifiers::NONE),
        '\x1b' => (KeyCode::Esc, KeyModifiers::NONE),
        '\x7f' | '\x08' => (KeyCode::Backspace, KeyModifiers::NONE),
        '\x01'..='\x1a' => (KeyCode::Char(char::from(b'a' + character as u8 - 1)), KeyModifiers::CONTROL),
        '\u{fffd}' => return None,
        other if other.is_control() => return None,
        other => (KeyCode::Char(other), KeyModifiers::NONE),
    };
    Some(Event::Key(KeyEvent::new(code, modifiers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(answer: &Answer) -> String {
        let letter = |event: &Event| match event {
            Event::Key(KeyEvent { code: KeyCode::Char(letter), .. }) => letter.to_string(),
            Event::Key(KeyEvent { code, .. }) => format!("<{code:?}>"),
            other => panic!("{other:?}"),
        };
        answer.typed.iter().map(letter).collect()
    }

    #[test]
    fn keys_between_answers_are_kept_in_their_order() {
        let text = "3\x1b_Gi=31;OK\x1b\\j\x1b[6;20;10t\x1b]11;rgb:ffff/ffff/eeee\x07\x1b[B\x1b[?62;4;22c\rq";
        let answer = read(text.as_bytes());
        assert!(answer.kitty && answer.sixel && answer.ended);
        assert_eq!((answer.cell, answer.light), (Some((10, 20)), Some(true)));
        assert_eq!(typed(&answer), "3j<Down><Enter>q");
    }

    #[test]
    fn a_terminal_that_says_nothing_leaves_all_keys() {
        let answer = read("3j ü".as_bytes());
        assert_eq!(typed(&answer), "3j ü");
        assert!(!answer.ended && !answer.kitty && answer.light.is_none());
        // An answer that is cut off is no key.
        assert_eq!(typed(&read(b"a\x1b]11;rgb:00")), "a");
        assert_eq!(typed(&read(b"a\x1b[6;20")), "a");
        assert_eq!(typed(&read(b"\x1b_Gi=31;ENOTSUP:no\x1b\\\x1b[?1;2cx")), "x");
        assert!(!read(b"\x1b_Gi=31;ENOTSUP:no\x1b\\").kitty);
    }

    #[test]
    fn dark_backgrounds_are_told_from_light_ones() {
        assert_eq!(is_light("rgb:1414/1818/1f1f"), Some(false));
        assert_eq!(is_light("rgb:fd/f6/e3"), Some(true));
        assert_eq!(is_light("nonsense"), None);
    }
}
