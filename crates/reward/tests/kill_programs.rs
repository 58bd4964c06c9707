//! All programs are killed at once where a process is about to end.

mod outside;

use moa_core::experiment::ProgramSpec;
use moa_reward::RewardError;
use moa_reward::external::{Problem, Program, kill_programs};
use outside::{greys, score};

#[test]
#[cfg(unix)]
fn every_program_is_killed() {
    let spec = ProgramSpec {
        command: vec![env!("CARGO_BIN_EXE_moa-test-reward-program").into(), "stubborn".into(), "/dev/null".into()],
        folder: None,
        batch: 16,
        in_flight: 2,
        timeout_seconds: 30,
        start_seconds: 30,
        retries: 0,
        range: None,
    };
    let programs = [0, 1].map(|_| Program::start("bright", &spec).expect("greets"));
    kill_programs();
    for program in &programs {
        let error = score(program, &greys(&[0.5], 2)).expect_err("killed");
        let RewardError::External(error) = error else { panic!("{error}") };
        let Problem::Ended { status, .. } = &error.problem else { panic!("{error}") };
        assert!(status.contains('9'), "{status}");
    }
    // A second time there is nothing left to kill, and programs that are dropped are not waited for.
    kill_programs();
    drop(programs);
}
