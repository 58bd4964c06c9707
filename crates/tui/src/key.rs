//! Keys, and the rows of the key table: what a key does, what help says of it, and what is hinted at the foot of a screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) KeyCode, pub(crate) KeyModifiers);

/// Returns the key of a character.
pub(crate) const fn c(character: char) -> Key {
    Key(KeyCode::Char(character), KeyModifiers::NONE)
}

/// Returns a key by its code.
pub(crate) const fn k(code: KeyCode) -> Key {
    Key(code, KeyModifiers::NONE)
}

/// Returns the key of a character with Ctrl.
pub(crate) const fn ctrl(character: char) -> Key {
    Key(KeyCode::Char(character), KeyModifiers::CONTROL)
}

/// Returns a key with Shift.
pub(crate) const fn shift(code: KeyCode) -> Key {
    Key(code, KeyModifiers::SHIFT)
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        // Characters carry shift in themselves.
        let ignored = if matches!(event.code, KeyCode::Char(_)) { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
        // Some terminals name shift beside this key, and some do not.
        let added = if event.code == KeyCode::BackTab { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
        Self(event.code, (event.modifiers - ignored) | added)
    }
}

/// What is said of a row of the key table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) keys: &'static [Key],
    /// What help and the palette say.
    pub(crate) says: &'static str,
    /// A word for the foot of the screen; empty for none.
    pub(crate) hint: &'static str,
}

/// A row of the key table of `C`: keys, what they do to it, and what is said of them.
pub(crate) struct Row<F> {
    pub(crate) binding: Binding,
    pub(crate) act: F,
}

impl<F: Copy> Row<F> {
    /// Returns a row.
    pub(crate) const fn new(keys: &'static [Key], act: F, says: &'static str, hint: &'static str) -> Self {
        Self { binding: Binding { keys, says, hint }, act }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(code, modifiers) = self;
        if modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("^")?;
        }
        if modifiers.contains(KeyModifiers::SHIFT) && *code != KeyCode::BackTab {
            f.write_str("⇧")?;
        }
        match code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(character) => write!(f, "{character}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::Enter => f.write_str("⏎"),
            KeyCode::Esc => f.write_str("esc"),
            KeyCode::Tab => f.write_str("tab"),
            KeyCode::BackTab => f.write_str("⇧tab"),
            KeyCode::Home => f.write_str("home"),
            KeyCode::End => f.write_str("end"),
            KeyCode::PageUp => f.write_str("pgup"),
            KeyCode::PageDown => f.write_str("pgdn"),
            KeyCode::F(number) => write!(f, "F{number}"),
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_carry_their_shift() {
        let key = |code, modifiers| Key::from(KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('G'), KeyModifiers::SHIFT), c('G'));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), ctrl('c'));
        assert_eq!(key(KeyCode::BackTab, KeyModifiers::NONE), key(KeyCode::BackTab, KeyModifiers::SHIFT));
        assert_ne!(key(KeyCode::Left, KeyModifiers::SHIFT), k(KeyCode::Left));
    }
}
