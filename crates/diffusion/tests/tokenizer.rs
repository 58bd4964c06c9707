//! Tokenizers from files against transformers' `CLIPTokenizer` (fixtures/README.md).

use std::fs;
use std::path::{Path, PathBuf};

use moa_diffusion::{Token, Tokenizer};
use moa_scenes::tokenizer::{MODEL_MAX_LENGTH, TOKENIZER_JSON};
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

fn emoji() -> Tokenizer {
    Tokenizer::read(TOKENIZER_JSON, MODEL_MAX_LENGTH).unwrap()
}

/// Returns tokenizers of every kind of file.
fn all() -> Vec<Tokenizer> {
    let words = ["vocab.json", "merges.txt"];
    let open = |files: &[&str]| Tokenizer::open(folder(files).path(), 24).unwrap();
    vec![
        emoji(),
        open(&[words[0], words[1], "sd1/tokenizer_config.json", "sd1/special_tokens_map.json"]),
        open(&[words[0], words[1], "sd2/tokenizer_config.json", "sd2/special_tokens_map.json"]),
        open(&["saved/tokenizer.json", "saved/tokenizer_config.json"]),
    ]
}

#[test]
fn texts_are_read_again_as_what_they_were_decoded_from() {
    let mut texts = ids().texts;
    texts.extend(["Two RED hearts,  left of a dog's (blue) car", "", "caf\u{e9} \u{1f600}!"].map(str::to_owned));
    for tokenizer in all() {
        assert_eq!(tokenizer.room(), tokenizer.length() - 2);
        for (text, ids) in texts.iter().zip(tokenizer.encode(&texts).unwrap()) {
            // A text may spell special tokens, or be cut inside a character.
            let is_plain = tokenizer.knows(text) && !text.contains('<');
            let fits = ids[tokenizer.length() - 2..] != [0, 0] && tokenizer.between(&ids).len() < tokenizer.room();
            if is_plain && fits {
                let decoded = tokenizer.decode(&ids);
                assert_eq!(tokenizer.encode(&[&decoded]).unwrap()[0], ids, "{text:?} as {decoded:?}");
                assert_eq!(tokenizer.row(tokenizer.between(&ids)), Some(ids), "{text:?}");
            }
        }
    }
    let emoji = emoji();
    let ids = emoji.encode(&["Two RED hearts,  left of a cat"]).unwrap();
    assert_eq!(emoji.decode(&ids[0]), "two red hearts , left of a cat");
    assert_eq!(emoji.row(&[5; MODEL_MAX_LENGTH - 1]), None);
}

#[test]
fn every_token_of_the_vocabulary_can_be_typed() {
    for tokenizer in all() {
        let vocabulary = tokenizer.vocabulary();
        assert!(vocabulary.is_sorted_by_key(|token| token.id));
        let find = |text: &str, ends_word| vocabulary.iter().find(|t| t.text == text && t.ends_word == ends_word);
        for Token { id, text, ends_word } in vocabulary {
            assert_eq!(tokenizer.has_words(text), *ends_word || find(text, true).is_some(), "{text}");
            if *ends_word {
                let ids = tokenizer.encode(&[text]).unwrap().remove(0);
                assert_eq!(tokenizer.between(&ids), [*id], "{text}");
                assert_eq!(tokenizer.decode(&ids), *text);
            }
        }
        assert!(find("a", true).is_some() && find("a", false).is_some());
        for special in ["<|startoftext|>", "<|endoftext|>", "A"] {
            assert!(find(special, true).is_none() && find(special, false).is_none(), "{special}");
        }
        // Words in a row are read as themselves.
        let words: Vec<&Token> = vocabulary.iter().filter(|token| token.ends_word).collect();
        for start in 0..words.len() {
            let row: Vec<u32> = (0..tokenizer.room()).map(|i| words[(start + 7 * i * i) % words.len()].id).collect();
            let ids = tokenizer.row(&row).unwrap();
            assert_eq!(tokenizer.encode(&[tokenizer.decode(&ids)]).unwrap(), [ids]);
        }
    }
}

#[test]
fn pieces_are_typed_in_front_of_others() {
    let emoji = emoji();
    let vocabulary = emoji.vocabulary();
    let ids: Vec<u32> = vocabulary.iter().filter(|token| !token.ends_word).map(|token| token.id).collect();
    assert!(ids.len() > 100, "{}", ids.len());
    let read = emoji.encode(&["kitten"]).unwrap().remove(0);
    let (last, others) = emoji.between(&read).split_last().map(|(last, others)| (*last, others.to_vec())).unwrap();
    assert!(others.iter().all(|id| ids.contains(id)) && !ids.contains(&last));
}

#[test]
fn words_and_unknown_texts_are_told_apart() {
    let emoji = emoji();
    let (words, special) = (emoji.vocabulary(), emoji.encode(&["a"]).unwrap());
    for word in moa_scenes::grammar_words() {
        assert!(emoji.has_words(word), "{word}");
        assert!(words.iter().any(|token| token.ends_word && token.text == *word), "{word}");
    }
    assert!(emoji.knows("a kitten") && !emoji.has_words("a kitten"));
    assert!(!emoji.knows("a <|endoftext|>"), "it is the unknown token");
    assert!(!words.iter().any(|token| token.id == special[0][0] || token.id == special[0][2]));
    let [sd1, sd2] = [&all()[1], &all()[2]].map(Clone::clone);
    assert!(sd1.has_vocabulary_of(&sd2) && !sd1.has_vocabulary_of(&emoji));
}

#[test]
fn vocabularies_of_words_know_theirs_alone() {
    let mut json: serde_json::Value = serde_json::from_str(TOKENIZER_JSON).unwrap();
    json["model"] = serde_json::json!({
        "type": "WordLevel", "unk_token": "[UNK]",
        "vocab": {"[UNK]": 0, "a": 1, "red": 2, "\u{e9}t\u{e9}": 3, "Upper": 4, "<|startoftext|>": 769, "<|endoftext|>": 770},
    });
    // Without the byte level, words are as they are.
    json["pre_tokenizer"] = serde_json::json!({"type": "Whitespace"});
    let tokenizer = Tokenizer::read(&json.to_string(), 8).unwrap();
    assert!(tokenizer.knows("A red \u{e9}t\u{e9}") && tokenizer.has_words("a red"));
    assert!(!tokenizer.knows("a blue heart"));
    let texts: Vec<String> = tokenizer.vocabulary().iter().map(|token| token.text.clone()).collect();
    assert_eq!(texts, ["a", "red", "\u{e9}t\u{e9}"]);
    let ids = tokenizer.encode(&["a \u{e9}t\u{e9} red"]).unwrap();
    assert_eq!(tokenizer.decode(&ids[0]), "a \u{e9}t\u{e9} red");
}
