//! What is exported is imported as the same decisions, and what a format cannot say is told.

mod folder;

use std::fs;
use std::path::Path;

use folder::{Folder, told};
use moa_interchange::{Exported, Format, Import, export};
use moa_preferences::{Decision, Drawn, Image, Mark, Moment, Preferences, Record, Winner, Writer};

/// Writes one record of each kind and returns its preferences.
fn preferences(folder: &Folder) -> Preferences {
    folder.images(["ratings/pictures/a.jpg", "ratings/pictures/b.jpg", "c, d.jpg"]);
    let path = folder.path("ratings/preferences.jsonl");
    let image = |name: &str| Image::of_file(path.parent().unwrap(), name).unwrap();
    let (a, b, c) = (image("pictures/a.jpg"), image("pictures/b.jpg"), image("../c, d.jpg"));
    let drawn = Image::Drawn(Drawn {
        base: "emoji-32".into(),
        adapter: None,
        adapter_sha256: None,
        seed: 1,
        noise: "sample".into(),
        place: [0, 0],
        steps: 6,
        guidance: 1.0,
    });
    let prompt = || "a \"red\" cat,\nsitting".to_owned();
    let pair = |b: &Image, outcome| Decision::Pair { prompt: prompt(), a: a.clone(), b: b.clone(), outcome };
    let decisions = [
        pair(&b, Some(Winner::A)),
        pair(&c, Some(Winner::B)),
        pair(&b, Some(Winner::Tie)),
        pair(&b, None),
        Decision::Ranking {
            prompt: prompt(),
            images: vec![a.clone(), b.clone(), c.clone()],
            outcome: Some(vec![2, 1, 2]),
        },
        pair(&drawn, Some(Winner::A)),
        Decision::Label { prompt: prompt(), image: a.clone(), outcome: Some(Mark::Good) },
        Decision::Undo { record: "0".into() },
        pair(&b, Some(Winner::A)),
    ];
    let mut writer = Writer::open(&path).unwrap();
    for (number, decision) in decisions.into_iter().enumerate() {
        let when = Moment::parse("2026-03-02T10:11:12.345Z").unwrap();
        let mut record = Record::new(number.to_string(), if number < 4 { "17" } else { "ann" }, when, decision);
        if number == 1 {
            record.tags = vec!["hands".into(), "sky".into()];
            record.weight = 0.5;
        }
        writer.append(&record).unwrap();
    }
    Preferences::read(&path).unwrap()
}

/// Exports, imports again, and returns prompt, hashes, and outcome of each record.
fn there_and_back(folder: &Folder, format: Format, name: &str) -> (Exported, Vec<Record>) {
    let to = folder.path(name);
    let exported = export(&preferences(folder), format, &to).unwrap();
    assert_eq!(Format::detect(&to).unwrap(), format);
    let again = folder.path("again/preferences.jsonl");
    let imported = Import::new(&to, &again).run().unwrap();
    assert_eq!((imported.records, imported.skipped.count()), (exported.written, 0));
    let preferences = Preferences::read(&again).unwrap();
    preferences.check_images().unwrap();
    (exported, preferences.records().cloned().collect())
}

fn keys(record: &Record) -> Vec<String> {
    record.decision.images().iter().map(|image| image.key()).collect()
}

fn winner(record: &Record) -> Winner {
    let Decision::Pair { outcome: Some(winner), .. } = record.decision else { panic!("{record:?}") };
    winner
}

#[test]
fn pairs_keep_everything_in_csv_and_rankings_become_their_pairs() {
    let folder = Folder::new();
    let (exported, records) = there_and_back(&folder, Format::Csv, "out/pairs.csv");
    assert_eq!(exported.written, 6, "two pairs, a tie and the three pairs of a ranking");
    assert_eq!(
        told(&exported.left_out),
        "record 5: an image is described, not a file: draw it to a file first\n\
         record 6: it is a Label: the format has pairs\n"
    );
    assert_eq!(exported.lost.count(), 0);
    let original: Vec<Record> = preferences(&Folder::new()).records().cloned().collect();
    let first = &records[0];
    assert_eq!((keys(first), winner(first)), (keys(&original[1]), Winner::B));
    assert_eq!((first.weight, &first.tags, first.when), (0.5, &original[1].tags, original[1].when));
    assert_eq!((first.decision.prompt(), &*first.who), (original[1].decision.prompt(), "17"));
    let winners: Vec<Winner> = records.iter().map(winner).collect();
    assert_eq!(winners, [Winner::B, Winner::Tie, Winner::B, Winner::Tie, Winner::A, Winner::A]);
}

#[test]
fn picked_pairs_carry_their_images_in_parquet() {
    let folder = Folder::new();
    let (exported, records) = there_and_back(&folder, Format::PickAPic, "out/picked.parquet");
    assert_eq!((exported.written, records.len()), (6, 6));
    assert_eq!(
        told(&exported.lost),
        "record 1: its weight is 0.5: the format has no weights\n\
         record 1: it has tags: the format has no tags\n\
         record 4: it is by ann: user_id is a number: raters are numbered, and their names are lost; and 3 more\n"
    );
    let original: Vec<Record> = preferences(&Folder::new()).records().cloned().collect();
    assert_eq!((keys(&records[0]), winner(&records[0])), (keys(&original[1]), Winner::B));
    assert_eq!((&*records[0].who, records[0].when), ("17", original[1].when));
    assert_eq!(&*records[2].who, "-1");
    assert!(fs::read_dir(folder.path("again/images")).unwrap().count() == 3);
}

#[test]
fn picked_pairs_name_their_images_in_csv() {
    let folder = Folder::new();
    let (exported, records) = there_and_back(&folder, Format::PickAPic, "out/picked.csv");
    assert_eq!((exported.written, records.len()), (6, 6));
    let winners: Vec<Winner> = records.iter().map(winner).collect();
    assert_eq!(winners, [Winner::B, Winner::Tie, Winner::B, Winner::Tie, Winner::A, Winner::A]);
}

#[test]
fn hpd_has_pairs_and_rankings_and_no_ties() {
    let folder = Folder::new();
    let (exported, records) = there_and_back(&folder, Format::Hpd, "out/hpd.json");
    assert_eq!(exported.written, 3);
    assert!(
        told(&exported.left_out).contains("record 2: it is a tie: the format has a preferred image in each pair\n")
    );
    assert_eq!(winner(&records[0]), Winner::B);
    let Decision::Ranking { outcome, .. } = &records[1].decision else { panic!() };
    assert_eq!((outcome.as_deref(), &*records[1].who), (Some(&[2, 1, 2][..]), "ann"));
}

#[test]
fn imagereward_ranks_pairs_too() {
    let folder = Folder::new();
    let (exported, records) = there_and_back(&folder, Format::ImageReward, "out/ranking.json");
    let places = |record: &Record| match &record.decision {
        Decision::Ranking { outcome: Some(places), .. } => places.clone(),
        other => panic!("{other:?}"),
    };
    let found: Vec<Vec<u32>> = records.iter().map(places).collect();
    assert_eq!(found, [vec![2, 1], vec![1, 1], vec![2, 1, 2], vec![1, 2]]);
    assert!(told(&exported.lost).ends_with("record 1: it is by 17: the format has no raters; and 3 more\n"));
}

#[test]
fn exports_replace_nothing_and_say_why_nothing_is_left() {
    let folder = Folder::new();
    let preferences = preferences(&folder);
    let there = folder.file("there.csv", "mine");
    let refused = export(&preferences, Format::Csv, &there).unwrap_err().to_string();
    assert!(refused.ends_with("there.csv: it exists: name another file, or delete it"), "{refused}");
    assert_eq!(fs::read(&there).unwrap(), b"mine");
    for name in ["ratings/pictures/a.jpg", "ratings/pictures/b.jpg"] {
        fs::remove_file(folder.path(name)).unwrap();
    }
    let refused = export(&preferences, Format::Csv, &folder.path("new.csv")).unwrap_err().to_string();
    assert!(refused.contains("preferences.jsonl: no record can be taken over:\n"), "{refused}");
    assert!(refused.contains("record 1: an image is \"pictures/a.jpg\": the file is gone: put it there"), "{refused}");
    assert!(!folder.path("new.csv").exists() && Path::new(&there).exists());
}
