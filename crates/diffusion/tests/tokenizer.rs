//! Tokenizers from files against transformers' `CLIPTokenizer` (fixtures/README.md).

use std::fs;
use std::path::{Path, PathBuf};

use moa_diffusion::Tokenizer;
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Ids {
    max_length: usize,
    texts: Vec<String>,
    sd1: Vec<Vec<u32>>,
    sd2: Vec<Vec<u32>>,
    sdxl_2: Vec<Vec<u32>>,
    saved: Vec<Vec<u32>>,
    saved_sd2: Vec<Vec<u32>>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer").join(name)
}

fn ids() -> Ids {
    serde_json::from_str(&fs::read_to_string(fixture("ids.json")).unwrap()).unwrap()
}

/// Returns a folder with files of the fixture.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        fs::copy(fixture(file), folder.path().join(Path::new(file).file_name().unwrap())).unwrap();
    }
    folder
}

/// Returns a folder of Stable Diffusion 1.5's form, with one file of other text.
fn with(file: &str, text: &str) -> TempDir {
    let folder = folder(&["vocab.json", "merges.txt", "sd1/tokenizer_config.json", "sd1/special_tokens_map.json"]);
    fs::write(folder.path().join(file), text).unwrap();
    folder
}

/// Returns why a folder's tokenizer cannot be used, with the folder's own name cut out.
fn refusal(folder: &TempDir) -> String {
    let error = Tokenizer::open(folder.path(), 24).err().expect("a refusal").to_string();
    error.replace(&folder.path().display().to_string(), "FOLDER")
}

#[track_caller]
fn assert_ids(files: &[&str], wanted: &[Vec<u32>]) {
    let (folder, Ids { max_length, texts, .. }) = (folder(files), ids());
    let tokenizer = Tokenizer::open(folder.path(), max_length).unwrap();
    let found = tokenizer.encode(&texts).unwrap();
    assert_eq!(found.len(), wanted.len());
    for ((text, found), wanted) in texts.iter().zip(&found).zip(wanted) {
        assert_eq!(found, wanted, "{text:?}");
    }
}

#[test]
fn ids_of_every_familys_files_are_transformers() {
    let Ids { sd1, sd2, sdxl_2, saved, saved_sd2, .. } = ids();
    let words = ["vocab.json", "merges.txt"];
    for (family, wanted) in [("sd1", &sd1), ("sd2", &sd2), ("sdxl_2", &sdxl_2)] {
        let settings = ["tokenizer_config.json", "special_tokens_map.json"].map(|file| format!("{family}/{file}"));
        assert_ids(&[words[0], words[1], &settings[0], &settings[1]], wanted);
    }
    assert_ids(&["saved/tokenizer.json", "saved/tokenizer_config.json"], &saved);
    assert_ids(&["saved/tokenizer.json"], &saved);
    assert_ids(&words, &saved);
    assert_ids(&["saved/tokenizer.json", "sd2/tokenizer_config.json", "sd2/special_tokens_map.json"], &saved_sd2);
}

#[test]
fn tokenizer_json_comes_before_vocabulary_and_merges() {
    let both = with("vocab.json", "{}");
    fs::copy(fixture("saved/tokenizer.json"), both.path().join("tokenizer.json")).unwrap();
    assert!(Tokenizer::open(both.path(), 24).is_ok());
}

#[test]
fn texts_are_as_long_as_both_the_files_and_the_encoder_allow() {
    let length = |config: &str, max_tokens| {
        let folder = with("tokenizer_config.json", config);
        let tokenizer = Tokenizer::open(folder.path(), max_tokens).unwrap();
        assert_eq!(tokenizer.encode(&[""]).unwrap()[0].len(), tokenizer.length());
        tokenizer.length()
    };
    assert_eq!(length(r#"{"model_max_length": 12}"#, 77), 12);
    assert_eq!(length(r#"{"model_max_length": 77}"#, 24), 24);
    assert_eq!(length(r#"{"model_max_length": 1000000000000000019884624838656}"#, 24), 24);
    assert_eq!(length("{}", 24), 24);
}

#[test]
fn added_tokens_are_found_in_texts() {
    let folder = with("added_tokens.json", r#"{"<My-Cat>": 1514}"#);
    let tokenizer = Tokenizer::open(folder.path(), 8).unwrap();
    let ids = tokenizer.encode(&["a <my-cat>!"]).unwrap();
    assert_eq!(ids[0], [1512, 320, 1514, 256, 1513, 1513, 1513, 1513]);
    assert!(tokenizer.check_vocabulary(1514).is_err());
    assert!(tokenizer.check_vocabulary(1515).is_ok());
}

#[test]
fn a_tokenizer_of_another_text_encoder_is_refused() {
    let tokenizer = Tokenizer::open(folder(&["vocab.json", "merges.txt"]).path(), 24).unwrap();
    assert!(tokenizer.check_vocabulary(1514).is_ok());
    assert_eq!(
        tokenizer.check_vocabulary(1000).unwrap_err().to_string(),
        "the tokenizer has the token `<|endoftext|>` with id 1513, and the text encoder's `vocab_size` is 1000: they belong \
         to different models; use the tokenizer that came with the text encoder"
    );
}

#[test]
fn missing_files_are_told() {
    let way_out = "copy the tokenizer's files there from the model's repository, or from another pipeline with the same text \
                   encoder";
    for (files, missing) in [
        (vec![], "tokenizer.json (or vocab.json and merges.txt)"),
        (vec!["vocab.json"], "merges.txt"),
        (vec!["merges.txt"], "vocab.json"),
    ] {
        let wanted = format!("FOLDER holds no CLIP tokenizer: {missing} is missing; {way_out}");
        assert_eq!(refusal(&folder(&files)), wanted);
    }
}

#[test]
fn files_that_are_not_clips_are_refused_by_name() {
    for (file, text, wanted) in [
        ("vocab.json", "{", "FOLDER/vocab.json: it is unreadable: "),
        ("vocab.json", r#"{"a": 0}"#, "FOLDER/merges.txt: line 2 is `"),
        ("merges.txt", "#version: 0.2\na b c\n", "FOLDER/merges.txt: line 2 is `a b c`: two tokens with a blank"),
        (
            "merges.txt",
            "a qqq\n",
            "FOLDER/merges.txt: line 1 is `a qqq`: vocab.json lacks `qqq`; the two files belong to different models",
        ),
        (
            "tokenizer_config.json",
            r#"{"tokenizer_class": "T5Tokenizer"}"#,
            r#"FOLDER/tokenizer_config.json: `tokenizer_class` is "T5Tokenizer": give the tokenizer of a CLIP text encoder"#,
        ),
        (
            "tokenizer_config.json",
            r#"{"padding_side": "left"}"#,
            r#"FOLDER/tokenizer_config.json: `padding_side` is "left": CLIP's texts are filled up on the right"#,
        ),
        (
            "tokenizer_config.json",
            r#"{"model_max_length": 1}"#,
            "FOLDER/tokenizer_config.json: texts of 1 tokens have no room for the begin and end token: allow at least 2",
        ),
        (
            "special_tokens_map.json",
            r#"{"pad_token": 7}"#,
            "FOLDER/special_tokens_map.json: `pad_token` is 7: a token, or an object with its `content`, is known",
        ),
        ("tokenizer.json", "{}", "FOLDER/tokenizer.json: it is unreadable: "),
    ] {
        let found = refusal(&with(file, text));
        assert!(found.starts_with(wanted), "{found}");
    }
}

#[test]
fn a_tokenizer_that_puts_no_tokens_around_a_text_is_refused() {
    let text = fs::read_to_string(fixture("saved/tokenizer.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["post_processor"] = serde_json::Value::Null;
    let found = refusal(&with("tokenizer.json", &json.to_string()));
    assert!(
        found.starts_with("FOLDER/tokenizer.json: it does not put <|startoftext|> and <|endoftext|> around"),
        "{found}"
    );
}
