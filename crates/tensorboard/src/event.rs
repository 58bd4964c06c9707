//! Events: what event files consist of, each framed as a record with checksums.

use crate::crc::masked;
use crate::wire::Message;

/// The format of files that TensorBoard reads.
const FILE_VERSION: &str = "brain.Event:2";
/// `DT_FLOAT` of TensorFlow's types.
const FLOAT: u64 = 1;
/// `START` of a session's states.
const START: u64 = 1;

/// A value under a tag, for one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    tag: String,
    /// The rest of `Summary.Value`.
    content: Message,
}

impl Value {
    /// Returns a number that is drawn as a curve over steps.
    pub(crate) fn scalar(tag: impl Into<String>, value: f64) -> Self {
        Self { tag: tag.into(), content: Message::default().chosen_float(2, value as f32) }
    }

    /// Returns an image.
    ///
    /// - `size`: its width and height in pixels
    /// - `png`: RGB
    pub(crate) fn image(tag: impl Into<String>, [width, height]: [u32; 2], png: &[u8]) -> Self {
        let image = Message::default().whole(1, height.into()).whole(2, width.into()).whole(3, 3).bytes(4, png);
        Self { tag: tag.into(), content: Message::default().message(4, &image) }
    }

    /// Returns data of a plugin that keeps all it has to say in the tag's metadata.
    pub(crate) fn plugin(tag: impl Into<String>, plugin: &str, data: &Message) -> Self {
        let plugin = Message::default().text(1, plugin).message(2, data);
        // An empty tensor: a value is asked for.
        let shape = Message::default().message(2, &Message::default());
        let tensor = Message::default().whole(1, FLOAT).message(2, &shape);
        let content = Message::default().message(8, &tensor).message(9, &Message::default().message(1, &plugin));
        Self { tag: tag.into(), content }
    }

    fn message(&self) -> Message {
        let mut message = Message::default().text(1, &self.tag);
        message.append(&self.content);
        message
    }
}

/// Values of one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Seconds since 1970.
    pub(crate) time: f64,
    /// The epoch.
    pub(crate) step: u32,
    pub(crate) values: Vec<Value>,
}

impl Event {
    /// Returns the event as a record.
    pub(crate) fn record(&self) -> Vec<u8> {
        let summary = self.values.iter().fold(Message::default(), |all, value| all.message(1, &value.message()));
        record(&stamped(self.time, self.step).message(5, &summary))
    }
}

/// Returns how a file begins: its version, and [`void_from`].
pub(crate) fn beginning(time: f64, step: u32) -> Vec<u8> {
    let version = record(&stamped(time, 0).text(3, FILE_VERSION));
    [version, void_from(time, step)].concat()
}

/// Returns a record by which all that was said before of a step and of later ones is void: so TensorBoard takes the start of a session.
pub(crate) fn void_from(time: f64, step: u32) -> Vec<u8> {
    record(&stamped(time, step).message(7, &Message::default().whole(1, START)))
}

fn stamped(time: f64, step: u32) -> Message {
    Message::default().double(1, time).whole(2, step.into())
}

/// Returns a message as TFRecord files have it: length, checksum of the length, message, checksum of the message; all little-endian.
fn record(message: &Message) -> Vec<u8> {
    let bytes = message.as_bytes();
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), bytes, &masked(bytes).to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `tensorboard` itself writes of the same events: `fixtures/events.py`.
    const GOLDEN: &[u8] = include_bytes!("../tests/fixtures/events.bin");

    #[test]
    fn files_are_byte_for_byte_those_of_tensorboard() {
        let values = vec![Value::scalar("reward/safety/mean", 0.1), Value::scalar("loss", 0.0)];
        let image = Value::image("images/00 a cat", [3, 2], b"\x89PNG and so on");
        let data = Message::default().message(4, &Message::default().whole(1, 1).double(2, 1_790_000_007.5));
        let hparams = Value::plugin("_hparams_/session_end_info", "hparams", &data);
        let mut bytes = beginning(1_790_000_000.25, 3);
        bytes.extend(Event { time: 1_790_000_001.0, step: 3, values }.record());
        bytes.extend(Event { time: 1_790_000_002.0, step: 300, values: vec![image, hparams] }.record());
        assert_eq!(bytes, GOLDEN);
    }

    #[test]
    fn records_are_framed_by_length_and_checksums() {
        let mut rest = GOLDEN;
        let mut count = 0;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(12);
            let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
            assert_eq!(masked(&head[..8]).to_le_bytes(), head[8..]);
            let (message, tail) = tail.split_at(length);
            assert_eq!(masked(message).to_le_bytes(), tail[..4]);
            rest = &tail[4..];
            count += 1;
        }
        assert_eq!(count, 4);
    }
}
