//! Names of experiments with blanks and letters beyond ASCII, from a folder with blanks in its name: everything works with them.

mod support;

use std::fs;
use std::path::Path;

use support::{Desk, shipped};

const FILE: &str = "meine Läufe/mein Versuch ü.ron";
const RESULTS: &str = "results/mein Versuch ü";

#[test]
fn an_experiment_with_blanks_and_umlauts_in_its_name_is_swept_shown_merged_and_exported() {
    let desk = Desk::new();
    desk.write(FILE, fs::read(shipped("miniature.ron")).unwrap());
    let swept = desk.moa(["sweep", FILE, "--plain"]);
    assert!(swept.stderr.contains(&format!("into {RESULTS}")), "{}", swept.stderr);
    swept.success();
    for file in ["front.csv", "plots/front.svg", "plots/pictures.png", "runs/safety/adapter.safetensors"] {
        assert!(desk.path(RESULTS).join(file).is_file(), "{file}");
    }
    // By the folder, by the file, and by the name.
    let front = desk.moa(["front", RESULTS]).success();
    assert!(front.contains("● ") || front.contains("? "), "{front}");
    assert_eq!(desk.moa(["front", FILE]).success(), front);
    assert_eq!(desk.moa(["front", "mein Versuch ü"]).success(), front);
    let merge = ["merge", FILE, "--at", "safety=0.5,aesthetics=0.5", "--unmeasured", "-o", "mein Gemisch", "-q"];
    desk.moa(merge).success();
    assert!(desk.path("mein Gemisch").join("adapter_model.safetensors").is_file());
    assert!(desk.moa(["export", FILE, "--what", "weightings"]).success().contains("safety"));
    desk.moa(["sample", FILE, "--prompt", "a cat", "-n", "1", "-o", "ein Bild.png", "-q"]).success();
    assert!(desk.path("ein Bild.png").is_file());
    desk.moa(["repair", FILE, "-q"]).success();
    assert!(desk.moa(["list"]).success().contains("mein Versuch ü  complete"));
}

#[cfg(unix)]
#[test]
fn shells_read_such_names_back() {
    let desk = Desk::new();
    desk.write(FILE, fs::read(shipped("miniature.ron")).unwrap());
    let dry = desk.moa(["sweep", FILE, "--slurm", "--dry-run", "--", "--comment=two words"]).success();
    for words in [
        &format!("{FILE}' --out "),
        "--job-name=moa-mein Versuch ü'",
        "'--comment=two words'",
        &format!("gather '{}/{RESULTS}'", real(&desk.path("."))),
    ] {
        assert!(dry.contains(words), "`{words}` is not in:\n{dry}");
    }
    let part = desk.moa(["sweep", FILE, "--partition", "1/2", "--plain"]);
    assert!(part.stderr.contains(&format!("\n  moa gather '{RESULTS}'\n")), "{}", part.stderr);
    part.success();
    let quiet = desk.moa(["sweep", FILE, "--partition", "2/2", "-q"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "-q leaves hints out");
    desk.moa(["gather", FILE, "-q"]).success();
}

fn real(path: &Path) -> String {
    std::path::absolute(path.canonicalize().unwrap()).unwrap().display().to_string()
}

#[test]
fn names_that_some_system_cannot_have_are_refused() {
    let desk = Desk::new();
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    for (name, words) in [
        ("a/b", "remove `/`"),
        ("what?", "remove `?`"),
        (" a", "begin with"),
        ("a.", "end without"),
        ("NUL", "a device's name under Windows"),
    ] {
        desk.write("my.ron", text.replacen('(', &format!("(name: {name:?},"), 1));
        desk.moa(["sweep", "my.ron", "-q"]).refusal(2, &["my.ron:", "name is", words]);
    }
    assert!(!desk.path("results").exists());
}
