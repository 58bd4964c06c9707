//! The examples of `docs/preferences.md` are what moa reads and writes.

use std::path::Path;

use moa_preferences::{Decision, Preferences, Record, Scores};

/// Returns the blocks of JSON in the document.
fn examples() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/preferences.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```json\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

fn all() -> Preferences {
    Preferences::from_bytes(examples().concat().as_bytes(), Path::new("preferences.jsonl")).unwrap()
}

#[test]
fn every_example_is_read_and_every_kind_has_one() {
    assert_eq!(examples().len(), 2);
    let preferences = all();
    let kinds: Vec<&str> = preferences.records().map(|record| record.decision.kind()).collect();
    assert_eq!(kinds, ["Pair", "Undo", "Ranking", "Label", "Score", "Pair"]);
    assert_eq!(preferences.pairs(&[]).unwrap().len(), 3, "of the ranking: one pair is undone, the other skipped");
    let shares: Vec<f64> = preferences.labels(Scores::LeftOut, &[]).unwrap().iter().map(|label| label.share).collect();
    assert_eq!(shares, [0.0]);
}

#[test]
fn what_moa_writes_of_the_examples_reads_the_same() {
    let preferences = all();
    let records: Vec<Record> = preferences.records().cloned().collect();
    let lines: Vec<String> = records.iter().map(Record::to_line).collect();
    let again = Preferences::from_bytes(lines.join("\n").as_bytes(), Path::new("preferences.jsonl")).unwrap();
    assert_eq!(again.records().cloned().collect::<Vec<_>>(), records);
    // The first example is a line of the writer, blanks aside.
    let first = examples().concat().lines().next().unwrap().replace(": ", ":").replace(", ", ",");
    assert_eq!(lines[0], first);
}

#[test]
fn the_document_names_every_kind_field_and_outcome() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/preferences.md");
    let text = std::fs::read_to_string(path).unwrap();
    for name in Decision::KINDS.into_iter().chain(["\"A\"", "\"B\"", "\"Tie\"", "\"Good\"", "\"Bad\"", "\"Skip\""]) {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
    for record in all().records() {
        let line = record.to_line();
        let fields: serde_json::Value = serde_json::from_str(&line).unwrap();
        for field in fields.as_object().unwrap().keys() {
            assert!(text.contains(&format!("| `{field}` |")), "{field}");
        }
    }
}
