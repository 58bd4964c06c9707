//! Nothing that was decided is lost: what is appended is there, whatever killed the writer before or after.

use std::fs;
use std::path::Path;

use moa_preferences::{Decision, Ids, Image, ImageFile, Moment, Preferences, Record, Winner, Writer};

fn image(name: &str) -> Image {
    Image::File(ImageFile { path: format!("{name}.png"), sha256: format!("{:0>64}", name.len()) })
}

fn record(ids: &mut Ids, prompt: &str) -> Record {
    let outcome = Some(Winner::A);
    let decision = Decision::Pair { prompt: prompt.into(), a: image("a"), b: image("bb"), outcome };
    Record::new(ids.fresh(), "ann", Moment::from_unix_ms(1_772_446_272_345), decision)
}

fn ids() -> Ids {
    Ids::new("ann", Moment::from_unix_ms(1_772_446_272_345))
}

fn prompts(path: &Path) -> Vec<String> {
    Preferences::read(path).unwrap().records().map(|record| record.decision.prompt().unwrap().to_owned()).collect()
}

#[test]
fn records_are_appended_one_line_each() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("ratings/today/preferences.jsonl");
    let mut ids = ids();
    for prompt in ["a cat", "zwei Hüte 🎩\nund \"Anführung\"\u{2028}\0"] {
        let mut writer = Writer::open(&path).unwrap();
        writer.append(&record(&mut ids, prompt)).unwrap();
        assert!(!writer.mended());
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(
        text.starts_with(
            r#"{"version":1,"id":"1772446272345-ann-0","kind":"Pair","prompt":"a cat","images":[{"File":"#
        )
    );
    assert!(
        text.ends_with("\"outcome\":\"A\",\"weight\":1.0,\"who\":\"ann\",\"when\":\"2026-03-02T10:11:12.345Z\"}\n"),
        "{text}"
    );
    assert_eq!(prompts(&path), ["a cat", "zwei Hüte 🎩\nund \"Anführung\"\u{2028}\0"]);
}

#[test]
fn records_are_copied_all_or_none() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("preferences.jsonl");
    let mut ids = ids();
    let mut writer = Writer::open(&path).unwrap();
    writer.append_all(&[record(&mut ids, "a cat"), record(&mut ids, "a dog")]).unwrap();
    writer.append_all(&[]).unwrap();
    let bad = Record { weight: f64::NAN, ..record(&mut ids, "a fox") };
    assert_eq!(bad.problem().unwrap(), "weight is NaN: give a number, 0 to 1000000");
    let refused = writer.append_all(&[record(&mut ids, "a hen"), bad]).unwrap_err().to_string();
    assert!(refused.ends_with("preferences.jsonl: weight is NaN: give a number, 0 to 1000000"), "{refused}");
    writer.append(&record(&mut ids, "an owl")).unwrap();
    assert_eq!(prompts(&path), ["a cat", "a dog", "an owl"]);
    assert_eq!(record(&mut ids, "a cat").problem(), None);
}

/// Also within characters of several bytes, and where a machine that lost power left zeros.
#[test]
fn a_line_that_is_torn_anywhere_costs_itself_alone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("preferences.jsonl");
    let mut ids = ids();
    let [first, second, third] = ["first", "zwei Hüte 🎩", "third"].map(|prompt| record(&mut ids, prompt));
    let whole = first.to_line() + "\n";
    let line = second.to_line();
    // Every third byte, as each line waits for the disk.
    for cut in (0..line.len()).step_by(3).chain([line.len()]) {
        for zeros in [0, 3] {
            let mut bytes = [whole.as_bytes(), &line.as_bytes()[..cut]].concat();
            bytes.resize(bytes.len() + zeros, 0);
            fs::write(&path, &bytes).unwrap();
            let torn = usize::from(cut < line.len() && cut + zeros > 0);
            let survivors = if cut == line.len() { 2 } else { 1 };
            let before = Preferences::read(&path).unwrap_or_else(|error| panic!("{cut}: {error}"));
            assert_eq!((before.records().count(), before.notes().len()), (survivors, torn), "{cut} {zeros}");
            let mut writer = Writer::open(&path).unwrap();
            writer.append(&third).unwrap();
            assert_eq!(writer.mended(), cut + zeros > 0);
            let after = Preferences::read(&path).unwrap_or_else(|error| panic!("{cut}: {error}"));
            assert_eq!(after.records().count(), survivors + 1, "{cut} {zeros}");
            assert!(after.records().any(|record| *record == third));
            let lost = "1 line is incomplete (line 2), as after a kill: the decision is lost";
            assert_eq!(after.notes().iter().any(|note| note == lost), torn == 1, "{cut}: {:?}", after.notes());
        }
    }
}

#[test]
fn the_first_line_may_be_torn_too() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("preferences.jsonl");
    let record = record(&mut ids(), "a cat");
    for torn in [&b"{"[..], b"{\"ver", b"\0\0\0"] {
        fs::write(&path, torn).unwrap();
        Writer::open(&path).unwrap().append(&record).unwrap();
        assert_eq!(prompts(&path), ["a cat"], "{torn:?}");
    }
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("preferences.jsonl");
    let mut writer = Writer::open(&path).unwrap();
    for (weight, prompt, wanted) in [
        (f64::NAN, "a cat", "weight is NaN: give a number"),
        (-1.0, "a cat", "weight is -1"),
        (1.0, " ", "prompt is \" \""),
    ] {
        let record = Record { weight, ..record(&mut ids(), prompt) };
        let message = writer.append(&record).unwrap_err().to_string();
        assert!(message.starts_with("write a record to ") && message.contains(wanted), "{message}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn other_files_are_not_appended_to() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("image.png");
    fs::write(&path, b"\x89PNG\r\n").unwrap();
    let message = Writer::open(&path).unwrap_err().to_string();
    assert!(message.contains("image.png: this is not a preference file: name another"), "{message}");
    let message = Writer::open(root.path()).unwrap_err().to_string();
    assert!(message.contains("this is a folder: name a file in it"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"\x89PNG\r\n");
}

#[test]
fn several_raters_write_one_file_at_once() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("preferences.jsonl");
    std::thread::scope(|scope| {
        for who in ["ann", "bob", "eve"] {
            let path = &path;
            scope.spawn(move || {
                let mut ids = Ids::new(who, Moment::from_unix_ms(5));
                let mut writer = Writer::open(path).unwrap();
                for number in 0..30 {
                    let record = record(&mut ids, &format!("{who} {number}"));
                    writer.append(&Record { who: who.into(), ..record }).unwrap();
                }
            });
        }
    });
    let preferences = Preferences::read(&path).unwrap();
    assert!(preferences.notes().is_empty(), "{:?}", preferences.notes());
    let raters: Vec<_> = preferences.raters().into_iter().map(|rater| (rater.name, rater.decisions)).collect();
    assert_eq!(raters, ["ann", "bob", "eve"].map(|who| (who.to_owned(), 30)));
}
