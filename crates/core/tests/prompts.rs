//! Prompts in the files that others publish, and held-out splits of them.

use std::path::Path;

use moa_core::ExperimentSpec;
use moa_core::experiment::Prompts;

/// PartiPrompts' columns, with a quoted value, an empty last one, and a prompt twice.
const PARTI: &str = "Prompt\tCategory\tChallenge\tNote\n\
    bond\tAbstract\tBasic\tBiology-inspired concepts with multiple meanings\n\
    a \"tall\" giraffe\tAnimals\tBasic\t\n\
    \"a shiba inu, wearing\ta beret\"\tAnimals\tFine-grained Detail\n\
    Bond\tAbstract\tBasic\t\n";

/// GenEval's objects.
const GENEVAL: &str = r#"{"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"}
{"tag": "counting", "include": [{"class": "clock", "count": 2}], "exclude": [], "prompt": "a photo of two clocks"}

{"tag": "single_object", "include": [{"class": "cow", "count": 1}], "prompt": "a photo of a cow"}
"#;

/// Resolves an experiment's prompts, where `file` holds `content`.
fn resolve(fields: &str, file: &str, content: &str) -> Result<Prompts, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), content).unwrap();
    let experiment = folder.path().join("mine.ron");
    let text = format!("(rewards: [(kind: Safety)], training: (prompts_per_epoch: 1),\nprompts: ({fields}))");
    std::fs::write(&experiment, text).unwrap();
    let resolved = resolve_in(&experiment);
    resolved.map_err(|message| message.replace(&folder.path().display().to_string(), "DIR"))
}

fn resolve_in(experiment: &Path) -> Result<Prompts, String> {
    let sets = |_: &str| Some(vec!["something else".to_owned()]);
    let spec = ExperimentSpec::load(experiment).map_err(|error| error.to_string())?;
    spec.resolve_prompts(experiment, &sets).map_err(|error| error.to_string())
}

#[test]
fn parti_prompts_are_read_as_they_are() {
    let prompts = resolve("train: File(\"PartiPrompts.tsv\")", "PartiPrompts.tsv", PARTI).unwrap();
    assert_eq!(prompts.train, ["bond", "a \"tall\" giraffe", "a shiba inu, wearing\ta beret"]);
    assert_eq!(prompts.duplicates, 1, "`Bond` reads as `bond`");
    let animals =
        "train: Table(file: \"PartiPrompts.tsv\", where: {\"category\": \"Animals\", \"Challenge\": \"Basic\"})";
    assert_eq!(resolve(animals, "PartiPrompts.tsv", PARTI).unwrap().train, ["a \"tall\" giraffe"]);
    let challenges = "train: Table(file: \"PartiPrompts.tsv\", column: \"Challenge\")";
    assert_eq!(resolve(challenges, "PartiPrompts.tsv", PARTI).unwrap().train, ["Basic", "Fine-grained Detail"]);
}

#[test]
fn geneval_is_read_as_it_is() {
    let prompts = resolve("train: File(\"evaluation_metadata.jsonl\")", "evaluation_metadata.jsonl", GENEVAL).unwrap();
    assert_eq!(prompts.train, ["a photo of a bench", "a photo of two clocks", "a photo of a cow"]);
    let single = "train: Table(file: \"e.jsonl\", where: {\"tag\": \"single_object\"})";
    assert_eq!(resolve(single, "e.jsonl", GENEVAL).unwrap().train, ["a photo of a bench", "a photo of a cow"]);
}

#[test]
fn csv_comes_with_marks_and_carriage_returns() {
    let text = "\u{feff}id,PROMPT\r\n1,\"a cat, asleep\"\r\n2,a dog\r\n";
    assert_eq!(resolve("train: File(\"p.csv\")", "p.csv", text).unwrap().train, ["a cat, asleep", "a dog"]);
}

#[test]
fn held_out_prompts_are_split_from_the_training_prompts() {
    let text: String = (0..40).map(|index| format!("image {index}")).collect::<Vec<_>>().join("\n");
    let fields = "train: File(\"p.txt\"), held_out: Split(share: 0.25, seed: 3)";
    let prompts = resolve(fields, "p.txt", &text).unwrap();
    assert_eq!((prompts.train.len(), prompts.held_out.len()), (30, 10));
    assert!(prompts.held_out.iter().all(|prompt| !prompts.train.contains(prompt)));
    assert_eq!(resolve(fields, "p.txt", &text).unwrap(), prompts, "the same again");
    let other = resolve("train: File(\"p.txt\"), held_out: Split(share: 0.25)", "p.txt", &text).unwrap();
    assert_ne!(other.held_out, prompts.held_out);
}

#[test]
fn faults_are_told_by_file_and_line() {
    for (fields, file, content, expected) in [
        (
            "train: Table(file: \"p.tsv\", column: \"Text\")",
            "p.tsv",
            PARTI,
            "line 2: no column `Text`: there are Prompt, Category, Challenge, Note",
        ),
        ("train: File(\"p.csv\")", "p.csv", "text\na cat\n", "line 2: no column `prompt`: there are text"),
        (
            "train: File(\"p.csv\")",
            "p.csv",
            "prompt\na cat, asleep\n",
            "line 2: 2 values for 1 columns: put quotes around values that hold commas",
        ),
        (
            "train: File(\"p.csv\")",
            "p.csv",
            "id,prompt\n1,a cat\n2,\n",
            "line 3: has no prompt: write one, or delete the line",
        ),
        (
            "train: File(\"p.jsonl\")",
            "p.jsonl",
            "{\"prompt\": \"a cat\"}\n\n{\"prompt\": \n",
            "line 3: no JSON: EOF while parsing a value at line 1 column 11",
        ),
        (
            "train: File(\"p.jsonl\")",
            "p.jsonl",
            "\"a cat\"\n",
            "line 1: not a JSON object: give one per line, such as {\"prompt\": \"a cat\"}",
        ),
        (
            "train: File(\"p.jsonl\")",
            "p.jsonl",
            "{\"id\": 3, \"text\": \"a cat\"}\n",
            "line 1: no column `prompt`: there are id, text",
        ),
        (
            "train: Table(file: \"p.tsv\", where: {\"Category\": \"animals\"})",
            "p.tsv",
            PARTI,
            "no record has the values of `where`: check them, letter for letter",
        ),
    ] {
        let message = resolve(fields, file, content).unwrap_err();
        assert_eq!(message, format!("DIR/mine.ron:2:18: prompts.train is the file DIR/{file}: {expected}"), "{fields}");
    }
    assert_eq!(
        resolve("train: File(\"p.csv\")", "p.csv", "id,prompt\n").unwrap_err(),
        "DIR/mine.ron:2:18: prompts.train is without a prompt: give at least one"
    );
    assert_eq!(
        resolve("train: File(\"p.txt\"), held_out: Split(share: 0.5)", "p.txt", "a cat\n").unwrap_err(),
        "DIR/mine.ron:2:43: prompts.held_out is a split: prompts.train has 1, which cannot be split: give at least 2"
    );
}
