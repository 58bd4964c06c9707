//! Experiments survive being written and read, whatever they hold.

use std::collections::BTreeMap;

use moa_core::ExperimentSpec;
use moa_core::experiment::{
    AdvantageSpec, AwmSpec, Baseline, Combine, ConstraintSpec, ContinualSpec, D3poSpec, DecidedBy, DifferentiableSpec,
    DpoSpec, EvaluationSpec, GroupLoss, GroupSpec, Guard, HttpSpec, HypervolumeSpec, Ingredients, KtoSpec, LabelSource,
    LoraSpec, MethodSpec, Mix, MixedSpec, NextBy, NextSpec, NftSpec, OnnxActivation, OnnxChannels, OnnxLayout,
    OnnxReduction, OnnxSpec, OptimiserSpec, PairSource, PolicyGradientSpec, Precision, PreferenceFile, ProbePrompts,
    ProbeSpec, ProgramSpec, PromptSource, PromptsSpec, Ratio, Reduce, RewardKind, RewardSpec, RewardWeightedSpec,
    RewardWeights, SamplerKind, SamplerSpec, Scalarisation, SoupsSpec, Spread, StepWeights, Threshold, Through,
    TrainingSpec, WeightingsSpec, Window,
};
use proptest::prelude::*;

fn reward_kind() -> impl Strategy<Value = RewardKind> {
    prop_oneof![
        Just(RewardKind::Aesthetics),
        Just(RewardKind::Alignment),
        Just(RewardKind::Safety),
        Just(RewardKind::Diversity),
        Just(RewardKind::Colourfulness),
        Just(RewardKind::Contrast),
        Just(RewardKind::Harmony),
        (1..=100u8).prop_map(|quality| RewardKind::Compressibility { quality }),
        (1..=100u8).prop_map(|quality| RewardKind::Incompressibility { quality }),
        ("[a-z/]{1,9}", proptest::option::of("hf:[a-z]{1,9}/[a-z]{1,9}"))
            .prop_map(|(model, processor)| RewardKind::PickScore { model, processor }),
        ("[a-z/]{1,9}", "[a-z]{1,9}\\.pth").prop_map(|(clip, head)| RewardKind::LaionAesthetics { clip, head }),
        "[a-z/]{1,9}".prop_map(|model| RewardKind::SafetyChecker { model }),
        program().prop_map(RewardKind::Program),
        http().prop_map(RewardKind::Http),
        onnx().prop_map(RewardKind::Onnx),
    ]
}

fn range() -> impl Strategy<Value = Option<[f64; 2]>> {
    prop::option::of((-100.0..0.0, 0.1..100.0).prop_map(|(least, most)| [least, most]))
}

fn program() -> impl Strategy<Value = ProgramSpec> {
    let command = prop::collection::vec("[a-z\"\\\\ -]{0,5}x", 1..4);
    (command, prop::option::of("[a-z]{1,5}"), 1..1024u32, 1..64u32, 1..86_400u32, 0..100u32, range()).prop_map(
        |(command, folder, batch, in_flight, seconds, retries, range)| ProgramSpec {
            command,
            folder: folder.map(Into::into),
            batch,
            in_flight,
            timeout_seconds: seconds,
            start_seconds: seconds,
            retries,
            range,
        },
    )
}

fn http() -> impl Strategy<Value = HttpSpec> {
    ("http://[a-z]{1,9}(:[1-9][0-9]{0,3})?(/[a-z?=&]{0,5})?", 1..1024u32, range())
        .prop_map(|(url, batch, range)| HttpSpec { url, batch, in_flight: 1, timeout_seconds: 1, retries: 0, range })
}

fn onnx() -> impl Strategy<Value = OnnxSpec> {
    let size = prop::option::of([1..4096u32, 1..4096u32]);
    let std = [0.001..10.0, 0.001..10.0, 0.001..10.0];
    (prop::option::of("[a-z:/]{1,9}"), size, std, prop::option::of(0..1000u32), any::<bool>(), range()).prop_map(
        |(input, size, std, index, negate, range)| OnnxSpec {
            model: "models/scorer.onnx".into(),
            output: input.clone(),
            input,
            size,
            mean: [0.5, 0.25, 0.125],
            std,
            resize: size.map(|[height, width]| [height + 32, width + 1]),
            white: if negate { 255.0 } else { 1.0 },
            channels: if negate { OnnxChannels::Bgr } else { OnnxChannels::Rgb },
            softmax_axis: index.map(|index| 1 + index % 8),
            reduce: Vec::from_iter(index.map(|index| OnnxReduction {
                axis: 1 + index % 8,
                of: Some(vec![index, 1000]),
                by: Reduce::Mean,
            })),
            layout: if negate { OnnxLayout::Nhwc } else { OnnxLayout::Nchw },
            index,
            activation: if negate { OnnxActivation::Softmax } else { OnnxActivation::Identity },
            negate,
            range,
        },
    )
}

fn rewards() -> impl Strategy<Value = Vec<RewardSpec>> {
    prop::collection::btree_map("r[a-z0-9_-]{0,12}", reward_kind(), 1..6).prop_map(|rewards| {
        rewards.into_iter().map(|(name, kind)| RewardSpec { name, kind, kl: None, beside: BTreeMap::new() }).collect()
    })
}

fn prompt_source() -> impl Strategy<Value = PromptSource> {
    prop_oneof![
        "[a-z-]{1,9}".prop_map(PromptSource::Set),
        prop::collection::btree_set("[a-z\"\\\\,:(\\[é]{1,9}", 1..5)
            .prop_map(|prompts| PromptSource::List(prompts.into_iter().collect())),
        "[a-z/]{1,9}".prop_map(|path| PromptSource::File(path.into())),
        (prop::option::of("[a-zé\" ]{0,5}x"), prop::collection::btree_map("[A-Z\"]{1,3}", ".{0,3}", 0..3))
            .prop_map(|(column, filter)| PromptSource::Table { file: "data/prompts.tsv".into(), column, filter }),
    ]
}

fn held_out() -> impl Strategy<Value = PromptSource> {
    let split = (0.01..0.99, any::<u64>()).prop_map(|(share, seed)| PromptSource::Split { share, seed });
    prop_oneof![prompt_source(), split]
}

/// Families over the named rewards, small enough that six of them stay in bounds.
fn weightings(names: Vec<String>) -> impl Strategy<Value = Vec<WeightingsSpec>> {
    let rewards = names.len();
    let shares = prop::collection::btree_map(prop::sample::select(names), 0.001..1000.0, 1..4);
    let family = prop_oneof![
        Just(WeightingsSpec::Corners),
        Just(WeightingsSpec::Centre),
        (1..3u32).prop_map(|divisions| WeightingsSpec::Lattice { divisions }),
        (1..20u32, 0.01..100.0).prop_map(|(count, concentration)| WeightingsSpec::Dirichlet { count, concentration }),
        prop::collection::vec(shares, 1..4).prop_map(WeightingsSpec::List),
    ];
    let by = prop_oneof![Just(NextBy::HypervolumeGain), Just(NextBy::OptimisticSupport)];
    let next = (1..9u32, by, prop::option::of(1.0..1e6)).prop_map(|(count, by, budget)| NextSpec {
        count,
        by,
        budget,
        chosen: Vec::new(),
        ended: None,
    });
    let may_choose = (2..=6).contains(&rewards);
    (prop::collection::vec(family, 1..6), prop::option::of(next)).prop_map(move |(mut families, next)| {
        if let Some(next) = next.filter(|_| may_choose) {
            families.extend([WeightingsSpec::Corners, WeightingsSpec::Next(next)]);
        }
        families
    })
}

fn sampler() -> impl Strategy<Value = SamplerSpec> {
    let kind = prop_oneof![
        (0.01..10f32).prop_map(|noise| SamplerKind::FlowSde { noise }),
        (0.01..1f32).prop_map(|eta| SamplerKind::Ddim { eta }),
        (0.01..1f32).prop_map(|eta| SamplerKind::Cps { eta }),
    ];
    (kind, 13..=1000u32, 0.0..100f32).prop_map(|(kind, steps, guidance)| SamplerSpec { kind, steps, guidance })
}

fn lora() -> impl Strategy<Value = LoraSpec> {
    (1..=1024u32, 0.01..1e4f32, any::<bool>(), prop::collection::vec("[a-z_.0-9]{1,9}", 0..3))
        .prop_map(|(rank, alpha, share_a, targets)| LoraSpec { rank, alpha, share_a, targets })
}

fn optimiser() -> impl Strategy<Value = OptimiserSpec> {
    (1e-12..1.0, 0.0..1.0, 0.0..1.0, 1e-12..1.0, 0.0..10.0, 1e-9..1e6, prop::option::of(0.01..0.99)).prop_map(
        |(learning_rate, beta1, beta2, epsilon, weight_decay, max_grad_norm, ema)| OptimiserSpec {
            learning_rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            max_grad_norm,
            ema,
        },
    )
}

fn method() -> impl Strategy<Value = MethodSpec> {
    let updates = || prop::sample::select(vec![1, 2, 3, 4, 6, 12]);
    let window = prop_oneof![
        Just(Window::All),
        Just(Window::Random(12)),
        (1..99u32).prop_map(|every| Window::Sliding { steps: 12, every }),
    ];
    let ratio = prop::sample::select(vec![Ratio::Plain, Ratio::Normalised]);
    let step_weights = prop::sample::select(vec![StepWeights::Equal, StepWeights::Noise]);
    let policy = (updates(), 1e-9..1.0, ratio, step_weights, window).prop_map(
        |(updates_per_epoch, clip, ratio, step_weights, window)| PolicyGradientSpec {
            train_steps: 12,
            updates_per_epoch,
            clip,
            ratio,
            step_weights,
            window,
        },
    );
    let mixed = policy.clone().prop_map(|policy| MixedSpec {
        policy_gradient: PolicyGradientSpec { updates_per_epoch: 1, ..policy },
        differentiable: DifferentiableSpec { through: Through::Random(3) },
    });
    let nft = (updates(), 0.01..10.0, 0.0..1.0, 0.0..0.99).prop_map(|(updates_per_epoch, beta, old_rate, old_most)| {
        NftSpec { levels: 12, updates_per_epoch, beta, old_rate, old_most }
    });
    let awm =
        (updates(), 0.01..1.0).prop_map(|(updates_per_epoch, clip)| AwmSpec { levels: 12, updates_per_epoch, clip });
    let weights = prop_oneof![
        (0.01..10.0).prop_map(|temperature| RewardWeights::Exponential { temperature }),
        (0.0..0.99).prop_map(|at| RewardWeights::Quantile { at }),
        Just(RewardWeights::Best { count: 1 }),
    ];
    let weighted = (updates(), weights).prop_map(|(updates_per_epoch, weights)| RewardWeightedSpec {
        weights,
        levels: 12,
        updates_per_epoch,
    });
    let file =
        || "[a-z/]{1,9}\\.jsonl".prop_map(|path| PreferenceFile { path: path.into(), decided_by: DecidedBy::Outcome });
    let pairs = || prop_oneof![Just(PairSource::Own { per_prompt: 1 }), file().prop_map(PairSource::File)];
    let labels = || prop_oneof![Just(LabelSource::Own), file().prop_map(LabelSource::File)];
    let mix = || prop::sample::select(vec![Mix::Rewards, Mix::Losses]);
    let dpo = (pairs(), mix(), updates(), 0.01..1e5).prop_map(|(pairs, mix, updates_per_epoch, beta)| {
        // A file's outcomes know no rewards.
        let mix = if matches!(pairs, PairSource::File(_)) { Mix::Rewards } else { mix };
        DpoSpec { pairs, mix, levels: 12, updates_per_epoch, beta }
    });
    let kto = (labels(), mix(), updates(), 0.01..1e5).prop_map(|(labels, mix, updates_per_epoch, beta)| {
        let mix = if labels == LabelSource::Own { mix } else { Mix::Rewards };
        KtoSpec { labels, mix, levels: 12, updates_per_epoch, beta }
    });
    let d3po = (mix(), updates(), 0.01..1e5).prop_map(|(mix, updates_per_epoch, beta)| D3poSpec {
        per_prompt: 1,
        mix,
        train_steps: 12,
        updates_per_epoch,
        beta,
    });
    let losses = prop::sample::select(vec![GroupLoss::Preference, GroupLoss::Regression]);
    let group = (losses, updates(), 0.01..1e5).prop_map(|(loss, updates_per_epoch, beta)| GroupSpec {
        loss,
        levels: 12,
        updates_per_epoch,
        beta,
    });
    prop_oneof![
        policy.prop_map(MethodSpec::PolicyGradient),
        mixed.prop_map(MethodSpec::Mixed),
        nft.prop_map(MethodSpec::Nft),
        awm.prop_map(MethodSpec::Awm),
        weighted.prop_map(MethodSpec::RewardWeighted),
        dpo.prop_map(MethodSpec::Dpo),
        kto.prop_map(MethodSpec::Kto),
        d3po.prop_map(MethodSpec::D3po),
        group.prop_map(MethodSpec::Group),
    ]
}

fn training() -> impl Strategy<Value = TrainingSpec> {
    let spread = prop_oneof![Just(Spread::Group), (0.0..0.99).prop_map(|decay| Spread::Running { decay })];
    let baseline = prop_oneof![
        Just(Baseline::Group),
        (0.0..0.99).prop_map(|decay| Baseline::Prompt { decay }),
        (0.01..10.0, 0.0..0.99).prop_map(|(ridge, decay)| Baseline::Value { ridge, decay }),
    ];
    let advantages = (spread, baseline, 0.1..10.0, 0.01..1.0)
        .prop_map(|(spread, baseline, clip, trained_share)| AdvantageSpec { spread, baseline, clip, trained_share });
    let guard = prop_oneof![
        Just(Guard::Stop),
        (1.1..9.0, 0.01..1.0).prop_map(|(factor, from)| Guard::Tighten { factor, from }),
    ];
    let probe = (0..99u32, 2..99u32, 2..9u32).prop_map(|(every, prompts, images_per_prompt)| ProbeSpec {
        every,
        of: ProbePrompts::Train,
        prompts,
        images_per_prompt,
    });
    let counts = (1..1000u32, 1..64u32, 2..64u32, (1..512u32, any::<Option<bool>>()));
    (counts, method(), advantages, 0.0..10.0, probe, guard).prop_map(
        |(
            (epochs, prompts_per_epoch, images_per_prompt, (micro_batch, gradient_checkpointing)),
            method,
            advantages,
            kl,
            probe,
            guard,
        )| {
            TrainingSpec {
                epochs,
                prompts_per_epoch,
                images_per_prompt,
                method,
                advantages,
                kl,
                micro_batch,
                gradient_checkpointing,
                probe,
                guard,
            }
        },
    )
}

fn evaluation() -> impl Strategy<Value = EvaluationSpec> {
    let counts = (prop::option::of(1..999u32), 2..64u32, 1..=1000u32, 100..9999u32, 0..=64u32);
    (counts, 0.0..100f32, any::<u64>()).prop_map(|(counts, guidance, seed)| {
        let (prompts, images_per_prompt, steps, resamples, grid_prompts) = counts;
        EvaluationSpec { prompts, images_per_prompt, steps, guidance, seed, resamples, grid_prompts }
    })
}

fn soups() -> impl Strategy<Value = Vec<SoupsSpec>> {
    let corners = (1..=2u32).prop_map(|divisions| SoupsSpec::Lattice { of: Ingredients::Corners, divisions });
    let all = Just(SoupsSpec::Lattice { of: Ingredients::All, divisions: 1 });
    prop::collection::vec(prop_oneof![Just(SoupsSpec::AtWeightings), corners, all], 0..3)
}

fn experiment() -> impl Strategy<Value = ExperimentSpec> {
    let precision = prop::sample::select(Precision::ALL.to_vec());
    let head = (prop::option::of("[A-Za-z0-9][a-z_-]{0,9}"), precision, any::<u64>(), prompt_source(), held_out());
    let rewards = rewards().prop_flat_map(|rewards| {
        let names: Vec<String> = rewards.iter().map(|reward| reward.name.clone()).collect();
        let references = prop::collection::btree_map(prop::sample::select(names.clone()), -9.0..-5.0, 0..3);
        (Just(rewards), weightings(names), (soups(), soups()), references)
    });
    let combine = prop_oneof![Just(Combine::Normalised), Just(Combine::RawSum)];
    let scalarisation = prop_oneof![
        Just(Scalarisation::Linear),
        (0.01..1.0, 0.1..9.0).prop_map(|(smoothing, ideal)| Scalarisation::Chebyshev { smoothing, ideal }),
    ];
    let at_least = prop::option::of(prop_oneof![
        (-0.5..0.5).prop_map(|plus| Threshold::Base { plus }),
        (0.0..1.0).prop_map(Threshold::Value),
    ]);
    let joined = (combine, scalarisation, at_least);
    (head, rewards, joined, sampler(), lora(), optimiser(), training(), evaluation()).prop_map(
        |(
            head,
            (rewards, weightings, (soups, blends), reference),
            (combine, scalarisation, at_least),
            sampler,
            lora,
            optimiser,
            mut training,
            evaluation,
        )| {
            let (name, precision, seed, train, held_out) = head;
            if combine == Combine::RawSum {
                training.advantages.baseline = Baseline::Group;
            }
            let chooses = |method: &MethodSpec| match method {
                MethodSpec::RewardWeighted(method) => !matches!(method.weights, RewardWeights::Exponential { .. }),
                MethodSpec::Dpo(_) | MethodSpec::D3po(_) | MethodSpec::Group(_) => true,
                _ => false,
            };
            if chooses(&training.method) {
                training.advantages.trained_share = 1.0;
            }
            // What is steered by probes needs two of them.
            let steered = training.probe.times(training.epochs) > 1;
            let scalarisation = if steered { scalarisation } else { Scalarisation::Linear };
            let of_first =
                |at_least| ConstraintSpec { reward: rewards[0].name.clone(), at_least, rate: 0.5, confidence: 0.9 };
            let constraints = at_least.filter(|_| steered).map(of_first).into_iter().collect();
            let chosen = weightings.iter().any(|family| matches!(family, WeightingsSpec::Next(_)));
            let alone = lora.share_a && !chosen && soups.is_empty() && blends.is_empty();
            ExperimentSpec {
                name,
                rounds: if alone { 2 } else { 1 },
                base: "emoji-32".into(),
                precision,
                seed,
                prompts: PromptsSpec { train, held_out },
                rewards,
                weightings,
                adapters: Vec::new(),
                soups,
                blends,
                combine,
                scalarisation,
                constraints,
                feedback: None,
                adversary: None,
                online: None,
                phases: Vec::new(),
                continual: ContinualSpec::default(),
                sampler,
                lora,
                optimiser,
                training,
                evaluation,
                hypervolume: HypervolumeSpec { reference, best: BTreeMap::new() },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_reads_back(spec in experiment()) {
        let text = spec.to_ron();
        let read = ExperimentSpec::from_ron(&text, "as-run.ron").map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read, &spec);
        prop_assert_eq!(read.to_ron(), text);
    }

    #[test]
    fn runs_have_distinct_weightings_and_names(spec in experiment()) {
        let runs = spec.weightings();
        prop_assert!(!runs.is_empty());
        let mut names: Vec<_> = runs.iter().map(|(id, _)| id).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), runs.len());
        for (index, (id, weighting)) in runs.iter().enumerate() {
            let usable = id.as_str().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
            prop_assert!(usable && id.as_str().len() <= 100, "{}", id);
            prop_assert!((weighting.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let own = spec.round(1).len();
            let round = &runs[index / own * own..index];
            prop_assert!(round.iter().all(|(_, other)| other != weighting), "in a round");
        }
    }

    /// Text that is broken anywhere is refused or read, never a panic.
    #[test]
    fn damaged_text_is_survived(spec in experiment(), at in any::<prop::sample::Index>(), junk in "[(){}\\[\\]:,\"'#/*a1é]{0,3}") {
        let text = spec.to_ron();
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
        let place = places[at.index(places.len())];
        let damaged = format!("{}{junk}{}", &text[..place], text[place..].chars().skip(1).collect::<String>());
        if let Err(error) = ExperimentSpec::from_ron(&damaged, "x.ron") {
            prop_assert!(error.to_string().starts_with("x.ron:"), "{}", error);
        }
        let _ = ExperimentSpec::from_ron(&text[..place], "x.ron");
    }
}
