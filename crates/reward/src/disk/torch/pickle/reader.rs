//! The bytes of a pickle.

use super::broken;

/// Reads a pickle from its start to its end.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns how many bytes are read.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).ok_or_else(broken)?;
        let found = self.bytes.get(self.at..end).ok_or_else(broken)?;
        self.at = end;
        Ok(found)
    }

    /// Reads an index of the memo, of one byte or of four.
    pub(super) fn index(&mut self, short: bool) -> Result<u64, String> {
        self.unsigned(if short { 1 } else { 4 })
    }

    /// Reads a whole number: BININT1, BININT2, BININT, or LONG1 of at most 8 bytes.
    pub(super) fn whole(&mut self, code: u8) -> Result<i64, String> {
        let count = match code {
            b'K' => 1,
            b'M' => 2,
            b'J' => 4,
            _ => usize::from(self.byte()?),
        };
        if count > 8 {
            return Err(broken());
        }
        let value = self.unsigned(count)?;
        let signed = !matches!(code, b'K' | b'M') && count > 0;
        let spare = 64 - 8 * count as u32;
        Ok(if signed { (value << spare) as i64 >> spare } else { value as i64 })
    }

    /// Reads a text: BINUNICODE, SHORT_BINUNICODE or BINUNICODE8.
    pub(super) fn text(&mut self, code: u8) -> Result<String, String> {
        let count = self.unsigned(match code {
            b'X' => 4,
            0x8c => 1,
            _ => 8,
        })?;
        let bytes = self.take(usize::try_from(count).map_err(|_| broken())?)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| broken())
    }

    /// Reads a line.
    pub(super) fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
        let line = self.take(end + 1)?;
        String::from_utf8(line[..end].to_vec()).map_err(|_| broken())
    }

    /// Reads little-endian bytes, at most 8.
    fn unsigned(&mut self, count: usize) -> Result<u64, String> {
        Ok(self.take(count)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}
