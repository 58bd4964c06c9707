//! What is refused, and in which words.

use std::fs;
use std::path::Path;

use moa_preferences::{Preferences, Scores};
use sha2::{Digest, Sha256};

fn sha256(text: &str) -> String {
    let bytes: Vec<String> = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.concat()
}

fn file(name: &str) -> String {
    let hash = sha256(name);
    format!(r#"{{"File": {{"path": "{name}", "sha256": "{hash}"}}}}"#)
}

/// Returns a line with `{…}` of the fields that differ from a good pair's; an empty value leaves a field out.
fn line(changes: &[(&str, &str)]) -> String {
    let images = format!("[{}, {}]", file("a.png"), file("b.png"));
    let mut fields = vec![
        ("version", "1"),
        ("id", "\"1\""),
        ("kind", "\"Pair\""),
        ("prompt", "\"a cat\""),
        ("images", &images),
        ("outcome", "\"A\""),
        ("who", "\"ann\""),
        ("when", "\"2026-03-02T10:11:12Z\""),
    ];
    for (name, value) in changes {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }
    let fields: Vec<String> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

fn read(text: &str) -> Result<Preferences, String> {
    Preferences::from_bytes(text.as_bytes(), Path::new("p.jsonl")).map_err(|error| error.to_string())
}

#[test]
fn impossible_lines_are_refused_with_line_field_value_and_what_to_do() {
    assert!(read(&line(&[])).is_ok());
    let (a, b) = (file("a.png"), file("b.png"));
    let twice = format!("[{a}, {a}]");
    let thrice = format!("[{a}, {b}, {a}]");
    let alone = format!("[{a}]");
    let two = format!("[{a}, {b}]");
    let long = format!("\"{}\"", "x".repeat(1001));
    let drawn = r#"[{"Drawn": {"base": "emoji-32", "seed": 7, "steps": 6}}, {"Drawn": {"base": "emoji-32", "seed": 7, "steps": 6, "guidance": 1}}]"#;
    let cases: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![("version", "2")], "version is 2: this moa reads version 1: use a newer moa"),
        (vec![("version", "\"1\"")], "version is \"1\": write 1"),
        (vec![("version", "")], "version is missing: write \"version\": 1"),
        (vec![("kind", "\"Paar\"")], "unknown kind `Paar`: known kinds are Pair, Ranking, Label, Score, Undo"),
        (
            vec![("promt", "\"a cat\"")],
            "unknown field `promt` in a Pair: known fields are version, kind, id, who, when",
        ),
        (vec![("prompt", "")], "prompt is missing: say what was to be drawn"),
        (vec![("prompt", "\"  \"")], "prompt is \"\": say what was to be drawn, or delete the line"),
        (vec![("prompt", "7")], "prompt is 7: give a text in quotes"),
        (vec![("prompt", &long)], "prompt is 1001 characters long: give at most 1000"),
        (vec![("weight", "-0.5")], "weight is -0.5: give a number, 0 to 1000000"),
        (vec![("weight", "NaN")], "weight is NaN: JSON has no such number: give a finite one"),
        (vec![("weight", "-Infinity")], "weight is -Infinity: JSON has no such number"),
        (vec![("weight", "1e999")], "no JSON: number out of range"),
        (vec![("weight", "\"much\"")], "weight is \"much\": give a number"),
        (vec![("outcome", "\"a\"")], "outcome is \"a\": give \"A\", \"B\", \"Tie\" or \"Skip\""),
        (vec![("outcome", "")], "outcome is missing: give \"A\", \"B\", \"Tie\" or \"Skip\""),
        (vec![("images", &alone)], "images is a list of 1: give two images, the first of which is A"),
        (
            vec![("images", &twice)],
            "images[1] is \"a.png\", the same image as images[0] (its hash is equal): compare two different",
        ),
        (vec![("images", drawn)], "images[1] is drawn exactly as images[0] is: compare two different images"),
        (vec![("images", r#"["a.png", "b.png"]"#)], "images[0] is \"a.png\": give {\"File\": {…}} or {\"Drawn\": {…}}"),
        (vec![("images", r#"[{"File": {"path": "a"}}]"#)], "images[0].File.sha256 is missing: give the SHA-256"),
        (vec![("images", r#"[{"File": {"path": "a", "sha256": "12"}}, 3]"#)], "images[1] is 3: give"),
        (vec![("images", r#"[{"Url": {}}]"#)], "unknown kind `Url` in images[0]: known kinds are File, Drawn"),
        (
            vec![("kind", "\"Ranking\""), ("images", &thrice), ("outcome", "[1, 2, 3]")],
            "images[2] is \"a.png\", the same",
        ),
        (
            vec![("kind", "\"Ranking\""), ("images", &two), ("outcome", "[1]")],
            "outcome is a list of 1 for 2 images: give one place",
        ),
        (
            vec![("kind", "\"Ranking\""), ("images", &two), ("outcome", "[0, 1]")],
            "outcome[0] is 0: places count from 1",
        ),
        (
            vec![("kind", "\"Ranking\""), ("images", &two), ("outcome", "[1.5, 1]")],
            "outcome[0] is 1.5: give each image's place",
        ),
        (vec![("kind", "\"Label\"")], "images is a list of 2: give one image"),
        (vec![("kind", "\"Score\""), ("images", &alone)], "outcome is \"A\": give a finite number, or \"Skip\""),
        (vec![("when", "\"today\"")], "when is \"today\": give a time with its offset, such as"),
        (vec![("who", "\"\"")], "who is \"\": name the rater in at most 64 characters"),
        (
            vec![("who", "\"a\\u001b[2J\"")],
            "who is \"a\\u{1b}[2J\": give a text of one line, without control characters",
        ),
        (vec![("tags", "\"hands\"")], "tags is \"hands\": give a list of texts"),
        (vec![("tags", "[\" \"]")], "tags[0] is \"\": give a word or two"),
        (vec![("weight", "1, \"weight\": 2")], "the field \"weight\" is given twice: keep one"),
    ];
    for (changes, wanted) in cases {
        let message = read(&format!("\n{}\n", line(&changes))).expect_err(wanted);
        assert!(message.starts_with("p.jsonl:2:") && message.contains(wanted), "{message}\n  instead of\n{wanted}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn other_files_are_refused() {
    for (text, wanted) in [
        ("prompt,a,b\n", "p.jsonl:1:1: no JSON: expected value: give one record of JSON per line, or delete the line"),
        ("[1, 2]", "p.jsonl:1: [1,2] is not a record: give one record per line"),
        ("{\n  \"version\": 1\n}\n", "p.jsonl:1:1: no JSON: EOF while parsing an object"),
    ] {
        let message = read(text).unwrap_err();
        assert!(message.starts_with(wanted), "{message}");
    }
    let deep = "[".repeat(100_000);
    assert!(read(&deep).unwrap_err().contains("recursion limit"));
    let long = line(&[("prompt", &format!("\"{}\"", "x".repeat(1_000_000)))]);
    let message = read(&long).unwrap_err();
    assert!(message.contains("the line has 1000") && message.contains("give at most 1000000"), "{message}");
    let joined = line(&[]) + &line(&[]);
    assert!(read(&joined).unwrap_err().contains("trailing characters"));
}

#[test]
fn ids_are_given_once_and_undos_name_earlier_records() {
    let undo = |id: &str, undoes: &str| {
        format!(
            r#"{{"version": 1, "id": "{id}", "kind": "Undo", "undoes": "{undoes}", "who": "ann", "when": "2026-03-02T10:11:12Z"}}"#
        )
    };
    let twice = format!("{}\n{}\n", line(&[]), line(&[("outcome", "\"B\"")]));
    assert_eq!(
        read(&twice).unwrap_err(),
        "p.jsonl:2: id is \"1\", as in line 1: give each record an id of its own, or delete one of them"
    );
    for (undoes, wanted) in
        [("2", "a record cannot undo itself"), ("9", "undoes is \"9\": name the id of an earlier record")]
    {
        let message = read(&format!("{}\n{}", line(&[]), undo("2", undoes))).unwrap_err();
        assert!(message.starts_with("p.jsonl:2: ") && message.contains(wanted), "{message}");
    }
    let message = read(&format!("{}\n{}", undo("0", "1"), line(&[]))).unwrap_err();
    assert!(message.starts_with("p.jsonl:1: undoes is \"1\", a later record"), "{message}");
}

#[test]
fn all_lines_of_a_kind_are_one_message() {
    let lines: Vec<String> = (0..20)
        .map(|id| line(&[("id", &format!("\"{id}\"")), ("weight", &format!("-{}", id + 1)), ("outcome", "\"A\"")]))
        .collect();
    let message = read(&(lines.join("\n") + "\n" + &line(&[("prompt", "\"\"")]))).unwrap_err();
    assert_eq!(
        message,
        "p.jsonl:1: weight is -1: give a number, 0 to 1000000; and 19 more (lines 2, 3, 4, 5, 6 …)\n\
         p.jsonl:21: prompt is \"\": say what was to be drawn, or delete the line"
    );
}

#[test]
fn files_that_cannot_be_meant_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let refused = |name: &str| Preferences::read(&root.path().join(name)).unwrap_err().to_string();
    assert!(
        refused("none.jsonl")
            .ends_with("none.jsonl: no such file: check the path, which counts from the current folder")
    );
    assert!(refused("").contains("this is a folder: name a file in it"));
    for (name, bytes, wanted) in [
        ("empty.jsonl", &b""[..], "empty: rate some images first"),
        ("blank.jsonl", b"\n \r\n", "empty: rate some images first"),
        ("torn.jsonl", b"{\"version\": 1, \"id", "no line is whole"),
        ("latin.jsonl", b"{\"prompt\": \"na\xefve\"}\n", "latin.jsonl:1:15: not UTF-8 text: save the file as UTF-8"),
        ("utf16.jsonl", b"\xff\xfe{\0\"\0", "utf16.jsonl:1:1: not UTF-8 text"),
    ] {
        fs::write(root.path().join(name), bytes).unwrap();
        assert!(refused(name).contains(wanted), "{}", refused(name));
    }
    // Whoever rates goes on with what is missing or empty.
    for name in ["none.jsonl", "empty.jsonl", "torn.jsonl"] {
        assert_eq!(Preferences::begun(&root.path().join(name)).unwrap().records().count(), 0);
    }
}

#[test]
fn files_without_a_usable_pair_say_what_they_hold() {
    let text = [
        line(&[("id", "\"1\""), ("outcome", "\"Skip\"")]),
        line(&[("id", "\"2\""), ("weight", "0")]),
        line(&[
            ("id", "\"3\""),
            ("kind", "\"Label\""),
            ("images", &format!("[{}]", file("a.png"))),
            ("outcome", "\"Good\""),
        ]),
        line(&[("id", "\"4\"")]),
        r#"{"version": 1, "id": "5", "kind": "Undo", "undoes": "4", "who": "ann", "when": "2026-03-02T10:11:12Z"}"#
            .into(),
    ];
    let preferences = read(&text.join("\n")).unwrap();
    assert_eq!(
        preferences.pairs(&[]).unwrap_err().to_string(),
        "p.jsonl: no usable pair is left: it holds 1 Label, 1 undone, 1 skipped, 1 of weight 0; compare or rank images first"
    );
    assert_eq!(preferences.labels(Scores::LeftOut, &[]).unwrap().len(), 1);
    let pairs = read(&line(&[])).unwrap();
    assert_eq!(
        pairs.labels(Scores::AgainstMedian, &[]).unwrap_err().to_string(),
        "p.jsonl: no usable label is left: it holds 1 Pair; label images good or bad first"
    );
}

#[test]
fn images_that_are_missing_or_changed_are_one_message_each() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("p.jsonl");
    let line = |id: usize, a: &str, b: &str| {
        line(&[("id", &format!("\"{id}\"")), ("images", &format!("[{}, {}]", file(a), file(b)))])
    };
    let lines: Vec<String> = (0..14).map(|id| line(id, &format!("{id}.png"), "there.png")).collect();
    // Images of skipped records are not looked at.
    let skipped = line(14, "skipped.png", "there.png").replace("\"A\"", "\"Skip\"");
    fs::write(&path, lines.join("\n") + "\n" + &skipped + "\n").unwrap();
    fs::write(root.path().join("there.png"), "there.png").unwrap();
    fs::write(root.path().join("1.png"), "something else").unwrap();
    let preferences = Preferences::read(&path).unwrap();
    let message = preferences.check_images().unwrap_err().to_string();
    let [missing, changed] = message.lines().collect::<Vec<_>>()[..] else { panic!("{message}") };
    assert!(missing.contains("p.jsonl:1: images[0].File.path is \"0.png\", and there is no "), "{message}");
    assert!(missing.ends_with("put the image there: paths count from the folder of the file of preferences; and 12 more (lines 3, 4, 5, 6, 7 …)"));
    assert!(changed.contains("p.jsonl:2: images[0].File.path is \"1.png\", whose SHA-256 is "), "{message}");
    assert!(changed.contains("has changed since it was judged: restore it, or rate it again"), "{message}");
    for id in 0..14 {
        fs::write(root.path().join(format!("{id}.png")), format!("{id}.png")).unwrap();
    }
    preferences.check_images().unwrap();
    fs::remove_file(root.path().join("3.png")).unwrap();
    fs::create_dir(root.path().join("3.png")).unwrap();
    let message = preferences.check_images().unwrap_err().to_string();
    assert!(
        message.contains("p.jsonl:4: images[0].File.path is \"3.png\", which is not a file: name the image's file"),
        "{message}"
    );
}

#[test]
fn adapters_of_drawn_images_are_checked() {
    let root = tempfile::tempdir().unwrap();
    let adapter = sha256("factors");
    let drawn = |more: &str| format!(r#"{{"Drawn": {{"base": "emoji-32", "seed": 7, "steps": 6{more}}}}}"#);
    let known = drawn(&format!(r#", "adapter": "runs/a", "adapter_sha256": "{adapter}""#));
    let images = [format!("[{}, {known}]", drawn("")), format!("[{}, {known}]", drawn(r#", "adapter": "runs/a""#))];
    let text: Vec<String> = images
        .iter()
        .enumerate()
        .map(|(id, images)| line(&[("id", &format!("\"{id}\"")), ("images", images)]))
        .collect();
    let preferences = Preferences::from_bytes(text.join("\n").as_bytes(), &root.path().join("p.jsonl")).unwrap();
    let message = preferences.check_images().unwrap_err().to_string();
    assert!(message.contains(":1: images[1].Drawn.adapter is \"runs/a\", and there is no"), "{message}");
    fs::create_dir_all(root.path().join("runs/a")).unwrap();
    fs::write(root.path().join("runs/a/adapter.safetensors"), "factors").unwrap();
    preferences.check_images().unwrap();
    fs::write(root.path().join("runs/a/adapter.safetensors"), "others").unwrap();
    let message = preferences.check_images().unwrap_err().to_string();
    assert!(message.contains("the adapter has changed since it was judged"), "{message}");
}
