//! `--set`: fields of an experiment, set on the command line.

mod support;

use std::fs;

use support::{Desk, shipped};

fn desk() -> Desk {
    let desk = Desk::new();
    fs::copy(shipped("miniature.ron"), desk.path("my.ron")).unwrap();
    desk
}

#[test]
fn values_are_set_kept_beside_the_results_and_compared_when_a_sweep_goes_on() {
    let desk = desk();
    let set =
        ["sweep", "my.ron", "-q", "--set", "training.epochs=1", "--set", "rewards[0].kl=0.5", "--set", "soups=[]"];
    desk.moa(set).success();
    let kept = fs::read_to_string(desk.path("results/my/experiment.ron")).unwrap();
    assert!(kept.contains("epochs: 1,") && kept.contains("kl: 0.5"), "{kept}");
    // Epochs may be added, as by an edit of the file; what runs were trained with may not be another.
    desk.moa(["sweep", "my.ron", "-q", "--set", "rewards[0].kl=0.5", "--set", "soups=[]"]).success();
    desk.moa(["sweep", "my.ron", "-q"]).refusal(1, &["kl"]);
    desk.moa(["sweep", "my.ron", "-q", "--set", "rewards[0].kl=0.5", "--set", "lora.rank=3"])
        .refusal(1, &["was trained with another `lora.", "3.0 here"]);
    // A fork takes the runs that stay the same.
    let fork =
        ["fork", "results/my", "my.ron", "--set", "name=\"other\"", "--set", "weightings=[Corners, Centre]", "--set"];
    let forked = desk.moa([&fork[..], &["rewards[0].kl=0.5"]].concat()).success();
    assert!(forked.contains("taken    aesthetics, safety\n"), "{forked}");
    let forked = desk.moa([&fork[..], &["rewards[0].kl=0.25", "--out", "results/third"]].concat()).success();
    assert!(forked.contains("safety (another rewards[0].kl)"), "{forked}");
    assert!(desk.path("results/other/runs/safety").is_dir());
}

#[test]
fn every_command_that_takes_an_experiment_file_takes_settings_and_says_what_is_wrong_with_them() {
    let desk = desk();
    for command in [&["sweep"][..], &["check"], &["fork", "results/none"]] {
        for (setting, code, words) in [
            ("training.epochs=0", 2, &["--set training.epochs: training.epochs is 0", "give 1 to 100000"][..]),
            ("training.epoch=3", 2, &["--set training.epoch: unknown field `epoch`", "did you mean `epochs`?"]),
            ("rewards[7].kl=3", 2, &["--set rewards[7].kl", "its entries are [0] to [1]"]),
            ("rewards[0].kind=Saftey", 2, &["--set rewards[0].kind", "did you mean `Safety`?"]),
            ("training.prompts_per_epoch=9", 2, &["--set training.prompts_per_epoch: training.prompts_per_epoch is 9"]),
            ("prompts.train=List([])", 2, &["--set prompts.train: prompts.train is without a prompt"]),
            ("base=emoji-32", 2, &["--set base: base is emoji-32", "--set 'base=\"emoji-32\"'"]),
            ("training.epochs", 2, &["training.epochs", "--set <PATH=VALUE>", "training.epochs=5"]),
            ("training.epochs=5, kl: 2", 2, &["is not one value"]),
        ] {
            let arguments: Vec<&str> = command.iter().copied().chain(["my.ron", "--set", setting]).collect();
            desk.moa(&arguments).refusal(code, words);
        }
    }
    assert!(!desk.path("results").exists(), "something was written");
    let checked = desk.moa(["check", "my.ron", "--set", "training.epochs=7"]).success();
    assert!(checked.contains("of 7 epochs"), "{checked}");
}

#[cfg(unix)]
#[test]
fn jobs_are_given_what_was_set() {
    let scripts = desk()
        .moa(["sweep", "my.ron", "--slurm", "--dry-run", "--set", "prompts.train=List([\"a cat\", \"it's a dog\"])"])
        .success();
    assert!(scripts.contains(r#"--set 'prompts.train=List(["a cat", "it'\''s a dog"])'"#), "{scripts}");
}
