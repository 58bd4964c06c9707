//! What a folder of a rating holds, and what it refuses.

use std::fs;
use std::path::Path;

use moa_feedback::{FeedbackError, NewImage, PoolFolder, PoolOrigin};

fn png(content: u8) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n", &[content; 40][..]].concat()
}

fn image(prompt: &str, content: u8, origin: &str) -> NewImage {
    let shares = [("aesthetics".to_owned(), 0.7), ("safety".to_owned(), 0.3)];
    let shares = if origin == "base" { [].into() } else { shares.into() };
    NewImage { prompt: prompt.into(), png: png(content), origin: PoolOrigin { name: origin.into(), shares } }
}

fn refusal(path: &Path) -> String {
    PoolFolder::open(path).unwrap_err().to_string()
}

#[test]
fn images_are_kept_under_names_that_say_nothing_and_once() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("ratings");
    let all = [image("a cat", 1, "base"), image(" a cat", 2, "run aesthetics-0.7"), image("a cat", 1, "soup centre")];
    let made = PoolFolder::create_or_extend(&path, all.clone()).unwrap();
    assert_eq!(made.entries().len(), 2);
    // The same images again, a new one, and one that another prompt drew, too.
    let more = all.into_iter().chain([image("a dog", 3, "base"), image("a dog", 1, "base")]);
    let extended = PoolFolder::create_or_extend(&path, more).unwrap();
    assert_eq!(&extended.entries()[..2], made.entries());
    let opened = PoolFolder::open(&path).unwrap();
    assert_eq!(opened, extended);
    opened.check_images().unwrap();
    let origins: Vec<&str> = opened.entries().iter().map(|entry| &*entry.origin.name).collect();
    assert_eq!(origins, ["base", "run aesthetics-0.7", "base", "base"]);
    assert!((opened.entries()[1].origin.shares["aesthetics"] - 0.7).abs() < 1e-12);
    let mut names: Vec<String> = fs::read_dir(path.join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.len() == 20 && name[..16].bytes().all(|byte| byte.is_ascii_hexdigit())));
    // The desk's places are the entries'.
    let pool = opened.pool();
    assert_eq!((pool.images().len(), pool.prompts().len()), (4, 2));
    for (place, entry) in opened.entries().iter().enumerate() {
        assert_eq!(pool.images()[place].prompt, entry.prompt);
        assert_eq!(pool.images()[place].origin, entry.origin.name);
    }
    assert_eq!(pool.read(1).unwrap(), png(2));
    assert_eq!(opened.preferences(), path.join("preferences.jsonl"));
}

#[test]
fn a_folder_whose_images_fail_on_the_way_is_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let before = PoolFolder::create_or_extend(root.path(), [image("a cat", 1, "base")]).unwrap();
    for (bad, wanted) in [
        (NewImage { png: b"GIF89a".to_vec(), ..image("a cat", 3, "base") }, "no PNG file"),
        (image("  ", 3, "base"), "its prompt has 0 characters"),
        (image(&"x".repeat(1001), 3, "base"), "its prompt has 1001 characters"),
        (image("a cat", 3, " "), "its origin has no name"),
    ] {
        let error = PoolFolder::create_or_extend(root.path(), [image("a cat", 2, "base"), bad]).unwrap_err();
        assert!(matches!(error, FeedbackError::Image { index: 1, .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(PoolFolder::open(root.path()).unwrap(), before);
    }
    let after = PoolFolder::create_or_extend(root.path(), [image("a cat", 2, "base")]).unwrap();
    assert_eq!(after.entries().len(), 2);
}

#[test]
fn an_empty_pool_is_a_pool() {
    let root = tempfile::tempdir().unwrap();
    PoolFolder::create_or_extend(root.path(), []).unwrap();
    assert!(PoolFolder::open(root.path()).unwrap().entries().is_empty());
}

#[test]
fn what_is_no_pool_is_refused_with_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    assert!(refusal(path).contains("pool.json: no such file: name a folder that `moa rate` made"), "{}", refusal(path));
    PoolFolder::create_or_extend(path, [image("a cat", 1, "base")]).unwrap();
    let text = fs::read_to_string(path.join("pool.json")).unwrap();
    let file = PoolFolder::open(path).unwrap().entries()[0].file.clone();
    let hash = PoolFolder::open(path).unwrap().entries()[0].sha256.clone();
    let cases = [
        (
            text.replace("\"version\": 1", "\"version\": 2, \"more\": 3"),
            "`version` is 2, and this moa reads 1: use a newer",
        ),
        (text.replace("\"version\": 1,", ""), "missing field `version`"),
        (text.replace("\"images\"", "\"pictures\""), "unknown field `pictures`"),
        (text.replace("a cat", ""), "`images[0]`: its prompt has 0 characters"),
        (text.replace(&file, "../../etc/passwd"), "`file` is \"../../etc/passwd\": by its hash it is images/"),
        (text.replace(&hash, "12"), "`sha256` is \"12\": give 64 hexadecimal digits"),
        (text[..text.len() - 5].to_owned(), "not the pool of a rating: EOF"),
        ("[]".to_owned(), "not the pool of a rating"),
    ];
    for (changed, wanted) in cases {
        fs::write(path.join("pool.json"), changed).unwrap();
        assert!(refusal(path).contains(wanted), "{}", refusal(path));
        // Nor is it extended, or written over.
        PoolFolder::create_or_extend(path, [image("a cat", 2, "base")]).unwrap_err();
    }
    fs::write(path.join("pool.json"), [0xff, 0xfe]).unwrap();
    assert!(refusal(path).contains("not UTF-8 text"), "{}", refusal(path));
}

#[test]
fn changed_and_missing_images_are_named() {
    let root = tempfile::tempdir().unwrap();
    let made =
        PoolFolder::create_or_extend(root.path(), [image("a cat", 1, "base"), image("a cat", 2, "base")]).unwrap();
    let file = root.path().join(&made.entries()[1].file);
    fs::write(&file, png(3)).unwrap();
    let error = made.check_images().unwrap_err().to_string();
    assert!(error.contains(&made.entries()[1].file) && error.contains("has changed"), "{error}");
    fs::remove_file(&file).unwrap();
    assert!(refusal(root.path()).contains("`images[1]`: there is no file `images/"), "{}", refusal(root.path()));
}

#[test]
fn two_processes_do_not_add_at_once() {
    let root = tempfile::tempdir().unwrap();
    let inner = std::iter::once_with(|| {
        let error = PoolFolder::create_or_extend(root.path(), [image("a dog", 2, "base")]).unwrap_err();
        assert!(error.to_string().contains("another process adds images"), "{error}");
        image("a cat", 1, "base")
    });
    assert_eq!(PoolFolder::create_or_extend(root.path(), inner).unwrap().entries().len(), 1);
}
