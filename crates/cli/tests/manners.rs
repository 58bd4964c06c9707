//! Manners of the command line: variables, colours, quiet and verbose, JSON, completions, pages, results by their experiment's file.

mod support;

use std::fs;
use std::io::Read;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::Value;
use support::{Desk, VARIABLES, shipped};

fn desk() -> Desk {
    let desk = Desk::new();
    fs::copy(shipped("miniature.ron"), desk.path("mini.ron")).unwrap();
    desk
}

fn swept() -> Desk {
    let desk = desk();
    desk.moa(["sweep", "mini.ron", "-q", "--set", "training.epochs=1"]).success();
    desk
}

/// Returns what a command writes to a terminal so wide.
fn on_terminal(desk: &Desk, columns: u16, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let size = PtySize { rows: 50, cols: columns, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_moa"));
    command.args(arguments);
    command.cwd(desk.path("."));
    command.env("TERM", "xterm-256color");
    for name in &VARIABLES {
        command.env_remove(name);
    }
    for (name, value) in variables {
        command.env(name, value);
    }
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut bytes = Vec::new();
    // The end of a terminal is an error on some systems.
    let _ = reader.read_to_end(&mut bytes);
    child.wait().unwrap();
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

#[test]
fn colours_come_where_they_are_wanted_and_prose_is_broken_between_words() {
    let desk = swept();
    let escape = |text: &str| text.contains('\x1b');
    assert!(!escape(&desk.moa(["front", "results/mini"]).success()), "a pipe gets none");
    assert!(escape(&desk.moa(["front", "results/mini", "--color", "always"]).success()));
    let mut forced = desk.command(["front", "results/mini"]);
    assert!(escape(&String::from_utf8(forced.env("CLICOLOR_FORCE", "1").output().unwrap().stdout).unwrap()));
    for variables in [&[("NO_COLOR", "1")][..], &[("CLICOLOR", "0")], &[("MOA_COLOR", "never")]] {
        assert!(!escape(&on_terminal(&desk, 100, &["front", "results/mini"], variables)), "{variables:?}");
    }
    let shown = on_terminal(&desk, 60, &["front", "results/mini"], &[]);
    assert!(shown.starts_with("\x1b[1mfront"), "the heading is bold: {shown}");
    let refused = on_terminal(&desk, 60, &["front", "mini.ronn"], &[]);
    assert!(refused.contains("\x1b[31merror:\x1b[0m"), "{refused}");
    let plain = on_terminal(&desk, 60, &["front", "results/mini", "--color", "never"], &[]);
    for line in plain.lines() {
        assert!(line.chars().count() <= 60, "a line of {}: {line}", line.chars().count());
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let legend = "above or below the base: the 95 % interval of the paired difference excludes 0";
    assert!(words(&plain).join(" ").contains(legend), "no word is cut:\n{plain}");
    desk.moa(["front", "results/mini", "--color", "blue"]).refusal(2, &["blue", "auto, always, never"]);
}

#[test]
fn variables_stand_for_options_and_options_count_before_them() {
    let desk = desk();
    let moa = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = desk.command(arguments);
        command.envs(variables.iter().copied());
        support::Outcome::of(command.output().unwrap())
    };
    moa(&["check", "mini.ron"], &[("MOA_DEVICE", "flx")]).refusal(2, &["flx", "did you mean `flex`?"]);
    moa(&["check", "mini.ron", "--device", "flex"], &[("MOA_DEVICE", "libtorch")]).success();
    let sweep = ["sweep", "mini.ron", "-q", "--set", "training.epochs=1"];
    moa(&sweep, &[("MOA_RESULTS", "my results")]).success();
    assert!(desk.path("my results/mini/front.csv").is_file() && !desk.path("results").exists());
    let listed = moa(&["list"], &[("MOA_RESULTS", "my results")]).success();
    assert!(listed.contains("mini"), "{listed}");
    moa(&["front", "mini.ron"], &[("MOA_RESULTS", "my results")]).success();
    // A variable gives way to `--devices`; an option does not.
    let devices =
        ["sweep", "mini.ron", "--devices", "flex", "-q", "--set", "training.epochs=1", "--out", "my results/mini"];
    moa(&devices, &[("MOA_DEVICE", "flex")]).success();
    moa(&[&devices[..], &["--device", "flex"]].concat(), &[]).refusal(2, &["--devices", "--device"]);
}

#[test]
fn options_are_where_they_do_something_alone() {
    let desk = desk();
    for command in
        ["front", "list", "export", "compare", "convert", "init", "note", "tag", "remove", "completions", "man"]
    {
        let help = desk.moa([command, "--help"]).success();
        assert!(!help.contains("--device"), "{command} computes nothing");
        assert!(help.contains("--quiet") && help.contains("--color"), "{command}");
    }
    for command in ["sweep", "check", "fork", "gather", "repair", "merge", "browse"] {
        let help = desk.moa([command, "--help"]).success();
        assert!(help.contains("--reward-device") && help.contains("MOA_DEVICE"), "{command}");
    }
    for command in ["sample", "device", "pretrain"] {
        let help = desk.moa([command, "--help"]).success();
        assert!(help.contains("--device") && !help.contains("--reward-device"), "{command} takes no rewards");
    }
}

#[test]
fn verbose_says_what_is_used_and_quiet_nothing() {
    let desk = swept();
    let front = desk.moa(["front", "mini.ron", "-v"]);
    assert!(front.stderr.contains("mini.ron: the results in results/mini"), "{}", front.stderr);
    front.success();
    let again = desk.moa(["sweep", "mini.ron", "-v"]);
    for words in ["safety: 1 of 2 epochs are saved, evaluated", "sha256", "this took "] {
        assert!(again.stderr.contains(words), "`{words}` is not in:\n{}", again.stderr);
    }
    again.success();
    let quiet = desk.moa(["front", "mini.ron", "-q"]);
    assert_eq!(quiet.stderr, "");
    desk.moa(["front", "mini.ron", "-q", "-v"]).refusal(2, &["--quiet", "--verbose"]);
}

#[test]
fn check_prints_ranges_and_json_whose_fields_keep_their_names() {
    let desk = desk();
    let text = desk.moa(["check", "mini.ron", "--set", "rewards[0].kind=Compressibility()"]).success();
    for words in [
        "mini.ron is a valid experiment",
        "\ntime       ",
        "\nmemory     ",
        "warning: 2 held-out prompts are evaluated",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let json = desk.moa(["check", "mini.ron", "--json", "--set", "rewards[0].kind=Compressibility()"]).success();
    let checked: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&checked["format"], &checked["valid"], &checked["results"]),
        (&1.into(), &true.into(), &"results/mini".into())
    );
    assert_eq!(checked["rewards"][0]["unit"], "kB");
    assert_eq!(checked["rewards"][1]["unit"], Value::Null);
    assert_eq!(checked["runs"][1]["shares"]["safety"], 1.0);
    assert_eq!((&checked["plan"]["runs"], &checked["plan"]["epochs"]), (&2.into(), &2.into()));
    let [low, high] = ["low_seconds", "high_seconds"].map(|field| checked["time"][field].as_f64().unwrap());
    assert!(0.0 < low && low < high, "{low} to {high}");
    if cfg!(target_os = "linux") {
        let [low, high] = ["low_bytes", "high_bytes"].map(|field| checked["memory"][field].as_u64().unwrap());
        assert!(1 << 20 < low && low < high);
        let taken = checked["machine"]["cores_taken"].as_f64().unwrap();
        assert!(taken >= 0.0 && taken <= checked["machine"]["cores"].as_f64().unwrap());
    }
    assert!(!checked["warnings"].as_array().unwrap().is_empty());
    assert!(!desk.path("results").exists());
}

#[test]
fn results_are_found_by_the_file_that_they_are_of() {
    let desk = swept();
    let wanted = desk.moa(["front", "results/mini", "--csv"]).success();
    for named in ["mini.ron", "mini", "results/mini/experiment.ron"] {
        assert_eq!(desk.moa(["front", named, "--csv"]).success(), wanted, "{named}");
    }
    // A file that was changed or broken since keeps its results.
    desk.write("mini.ron", "(rewards: [");
    assert_eq!(desk.moa(["front", "mini.ron", "--csv"]).success(), wanted);
    // Of a folder of experiments they are in a folder of its name.
    desk.write("survey/one.ron", fs::read(shipped("miniature.ron")).unwrap());
    desk.moa(["sweep", "survey", "-q", "--set", "training.epochs=1"]).success();
    assert!(desk.moa(["export", "survey/one.ron"]).success().contains("safety"));
    desk.write("new.ron", fs::read(shipped("miniature.ron")).unwrap());
    for command in [
        &["front", "new.ron"][..],
        &["export", "new.ron"],
        &["gather", "new.ron"],
        &["repair", "new.ron"],
        &["note", "new.ron"],
    ] {
        desk.moa(command).refusal(1, &["new.ron has no results yet", "results/new", "`moa sweep new.ron`"]);
    }
    desk.moa(["front", "minni.ron"]).refusal(1, &["minni.ron: there is no such file", "did you mean `results/mini`?"]);
    desk.write("notes.txt", "x");
    desk.moa(["front", "notes.txt"]).refusal(2, &["notes.txt is neither a results folder nor an experiment file"]);
}

#[test]
fn headings_have_units_and_few_prompts_are_said() {
    let desk = desk();
    let swept =
        desk.moa(["sweep", "mini.ron", "--set", "training.epochs=1", "--set", "rewards[0].kind=Compressibility()"]);
    let warning = "warning: 2 held-out prompts are evaluated, fewer than the 64";
    assert_eq!(swept.stderr.matches(warning).count(), 1, "{}", swept.stderr);
    let front = swept.success();
    for text in [front, desk.moa(["front", "mini.ron"]).success()] {
        assert!(text.lines().any(|line| line.starts_with("front") && line.contains("compressibility/kB")), "{text}");
        assert!(text.contains("warning: 2 prompts are too few for intervals by resampling"), "{text}");
        let table: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
        assert!(!table.iter().any(|line| line.contains(['↑', '↓'])), "nothing is claimed of two prompts:\n{text}");
        assert!(!text.contains("suspected reward hacking"), "{text}");
    }
    let plot = fs::read_to_string(desk.path("results/mini/plots/front.svg")).unwrap();
    assert!(plot.contains("compressibility/kB"), "axes have units");
}

#[test]
fn completions_and_pages_know_every_command() {
    let desk = desk();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.moa(["completions", shell]).success();
        for word in ["sweep", "remove", "--reward-device"] {
            assert!(script.contains(word.trim_start_matches('-')), "{shell}: {word}");
        }
    }
    desk.moa(["man", "-o", "pages", "-q"]).success();
    let page = |name: &str| {
        fs::read_to_string(desk.path("pages").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert!(page("moa.1").contains(".TH moa 1"));
    assert!(page("moa-sweep.1").contains("partition") && page("moa-slurm-status.1").contains("silent"));
}

#[cfg(unix)]
#[test]
fn shells_take_the_completions() {
    let script = desk().moa(["completions", "bash"]).success();
    let checked = std::process::Command::new("bash").args(["-n", "-c", &script]).output();
    // Where there is no bash there is nothing to complete.
    if let Ok(output) = checked {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
