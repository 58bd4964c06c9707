//! Which files of a folder are a model's weights: variants, indices and shards, by the names of any version.

use std::fs;
use std::path::PathBuf;

use moa_adapter::weight_files;

fn found(files: &[&str]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let index = "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\"}}";
        fs::write(folder.path().join(file), if file.contains(".index") { index } else { "" }).expect("a file");
    }
    let name = |path: PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let found = weight_files(folder.path(), "model").map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(name).collect())
}

#[test]
fn variants_are_taken_in_order() {
    let all = ["model.safetensors", "model.fp16.safetensors", "model.bf16.safetensors", "model.non_ema.safetensors"];
    for first in 0..all.len() {
        assert_eq!(found(&all[first..]).unwrap(), [all[first]]);
    }
}

#[test]
fn an_index_may_have_the_names_of_any_version() {
    for index in [
        "model.safetensors.index.json",
        "model.safetensors.index.fp16.json",
        "model.safetensors.fp16.index.json",
        "model.fp16.safetensors.index.json",
    ] {
        let files = [index, "one.safetensors", "two.safetensors"];
        assert_eq!(found(&files).unwrap(), files[1..], "{index}");
        assert!(found(&files[..2]).unwrap_err().contains("1 of 2 shards are missing: two.safetensors"), "{index}");
    }
}

#[test]
fn shards_are_found_by_their_numbers_without_an_index() {
    for files in [
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"],
        ["model-00001-of-00002.fp16.safetensors", "model-00002-of-00002.fp16.safetensors"],
    ] {
        assert_eq!(found(&files).unwrap(), files);
        let missing = found(&files[..1]).unwrap_err();
        assert!(missing.contains(&format!("1 of 2 shards are missing: {}", files[1])), "{missing}");
    }
    assert!(found(&["other-00001-of-00002.safetensors"]).unwrap_err().contains("it has neither model.safetensors nor"));
}
