//! What other tools get, through the real binary on a miniature sweep: tables, prompts, event files, a log, model cards.

mod support;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use support::{Desk, shipped};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn other_tools_get_tables_event_files_a_log_and_cards() {
    let desk = Desk::new();
    let moa = |text: &str| desk.moa(words(text));
    let file = shipped("miniature.ron");
    let sweep =
        ["sweep", file.to_str().unwrap(), "--quiet", "--out", "mini", "--tensorboard", "--log", "logs/mini.jsonl"];
    desk.moa(sweep).success();

    // The log: an object per event, with the time first, to its end; another sweep adds to it.
    let log = || fs::read_to_string(desk.path("logs/mini.jsonl")).unwrap();
    let lines: Vec<Value> = log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["event"] == kind).collect::<Vec<_>>();
    assert_eq!((of("started").len(), of("epoch").len(), of("evaluated").len()), (1, 4, 3));
    assert_eq!(of("finished")[0]["progress"], 1.0);
    assert!(
        of("epoch").iter().all(|line| line["metrics"]["reward/safety/epoch_gain"].is_number() || line["epoch"] != 1)
    );
    assert!(log().lines().all(|line| line.starts_with("{\"time\":\"2")));
    desk.moa(sweep).success();
    let again = log().lines().count() - lines.len();
    assert!((1..lines.len()).contains(&again), "nothing is trained again: {again} lines more");

    // Event files: one for each point, and for the experiment; the second sweep added none.
    let files = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(desk.path(folder)).unwrap().map(|entry| entry.unwrap());
        let names = entries.filter(|entry| entry.path().is_file()).map(|entry| entry.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    for folder in ["", "base", "aesthetics", "safety"] {
        let names = files(&format!("mini/tensorboard/{folder}"));
        assert!(names.len() == 1 && names[0].starts_with("events.out.tfevents."), "{folder}: {names:?}");
    }
    moa("export mini --format tensorboard -o board").success();
    assert_eq!(files("board/safety").len(), 1);
    moa("export mini --format tensorboard -o mini/tensorboard").refusal(2, &["another folder"]);
    moa("export mini --format tensorboard").refusal(2, &["-o DIR"]);
    moa("export mini --format tensorboard --what epochs -o board").refusal(2, &["--what"]);

    // The scores of single images: three points, two prompts, two images.
    let csv = moa("export mini --what images --format csv").success();
    let mut rows = csv.lines();
    assert_eq!(rows.next(), Some("id,kind,prompt,image,column,role,score"));
    let safety: Vec<&str> = rows.filter(|row| row.contains(",safety,reward,")).collect();
    assert_eq!(safety.len(), 3 * 2 * 2);
    let places: BTreeSet<(&str, &str)> =
        safety.iter().map(|row| row.split(',').collect::<Vec<_>>()).map(|row| (row[2], row[3])).collect();
    assert_eq!(places, BTreeSet::from([("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]));
    moa("export mini --what images -o images.parquet").success();
    assert!(fs::read(desk.path("images.parquet")).unwrap().starts_with(b"PAR1"));
    fs::remove_file(desk.path("mini/runs/safety/scores.jsonl")).unwrap();
    moa("export mini --what images").refusal(1, &["`safety`", "moa repair mini"]);

    // Prompts as lines.
    let held_out = moa("export mini --what prompts").success();
    assert_eq!(held_out.lines().next(), Some("a dog on a green background"));
    assert_eq!(moa("export mini --what prompts --of held-out --format txt").success(), held_out);
    let train = moa("export mini --what prompts --of train").success();
    assert!(train.starts_with("a cat on a red background\n") && train.lines().count() == 2, "{train}");
    let table = moa("export mini --what prompts --format csv").success();
    assert!(table.contains("\ntrain,0,a cat on a red background\n") && table.contains("\nheld-out,1,"), "{table}");
    moa("export mini --what epochs --format txt").refusal(1, &["epochs", "csv"]);
    moa("export mini --of train").refusal(2, &["--what prompts"]);

    // Cards: measured, unmeasured, converted; one that moa did not write stays.
    let card = |folder: &str| fs::read_to_string(desk.path(folder).join("README.md")).unwrap();
    moa("merge mini --at safety=0.4,aesthetics=0.6 --format diffusers -o between").success();
    let text = card("between");
    for words in ["library_name: diffusers", "| safety | 0.400 |", "## What it gains", "load_lora_adapter", "miniature"]
    {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    moa("merge mini --at safety=0.5,aesthetics=0.5 --method ties --density 0.3 --unmeasured -o plain").success();
    let text = card("plain");
    assert!(text.contains("| merged by | ties, density 0.3") && !text.contains("## What it gains"), "{text}");
    moa("convert mini/runs/safety --to peft -o converted").success();
    let text = card("converted");
    for words in ["trained in the experiment `miniature`", "| share of safety | 1.000 |", "## What it gains"] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    desk.write("kept/README.md", "my own words");
    let said = moa("merge --adapters mini/runs/safety=0.5 mini/runs/aesthetics=0.5 -o kept").stderr;
    assert!(said.contains("stays as it is") && card("kept") == "my own words", "{said}");
}
