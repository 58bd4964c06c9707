//! The help of every command is kept as a file: a change of wording is reviewed.
//!
//! `MOA_UPDATE_HELP=1 cargo test --release -p moa-cli --test help` rewrites the files.

mod support;

use std::fs;
use std::path::Path;

use support::Desk;

const COMMANDS: [&str; 33] = [
    "sweep",
    "slurm",
    "browse",
    "check",
    "init",
    "front",
    "report",
    "explain",
    "attack",
    "compare",
    "gather",
    "fork",
    "history",
    "rollback",
    "repair",
    "list",
    "note",
    "tag",
    "remove",
    "export",
    "merge",
    "convert",
    "show",
    "inspect",
    "export-model",
    "sample",
    "rate",
    "fit",
    "ratings",
    "device",
    "pretrain",
    "completions",
    "man",
];

fn compare(name: &str, found: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(format!("{name}.txt"));
    if std::env::var_os("MOA_UPDATE_HELP").is_some() {
        fs::write(&file, found).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == found, "{} is another help than this:\n{found}", file.display());
}

#[test]
fn the_help_of_every_command_is_the_one_that_was_read() {
    let desk = Desk::new();
    compare("moa", &desk.moa(["--help"]).success());
    for command in COMMANDS {
        compare(command, &desk.moa([command, "--help"]).success());
    }
    compare("slurm-status", &desk.moa(["slurm", "status", "--help"]).success());
    for way in ["import", "export"] {
        compare(&format!("ratings-{way}"), &desk.moa(["ratings", way, "--help"]).success());
    }
}

#[test]
fn every_command_is_known_here() {
    let help = Desk::new().moa(["--help"]).success();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Descriptions that go on in the next line are indented further.
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    let listed: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert_eq!(listed, COMMANDS);
}

#[test]
fn no_arguments_and_unknown_ones_are_usage_errors() {
    let desk = Desk::new();
    for arguments in [&[][..], &["swep", "x.ron"], &["sweep"], &["check", "a.ron", "b.ron"], &["front", "--yaml", "x"]]
    {
        let outcome = desk.moa(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
    }
    desk.moa(["swep", "x.ron"]).refusal(2, &["swep", "sweep"]);
    desk.moa(["check", "x.ron", "--device", "flx"]).refusal(2, &["did you mean `flex`?"]);
}
