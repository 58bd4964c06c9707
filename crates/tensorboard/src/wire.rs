//! Messages of protocol buffers, as far as event files need them: fields are appended one after the other.

/// A message that grows field by field. A field that is zero or empty is left out, as proto3 has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message(Vec<u8>);

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

impl Message {
    /// Returns the message's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a whole number: `int32`, `int64`, `bool` or an enum.
    pub(crate) fn whole(mut self, field: u64, value: u64) -> Self {
        if value != 0 {
            self.key(field, VARINT);
            self.varint(value);
        }
        self
    }

    /// Adds a `double`.
    pub(crate) fn double(mut self, field: u64, value: f64) -> Self {
        if value.to_bits() != 0 {
            self.key(field, FIXED_64);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
        self
    }

    /// Adds a `float` of a `oneof`, which is there even where it is 0.
    pub(crate) fn chosen_float(mut self, field: u64, value: f32) -> Self {
        self.key(field, FIXED_32);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Adds a `double` of a `oneof`, which is there even where it is 0.
    pub(crate) fn chosen_double(mut self, field: u64, value: f64) -> Self {
        self.key(field, FIXED_64);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Adds a `bool` of a `oneof`, which is there even where it is false.
    pub(crate) fn chosen_bool(mut self, field: u64, value: bool) -> Self {
        self.key(field, VARINT);
        self.varint(u64::from(value));
        self
    }

    /// Adds a text.
    pub(crate) fn text(self, field: u64, text: &str) -> Self {
        if text.is_empty() { self } else { self.bytes(field, text.as_bytes()) }
    }

    /// Adds bytes, or one more of a repeated field of such.
    pub(crate) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.key(field, BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a message, or one more of a repeated field of such.
    pub(crate) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// Adds the fields of another message.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of protocol buffers' own documentation of the encoding.
    #[test]
    fn fields_are_encoded_as_documented() {
        assert_eq!(Message::default().whole(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").as_bytes(), b"\x12\x07testing");
        let inner = Message::default().whole(1, 150);
        assert_eq!(Message::default().message(3, &inner).as_bytes(), [0x1A, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().whole(1, 0).text(2, "").double(3, 0.0), Message::default());
        assert_eq!(Message::default().chosen_float(2, 0.0).as_bytes(), [0x15, 0, 0, 0, 0]);
        assert_eq!(Message::default().whole(1, u64::MAX).as_bytes().len(), 11, "negative numbers take ten bytes");
    }
}
