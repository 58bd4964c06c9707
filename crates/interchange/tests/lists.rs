//! The JSON of HPD v2 and ImageReward.

mod folder;

use folder::{Folder, reasons};
use moa_interchange::Format;
use moa_preferences::{Decision, Winner};

fn places(folder: &Folder) -> Vec<(String, Vec<u32>)> {
    let ranked = |record: moa_preferences::Record| match record.decision {
        Decision::Ranking { outcome: Some(places), .. } => (record.who, places),
        other => panic!("{other:?}"),
    };
    folder.records().into_iter().map(ranked).collect()
}

#[test]
fn pairs_of_hpd_have_a_one_at_the_preferred_image() {
    let folder = Folder::new();
    folder.images(["train/1.jpg", "train/2.jpg"]);
    folder.file(
        "train.json",
        r#"[{"human_preference": [1, 0], "prompt": "a cat", "file_path": ["1.jpg", "2.jpg"], "user_hash": "abc"},
            {"human_preference": [0, 1], "prompt": "a dog", "file_path": ["1.jpg", "2.jpg"]},
            {"human_preference": [1, 1], "prompt": "a fox", "image_path": ["1.jpg", "2.jpg"]},
            {"human_preference": 0, "prompt": "a fox", "file_path": ["1.jpg", "2.jpg"]},
            {"human_preference": [1, 0], "prompt": "a fox", "file_path": ["1.jpg"]},
            {"human_preference": [1, 0], "prompt": "a fox"},
            {"human_preference": [1, 0], "prompt": 7, "file_path": ["1.jpg", 2]},
            [1]]"#,
    );
    assert_eq!(Format::detect(&folder.path("train.json")).unwrap(), Format::Hpd);
    let import = moa_interchange::Import { images: Some(folder.path("train")), ..folder.import("train.json") };
    let imported = import.run().unwrap();
    assert_eq!((imported.records, imported.skipped.count()), (3, 5));
    assert_eq!(folder.winners(), [Some(Winner::A), Some(Winner::B), Some(Winner::Tie)]);
    let records = folder.records();
    assert_eq!([&*records[0].who, &*records[1].who], ["abc", "hpd"]);
    let told = reasons(&imported);
    for wanted in [
        "entry 4: human_preference is \"0 for 2 images\": give two numbers for two images",
        "two images, 1 for the preferred one and 0 for the other; and 1 more",
        "entry 6: file_path is missing: give a list of the images' paths",
        "entry 8: the entry is \"[1]\"",
    ] {
        assert!(told.contains(wanted), "{wanted}\nis not in\n{told}");
    }
}

#[test]
fn each_rater_of_hpd_is_a_ranking_and_averages_count_where_there_is_none() {
    let folder = Folder::new();
    folder.images(["1.jpg", "2.jpg", "3.jpg"]);
    folder.file(
        "test.json",
        r#"[{"prompt": "a cat", "image_path": ["1.jpg", "2.jpg", "3.jpg"], "rank": [1, 2, 3],
             "raw_annotations": [{"rank": [0, 2, 1], "user_hash": "x"}, {"rank": [3, 1], "user_hash": "y"},
                                 {"rank": [5, 5, 2], "user_hash": "z"}]},
            {"prompt": "a dog", "image_path": ["1.jpg", "2.jpg", "3.jpg"], "rank": [2.5, -1, 2.5]}]"#,
    );
    let imported = folder.run("test.json").unwrap();
    assert_eq!((imported.records, imported.skipped.count()), (3, 1));
    let ranked = |who: &str, places: [u32; 3]| (who.to_owned(), places.to_vec());
    assert_eq!(places(&folder), [ranked("x", [1, 3, 2]), ranked("z", [2, 2, 1]), ranked("hpd", [2, 1, 2])]);
    assert!(reasons(&imported).starts_with("entry 1: raw_annotations[1].rank is \"[3,1]\": give a rank"));
}

#[test]
fn rankings_of_imagereward_come_by_prompt_or_by_image() {
    let folder = Folder::new();
    folder.images(["part/1.jpg", "part/2.jpg", "part/3.jpg"]);
    folder.file(
        "ranking.json",
        r#"[{"id": "005658-0040", "prompt": "a cat", "generations": ["part/1.jpg", "part/2.jpg", "part/3.jpg"], "ranking": [1, 5, 2]}]"#,
    );
    // As ImageRewardDB has it, one object per line.
    let image = |name: &str, id: &str, rank: &str| {
        format!(
            "{{\"image_path\": \"part/{name}.jpg\", \"prompt_id\": \"{id}\", \"prompt\": \"a {id}\", \"classification\": \"People\", \
             \"image_amount_in_total\": 3, \"rank\": {rank}, \"overall_rating\": 4, \"fidelity_rating\": 7}}\n"
        )
    };
    let lines = [image("2", "dog", "3"), image("1", "fox", "1"), image("1", "dog", "1"), image("2", "ape", "\"best\"")];
    folder.file("images.jsonl", lines.concat());
    assert_eq!(Format::detect(&folder.path("ranking.json")).unwrap(), Format::ImageReward);
    assert_eq!(Format::detect(&folder.path("images.jsonl")).unwrap(), Format::ImageReward);
    assert_eq!(folder.run("ranking.json").unwrap().records, 1);
    let imported = folder.run("images.jsonl").unwrap();
    assert_eq!(imported.records, 1);
    assert_eq!(
        reasons(&imported),
        "entry 4: rank is \"best\": give a number; the lowest is the best\n\
         entry 2: the prompt has one image: prompts with a single image are left out\n"
    );
    let ranked = |places: &[u32]| ("image-reward".to_owned(), places.to_vec());
    assert_eq!(places(&folder), [ranked(&[1, 3, 2]), ranked(&[2, 1])]);
    assert_eq!(folder.records()[1].decision.prompt(), Some("a dog"));
}

#[test]
fn torn_lists_are_one_message_with_entry_line_and_column() {
    let folder = Folder::new();
    folder.images(["1.jpg", "2.jpg"]);
    let good = r#"{"prompt": "a cat", "generations": ["1.jpg", "2.jpg"], "ranking": [1, 2]}"#;
    let cases: [(&str, Vec<u8>, &str); 7] = [
        (
            "half.json",
            format!("[{good},\n{{\"prompt\": \"a").into(),
            "entry 2 (line 2, column 13): the file ends within an entry",
        ),
        ("open.json", format!("[{good}\n").into(), "the file ends within an entry: copy or download it again"),
        (
            "nan.json",
            format!("[{good},\n{{\"ranking\": [NaN]}}]").into(),
            "entry 2 (line 2, column 14): no JSON: expected value (JSON has no NaN",
        ),
        (
            "latin.json",
            b"[{\"ranking\": \"caf\xe9\"}]".to_vec(),
            "entry 1 (line 1, column 18): no JSON: invalid unicode",
        ),
        ("rest.json", format!("[{good}] x").into(), "no JSON: trailing characters"),
        ("none.json", b"[]".to_vec(), "none.json: the list is empty: name a file with preferences"),
        ("other.json", b"{\"a\": 1}".to_vec(), "other.json: the fields are a, which is no known format"),
    ];
    for (name, bytes, wanted) in cases {
        folder.file(name, bytes);
        let refused = folder.run(name).unwrap_err();
        assert!(refused.contains(wanted), "{wanted}\nis not in\n{refused}");
        assert_eq!(refused.lines().count(), 1);
    }
    folder.file("deep.json", "[".repeat(100_000));
    assert!(folder.run("deep.json").unwrap_err().contains("recursion limit exceeded"));
    folder.file("huge.json", format!("[{good}, {{\"prompt\": \"{}", "x".repeat(17_000_000)));
    let refused = folder.run("huge.json").unwrap_err();
    assert!(refused.contains("entry 2: cannot be read: it is larger than 16 MB"), "{refused}");
}

/// A list of 60 MB is read with the memory of an entry.
#[test]
fn long_lists_are_read_entry_by_entry() {
    let folder = Folder::new();
    folder.images(["1.jpg", "2.jpg"]);
    let padding = "x".repeat(30_000);
    let entry =
        format!(r#"{{"prompt": "a cat", "generations": ["1.jpg", "2.jpg"], "ranking": [1, 2], "pad": "{padding}"}}"#);
    folder.file("long.json", format!("[{}]", vec![entry; 2000].join(",")));
    assert_eq!(folder.run("long.json").unwrap().records, 2000);
}
