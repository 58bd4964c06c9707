//! Rewards by programs that behave, and by programs that do not.

mod outside;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use moa_core::experiment::ProgramSpec;
use moa_reward::RewardError;
use moa_reward::external::{Problem, Program};
use outside::{greys, of_values, score};

const LEVELS: [f32; 7] = [0.0, 1.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// The test program with a behaviour; batches of two images, two at once.
fn spec(behaviour: &str, file: &Path) -> ProgramSpec {
    ProgramSpec {
        command: vec![
            env!("CARGO_BIN_EXE_moa-test-reward-program").into(),
            behaviour.into(),
            file.display().to_string(),
        ],
        folder: None,
        batch: 2,
        in_flight: 2,
        timeout_seconds: 30,
        start_seconds: 30,
        retries: 0,
        range: None,
    }
}

fn start(behaviour: &str) -> Program {
    Program::start("bright", &spec(behaviour, Path::new(""))).expect("greets")
}

fn assert_scored(scores: &[f32], levels: &[f32]) {
    assert_eq!(scores.len(), levels.len());
    for (score, level) in scores.iter().zip(levels) {
        assert!((score - level).abs() < 2e-3, "{scores:?} are not {levels:?}");
    }
}

fn problem(error: RewardError) -> (String, Problem) {
    let words = error.to_string();
    match error {
        RewardError::External(error) => (words, error.problem),
        other => panic!("{other}"),
    }
}

/// The message of a program that greets well and then misbehaves, without the program's name.
fn refusal(behaviour: &str) -> String {
    let error = score(&start(behaviour), &greys(&LEVELS, 4)).expect_err("misbehaves").to_string();
    let (start, end) = error.split_once("` ").expect("names the program");
    assert!(start.starts_with("reward `bright"), "{error}");
    end.split_once("` ").map_or(end, |(_, end)| end).to_owned()
}

#[test]
fn pictures_are_scored_in_batches_and_the_program_is_kept() {
    let program = start("good");
    for side in [1, 4, 64] {
        assert_scored(&score(&program, &greys(&LEVELS, side)).expect("scores"), &LEVELS);
    }
    // What it greets and answers with is read however the images are cut.
    let one = Program::start("bright", &ProgramSpec { batch: 1024, ..spec("good", Path::new("")) }).expect("greets");
    assert_eq!(score(&one, &greys(&LEVELS, 4)).expect("scores"), score(&program, &greys(&LEVELS, 4)).expect("scores"));
}

#[test]
fn answers_may_come_in_any_order() {
    assert_scored(&score(&start("reversed"), &greys(&LEVELS, 4)).expect("scores"), &LEVELS);
}

#[test]
fn slow_starts_and_much_talk_on_stderr_are_no_trouble() {
    for behaviour in ["slow-start", "chatty"] {
        assert_scored(&score(&start(behaviour), &greys(&LEVELS, 4)).expect("scores"), &LEVELS);
    }
}

#[test]
fn no_more_requests_wait_than_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("most");
    let program = Program::start("bright", &ProgramSpec { batch: 1, in_flight: 3, ..spec("counts", &file) });
    let program = program.expect("greets");
    score(&program, &greys(&[0.5; 12], 2)).expect("scores");
    drop(program);
    assert_eq!(fs::read_to_string(file).expect("written"), "3");
}

#[test]
fn wrong_answers_are_refused_at_once() {
    for (behaviour, expected) in [
        ("too-few", "gave 1 scores for 2 images: give one for each image, in their order"),
        ("too-many", "gave 3 scores for 2 images: give one for each image, in their order"),
        ("null", "gave null for image 1 (prompt \"grey 1\"): give a finite number, or answer with an error"),
        ("reports", "answered with an error: image 0 is too dark"),
        ("other-id", "answered request 7, but 0, 1 waits: answer with the request's own `id`, and once"),
        ("huge", "answered with more than 1000000 bytes: answer with one line of scores, {\"id\": …, \"scores\": […]}"),
        (
            "nan",
            "answered \"{\\\"id\\\": 0, \\\"scores\\\": [NaN]}\", which is no answer such as {\"id\": 0, \"scores\": [0.5]}: \
             JSON has neither NaN nor Infinity: give finite scores, or answer with an error",
        ),
        (
            "nonsense",
            "answered \"Loading checkpoint shards: 100 %\", which is no answer such as {\"id\": 0, \"scores\": [0.5]}: \
             answer only with JSON, and print everything else to stderr",
        ),
    ] {
        assert_eq!(refusal(behaviour), expected);
    }
    assert!(refusal("twice").starts_with("answered request 0, but 1, 2 waits"));
}

#[test]
fn a_program_that_dies_says_its_last_words() {
    assert_eq!(
        refusal("dies"),
        "ended (exit status: 3) before it answered; the last lines of its stderr:\n    loading 100 %\n    out of memory"
    );
    assert_eq!(refusal("closes-stdout"), "ended (exit status: 0) before it answered");
    let retried = ProgramSpec { retries: 2, ..spec("dies", Path::new("")) };
    let error = score(&Program::start("bright", &retried).expect("greets"), &greys(&LEVELS, 4)).expect_err("dies");
    assert!(matches!(problem(error).1, Problem::Ended { tries: 3, .. }));
}

#[test]
fn a_program_that_died_or_hung_is_started_again() {
    for behaviour in ["dies-once", "hangs-once"] {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = ProgramSpec { retries: 1, timeout_seconds: 1, ..spec(behaviour, &folder.path().join("was-here")) };
        let program = Program::start("bright", &spec).expect("greets");
        assert_scored(&score(&program, &greys(&LEVELS, 4)).expect("scores"), &LEVELS);
    }
}

#[test]
fn silence_ends_in_time() {
    for behaviour in ["hangs", "deaf"] {
        let program = ProgramSpec { timeout_seconds: 1, ..spec(behaviour, Path::new("")) };
        let program = Program::start("bright", &program).expect("greets");
        // More than a pipe holds: the writer waits, too.
        let noise =
            (0..4 * 3 * 256 * 256_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 8) as f32 / 2_f32.powi(24));
        let start = Instant::now();
        let (words, problem) = problem(score(&program, &of_values(noise.collect(), 4, 256, 256)).expect_err("hangs"));
        assert!(matches!(problem, Problem::Silent { seconds: 1, field: "timeout_seconds", .. }), "{words}");
        assert!(words.ends_with(
            "gave no answer within 1 s: raise `timeout_seconds` if it is slow, and let it flush every answer"
        ));
        drop(program);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}

#[test]
fn programs_that_do_not_start_are_refused() {
    let refusal = |spec: &ProgramSpec| Program::start("bright", spec).err().expect("refused").to_string();
    let missing = ProgramSpec { command: vec!["./no-such-program".into()], ..spec("", Path::new("")) };
    assert!(
        refusal(&missing).contains("the program `./no-such-program` cannot be started in .: "),
        "{}",
        refusal(&missing)
    );
    let error = refusal(&spec("fails-to-load", Path::new("")));
    assert!(
        error.ends_with(
            "ended (exit status: 1) before it answered; the last lines of its stderr:\n    Traceback (most recent call \
             last):\n    ModuleNotFoundError: No module named 'torch'"
        ),
        "{error}"
    );
    let silent = ProgramSpec { start_seconds: 1, ..spec("never-greets", Path::new("")) };
    assert!(refusal(&silent).contains("gave no answer within 1 s: raise `start_seconds`"));
    assert!(refusal(&spec("other-version", Path::new(""))).contains("speaks version 2 of the protocol"));
    let empty = ProgramSpec { command: Vec::new(), ..spec("", Path::new("")) };
    assert!(refusal(&empty).contains("cannot be started"));
}

#[test]
fn pictures_that_are_not_finite_are_not_sent() {
    let error = score(&start("good"), &greys(&[0.5, f32::NAN], 2)).expect_err("refused");
    assert!(matches!(error, RewardError::NotFinite { picture: 1, .. }), "{error}");
}

#[cfg(unix)]
mod processes {
    use nix::sys::signal::kill;
    use nix::unistd::Pid;

    use super::{Duration, Instant, LEVELS, Path, Program, ProgramSpec, fs, greys, score, spec};

    /// Returns whether a process is gone within five seconds; one that only waits to be reaped is.
    fn is_gone(file: &Path) -> bool {
        let id: i32 = fs::read_to_string(file).expect("written").parse().expect("a process id");
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            if kill(Pid::from_raw(id), None).is_err() || state.contains(") Z ") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    #[test]
    fn a_program_ends_with_its_reward_even_if_it_will_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("id");
        let program = Program::start("bright", &spec("stubborn", &file)).expect("greets");
        score(&program, &greys(&LEVELS, 4)).expect("scores");
        drop(program);
        assert!(is_gone(&file));
    }

    #[test]
    fn what_a_hanging_program_has_started_is_killed_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("id");
        let program = ProgramSpec { timeout_seconds: 1, ..spec("parent", &file) };
        let program = Program::start("bright", &program).expect("greets");
        score(&program, &greys(&LEVELS, 4)).expect_err("hangs");
        assert!(is_gone(&file));
    }
}
