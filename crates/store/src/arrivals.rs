//! The prompts that arrived while an experiment was trained, look by look.

use std::path::Path;

use moa_core::experiment::LONGEST_PROMPT;
use serde::{Deserialize, Serialize};

use crate::lines::{read_lines, write_lines};
use crate::{Layout, StoreError};

/// What such a file is called in messages.
const WHAT: &str = "record of prompts that arrived";

/// A look at the inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// The epochs that were trained before. What was found is trained on from the next one on.
    pub after_epoch: u32,
    /// How many bytes of the inbox were read by then.
    pub read: u64,
    /// The prompts that arrived since the look before, in their order; one that arrives again stands here again.
    pub prompts: Vec<String>,
    /// Lines that are no prompts to train on.
    #[serde(default)]
    pub refused: u32,
    /// Whether training went back to before this look, so that it does not count any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set_aside: bool,
}

/// What arrived while an experiment was trained: `arrivals.jsonl` in its results, a look a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    looks: Vec<Look>,
}

impl Arrivals {
    /// Reads what arrived so far; nothing where nothing was looked for.
    ///
    /// # Errors
    /// Names the file that is unreadable or damaged.
    pub fn read(layout: &Layout) -> Result<Self, StoreError> {
        Self::read_file(&layout.arrivals_file())
    }

    /// Reads what arrived from a file.
    ///
    /// # Errors
    /// As [`Arrivals::read`].
    pub fn read_file(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { looks: read_lines(path, WHAT)? })
    }

    /// Returns whether a text begins as such a file does.
    pub fn is_one(text: &str) -> bool {
        text.lines().next().is_some_and(|line| serde_json::from_str::<Look>(line).is_ok())
    }

    /// Returns the looks that count, in their order.
    pub fn looks(&self) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(|look| !look.set_aside)
    }

    /// Returns the looks that do not count any more.
    pub fn set_aside(&self) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(|look| look.set_aside)
    }

    /// Returns the look of when so many epochs were trained.
    pub fn at(&self, after_epoch: u32) -> Option<&Look> {
        self.looks().find(|look| look.after_epoch == after_epoch)
    }

    /// Returns the prompts that had arrived when so many epochs were trained, in their order, each with the epochs of its look.
    pub fn until(&self, epochs: u32) -> impl Iterator<Item = (u32, &str)> {
        let looks = self.looks().filter(move |look| look.after_epoch <= epochs);
        looks.flat_map(|look| look.prompts.iter().map(|prompt| (look.after_epoch, prompt.as_str())))
    }

    /// Returns how many bytes of the inbox were read.
    pub fn position(&self) -> u64 {
        self.looks.last().map_or(0, |look| look.read)
    }

    /// Adds a look, and writes all.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, look: Look, layout: &Layout) -> Result<(), StoreError> {
        self.looks.push(look);
        write_lines(&layout.arrivals_file(), &self.looks)
    }

    /// Sets aside what was found since so many epochs were trained, writes all, and returns how many prompts that are.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_aside_since(&mut self, epochs: u32, layout: &Layout) -> Result<usize, StoreError> {
        let mut prompts = 0;
        for look in self.looks.iter_mut().filter(|look| !look.set_aside && look.after_epoch >= epochs) {
            look.set_aside = true;
            prompts += look.prompts.len();
        }
        write_lines(&layout.arrivals_file(), &self.looks)?;
        Ok(prompts)
    }
}

/// A line of an inbox.
#[derive(Deserialize)]
struct InboxLine {
    prompt: String,
}

/// Returns the prompt in a line of an inbox: JSON with the field `prompt`, other fields aside, a string of JSON, or the text itself; nothing of a blank line and
/// of one that begins with `#`.
///
/// # Errors
/// Says what is wrong with the line.
pub fn prompt_of_line(line: &str) -> Result<Option<String>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let prompt = match serde_json::from_str::<serde_json::Value>(line) {
        Ok(serde_json::Value::String(prompt)) => prompt.trim().to_owned(),
        Err(_) if !line.starts_with('{') => line.to_owned(),
        _ => {
            let read: Result<InboxLine, _> = serde_json::from_str(line);
            read.map_err(|error| format!("no JSON with a prompt ({error})"))?.prompt.trim().to_owned()
        }
    };
    let length = prompt.chars().count();
    match length {
        0 => Err("a blank prompt".into()),
        _ if !prompt.chars().any(char::is_alphanumeric) => Err("a prompt without a word".into()),
        length if length > LONGEST_PROMPT => {
            Err(format!("a prompt of {length} characters, more than {LONGEST_PROMPT}"))
        }
        _ if prompt.chars().any(char::is_control) => {
            Err("a prompt with a line break or another control character".into())
        }
        _ => Ok(Some(prompt)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(after_epoch: u32, read: u64, prompts: &[&str]) -> Look {
        Look { after_epoch, read, prompts: prompts.iter().map(|text| (*text).to_owned()).collect(), ..Look::default() }
    }

    #[test]
    fn what_arrived_reads_back_and_what_is_set_aside_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let mut arrivals = Arrivals::read(&layout).unwrap();
        assert_eq!((arrivals.position(), arrivals.at(0)), (0, None));
        arrivals.add(look(0, 10, &["a cat"]), &layout).unwrap();
        arrivals.add(look(5, 30, &["a dog", "a cat"]), &layout).unwrap();
        arrivals.add(look(10, 30, &[]), &layout).unwrap();
        let until = |arrivals: &Arrivals, epochs| {
            arrivals.until(epochs).map(|(epoch, prompt)| (epoch, prompt.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(until(&arrivals, 4), [(0, "a cat".to_owned())]);
        assert_eq!(until(&arrivals, 5).len(), 3, "one that arrives again counts again");
        assert_eq!(arrivals.set_aside_since(5, &layout).unwrap(), 2);
        arrivals.add(look(5, 44, &["a bee"]), &layout).unwrap();
        let read = Arrivals::read(&layout).unwrap();
        assert_eq!(read, arrivals);
        assert_eq!(read.at(5).unwrap().prompts, ["a bee"]);
        assert_eq!((read.position(), read.at(10), read.set_aside().count()), (44, None, 2));
        let text = std::fs::read_to_string(layout.arrivals_file()).unwrap();
        assert!(Arrivals::is_one(&text) && !Arrivals::is_one("{\"prompt\": \"a cat\"}"));
        std::fs::write(layout.arrivals_file(), text.replace("after_epoch", "after")).unwrap();
        assert!(Arrivals::read(&layout).unwrap_err().to_string().contains("arrivals.jsonl"));
    }

    #[test]
    fn lines_are_prompts_or_said_what_is_wrong() {
        assert_eq!(prompt_of_line(" a cat \r"), Ok(Some("a cat".into())));
        assert_eq!(prompt_of_line("{\"prompt\": \" a dog\", \"user\": 3}"), Ok(Some("a dog".into())));
        assert_eq!(prompt_of_line("\"a \\\"big\\\" dog\""), Ok(Some("a \"big\" dog".into())));
        assert_eq!((prompt_of_line("  "), prompt_of_line("# none")), (Ok(None), Ok(None)));
        for (line, what) in [
            ("{\"text\": \"a dog\"}", "prompt"),
            ("{\"prompt\": 3}", "prompt"),
            ("[1, 2]", "prompt"),
            ("null", "prompt"),
            ("123", "prompt"),
            ("\"", "without a word"),
            ("{\"prompt\": \" \"}", "blank"),
            ("{\"prompt\": \"a\\nb\"}", "line break"),
            (&*"x".repeat(1001), "1001"),
        ] {
            let refused = prompt_of_line(line).unwrap_err();
            assert!(refused.contains(what), "{line}: {refused}");
        }
    }
}
