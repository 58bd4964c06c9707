//! Every experiment that is refused, with its message to the letter.

use std::path::Path;

use moa_core::ExperimentSpec;

/// The message for a file `x.ron`.
fn message(text: &str) -> String {
    match ExperimentSpec::from_ron(text, "x.ron") {
        Ok(spec) => panic!("{text} is accepted: {spec:#?}"),
        Err(error) => error.to_string(),
    }
}

/// Checks experiments that have two rewards and the given further fields, in line 2.
fn check_fields(table: &[(&str, &str)]) {
    for (fields, expected) in table {
        let text = format!("(rewards: [(kind: Safety), (kind: Alignment)],\n{fields})");
        assert_eq!(message(&text), format!("x.ron:{expected}"), "{fields}");
    }
}

#[test]
fn what_has_no_gradient_is_named_where_it_is_asked_for() {
    let with = |beside: &str, weightings: &str| {
        format!(
            "(rewards: [(kind: Aesthetics{beside}), (kind: Compressibility(quality: 95))], weightings: [List([{weightings}])],\n\
             sampler: (kind: Ode(order: 1)), training: (method: Differentiable()))"
        )
    };
    let weighted = message(&with("", "{\"aesthetics\": 1, \"compressibility\": 1}"));
    assert!(weighted.contains("rewards[1].kind is Compressibility"), "{weighted}");
    assert!(weighted.ends_with("or leave it out of weightings and constraints"), "{weighted}");
    let beside = message(&with(", beside: {\"compressibility\": 0.4}", "{\"aesthetics\": 1}"));
    assert!(beside.contains("rewards[0].beside.compressibility is 0.4: "), "{beside}");
    assert!(beside.ends_with("or take it out there"), "{beside}");
    let unused = with("", "{\"aesthetics\": 1}");
    assert!(ExperimentSpec::from_ron(&unused, "x.ron").is_ok());
}

#[test]
fn text_that_is_no_ron() {
    for (text, expected) in [
        ("", ": the experiment is empty: give the experiment's fields in parentheses: (rewards: [(kind: Safety)])"),
        (
            "// only",
            ": the experiment is empty: give the experiment's fields in parentheses: (rewards: [(kind: Safety)])",
        ),
        ("{}", ":1:1: the experiment is {}: give the experiment's fields in parentheses: (rewards: [(kind: Safety)])"),
        (
            "(rewards: [(kind: Safety)\n)",
            ":2:1: the `[` of rewards at 1:11 is not closed with `]`: `)` is here instead",
        ),
        (
            "(rewards: [(kind: Safety)],\nsampler: (steps: 3\n",
            ":2:19: the `(` of sampler at 2:10 is not closed with `)`: the file ends here",
        ),
        (
            "(rewards: [(kind: Safety)]) 3",
            ":1:29: expected the end of the file: the experiment's bracket is closed already",
        ),
        ("(\n  name: \"a\n)", ":2:9: this text has no closing quote"),
        ("(\n  /* name: \"a\"\n)", ":2:3: this comment is not closed with `*/`"),
        ("(rewards: [(kind: Safety)]\n seed: 3)", ":2:2: expected a comma or a closing bracket"),
        ("(rewards: [(kind: Safety)], seed = 3)", ":1:34: expected a `:` behind the name"),
        ("(\"rewards\": [(kind: Safety)])", ":1:2: expected a field's name, without quotes"),
    ] {
        assert_eq!(message(text), format!("x.ron{expected}"), "{text}");
    }
}

#[test]
fn fields_of_earlier_versions_say_where_they_went() {
    check_fields(&[
        (
            "training: (epochs: 3, train_steps: 5)",
            "2:23: training.train_steps is a field of earlier versions of moa: write training: (method: \
             PolicyGradient(train_steps: …)) instead",
        ),
        (
            "training: (updates_per_epoch: 2)",
            "2:12: training.updates_per_epoch is a field of earlier versions of moa: write training: (method: \
             PolicyGradient(updates_per_epoch: …)) instead",
        ),
        (
            "training: (clip: 1e-4)",
            "2:12: training.clip is a field of earlier versions of moa: write training: (method: \
             PolicyGradient(clip: …)) instead",
        ),
        (
            "training: (trained_share: 0.5)",
            "2:12: training.trained_share is a field of earlier versions of moa: write training: (advantages: \
             (trained_share: …)) instead",
        ),
        (
            "training: (advantage_clip: 5)",
            "2:12: training.advantage_clip is a field of earlier versions of moa: write training: (advantages: \
             (clip: …)) instead",
        ),
    ]);
    // Where each went, it is read.
    let today = "(rewards: [(kind: Safety)], training: (method: PolicyGradient(train_steps: 4, updates_per_epoch: 2, clip: 1e-3), \
                 advantages: (trained_share: 0.5, clip: 4)))";
    ExperimentSpec::from_ron(today, "x.ron").unwrap();
    // The same names elsewhere never were fields.
    check_fields(&[(
        "sampler: (clip: 3)",
        "2:11: unknown field `clip` in sampler: known fields are kind, steps, guidance",
    )]);
}

#[test]
fn names_that_are_unknown() {
    check_fields(&[
        (
            "sampelr: ()",
            "2:1: unknown field `sampelr`: known fields are name, base, precision, seed, prompts, rewards, weightings, rounds, adapters, \
             soups, blends, combine, scalarisation, constraints, feedback, adversary, online, phases, continual, sampler, lora, optimiser, training, evaluation, hypervolume",
        ),
        ("sampler: (stepz: 3)", "2:11: unknown field `stepz` in sampler: known fields are kind, steps, guidance"),
        ("sampler: (kind: FlowSde(eta: 3))", "2:25: unknown field `eta` in sampler.kind: known fields are noise"),
        ("sampler: (kind: Ddpm())", "2:17: unknown sampler kind `Ddpm`: known kinds are Cps, FlowSde, Ddim, Ode"),
        ("combine: Sum", "2:10: unknown kind of combination `Sum`: known kinds are Normalised, RawSum"),
        (
            "weightings: [Corners, Latice(divisions: 4)]",
            "2:23: unknown kind of weightings `Latice`: known kinds are Corners, Centre, Lattice, Dirichlet, Next, List",
        ),
        (
            "weightings: [Corners, List([{\"safety\": 1}, {\"beauty\": 1}])]",
            "2:45: unknown reward `beauty` in weightings[1][1]: known rewards are safety, alignment",
        ),
        (
            "hypervolume: (best: {\"beauty\": 1})",
            "2:22: unknown reward `beauty` in hypervolume.best: known rewards are safety, alignment",
        ),
    ]);
    assert_eq!(
        message("(rewards: [\n  (kind: Aesthetic),\n])"),
        "x.ron:2:10: unknown reward kind `Aesthetic`: known kinds are Aesthetics, Alignment, Composition, Safety, Avoid, Diversity, \
         Colourfulness, Contrast, Harmony, Compressibility, Incompressibility, ClipScore, LaionAesthetics, PickScore, \
         SafetyChecker, ClipDiversity, Hps, ImageReward, GenEval, Preference, Feedback, Taste, Program, Http, Onnx, AiScore"
    );
}

#[test]
fn fields_that_are_missing_or_given_twice() {
    assert_eq!(
        message("(seed: 1)"),
        "x.ron:1:1: rewards is missing: give a list such as [(kind: Safety), (kind: Alignment)]"
    );
    assert_eq!(
        message("(rewards: [(name: \"a\")])"),
        "x.ron:1:12: rewards[0].kind is missing: give Aesthetics, Alignment, Composition, Safety, Avoid(objects: [\"mushroom\"]), Diversity, \
         Colourfulness, Contrast, Harmony, Compressibility(quality: 95), Incompressibility(quality: 95), GenEval, Feedback(pessimism: 1), Taste; one on \
         models: ClipScore(model: \"…\"), LaionAesthetics(clip: \"…\", head: \"…\"), PickScore(model: \"…\"), \
         SafetyChecker(model: \"…\"), ClipDiversity(model: \"…\"), Hps(model: \"…\"), ImageReward(model: \"…\"), \
         Preference(model: \"…\"); or one of your own: Program(command: [\"python\", \"score.py\"]), \
         Http(url: \"http://127.0.0.1:8000/score\"), Onnx(model: \"scorer.onnx\") or AiScore(model: \"qwen2.5-vl\")"
    );
    check_fields(&[
        ("weightings: [Lattice()]", "2:14: weightings[0].divisions is missing: give a whole number, 1 to 100"),
        ("seed: 1, seed: 2", "2:10: seed is given twice: keep one"),
        (
            "weightings: [List([{\"safety\": 1, \"safety\": 2}])]",
            "2:34: weightings[0][0].safety is given twice: keep one",
        ),
    ]);
}

#[test]
fn values_of_the_wrong_form() {
    check_fields(&[
        ("sampler: (steps: 1.5)", "2:18: sampler.steps is 1.5: give a whole number, 2 to 1000"),
        ("sampler: (steps: -1)", "2:18: sampler.steps is -1: give a whole number, 2 to 1000"),
        ("sampler: (steps: \"3\")", "2:18: sampler.steps is \"3\": give a whole number, 2 to 1000"),
        ("sampler: (steps: 99999999999)", "2:18: sampler.steps is 99999999999: give a whole number, 2 to 1000"),
        ("sampler: (guidance: high)", "2:21: sampler.guidance is high: give a number, 0 to 100"),
        (
            "sampler: (kind: FlowSde)",
            "2:17: sampler.kind is FlowSde: give Cps(eta: 0.9), FlowSde(noise: 0.7), Ddim(eta: 1) or Ode(order: 1)",
        ),
        ("sampler: 8", "2:10: sampler is 8: give fields in parentheses"),
        ("seed: -1", "2:7: seed is -1: give a whole number, 0 to 18446744073709551615"),
        ("name: pareto", "2:7: name is pareto: give a text in quotes"),
        ("lora: (share_a: yes)", "2:17: lora.share_a is yes: give true or false"),
        ("lora: (targets: \"to_q\")", "2:17: lora.targets is \"to_q\": give a list of texts: [\"to_q\", \"to_v\"]"),
        (
            "prompts: (train: [\"a cat\"])",
            "2:18: prompts.train is [\"a cat\"]: give Set(\"name\"), List([\"a prompt\", \"another\"]), \
             File(\"prompts.txt\") or Table(file: \"prompts.csv\")",
        ),
        (
            "weightings: [Lattice(4)]",
            "2:14: weightings[0] is Lattice(4): give Corners, Centre, Lattice(divisions: 4), Dirichlet(count: 8), \
             Next(count: 4) or List([{\"safety\": 1}])",
        ),
        ("hypervolume: (best: {safety: 1})", "2:22: expected a name in quotes"),
    ]);
}

#[test]
fn rewards_and_names_that_cannot_be() {
    for (rewards, expected) in [
        ("[]", "1:11: rewards is empty: give at least one, e.g. [(kind: Safety)]"),
        (
            "[(kind: Safety), (kind: Safety)]",
            "1:28: rewards[1].name is \"safety\" by default: rewards[0] has that name already: give each reward a name of \
             its own",
        ),
        (
            "[(kind: Safety), (name: \"safety\", kind: Contrast)]",
            "1:35: rewards[1].name is \"safety\": rewards[0] has that name already: give each reward a name of its own",
        ),
        (
            "[(name: \"Safe\", kind: Safety)]",
            "1:19: rewards[0].name is \"Safe\": use lower case: it names the run's folder",
        ),
        (
            "[(name: \"centre\", kind: Safety)]",
            "1:19: rewards[0].name is \"centre\": `base`, `centre`, `soup-…` and `blend-…` name other points of the front: take \
             another name",
        ),
        (
            "[(name: \"\", kind: Safety)]",
            "1:19: rewards[0].name is \"\": it names a folder: use letters, digits, `-`, `_` and `.`, begin with a letter \
             or digit, end without a `.`",
        ),
        ("[(kind: Safety, kl: -1)]", "1:31: rewards[0].kl is -1: give 0 to 1000"),
        ("[(kind: Safety, kl: \"much\")]", "1:31: rewards[0].kl is \"much\": give a number, 0 to 1000"),
        (
            "[(kind: Safety, beside: {\"safety\": 1})]",
            "1:35: rewards[0].beside is {\"safety\": 1}: name another reward: this one is trained for anyway",
        ),
        (
            "[(kind: Safety, beside: {\"saftey\": 1})]",
            "1:36: unknown reward `saftey` in rewards[0].beside: known rewards are safety",
        ),
        (
            "[(kind: Safety), (kind: Alignment, beside: {\"safety\": -1})]",
            "1:65: rewards[1].beside.safety is -1: give 0 to 10",
        ),
        ("[(kind: Compressibility(quality: 0))]", "1:44: rewards[0].kind.quality is 0: give 1 to 100"),
    ] {
        assert_eq!(message(&format!("(rewards: {rewards})")), format!("x.ron:{expected}"), "{rewards}");
    }
    for (name, problem) in [
        ("a/b", "remove `/`, which some systems do not allow in names"),
        ("..", "begin with a letter, a digit or `_`, not with a space, `.` or `-`"),
        ("a ", "end without a space or `.`"),
        ("nul", "take another than `nul`, which is a device's name under Windows"),
    ] {
        let text = format!("(rewards: [(kind: Safety)], name: {name:?})");
        assert_eq!(message(&text), format!("x.ron:1:35: name is {name:?}: it names the results folder: {problem}"));
    }
    // Rewards name columns and runs, too.
    for name in ["a/b", "a b", "ä", "-v"] {
        let expected = format!(
            "x.ron:1:19: rewards[0].name is {name:?}: it names a folder: use letters, digits, `-`, `_` and `.`, begin with a letter \
             or digit, end without a `.`"
        );
        assert_eq!(message(&format!("(rewards: [(name: {name:?}, kind: Safety)])")), expected);
    }
    let long = "a".repeat(65);
    assert!(message(&format!("(rewards: [(kind: Safety)], name: {long:?})")).ends_with("give at most 64 characters"));
    let rewards: Vec<String> = (0..17).map(|index| format!("(name: \"r{index}\", kind: Safety)")).collect();
    assert_eq!(
        message(&format!("(rewards: [{}])", rewards.join(","))),
        "x.ron:1:11: rewards is a list of 17: give at most 16"
    );
}

#[test]
fn rewards_from_outside_that_cannot_be() {
    for (kind, expected) in [
        (
            "Program(command: [])",
            "27: rewards[0].kind.command is empty: name the program and its arguments, e.g. \
          [\"python\", \"score.py\"]",
        ),
        ("Program(command: [\"\"])", "28: rewards[0].kind.command[0] is \"\": name the program, e.g. \"python\""),
        (
            "Program(command: \"python score.py\")",
            "27: rewards[0].kind.command is \"python score.py\": give the program and its \
          arguments as a list of texts: [\"python\", \"score.py\"]",
        ),
        (
            "Program(batch: 4)",
            "10: rewards[0].kind.command is missing: give the program and its arguments as a list of texts: \
          [\"python\", \"score.py\"]",
        ),
        ("Program", "10: rewards[0].kind is Program: give Aesthetics"),
        ("Program(command: [\"a\"], batch: 0)", "41: rewards[0].kind.batch is 0: give 1 to 1024"),
        ("Program(command: [\"a\"], in_flight: 65)", "45: rewards[0].kind.in_flight is 65: give 1 to 64"),
        ("Program(command: [\"a\"], timeout_seconds: 0)", "51: rewards[0].kind.timeout_seconds is 0: give 1 to 86400"),
        (
            "Program(command: [\"a\"], start_seconds: 0.5)",
            "49: rewards[0].kind.start_seconds is 0.5: give a whole number, 1 \
          to 86400",
        ),
        ("Program(command: [\"a\"], retries: 101)", "43: rewards[0].kind.retries is 101: give 0 to 100"),
        (
            "Program(command: [\"a\"], range: [1, 1])",
            "41: rewards[0].kind.range is [1, 1]: give the worse score first: the \
          first must be below",
        ),
        (
            "Program(command: [\"a\"], range: [1])",
            "41: rewards[0].kind.range is [1]: give the scores that count as 0 and as 1: \
          [0, 10]",
        ),
        ("Program(command: [\"a\"], range: [0, inf])", "45: rewards[0].kind.range[1] is inf: give -1000000 to 1000000"),
        (
            "Program(comand: [\"a\"])",
            "18: unknown field `comand` in rewards[0].kind: known fields are command, folder, batch, \
          in_flight, timeout_seconds, start_seconds, retries, range",
        ),
        (
            "Http(url: \"127.0.0.1:8000\")",
            "20: rewards[0].kind.url is \"127.0.0.1:8000\": give an address such as \
          \"http://127.0.0.1:8000/score\"",
        ),
        (
            "Http(url: \"https://a/score\")",
            "20: rewards[0].kind.url is \"https://a/score\": moa speaks plain HTTP: give the \
          http:// address of a proxy on this machine that adds TLS",
        ),
        (
            "Http(url: \"http://:80/\")",
            "20: rewards[0].kind.url is \"http://:80/\": give a host and no blanks, such as \
          \"http://127.0.0.1:8000/score\"",
        ),
        ("Http(url: \"http://a:99999\")", "20: rewards[0].kind.url is \"http://a:99999\": give a port from 1 to 65535"),
        (
            "Http(url: \"http://me:secret@a/\")",
            "20: rewards[0].kind.url is \"http://me:secret@a/\": remove user name and \
          password: moa sends neither",
        ),
        ("Http(url: \"http://a\", batch: -1)", "39: rewards[0].kind.batch is -1: give a whole number, 1 to 1024"),
        ("Onnx(model: \"scorer.pt\")", "22: rewards[0].kind.model is \"scorer.pt\": name an .onnx file"),
        (
            "Onnx(model: \"a.onnx\", input: \"\")",
            "39: rewards[0].kind.input is \"\": name one of the model's inputs, or leave it \
          out where there is only one",
        ),
        (
            "Onnx(model: \"a.onnx\", size: [224])",
            "38: rewards[0].kind.size is [224]: give height and width: [224, 224]",
        ),
        (
            "Onnx(model: \"a.onnx\", size: (224, 224))",
            "38: rewards[0].kind.size is (224, 224): give height and width: [224, 224]",
        ),
        ("Onnx(model: \"a.onnx\", size: [224, 0])", "44: rewards[0].kind.size[1] is 0: give 1 to 4096"),
        ("Onnx(model: \"a.onnx\", std: [1, 0, 1])", "41: rewards[0].kind.std[1] is 0: give more than 0, up to 1000"),
        (
            "Onnx(model: \"a.onnx\", mean: 0.5)",
            "38: rewards[0].kind.mean is 0.5: give one number each for red, green and blue: \
          [0.5, 0.5, 0.5]",
        ),
        ("Onnx(model: \"a.onnx\", layout: Chw)", "40: unknown layout `Chw`: known layouts are Nchw, Nhwc"),
        ("Onnx(model: \"a.onnx\", channels: Gbr)", "42: unknown channel order `Gbr`: known orders are Rgb, Bgr"),
        ("Onnx(model: \"a.onnx\", white: 0)", "39: rewards[0].kind.white is 0: give more than 0, up to 65535"),
        (
            "Onnx(model: \"a.onnx\", size: [224, 224], resize: [256, 200])",
            "58: rewards[0].kind.resize is [256, 200]: `size` is cut out of it: give at least [224, 224], or leave it out",
        ),
        (
            "Onnx(model: \"a.onnx\", reduce: Max)",
            "40: rewards[0].kind.reduce is Max: give a list such as [(axis: 1, of: [2, 5], by: Max)]",
        ),
        (
            "Onnx(model: \"a.onnx\", reduce: [(axis: 1, by: Least)])",
            "55: unknown reduction `Least`: known reductions are Max, Mean, Sum",
        ),
        (
            "Onnx(model: \"a.onnx\", reduce: [(axis: 0, by: Max)])",
            "48: rewards[0].kind.reduce[0].axis is 0: give 1 to 8",
        ),
        (
            "Onnx(model: \"a.onnx\", reduce: [(axis: 1, of: [], by: Max)])",
            "55: rewards[0].kind.reduce[0].of is empty: name what counts, from 0, or leave it out, and all counts",
        ),
        (
            "Onnx(model: \"a.onnx\", reduce: [(axis: 1, of: [3, 3], by: Max)])",
            "59: rewards[0].kind.reduce[0].of[1] is 3: it stands twice: name it once",
        ),
        ("Onnx(model: \"a.onnx\", softmax_axis: 0)", "46: rewards[0].kind.softmax_axis is 0: give 1 to 8"),
        (
            "Onnx(model: \"a.onnx\", activation: Relu)",
            "44: unknown activation `Relu`: known activations are Identity, Sigmoid, \
          Softmax",
        ),
    ] {
        let found = message(&format!("(rewards: [\n  (kind: {kind}),\n])"));
        let expected = format!("x.ron:2:{expected}");
        // The kinds themselves are listed elsewhere.
        assert!(found == expected || kind == "Program" && found.starts_with(&expected), "{found}\n{expected}");
    }
}

#[test]
fn weightings_that_cannot_be() {
    check_fields(&[
        (
            "weightings: []",
            "2:13: weightings is empty: give at least one family, e.g. [Corners], or name `adapters` to compare without training",
        ),
        ("weightings: [List([])]", "2:14: weightings[0] is empty: give at least one weighting, e.g. {\"safety\": 1}"),
        (
            "weightings: [List([{\"safety\": -0.5, \"alignment\": 1.5}])]",
            "2:31: weightings[0][0].safety is -0.5: give 0 to 1000000",
        ),
        ("weightings: [List([{\"safety\": NaN}])]", "2:31: weightings[0][0].safety is NaN: give 0 to 1000000"),
        ("weightings: [List([{\"safety\": inf}])]", "2:31: weightings[0][0].safety is inf: give 0 to 1000000"),
        (
            "weightings: [List([{\"safety\": 1}, {\"safety\": 0}])]",
            "2:35: weightings[0][1] is {\"safety\": 0}: the shares sum to 0: give at least one reward a positive share",
        ),
        (
            "weightings: [List([{}])]",
            "2:20: weightings[0][0] is {}: the shares sum to 0: give at least one reward a positive share",
        ),
        ("weightings: [Lattice(divisions: 0)]", "2:33: weightings[0].divisions is 0: give 1 to 100"),
        ("weightings: [Dirichlet(count: 0)]", "2:31: weightings[0].count is 0: give 1 to 10000"),
        (
            "weightings: [Dirichlet(count: 2, concentration: 0)]",
            "2:49: weightings[0].concentration is 0: give 0.01 to 1000",
        ),
        (
            "weightings: [Centre, Next(count: 4)]",
            "2:22: weightings[1] is Next(count: 4): Next needs the gains of each reward's own adapter: add Corners",
        ),
        ("weightings: [Corners, Next(count: 65)]", "2:35: weightings[1].count is 65: give 1 to 64"),
        (
            "weightings: [Corners, Next(count: 2), Next(count: 3)]",
            "2:23: weightings[1] is one of several: give one Next, with the count of all",
        ),
        (
            "weightings: [Corners, Next(count: 2, by: Luck)]",
            "2:42: unknown name `Luck`: known names are HypervolumeGain, OptimisticSupport",
        ),
        (
            "rounds: 2, lora: (share_a: false)",
            "2:9: rounds is 2: adapters that do not share A have no mean of the same rank: give lora.share_a: true, or rounds: 1",
        ),
        (
            "rounds: 2, weightings: [Corners, Next(count: 2)]",
            "2:9: rounds is 2: Next works with one round only: give rounds: 1, or remove Next",
        ),
        (
            "weightings: [Corners, Dirichlet(count: 10000)]",
            "2:13: weightings is 10002 weightings: give at most 10000; each gets its own adapter",
        ),
    ]);
}

#[test]
fn numbers_out_of_bounds() {
    check_fields(&[
        ("sampler: (steps: 0)", "2:18: sampler.steps is 0: give 2 to 1000"),
        ("sampler: (steps: 1001)", "2:18: sampler.steps is 1001: give 2 to 1000"),
        ("sampler: (guidance: -1)", "2:21: sampler.guidance is -1: give 0 to 100"),
        ("sampler: (guidance: NaN)", "2:21: sampler.guidance is NaN: give 0 to 100"),
        ("sampler: (kind: FlowSde(noise: 0))", "2:32: sampler.kind.noise is 0: give more than 0, up to 10"),
        ("sampler: (kind: Ddim(eta: 0))", "2:27: sampler.kind.eta is 0: give more than 0, up to 1"),
        ("sampler: (kind: Ddim(eta: 1.5))", "2:27: sampler.kind.eta is 1.5: give more than 0, up to 1"),
        ("lora: (rank: 0)", "2:14: lora.rank is 0: give 1 to 1024"),
        ("lora: (alpha: 0)", "2:15: lora.alpha is 0: give more than 0, up to 10000"),
        ("lora: (alpha: inf)", "2:15: lora.alpha is inf: give more than 0, up to 10000"),
        (
            "lora: (targets: [\"to_q\", \" \"])",
            "2:26: lora.targets[1] is \" \": name a part of a layer's name, or omit targets for every linear layer",
        ),
        ("optimiser: (learning_rate: 0)", "2:28: optimiser.learning_rate is 0: give more than 0, up to 1"),
        ("optimiser: (learning_rate: -1e-3)", "2:28: optimiser.learning_rate is -1e-3: give more than 0, up to 1"),
        ("optimiser: (beta1: 1)", "2:20: optimiser.beta1 is 1: give 0 to less than 1"),
        ("optimiser: (beta2: -0.1)", "2:20: optimiser.beta2 is -0.1: give 0 to less than 1"),
        ("optimiser: (epsilon: 0)", "2:22: optimiser.epsilon is 0: give more than 0, up to 1"),
        ("optimiser: (weight_decay: -1)", "2:27: optimiser.weight_decay is -1: give 0 to 10"),
        ("optimiser: (max_grad_norm: 0)", "2:28: optimiser.max_grad_norm is 0: give more than 0, up to 1000000"),
        ("optimiser: (ema: 1)", "2:18: optimiser.ema is 1: give more than 0, less than 1"),
        ("training: (epochs: 0)", "2:20: training.epochs is 0: give 1 to 100000"),
        ("training: (prompts_per_epoch: 0)", "2:31: training.prompts_per_epoch is 0: give 1 to 4096"),
        ("training: (images_per_prompt: 1)", "2:31: training.images_per_prompt is 1: give 2 to 1024"),
        ("training: (method: PolicyGradient(train_steps: 0))", "2:48: training.method.train_steps is 0: give 1 to 999"),
        (
            "training: (method: PolicyGradient(updates_per_epoch: 0))",
            "2:54: training.method.updates_per_epoch is 0: give 1 to 999",
        ),
        ("training: (method: PolicyGradient(clip: 0))", "2:41: training.method.clip is 0: give more than 0, up to 1"),
        ("training: (method: Awm(levels: 0))", "2:32: training.method.levels is 0: give 1 to 999"),
        ("training: (method: Awm(clip: 2))", "2:30: training.method.clip is 2: give more than 0, up to 1"),
        ("training: (method: Nft(beta: 0))", "2:30: training.method.beta is 0: give more than 0, up to 100"),
        ("training: (method: Nft(old_most: 1))", "2:34: training.method.old_most is 1: give 0 to less than 1"),
        (
            "training: (method: Mixed(policy_gradient: (clip: -1)))",
            "2:50: training.method.policy_gradient.clip is -1: give more than 0, up to 1",
        ),
        ("training: (kl: -0.1)", "2:16: training.kl is -0.1: give 0 to 1000"),
        (
            "training: (advantages: (trained_share: 0))",
            "2:40: training.advantages.trained_share is 0: give more than 0, up to 1",
        ),
        ("training: (advantages: (clip: 0))", "2:31: training.advantages.clip is 0: give more than 0, up to 1000"),
        (
            "training: (advantages: (spread: Running(decay: 1)))",
            "2:48: training.advantages.spread.decay is 1: give 0 to less than 1",
        ),
        ("training: (probe: (prompts: 1))", "2:29: training.probe.prompts is 1: give 2 to 4096"),
        ("training: (guard: Tighten(factor: 1))", "2:35: training.guard.factor is 1: give more than 1, up to 1000"),
        ("training: (micro_batch: 0)", "2:25: training.micro_batch is 0: give 1 to 4096"),
        ("evaluation: (prompts: 0)", "2:23: evaluation.prompts is 0: give 1 to 100000"),
        ("evaluation: (images_per_prompt: 1)", "2:33: evaluation.images_per_prompt is 1: give 2 to 1024"),
        ("evaluation: (steps: 0)", "2:21: evaluation.steps is 0: give 1 to 1000"),
        ("evaluation: (resamples: 10)", "2:25: evaluation.resamples is 10: give 100 to 1000000"),
        ("evaluation: (grid_prompts: 65)", "2:28: evaluation.grid_prompts is 65: give 0 to 64"),
    ]);
}

#[test]
fn values_that_are_impossible_beside_others() {
    check_fields(&[
        (
            "training: (method: PolicyGradient(train_steps: 8))",
            "2:48: training.method.train_steps is 8: give at most 5, as sampler.steps is 6 and the last step is never trained",
        ),
        (
            "sampler: (steps: 3)",
            "1:1: training.method.train_steps is 3 by default: give at most 2, as sampler.steps is 3 and the last step is \
             never trained",
        ),
        (
            "training: (method: PolicyGradient(window: Random(2)))",
            "2:20: training.method.train_steps is 3 by default: give at most 2, as training.method.window has that many \
             stochastic steps",
        ),
        (
            "training: (method: PolicyGradient(train_steps: 5, updates_per_epoch: 4))",
            "2:70: training.method.updates_per_epoch is 4: give a divisor of training.method.train_steps, which is 5: 1, 5",
        ),
        (
            "training: (method: Nft(levels: 4, updates_per_epoch: 3))",
            "2:54: training.method.updates_per_epoch is 3: give a divisor of training.method.levels, which is 4: 1, 2, 4",
        ),
        (
            "sampler: (kind: Ode(order: 1))",
            "2:17: sampler.kind is Ode(order: 1): training.method PolicyGradient needs steps that have a density: give Cps(eta: 0.9), \
             FlowSde(noise: 0.7) or Ddim(eta: 1)",
        ),
        (
            "training: (method: Differentiable(through: LastSteps(9)))",
            "2:44: training.method.through is LastSteps(9): give 1 to 6, which sampler.steps is",
        ),
        (
            "training: (method: Differentiable(through: SingleStep(from: 5, to: 4)))",
            "2:61: training.method.through.from is 5: give at most 4, which training.method.through.to is",
        ),
        (
            "training: (method: Mixed(differentiable: (through: LowVariance(2))))",
            "2:52: training.method.differentiable.through is LowVariance or SingleStep: give LastSteps(1) or Random(4): the \
             images are those that advantages are taken of",
        ),
        (
            "training: (probe: (of: HeldOut))",
            "2:24: training.probe.of is HeldOut: nothing may be decided by held-out prompts: give training.guard: Off, or \
             probe training prompts",
        ),
        (
            "training: (method: Dpo(pairs: Own(per_prompt: 5)))",
            "2:47: training.method.pairs.per_prompt is 5: give at most 4: training.images_per_prompt is 8, and an image is \
             in one pair",
        ),
        (
            "training: (method: Dpo(pairs: File(path: \"\")))",
            "2:42: training.method.pairs.path is a file without a name: name a file of preferences, such as \"preferences.jsonl\"",
        ),
        (
            "training: (method: RewardWeighted(weights: Best(count: 9)))",
            "2:56: training.method.weights.count is 9: give at most 8, which training.images_per_prompt is",
        ),
        (
            "training: (method: D3po(train_steps: 6))",
            "2:38: training.method.train_steps is 6: give at most 5, as sampler.steps is 6 and the last step is never trained",
        ),
        (
            "training: (method: D3po()), sampler: (kind: Ode(order: 1))",
            "2:45: sampler.kind is Ode(order: 1): training.method D3po needs steps that have a density: give Cps(eta: 0.9), \
             FlowSde(noise: 0.7) or Ddim(eta: 1)",
        ),
        (
            "training: (method: AdjointMatching()), sampler: (kind: Ode(order: 2))",
            "2:56: sampler.kind is Ode(order: 2): training.method AdjointMatching needs steps that have a density: give \
             Cps(eta: 0.9), FlowSde(noise: 0.7) or Ddim(eta: 1)",
        ),
        (
            "constraints: [(reward: \"saftey\", at_least: Base(plus: 0.1))]",
            "2:24: unknown reward `saftey` in constraints[0].reward: known rewards are safety, alignment",
        ),
        (
            "constraints: [(reward: \"safety\", at_least: Value(0.8)), (reward: \"safety\", at_least: Base())]",
            "2:66: constraints[1].reward is \"safety\": constraints[0] is about it already: give one of them",
        ),
        (
            "constraints: [(reward: \"safety\", at_least: Value(inf))]",
            "2:44: constraints[0].at_least is Value(inf): give -1000000 to 1000000",
        ),
        (
            "constraints: [(reward: \"safety\", at_least: Value(0.8), confidence: 1.0)]",
            "2:68: constraints[0].confidence is 1.0: give 0.5 to 0.999",
        ),
        (
            "constraints: [(reward: \"safety\", at_least: Value(0.8))], training: (probe: (every: 0))",
            "2:84: training.probe.every is 0: multipliers of constraints go by what probes find, and in training.epochs 20 \
             that is fewer than two: give 1 to 19",
        ),
        (
            "constraints: [(reward: \"safety\", at_least: Value(0.8))], training: (probe: (of: HeldOut), guard: Off)",
            "2:81: training.probe.of is HeldOut: multipliers of constraints go by what probes find, and held-out prompts may \
             decide nothing: give Train",
        ),
        (
            "scalarisation: Chebyshev(), training: (epochs: 8)",
            "2:39: training.probe.every is 10 by default: the shares of Chebyshev go by what probes find, and in \
             training.epochs 8 that is fewer than two: give 1 to 7",
        ),
        ("scalarisation: Chebyshev(smoothing: 0)", "2:37: scalarisation.smoothing is 0: give more than 0, up to 1000"),
        (
            "scalarisation: Unopposed",
            "2:16: scalarisation is Unopposed: training.method PolicyGradient has no gradient of each reward: give Linear, or \
             train with Differentiable()",
        ),
        (
            "combine: RawSum, training: (advantages: (baseline: Value()))",
            "2:52: training.advantages.baseline is Value(): raw scores are summed and taken within their group: give combine: \
             Normalised, or Group",
        ),
        (
            "training: (advantages: (baseline: Value(ridge: 0)))",
            "2:48: training.advantages.baseline.ridge is 0: give 0.001 to 1000000",
        ),
        ("training: (method: Kto(beta: 0))", "2:30: training.method.beta is 0: give more than 0, up to 1000000"),
        ("training: (method: Dpo(mix: Both))", "2:29: unknown name `Both`: known names are Rewards, Losses"),
        (
            "training: (method: Dpo(pairs: \"preferences.jsonl\"))",
            "2:31: training.method.pairs is \"preferences.jsonl\": give Own(per_prompt: 2) or File(path: \"preferences.jsonl\")",
        ),
        (
            "constraints: [(reward: \"safety\", at_least: 0.8)]",
            "2:44: constraints[0].at_least is 0.8: give Base(plus: 0.05) or Value(0.8)",
        ),
        (
            "constraints: {\"safety\": 0.8}",
            "2:14: constraints is {\"safety\": 0.8}: give a list such as [(reward: \"safety\", at_least: Base(plus: 0.05))]",
        ),
        ("scalarisation: Max", "2:16: unknown name `Max`: known names are Linear, Chebyshev, Unopposed"),
        (
            "hypervolume: (reference: {\"safety\": 1})",
            "2:37: hypervolume.reference.safety is 1: the reference must be below the best value; for `safety` they are \
             1 and 1",
        ),
        (
            "hypervolume: (best: {\"safety\": -1})",
            "2:32: hypervolume.best.safety is -1: the reference must be below the best value; for `safety` they are 0 \
             and -1",
        ),
        ("hypervolume: (best: {\"safety\": inf})", "2:32: hypervolume.best.safety is inf: give -1000000 to 1000000"),
    ]);
}

#[test]
fn prompts_that_cannot_be() {
    check_fields(&[
        ("prompts: (train: List([]))", "2:18: prompts.train is without a prompt: give at least one"),
        ("prompts: (train: List([\"a\", \" \"]))", "2:29: prompts.train[1] is \" \": say what to draw"),
        (
            "prompts: (held_out: List([\"a\", \"b\", \"a\"]))",
            "2:37: prompts.held_out[2] is \"a\": it is prompts.held_out[0] already: give each prompt once",
        ),
        (
            "prompts: (train: Set(\"\"))",
            "2:18: prompts.train is a set without a name: name one of the base model's sets",
        ),
        (
            "prompts: (train: File(\"\"))",
            "2:18: prompts.train is a file without a name: name a text file with one prompt per line",
        ),
        (
            "prompts: (train: File(\"prompts.json\"))",
            "2:18: prompts.train is a .json file: name a .jsonl file with one object per line, such as {\"prompt\": \"a cat\"}",
        ),
        (
            "prompts: (train: Table(file: \"prompts.txt\"))",
            "2:30: prompts.train.file is \"prompts.txt\": name a .csv, .tsv or .jsonl file; text is read with \
             File(\"prompts.txt\")",
        ),
        (
            "prompts: (train: Table(file: \"a.csv\", column: \"\"))",
            "2:47: prompts.train.column is \"\": name a column of the file",
        ),
        (
            "prompts: (train: Table(file: \"a.csv\", where: [1]))",
            "2:46: prompts.train.where is [1]: give values by column: {\"Category\": \"Animals\"}",
        ),
        (
            "prompts: (train: Table(file: \"a.csv\", columns: \"b\"))",
            "2:39: unknown field `columns` in prompts.train: known fields are file, column, where",
        ),
        (
            "prompts: (train: Split(share: 0.1))",
            "2:18: prompts.train is a split: only prompts.held_out can be split, from prompts.train: name a file, list or set",
        ),
        ("prompts: (held_out: Split(share: 1))", "2:34: prompts.held_out.share is 1: give more than 0, less than 1"),
        (
            "prompts: (held_out: Split(0.1))",
            "2:21: prompts.held_out is Split(0.1): give Set(\"name\"), List([\"a prompt\", \"another\"]), \
             File(\"prompts.txt\"), Table(file: \"prompts.csv\") or Split(share: 0.1)",
        ),
    ]);
    let long = "a".repeat(1001);
    assert_eq!(
        message(&format!("(rewards: [(kind: Safety)], prompts: (train: List([{long:?}])))")),
        "x.ron:1:52: prompts.train[0] is 1001 characters long: give at most 1000"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let load = |path: &Path| ExperimentSpec::load(path).unwrap_err().to_string();
    let check = |name: &str, bytes: &[u8], expected: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(load(&path), format!("{}{expected}", path.display()));
    };
    let missing = folder.path().join("missing.ron");
    assert_eq!(
        load(&missing),
        format!("{}: no such file: check the path, which counts from the current folder", missing.display())
    );
    assert_eq!(load(folder.path()), format!("{}: this is a folder: name a file in it", folder.path().display()));
    check("empty.ron", b" \n", ": empty: write something into it, or name another file");
    check("latin.ron", b"(name: \"\xe9\")", ": not UTF-8 text (byte 9): save it as UTF-8");
    check("huge.ron", &vec![b' '; 1_000_001], ": larger than 1 MB, which cannot be meant: name another file");
    check(
        "con.ron",
        b"(rewards: [(kind: Safety)])",
        ":1:1: name is \"con\", from the file's name: it names the results folder: take another than `con`, which is a device's name \
         under Windows; or add a name to the file: name: \"my-experiment\"",
    );
}

#[test]
fn experiments_changed_in_memory() {
    let mut spec = ExperimentSpec { name: Some("mine".into()), ..ExperimentSpec::default() };
    assert!(spec.validate().is_ok());
    spec.training.epochs = 0;
    assert_eq!(spec.validate().unwrap_err().to_string(), "mine: training.epochs is 0: give 1 to 100000");
    spec.training.epochs = 1;
    spec.sampler.guidance = f32::NAN;
    assert_eq!(spec.validate().unwrap_err().to_string(), "mine: sampler.guidance is NaN: give 0 to 100");
}

#[test]
fn phases_that_do_not_go_on_from_each_other() {
    let with = |continual: &str, training: &str, phases: &str| {
        format!(
            "(rewards: [(kind: Safety)], weightings: [Corners], training: (epochs: 9{training}), continual: ({continual}),\nphases: [{phases}])"
        )
    };
    let two = "(name: \"a\", until: 3), (name: \"b\")";
    let refused: &[(&str, &str, &str, &str)] = &[
        ("", "", "(name: \"a\")", "2:9: phases is a list of 1: give 2 to 32 phases, or none"),
        (
            "",
            "",
            "(name: \"a\"), (name: \"b\")",
            "2:10: phases[0].until is left out: give the epoch after which the phase ends; the last phase alone may leave it out",
        ),
        (
            "",
            "",
            "(name: \"a\", until: 3), (name: \"b\", until: 3), (name: \"c\")",
            "2:52: phases[1].until is 3: it counts over the whole training, and the phase before ends after 3: give more",
        ),
        (
            "",
            "",
            "(name: \"a\", until: 3), (name: \"b\", until: 8)",
            "2:52: phases[1].until is 8: the last phase ends with the training: give training.epochs: 8, which is 9, or another end",
        ),
        (
            "",
            "",
            "(name: \"a\", until: 12), (name: \"b\")",
            "2:29: phases[0].until is 12: the training ends before: give training.epochs: 12, which is 9, or another end",
        ),
        (
            "",
            "",
            "(name: \"a\", until: 3), (name: \"a\")",
            "2:40: phases[1].name is \"a\": phases[0] has that name already: give each phase a name of its own",
        ),
        (
            "",
            "",
            "(name: \"a\", until: 3), (name: \"b\", rewards: [(kind: Safety), (kind: Harmony)])",
            "1:41: weightings is a list of 2: the i-th weighting of a phase goes on from the i-th of the phase before, and the first phase has \
             1: give as many (in the phase `b`)",
        ),
        (
            "",
            "",
            "(name: \"a\", until: 3), (name: \"b\", rewards: [(kind: Safety, kl: -1)])",
            "2:74: phases[1].rewards[0].kl is -1: give 0 to 1000 (in the phase `b`)",
        ),
        ("replay: 1", "", two, "1:95: continual.replay is 1: give 0 to less than 1"),
        (
            "onto: Souped(old: 1)",
            "",
            two,
            "1:105: continual.onto.old is 1: give more than 0, less than 1 (in the phase `b`)",
        ),
        (
            "onto: Stacked, importance: 2",
            "",
            two,
            "1:114: continual.importance is 2: it works with onto: Same only, and not with Stacked: give 0 (in the phase `b`)",
        ),
        (
            "tie: Last",
            "",
            two,
            "1:92: continual.tie is Last: nothing is tied: give training.kl, or a reward its kl (in the phase `b`)",
        ),
        (
            "tie: Last",
            ", kl: 1, method: Kto()",
            two,
            "1:114: continual.tie is Last: Kto is defined by its difference to the base: give Base, or another training.method (in the phase `b`)",
        ),
        (
            "from: \"x\"",
            "",
            two,
            "1:93: continual.from is given: moa writes it into the experiments of phases: leave it out",
        ),
        ("tie: Lst", "", two, "1:92: unknown kind of tie `Lst`: known kinds are Base, Last"),
    ];
    for (continual, training, phases, expected) in refused {
        assert_eq!(message(&with(continual, training, phases)), format!("x.ron:{expected}"));
    }
    check_fields(&[
        (
            "continual: (average: 0.5)",
            "2:12: continual is given: there are no phases to go on from: give phases, or leave continual out",
        ),
        (
            "phases: [(name: \"a\", until: 3), (name: \"b\")], rounds: 2",
            "2:55: rounds is more than 1: phases have one round each: give rounds: 1, or leave phases out",
        ),
        (
            "phases: [(name: \"a\", until: 3, sampler: ())]",
            "2:32: unknown field `sampler` in phases[0]: known fields are name, until, rewards, weightings, prompts, constraints",
        ),
        ("phases: [(until: 3)]", "2:10: phases[0].name is missing: give a text in quotes"),
        ("phases: [(name: \"a\", until: x)]", "2:29: phases[0].until is x: give a whole number, 1 to 100000"),
    ]);
}

#[test]
fn prompts_that_one_phase_trains_on_and_another_holds_out() {
    let text = r#"(rewards: [(kind: Safety)], weightings: [Corners], training: (epochs: 2, prompts_per_epoch: 1), phases: [
        (name: "a", until: 1, prompts: (train: List(["a cat"]), held_out: List(["a dog"]))),
        (name: "b", prompts: (train: List(["A  Dog", "a bee"]), held_out: List(["a fox"]))),
    ])"#;
    let spec = ExperimentSpec::from_ron(text, "x.ron").unwrap();
    let message = spec.resolve_phases(Path::new("x.ron"), &|_| None).unwrap_err().to_string();
    assert_eq!(
        message,
        "x.ron: phases[0].prompts.held_out is a list with \"A  Dog\", which the phase `b` trains on: the adapters of all phases are evaluated \
         on it: hold out prompts that no phase trains on (in the phase `a`)"
    );
    let apart = ExperimentSpec::from_ron(&text.replace("A  Dog", "a fish"), "x.ron").unwrap();
    let phases = apart.resolve_phases(Path::new("x.ron"), &|_| None).unwrap();
    assert_eq!(phases[1].1.train, ["a fish", "a bee"]);
}
