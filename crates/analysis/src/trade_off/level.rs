//! Values of rewards, and of their gains over the base.

use super::{TradeOffError, reward};

/// A value of a reward, or of its gain over the base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    /// Whether it is a gain.
    pub(super) gain: bool,
    pub(super) value: f64,
}

impl Level {
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let Some(gain) = text.strip_prefix("base") else { return Some(Self { gain: false, value: number(text)? }) };
        let gain = gain.trim();
        let value = match gain.split_at_checked(1) {
            None => 0.0,
            Some(("+", value)) => number(value).filter(|value| !value.is_sign_negative())?,
            Some(("-", value)) => -number(value).filter(|value| !value.is_sign_negative())?,
            Some(_) => return None,
        };
        Some(Self { gain: true, value })
    }

    /// Returns the place of the objective that this is a value of.
    pub(super) fn objective(self, name: &str, rewards: &[String]) -> Result<usize, TradeOffError> {
        Ok(reward(name, rewards)? + if self.gain { rewards.len() } else { 0 })
    }
}

pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Returns the pairs of `NAME=VALUE, …`.
///
/// - `form`: what each is to be, for messages
pub(super) fn pairs<T>(
    text: &str,
    form: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<(String, T)>, TradeOffError> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim().to_owned(), read(value)?))
    };
    let wrong = |part: &str| TradeOffError::NoPair { text: part.trim().into(), form };
    text.split(',').map(|part| pair(part).ok_or_else(|| wrong(part))).collect()
}
