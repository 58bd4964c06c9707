//! Experiments as users write them: shipped files, weightings, prompts, plans.

use std::fs;
use std::path::{Path, PathBuf};

use moa_core::experiment::{CostModel, Guard, RewardKind};
use moa_core::provenance::MergeSettings;
use moa_core::{ExperimentSpec, RunId};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").join(name)
}

fn parse(fields: &str) -> ExperimentSpec {
    ExperimentSpec::from_ron(&format!("(rewards: [(kind: Safety), (kind: Alignment)], {fields})"), "x.ron").unwrap()
}

/// Returns the names of the soups.
fn soup_names(spec: &ExperimentSpec) -> Vec<String> {
    spec.soups().into_iter().map(|soup| soup.id.0).collect()
}

fn names(runs: &[(RunId, moa_core::Weighting)]) -> Vec<&str> {
    runs.iter().map(|(id, _)| id.as_str()).collect()
}

fn no_sets(_: &str) -> Option<Vec<String>> {
    None
}

#[test]
fn shipped_experiments_are_accepted_and_named_after_their_files() {
    for name in ["pareto", "quick", "miniature"] {
        let spec = ExperimentSpec::load(&shipped(&format!("{name}.ron"))).unwrap();
        assert_eq!(spec.name.as_deref(), Some(name));
    }
    let pareto = ExperimentSpec::load(&shipped("pareto.ron")).unwrap();
    assert_eq!(pareto.reward_names(), ["aesthetics", "alignment", "safety", "diversity"]);
    assert_eq!(names(&pareto.weightings()), ["aesthetics", "alignment", "safety", "diversity"]);
    assert_eq!(pareto.soups().len(), 4, "as many mixtures as specialists");
    let miniature = ExperimentSpec::load(&shipped("miniature.ron")).unwrap();
    let prompts = miniature.resolve_prompts(&shipped("miniature.ron"), &no_sets).unwrap();
    assert_eq!((prompts.train.len(), prompts.held_out.len()), (2, 2));
}

#[test]
fn values_are_plain_and_struct_names_optional() {
    let plain = parse("name: \"a\", optimiser: (ema: 0.9), evaluation: (prompts: 4), lora: (rank: 4)");
    let wordy = ExperimentSpec::from_ron(
        "#![enable(implicit_some)]\nExperimentSpec(name: \"a\", rewards: [RewardSpec(kind: Safety), (kind: Alignment)],
        optimiser: OptimiserSpec(ema: 0.9), evaluation: (prompts: 4), lora: LoraSpec(rank: 4, alpha: 4),)",
        "x.ron",
    )
    .unwrap();
    assert_eq!(plain, wordy);
    assert_eq!(plain.evaluation.prompts, Some(4));
    assert!((plain.lora.alpha - 4.0).abs() < f32::EPSILON, "alpha is the rank unless given");
    let named =
        ExperimentSpec::from_ron("\u{feff}(rewards: [(name: \"small\", kind: Compressibility())])", "x.ron").unwrap();
    assert_eq!(named.rewards[0].kind, RewardKind::Compressibility { quality: 95 });
    assert_eq!(named.reward_names(), ["small"]);
}

#[test]
fn families_are_joined_without_duplicates_under_stable_names() {
    let spec = parse(
        "weightings: [Corners, Centre, Lattice(divisions: 4), List([{\"safety\": 2}, {\"safety\": 1, \"alignment\": 3}])]",
    );
    let runs = spec.weightings();
    assert_eq!(names(&runs), ["safety", "alignment", "centre", "safety75-alignment25", "safety25-alignment75"]);
    assert_eq!(runs[4].1.shares(), [0.25, 0.75]);
    assert_eq!(soup_names(&spec), ["soup-centre", "soup-safety75-alignment25", "soup-safety25-alignment75"]);
    let close = parse(
        "weightings: [List([{\"safety\": 0.752, \"alignment\": 0.248}, {\"safety\": 3, \"alignment\": 1}, \
         {\"safety\": 0.9999, \"alignment\": 0.0001}])]",
    );
    let found = ["safety75.2-alignment24.8", "safety75-alignment25", "safety99.99-alignment0.01"];
    assert_eq!(names(&close.weightings()), found);
    // Equal within rounding, on either side of a half.
    let rounded = parse(
        "weightings: [List([{\"safety\": 0.5, \"alignment\": 0.5}, {\"safety\": 0.4999999999, \"alignment\": 0.5000000001}, \
         {\"safety\": 0.5000000001, \"alignment\": 0.4999999999}])]",
    );
    assert_eq!(names(&rounded.weightings()), ["centre"]);
    assert_eq!(close.soups(), [], "there are no corners to mix");
    assert_eq!(parse("weightings: [Corners, Centre], soups: []").soups(), []);
}

#[test]
fn names_and_draws_depend_on_a_weighting_alone() {
    let whole = parse(
        "weightings: [Corners, Lattice(divisions: 3), Dirichlet(count: 40), List([{\"safety\": 33, \"alignment\": 67}])], seed: 3",
    );
    let turned = parse(
        "weightings: [List([{\"safety\": 33, \"alignment\": 67}]), Centre, Dirichlet(count: 60), Lattice(divisions: 3)], seed: 3",
    );
    let (whole, turned) = (whole.weightings(), turned.weightings());
    for run in &whole {
        assert!(turned.contains(run), "{run:?} has another name, or is not drawn");
    }
    let distinct: std::collections::BTreeSet<&str> = names(&turned).into_iter().collect();
    assert_eq!(distinct.len(), turned.len(), "no two have one name");
    for name in ["safety33-alignment67", "safety33.0-alignment67.0"] {
        assert!(distinct.contains(name), "{name} of {distinct:?}");
    }
    // Five thousand draws whose percentages are a hundred.
    let many = parse("soups: [], weightings: [Dirichlet(count: 5000)]").weightings();
    assert_eq!(names(&many).into_iter().collect::<std::collections::BTreeSet<_>>().len(), 5000);
}

#[test]
fn names_that_end_in_digits_do_not_run_into_shares() {
    let text = "(rewards: [(name: \"a\", kind: Safety), (name: \"a1\", kind: Alignment)], weightings: [List([{\"a\": 1, \"a1\": 3}])])";
    let runs = ExperimentSpec::from_ron(text, "x.ron").unwrap().weightings();
    assert_eq!(names(&runs), ["a25-a1_75"]);
}

#[test]
fn soups_that_differ_have_names_that_differ() {
    let spec = parse("weightings: [Corners, Centre], soups: [Lattice(of: All, divisions: 4)]");
    let mean = MergeSettings::mean();
    for planned in spec.soups() {
        assert_eq!(spec.soup_name(&planned.shares, &mean), planned.id, "a soup has one name, planned or added");
    }
    let name = |safety: f64, alignment: f64, merge: &MergeSettings| {
        let shares = [("safety", safety), ("alignment", alignment)].map(|(id, share)| (RunId(id.into()), share));
        spec.soup_name(&shares, merge).0
    };
    let ties =
        MergeSettings { method: "ties".into(), density: Some(0.3), majority: Some("total".into()), ..mean.clone() };
    let frequency = MergeSettings { majority: Some("frequency".into()), ..ties.clone() };
    let names = [
        (name(0.6, 0.4, &mean), "soup-safety60-alignment40"),
        // 4/7 reads so, too; what is added is called by what it says.
        (name(0.57, 0.43, &mean), "soup-safety57-alignment43"),
        (name(4.0 / 7.0, 3.0 / 7.0, &mean), "soup-safety57-alignment43-387700fd"),
        (name(0.6125, 0.3875, &mean), "soup-safety61.25-alignment38.75"),
        (name(1.3, -0.3, &mean), "soup-safety130-alignment_minus30"),
        (name(0.6, 0.4, &ties), "soup-safety60-alignment40-ties-d0.3"),
        (name(0.6, 0.4, &frequency), "soup-safety60-alignment40-ties-d0.3-frequency"),
        (name(0.5, 0.5, &ties), "soup-centre-ties-d0.3"),
    ];
    for (name, expected) in &names {
        assert_eq!(name, expected);
    }
    // Finer than decimals tell.
    let (one, other) = (name(0.6, 0.4, &mean), name(0.600_000_1, 0.399_999_9, &mean));
    assert!(other.starts_with("soup-safety60-alignment40-") && one != other, "{other}");
    assert_eq!(
        spec.soup_weighting(&[(RunId("safety".into()), 0.6), (RunId("centre".into()), 0.4)]).unwrap().shares(),
        [0.8, 0.2]
    );
    assert_eq!(spec.soup_weighting(&[(RunId("safety".into()), 1.3), (RunId("alignment".into()), -0.3)]), None);
}

#[test]
fn soups_mix_corners_or_all_adapters() {
    let corners = parse("weightings: [Corners, Centre], soups: [AtWeightings, Lattice(divisions: 4)]");
    let names = ["soup-centre", "soup-safety75-alignment25", "soup-safety25-alignment75"];
    assert_eq!(soup_names(&corners), names, "corners are adapters already, and the centre comes up once");
    let id = |name: &str| moa_core::RunId(name.into());
    let [_, three_quarters, _] = &corners.soups()[..] else { panic!("three soups") };
    assert_eq!(three_quarters.shares, [(id("safety"), 0.75), (id("alignment"), 0.25)]);
    assert_eq!(three_quarters.weighting.as_ref().unwrap().shares(), [0.75, 0.25]);

    let all = parse(
        "weightings: [Corners, Centre], soups: [Lattice(of: All, divisions: 2), List([{\"centre\": 3, \"safety\": 1}])]",
    );
    let names = ["soup-centre", "soup-safety50-centre50", "soup-alignment50-centre50", "soup-safety25-centre75"];
    assert_eq!(soup_names(&all), names);
    let last = all.soups().pop().unwrap();
    assert_eq!(last.shares, [(id("safety"), 0.25), (id("centre"), 0.75)]);
    assert_eq!(
        last.weighting.as_ref().unwrap().shares(),
        [0.625, 0.375],
        "a quarter of safety alone, the rest half and half"
    );
}

#[test]
fn blends_are_mixtures_of_their_own() {
    let spec = parse("weightings: [Corners, Centre], blends: [AtWeightings, Lattice(divisions: 4)]");
    let names: Vec<String> = spec.blends().into_iter().map(|blend| blend.id.0).collect();
    assert_eq!(names, ["blend-centre", "blend-safety75-alignment25", "blend-safety25-alignment75"]);
    assert_eq!(spec.blends()[0].shares, spec.soups()[0].shares);
    assert_eq!(parse("").blends(), [], "they cost more than soups, so they are not a default");

    // Every adapter of a blend draws every image.
    let with = spec.plan(100, 20);
    let without = parse("weightings: [Corners, Centre]").plan(100, 20);
    assert_eq!((with.blends, with.soups), (3, 1));
    assert_eq!(with.evaluation_pictures, without.evaluation_pictures + 3 * 20 * 4);
    assert_eq!(with.evaluation_passes, without.evaluation_passes + 3 * 2 * 20 * 4 * 6);
}

#[test]
fn lattices_hold_every_composition_once() {
    let rewards = "(kind: Aesthetics), (kind: Alignment), (kind: Safety), (kind: Diversity)";
    let text = format!("(rewards: [{rewards}], weightings: [Lattice(divisions: 4)])");
    let runs = ExperimentSpec::from_ron(&text, "x.ron").unwrap().weightings();
    assert_eq!(runs.len(), 35);
    assert!(runs.iter().all(|(_, weighting)| weighting.shares().iter().all(|share| (share * 4.0).fract() == 0.0)));
}

#[test]
fn dirichlet_draws_follow_the_seed_and_the_concentration() {
    let draws = |seed: u64, concentration: f64| {
        parse(&format!("seed: {seed}, weightings: [Dirichlet(count: 200, concentration: {concentration})]"))
            .weightings()
    };
    assert_eq!(draws(1, 1.0), draws(1, 1.0));
    assert_ne!(draws(1, 1.0), draws(2, 1.0));
    let spread = |concentration| {
        let runs = draws(3, concentration);
        runs.iter().map(|(_, weighting)| (weighting.shares()[0] - 0.5).powi(2)).sum::<f64>() / runs.len() as f64
    };
    // Of two shares each has the variance 1 / (4 (2c + 1)).
    assert!((spread(1.0) * 12.0 - 1.0).abs() < 0.2, "{}", spread(1.0));
    assert!((spread(10.0) * 84.0 - 1.0).abs() < 0.25, "{}", spread(10.0));
}

#[test]
fn many_rewards_get_short_names() {
    let reward = |index| format!("(name: \"a-rather-long-name-{index}\", kind: Safety)");
    let rewards: Vec<String> = (0..9).map(reward).collect();
    let text = format!("(rewards: [{}], weightings: [Dirichlet(count: 3)])", rewards.join(","));
    let runs = ExperimentSpec::from_ron(&text, "x.ron").unwrap().weightings();
    assert!(runs.iter().all(|(id, _)| id.as_str().starts_with("mix-") && id.as_str().len() < 60), "{:?}", names(&runs));
}

#[test]
fn prompts_come_from_lists_files_and_sets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("held-out.txt"), "# to compare on\n\n  a dog \r\na frog\n").unwrap();
    let file = folder.path().join("mine.ron");
    let text = "(rewards: [(kind: Safety)],\nprompts: (train: Set(\"pets\"), held_out: File(\"held-out.txt\")),\n\
                training: (prompts_per_epoch: 2), evaluation: (prompts: 1))";
    std::fs::write(&file, text).unwrap();
    let spec = ExperimentSpec::load(&file).unwrap();
    let sets = |name: &str| (name == "pets").then(|| vec!["a cat".to_owned(), "a fish".to_owned()]);
    let prompts = spec.resolve_prompts(&file, &sets).unwrap();
    assert_eq!(prompts.train, ["a cat", "a fish"]);
    assert_eq!(prompts.held_out, ["a dog"], "cut to evaluation.prompts");

    let refuse = |spec: &ExperimentSpec, sets: &dyn Fn(&str) -> Option<Vec<String>>| {
        let message = spec.resolve_prompts(&file, sets).unwrap_err().to_string();
        message.replace(&folder.path().display().to_string(), "DIR")
    };
    assert_eq!(
        refuse(&spec, &no_sets),
        "DIR/mine.ron:2:18: prompts.train is Set(\"pets\"): the base model ships no such set: name one that it does"
    );
    assert_eq!(
        refuse(&spec, &|_| Some(vec!["a bird".into(), "A  dog".into()])),
        "DIR/mine.ron:2:41: prompts.held_out is a list with \"a dog\", which is in prompts.train too: hold it out or train \
         on it, not both"
    );
    assert_eq!(
        refuse(&spec, &|_| Some(vec!["a bird".into()])),
        "DIR/mine.ron:3:31: training.prompts_per_epoch is 2: prompts.train has 1: give at most 1"
    );
    let mut greedy = spec.clone();
    greedy.evaluation.prompts = Some(3);
    assert!(refuse(&greedy, &sets).ends_with("prompts.held_out has 2: give at most 2"));
    std::fs::write(folder.path().join("held-out.txt"), "# nothing\n").unwrap();
    assert_eq!(refuse(&spec, &sets), "DIR/mine.ron:2:41: prompts.held_out is without a prompt: give at least one");
    std::fs::remove_file(folder.path().join("held-out.txt")).unwrap();
    assert_eq!(
        refuse(&spec, &sets),
        "DIR/mine.ron:2:41: prompts.held_out is the file DIR/held-out.txt: no such file: check the path, which counts \
         from the current folder"
    );
}

#[test]
fn plans_count_every_picture_and_pass() {
    let spec = parse(
        "weightings: [Corners, Centre], sampler: (steps: 8), evaluation: (images_per_prompt: 4, steps: 10),
        training: (epochs: 10, prompts_per_epoch: 8, images_per_prompt: 8, method: PolicyGradient(train_steps: 3), probe: (every: 0))",
    );
    let plan = spec.plan(100, 20);
    assert_eq!((plan.runs, plan.soups), (3, 1));
    assert_eq!(plan.training_pictures, 3 * 10 * 64);
    assert_eq!(plan.rollout_passes, 1920 * 8);
    assert_eq!((plan.training_passes, plan.reference_passes), (1920 * 3, 0));
    assert_eq!(plan.evaluation_pictures, (1 + 3 + 1) * 20 * 4);
    assert_eq!(plan.evaluation_passes, 400 * 10);

    let mut guided = spec.clone();
    guided.sampler.guidance = 2.0;
    guided.training.kl = 0.1;
    let plan = guided.plan(100, 20);
    assert_eq!((plan.rollout_passes, plan.training_passes), (1920 * 8 * 2, 1920 * 3 * 2));
    assert_eq!(plan.reference_passes, plan.training_passes);

    guided.training.advantages.trained_share = 0.4;
    let chosen = guided.plan(100, 20);
    assert_eq!(chosen.rollout_passes, plan.rollout_passes);
    assert_eq!(chosen.training_passes, 3 * 10 * 26 * 3 * 2, "26 of 64 images, rounded up");
    assert_eq!(plan.evaluation_passes, 400 * 10);

    let cost = CostModel { seconds_per_forward: 0.01, seconds_per_training_pass: 0.1, seconds_per_scored_picture: 1.0 };
    let seconds = spec.plan(100, 20).seconds(&cost);
    assert!((seconds - ((15360.0 + 4000.0) * 0.01 + 5760.0 * 0.1 + 2320.0)).abs() < 1e-6, "{seconds}");
}

#[test]
fn epochs_are_compared_with_the_base_as_often_as_takes_an_eighth_of_a_run() {
    let spec = parse(
        "weightings: [Corners], sampler: (steps: 8), evaluation: (steps: 10),
        training: (epochs: 10, prompts_per_epoch: 8, images_per_prompt: 4, method: PolicyGradient(train_steps: 2),
            probe: (every: 20, prompts: 6, images_per_prompt: 2))",
    );
    // An epoch of one prompt takes 4·8 passes forward and 4·2 forward and backward, 56 in all; the base takes 2·8, of which an eighth is 7.
    assert_eq!(spec.compared_every(), 3);
    let compared: Vec<u32> = (1..=10).filter(|epoch| spec.is_compared(*epoch)).collect();
    assert_eq!(compared, [1, 4, 7, 10]);
    let plan = spec.plan(100, 20);
    assert_eq!(plan.probe_pictures, (1 + 2) * 6 * 2 + 4 * 8 * 2, "the last look, and the base of four epochs");
    assert_eq!(plan.probe_passes, 36 * 10 + 64 * 8);
    let mut quiet = spec.clone();
    quiet.training.probe.every = 0;
    assert_eq!((quiet.compared_every(), quiet.plan(100, 20).probe_pictures), (0, 0));
    let mut many = spec;
    many.training.images_per_prompt = 64;
    assert_eq!(many.compared_every(), 1);
}

#[test]
fn a_run_is_tied_to_the_base_as_its_rewards_are() {
    let mut spec = parse("weightings: [Corners, List([{\"safety\": 3, \"alignment\": 1}])]");
    spec.rewards[0].kl = Some(0.4);
    let ties: Vec<f64> = spec.kl_weights().collect();
    assert_eq!(ties, [0.4, 0.0, 0.75 * 0.4]);
    spec.training.kl = 0.2;
    let ties: Vec<f64> = spec.kl_weights().collect();
    assert!((ties[1] - 0.2).abs() < 1e-12 && (ties[2] - 0.35).abs() < 1e-12, "{ties:?}");
    assert!(spec.plan(100, 20).reference_passes > 0);
    (spec.training.kl, spec.rewards[0].kl) = (0.2, Some(0.0));
    spec.rewards[1].kl = Some(0.0);
    assert_eq!(spec.plan(100, 20).reference_passes, 0, "every reward has its own");
}

#[test]
fn a_run_maximises_its_shares_and_what_its_rewards_keep_up_beside_them() {
    let mut spec = parse("weightings: [Corners, List([{\"safety\": 3, \"alignment\": 1}])]");
    spec.rewards[0].beside.insert("alignment".into(), 0.4);
    let objectives: Vec<Vec<f64>> = spec.weightings().iter().map(|(_, weighting)| spec.objective(weighting)).collect();
    assert_eq!(objectives[..2], [[1.0, 0.4], [0.0, 1.0]]);
    assert!((objectives[2][0] - 0.75).abs() < 1e-12 && (objectives[2][1] - 0.55).abs() < 1e-12, "{objectives:?}");
}

#[test]
fn scales_come_from_the_experiment_or_the_kind() {
    let spec = parse("hypervolume: (reference: {\"safety\": 0.5})");
    let scales = spec.scales();
    assert!((scales[0].normalise(0.75) - 0.5).abs() < 1e-12);
    assert!((scales[1].normalise(0.75) - 0.75).abs() < 1e-12);
}

#[test]
fn rewards_from_outside_find_their_files_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.ron");
    let text = r#"(rewards: [
        (kind: Program(command: ["python", "score.py"], range: [0, 10])),
        (name: "other", kind: Program(command: ["./score"], folder: "tools")),
        (name: "taste", kind: Http(url: "http://127.0.0.1:8000/score")),
        (name: "cost", kind: Onnx(model: "models/cost.onnx", negate: true)),
    ])"#;
    std::fs::write(&file, text).unwrap();
    let spec = ExperimentSpec::load(&file).unwrap();
    let [RewardKind::Program(program), RewardKind::Program(other), RewardKind::Http(http), RewardKind::Onnx(cost)] =
        [0, 1, 2, 3].map(|index| &spec.rewards[index].kind)
    else {
        panic!("{:?}", spec.rewards)
    };
    assert_eq!(program.folder.as_deref(), Some(folder.path()));
    assert_eq!(other.folder.as_deref(), Some(&*folder.path().join("tools")));
    assert_eq!(cost.model, folder.path().join("models/cost.onnx"));
    assert_eq!((program.batch, program.in_flight, program.retries, http.retries), (16, 2, 1, 3));
    assert_eq!(spec.reward_names(), ["program", "other", "taste", "cost"]);
    let scales: Vec<_> = spec.scales().iter().map(|scale| (scale.reference, scale.best)).collect();
    assert_eq!(scales, [(0.0, 10.0), (0.0, 1.0), (0.0, 1.0), (-1.0, 0.0)]);

    // As kept beside the results, elsewhere.
    let kept = folder.path().join("results");
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("experiment.ron"), spec.to_ron()).unwrap();
    assert_eq!(ExperimentSpec::load(&kept.join("experiment.ron")).unwrap(), spec);
}

#[test]
fn experiments_of_the_survey_differ_in_how_they_train_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/survey");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "ron")).collect();
    assert!(files.len() >= 30, "{files:?}");
    let specs: Vec<ExperimentSpec> = files.iter().map(|path| ExperimentSpec::load(path).unwrap()).collect();
    let first = &specs[0];
    for (path, spec) in files.iter().zip(&specs) {
        let file = path.display();
        assert_eq!(
            (&spec.base, &spec.prompts, &spec.evaluation),
            (&first.base, &first.prompts, &first.evaluation),
            "{file}"
        );
        assert_eq!(spec.weightings, first.weightings, "{file}");
        let kinds = |spec: &ExperimentSpec| spec.rewards.iter().map(|reward| reward.kind.clone()).collect::<Vec<_>>();
        assert_eq!(kinds(spec), kinds(first), "{file}");
        assert_eq!(spec.training.guard, Guard::Off, "{file}: what is hacked is to be seen");
        // The budget: passes of the adapter that takes most of them.
        let of_run = |(_, weighting): &(RunId, _)| spec.pass_equivalents(weighting);
        let passes = f64::from(spec.training.epochs) * spec.weightings().iter().map(of_run).fold(0.0, f64::max);
        assert!((passes / 6000.0 - 1.0).abs() < 0.07, "{file}: {passes}");
    }
}
