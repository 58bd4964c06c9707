//! Merges against their definition, against each other, and against peft (`tests/fixtures/export_merges.py`).

use std::collections::BTreeMap;

use moa_core::NoiseKey;
use safetensors::SafeTensors;

use super::*;
use crate::{AdapterLayer, Difference, Norms, Precision};

type Delta = BTreeMap<String, Vec<f64>>;

/// Returns an adapter of layers `[5 → 3]` and `[4 → 2]`; `a` and `b` seed its factors.
fn adapter(rank: usize, alpha: f32, a: u64, b: u64) -> Adapter {
    let layer = |name: &str, d_in: usize, d_out: usize| {
        let values = |seed: u64, count: usize| NoiseKey::new(seed).named(name).normal(count);
        let (a, b) = (values(a, d_in * rank), values(100 + b, rank * d_out));
        (name.to_owned(), AdapterLayer { d_in, d_out, kernel: Vec::new(), rank, alpha, a, b })
    };
    Adapter::of_layers(Precision::F32, BTreeMap::from([layer("x.to_q", 5, 3), layer("x.to_v", 4, 2)]))
}

/// Returns ΔW of every layer, `[d_out, d_in]`.
fn delta(adapter: &Adapter) -> Delta {
    let of = |layer: &AdapterLayer| {
        let entry = |i: usize, j: usize| -> f64 {
            (0..layer.rank)
                .map(|r| {
                    layer.scale() * f64::from(layer.b[i * layer.rank + r]) * f64::from(layer.a[r * layer.d_in + j])
                })
                .sum()
        };
        (0..layer.d_out).flat_map(|i| (0..layer.d_in).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()
    };
    adapter.layers.iter().map(|(name, layer)| (name.clone(), of(layer))).collect()
}

fn mean_delta(parts: &[(&Adapter, f64)]) -> Delta {
    let mut mean = Delta::new();
    for (adapter, share) in parts {
        for (name, values) in delta(adapter) {
            let sums = mean.entry(name).or_insert_with(|| vec![0.0; values.len()]);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += share * value);
        }
    }
    mean
}

/// Returns ‖found − wanted‖ / ‖wanted‖ over all layers.
fn error(found: &Delta, wanted: &Delta) -> f64 {
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let mut differences = found.iter().flat_map(|(name, values)| values.iter().zip(&wanted[name])).map(|(f, w)| f - w);
    (square(&mut differences) / square(&mut wanted.values().flatten().copied())).sqrt()
}

fn merged(method: MergeMethod, parts: &[(&Adapter, f64)]) -> Adapter {
    Merge { method, ..Merge::default() }.apply(parts).unwrap()
}

#[test]
fn the_exact_methods_are_exact() {
    let (x, y, z) = (adapter(2, 2.0, 1, 1), adapter(2, 6.0, 1, 2), adapter(2, 2.0, 1, 3));
    let parts = [(&x, 0.5), (&y, 0.2), (&z, 0.3)];
    let shared = merged(MergeMethod::Mean, &parts);
    assert_eq!((shared.rank(), &shared.layers["x.to_q"].a), (2, &x.layers["x.to_q"].a), "at their own rank");
    assert!(error(&delta(&shared), &mean_delta(&parts)) < 1e-6);

    let mut other = adapter(3, 1.5, 2, 2);
    let parts = [(&x, 0.25), (&other, 0.75)];
    let joined = merged(MergeMethod::Mean, &parts);
    assert_eq!((joined.rank(), &joined), (5, &merged(MergeMethod::Concatenate, &parts)));
    assert!(error(&delta(&joined), &mean_delta(&parts)) < 1e-6);
    let full = Merge { method: MergeMethod::Svd, rank: Some(5), ..Merge::default() }.apply(&parts).unwrap();
    assert!(error(&delta(&full), &mean_delta(&parts)) < 1e-6);

    // An adapter without a layer adds nothing there; λ are divided by their sum.
    other.layers.remove("x.to_q");
    for method in [MergeMethod::Mean, MergeMethod::Concatenate] {
        let merged = merged(method, &[(&x, 1.0), (&other, 3.0)]);
        assert!(error(&delta(&merged), &mean_delta(&[(&x, 0.25), (&other, 0.75)])) < 1e-6);
    }
}

#[test]
fn exact_methods_extrapolate() {
    for other in [adapter(2, 2.0, 1, 2), adapter(2, 2.0, 7, 2)] {
        let x = adapter(2, 2.0, 1, 1);
        let parts = [(&x, 1.5), (&other, -0.5)];
        for (method, rank) in [(MergeMethod::Mean, None), (MergeMethod::Svd, Some(4))] {
            let merged = Merge { method, rank, ..Merge::default() }.apply(&parts).unwrap();
            assert!(error(&delta(&merged), &mean_delta(&parts)) < 1e-6);
        }
    }
}

#[test]
fn a_merge_at_a_corner_is_that_adapter() {
    let (x, y) = (adapter(2, 3.0, 1, 1), adapter(2, 3.0, 1, 2));
    assert_eq!(Adapter::mean(&[(&x, 1.0), (&y, 0.0)]).unwrap(), x);
    let other = adapter(4, 1.0, 9, 2);
    assert_eq!(Adapter::mean(&[(&x, 0.0), (&other, 7.0)]).unwrap(), other);
}

#[test]
fn of_all_matrices_of_a_rank_the_svd_is_nearest() {
    let (x, y) = (adapter(2, 2.0, 1, 1), adapter(2, 2.0, 2, 2));
    let parts = [(&x, 0.5), (&y, 0.5)];
    let wanted = mean_delta(&parts);
    let at = |rank| Merge { method: MergeMethod::Svd, rank: Some(rank), ..Merge::default() }.apply(&parts).unwrap();
    let errors: Vec<f64> = (1..=3).map(|rank| error(&delta(&at(rank)), &wanted)).collect();
    assert!(errors.is_sorted_by(|one, next| one > next) && errors[2] < 1e-6, "{errors:?}");
    assert!(errors[1] < error(&delta(&x), &wanted) && errors[1] < error(&delta(&y), &wanted), "better than either");
    assert_eq!(at(9).rank(), 3, "a layer has no larger rank than its smaller side");
    assert!(error(&delta(&at(9)), &wanted) < 1e-6);
}

#[test]
fn weights_need_not_sum_to_one() {
    let (x, y) = (adapter(2, 3.0, 1, 1), adapter(3, 1.0, 9, 2));
    for (parts, wanted) in [
        (vec![(&x, 1.0), (&y, 1.0)], 2),
        (vec![(&x, 0.8), (&y, 0.7)], 2),
        (vec![(&x, 0.5)], 1),
        (vec![(&y, -1.0)], 1),
        (vec![(&x, 3.0), (&y, -2.0)], 2),
    ] {
        let sum = Merge::default().sum(&parts).unwrap();
        assert!(error(&delta(&sum), &mean_delta(&parts)) < 1e-6);
        assert_eq!(sum.layers["x.to_q"].rank, if wanted == 1 { parts[0].0.rank() } else { 5 });
    }
    let nothing = Merge::default().sum(&[(&x, 1.0), (&x, -1.0)]).unwrap();
    assert!(delta(&nothing).values().flatten().all(|value| value.abs() < 1e-12));
}

/// An adapter of another rank that has a convolution, a full difference where the others have factors, and a bias.
fn mixed() -> Adapter {
    let values = |seed: u64, count: usize| NoiseKey::new(seed).named("mixed").normal(count);
    let mut mixed = adapter(3, 1.0, 5, 6);
    let convolution =
        AdapterLayer { d_in: 18, d_out: 4, kernel: vec![3, 3], rank: 2, alpha: 1.0, a: values(1, 36), b: values(2, 8) };
    mixed.layers.insert("x.conv".into(), convolution);
    mixed.layers.remove("x.to_v");
    let difference =
        |shape: &[usize], seed| Difference { shape: shape.to_vec(), values: values(seed, shape.iter().product()) };
    mixed.differences.insert("x.to_v.weight".into(), difference(&[2, 4], 3));
    mixed.differences.insert("x.to_q.bias".into(), difference(&[3], 4));
    mixed
}

/// Returns all that an adapter adds, as differences.
fn all(adapter: &Adapter) -> Delta {
    let mut all: Delta = delta(adapter).into_iter().map(|(name, values)| (format!("{name}.weight"), values)).collect();
    for (name, difference) in &adapter.differences {
        let sums = all.entry(name.clone()).or_insert_with(|| vec![0.0; difference.values.len()]);
        sums.iter_mut().zip(&difference.values).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    all
}

#[test]
fn exact_methods_are_exact_for_every_kind_of_part() {
    let (x, y) = (adapter(2, 3.0, 1, 1), mixed());
    let mut wanted = Delta::new();
    for (adapter, weight) in [(&x, 0.5), (&y, -1.5)] {
        for (name, values) in all(adapter) {
            let sums = wanted.entry(name).or_insert_with(|| vec![0.0; values.len()]);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    for (method, rank) in [(MergeMethod::Mean, None), (MergeMethod::Concatenate, None), (MergeMethod::Svd, Some(20))] {
        let sum = Merge { method, rank, ..Merge::default() }.sum(&[(&x, 0.5), (&y, -1.5)]).unwrap();
        assert!(error(&all(&sum), &wanted) < 1e-6, "{method:?}");
        assert_eq!(sum.layers["x.conv"].kernel, [3, 3]);
        let has_weights = sum.differences.contains_key("x.to_v.weight");
        assert_eq!(has_weights, method != MergeMethod::Svd, "an SVD leaves no full difference of a weight");
    }
}

#[test]
fn every_method_takes_every_kind_of_part_and_mixed_ranks() {
    use MergeMethod::{
        DareLinear, DareLinearSvd, DareTies, DareTiesSvd, Linear, MagnitudePrune, MagnitudePruneSvd, Ties, TiesSvd,
    };
    let (x, y) = (adapter(2, 3.0, 1, 1), mixed());
    let wanted = all(&Adapter::mean(&[(&x, 0.5), (&y, 0.5)]).unwrap());
    for method in
        [Linear, Ties, TiesSvd, DareLinear, DareLinearSvd, DareTies, DareTiesSvd, MagnitudePrune, MagnitudePruneSvd]
    {
        let merged = Merge { method, density: 1.0, ..Merge::default() }.apply(&[(&x, 0.5), (&y, 0.5)]).unwrap();
        let found = all(&merged);
        assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{method:?}");
        // What one adapter alone changes is half of that, whichever method looks at it; a layer of two ranks is taken as its ΔW.
        let far = |name: &str| {
            let (found, wanted) = (&found[name], &wanted[name]);
            found.iter().zip(wanted).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
        };
        assert!(far("x.to_q.bias") < 1e-6, "{method:?}");
        if !matches!(method, Ties | TiesSvd | DareTies | DareTiesSvd) {
            assert!(far("x.to_q.weight") < 1.0 && far("x.to_v.weight") < 1e-5, "{method:?}: {}", far("x.to_v.weight"));
        }
    }
}

#[test]
fn adapters_of_u_nets_and_of_transformers_are_not_merged() {
    let of = |name: &str| {
        let own = adapter(2, 2.0, 1, 1).layers["x.to_q"].clone();
        Adapter::of_layers(Precision::F32, BTreeMap::from([(name.to_owned(), own)]))
    };
    let (one, other) = (of("mid_block.attentions.0.proj_in"), of("transformer_blocks.0.attn.to_q"));
    let error = Adapter::mean(&[(&one, 1.0), (&other, 1.0)]).unwrap_err();
    assert!(matches!(error, MergeError::Kinds { .. }), "{error}");
}

#[test]
fn an_adapter_can_be_scaled_by_layer() {
    let y = mixed();
    let scaled = y.scaled(|name| if name.starts_with("x.to_v") { 0.0 } else { -0.5 });
    let (found, whole) = (all(&scaled), all(&y));
    assert!(!found.contains_key("x.to_v.weight") && found.len() == whole.len() - 1);
    assert!(
        found.iter().all(|(name, values)| values.iter().zip(&whole[name]).all(|(x, y)| (x + 0.5 * y).abs() < 1e-6))
    );
}

#[test]
fn differences_are_brought_to_a_rank_and_what_is_lost_is_said() {
    let y = mixed();
    let (exact, lost) = y.reduced(9);
    assert!(error(&all(&exact), &all(&y)) < 1e-6 && lost.len() == 1 && lost[0].share < 1e-6, "{lost:?}");
    assert_eq!(exact.differences.keys().collect::<Vec<_>>(), ["x.to_q.bias"]);
    let (near, lost) = y.reduced(1);
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let (found, whole) = (&all(&near)["x.to_v.weight"], &all(&y)["x.to_v.weight"]);
    let share = norm(&mut found.iter().zip(whole).map(|(x, y)| x - y)) / norm(&mut whole.iter().copied());
    assert!((lost[0].share - share).abs() < 1e-6 && share > 0.01, "{lost:?} {share}");
}

#[test]
fn dare_keeps_its_share_of_entries_and_their_expectation() {
    let ones = vec![1.0f32; 20_000];
    let dropping = dare::Dropping { density: 0.3, key: NoiseKey::new(4) };
    let left = dare::linear(&[&ones], &[1.0], dropping);
    let kept = left.iter().filter(|value| **value != 0.0).count() as f64 / ones.len() as f64;
    assert!((kept - 0.3).abs() < 0.02, "{kept}");
    assert!(left.iter().all(|value| *value == 0.0 || (value - 1.0 / 0.3).abs() < 1e-5));
    let (x, y) = (adapter(2, 2.0, 1, 1), adapter(2, 2.0, 1, 2));
    let seeded = |seed| {
        let merge = Merge { method: MergeMethod::DareTies, density: 0.5, seed, ..Merge::default() };
        merge.apply(&[(&x, 0.5), (&y, 0.5)]).unwrap()
    };
    assert_eq!(seeded(1), seeded(1));
    assert_ne!(seeded(1), seeded(2));
}

#[test]
fn impossible_merges_are_refused() {
    let x = adapter(2, 2.0, 1, 1);
    let refusal = |merge: &Merge, parts: &[(&Adapter, f64)]| merge.apply(parts).unwrap_err().to_string();
    let mean = Merge::default();
    assert!(refusal(&mean, &[]).contains("no adapters"));
    assert!(refusal(&mean, &[(&x, 0.0)]).contains("sum to 0"));
    assert!(refusal(&mean, &[(&x, f64::NAN)]).contains("share 1 of the merge is NaN"));
    let mut other = x.clone();
    other.layers.get_mut("x.to_q").unwrap().d_in = 6;
    let message = refusal(&mean, &[(&x, 0.5), (&other, 0.5)]);
    assert!(message.contains("`x.to_q`") && message.contains("adapter 2"), "{message}");

    let linear = Merge { method: MergeMethod::Linear, ..Merge::default() };
    assert!(refusal(&linear, &[(&x, 1.5), (&x, -0.5)]).contains("-0.5"));
    let mut dora = adapter(2, 2.0, 1, 1);
    dora.magnitudes.insert("x.to_v".into(), Norms { values: vec![1.0; 2], by_output: true });
    let message = refusal(&mean, &[(&x, 0.5), (&dora, 0.5)]);
    assert!(message.contains("adapter 2 is a DoRA (layer `x.to_v`)"), "{message}");
    assert_eq!(mean.apply(&[(&dora, 2.0)]).unwrap(), dora, "alone it stays as it is");
    assert!(mean.sum(&[(&dora, 0.5)]).is_err());
    assert!(mean.sum(&[(&x, 1e39), (&x, 1e39)]).unwrap_err().to_string().contains("no numbers"));
    assert!(
        refusal(&Merge { rank: Some(1_000_000), method: MergeMethod::Svd, ..Merge::default() }, &[(&x, 1.0)])
            .contains("65536")
    );
    assert!(refusal(&Merge { density: 0.0, ..Merge::default() }, &[(&x, 1.0)]).contains("density is 0"));
    assert!(refusal(&Merge { rank: Some(0), ..Merge::default() }, &[(&x, 1.0)]).contains("rank is 0"));
    assert!(refusal(&Merge { clamp: Some(f64::NAN), ..Merge::default() }, &[(&x, 1.0)]).contains("clamp is NaN"));
}

/// What peft made of three adapters with shares 0.5, 0.3, 0.2.
struct Peft<'a> {
    file: SafeTensors<'a>,
    kind: &'static str,
    alpha: f32,
}

const FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/merges.safetensors");

impl Peft<'_> {
    fn open(kind: &'static str, alpha: f32) -> Self {
        Self { file: SafeTensors::deserialize(FIXTURE).unwrap(), kind, alpha }
    }

    /// Reads a matrix with its shape.
    fn matrix(&self, name: &str) -> (Vec<f32>, usize, usize) {
        let view = self.file.tensor(&format!("{}/{name}", self.kind)).unwrap();
        let &[rows, columns] = view.shape() else { panic!("{name} is no matrix") };
        (view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(), rows, columns)
    }

    fn adapter(&self, name: &str, alpha: Option<f32>) -> Adapter {
        let layers = ["x.to_q", "x.to_v"].map(|layer| {
            let (a, r, d_in) = self.matrix(&format!("{name}/{layer}.lora_A.weight"));
            let (b, d_out, _) = self.matrix(&format!("{name}/{layer}.lora_B.weight"));
            let alpha = alpha.unwrap_or(r as f32);
            (layer.to_owned(), AdapterLayer { d_in, d_out, kernel: Vec::new(), rank: r, alpha, a, b })
        });
        Adapter::of_layers(Precision::F32, BTreeMap::from(layers))
    }

    fn inputs(&self) -> [Adapter; 3] {
        ["input/0", "input/1", "input/2"].map(|name| self.adapter(name, Some(self.alpha)))
    }

    /// Returns the ΔW that peft says the merge has.
    fn delta(&self, name: &str) -> Delta {
        let layers = ["x.to_q", "x.to_v"];
        let of = |layer| self.matrix(&format!("{name}/{layer}.delta")).0.into_iter().map(f64::from).collect();
        layers.iter().map(|layer| ((*layer).to_owned(), of(layer))).collect()
    }
}

fn like_peft(name: &str) -> Merge {
    let (method, rank, density) = match name {
        "linear" => (MergeMethod::Linear, None, 1.0),
        "cat" => (MergeMethod::Concatenate, None, 1.0),
        "svd" | "svd_clamped" => (MergeMethod::Svd, Some(3), 1.0),
        "ties" | "ties_frequency" => (MergeMethod::Ties, None, 0.6),
        "ties_svd" => (MergeMethod::TiesSvd, Some(4), 0.6),
        "dare_linear" => (MergeMethod::DareLinear, None, 1.0),
        "dare_ties" => (MergeMethod::DareTies, None, 1.0),
        "dare_linear_svd" => (MergeMethod::DareLinearSvd, Some(4), 1.0),
        "dare_ties_svd" => (MergeMethod::DareTiesSvd, Some(4), 1.0),
        "magnitude_prune" => (MergeMethod::MagnitudePrune, None, 0.4),
        "magnitude_prune_svd" => (MergeMethod::MagnitudePruneSvd, Some(4), 0.4),
        other => panic!("{other} is not in the fixture"),
    };
    let majority = if name == "ties_frequency" { MajoritySign::Frequency } else { MajoritySign::Total };
    let clamp = (name == "svd_clamped").then_some(0.9);
    Merge { method, rank, clamp, density, majority, seed: 0 }
}

const FACTORWISE: [&str; 6] = ["linear", "ties", "ties_frequency", "dare_linear", "dare_ties", "magnitude_prune"];
const BY_SVD: [&str; 6] = ["cat", "svd", "ties_svd", "dare_linear_svd", "dare_ties_svd", "magnitude_prune_svd"];

fn compare(peft: &Peft<'_>, name: &str) -> f64 {
    let [x, y, z] = &peft.inputs();
    let merged = like_peft(name).apply(&[(x, 0.5), (y, 0.3), (z, 0.2)]).unwrap();
    error(&delta(&merged), &peft.delta(name))
}

#[test]
fn merges_are_those_of_peft() {
    for (kind, alpha) in [("plain", 4.0), ("scaled", 6.0)] {
        let peft = Peft::open(kind, alpha);
        for name in FACTORWISE.into_iter().chain(BY_SVD) {
            let error = compare(&peft, name);
            assert!(error < 1e-5, "{kind} {name}: {error}");
        }
    }
}

#[test]
fn clamping_an_svd_bounds_its_factors() {
    // The signs of singular vectors are free, so that peft's quantile is another one.
    let peft = Peft::open("plain", 4.0);
    let [x, y, z] = &peft.inputs();
    let largest = |adapter: &Adapter| {
        adapter
            .layers
            .values()
            .flat_map(|layer| layer.a.iter().chain(&layer.b))
            .fold(0.0f32, |most, v| most.max(v.abs()))
    };
    let [loose, tight] = ["svd", "svd_clamped"].map(|name| {
        let merged = like_peft(name).apply(&[(x, 0.5), (y, 0.3), (z, 0.2)]).unwrap();
        largest(&merged)
    });
    assert!(tight < 0.8 * loose, "{tight} {loose}");
}

#[test]
fn peft_errs_where_moa_is_exact() {
    // Plain averaging of factors, half and half: twice ΔW for equal adapters, and far off for others.
    let x = adapter(2, 2.0, 1, 1);
    let twice = delta(&merged(MergeMethod::Linear, &[(&x, 0.5), (&x, 0.5)]));
    assert!((error(&twice, &delta(&x)) - 1.0).abs() < 1e-6, "2.00 × ΔW");
    let y = adapter(2, 2.0, 2, 2);
    let parts = [(&x, 0.5), (&y, 0.5)];
    assert!(error(&delta(&merged(MergeMethod::Linear, &parts)), &mean_delta(&parts)) > 0.3);
}
