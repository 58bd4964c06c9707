//! The engine against burn's operations: values and gradients.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{AdapterBank, BankConfig, LowRank, Parameters};
use moa_core::NoiseKey;

use crate::TextContext;
use crate::unet::{BlockType, PerBlock, Unet, UnetConfig};

fn config(channels: [usize; 2], linear: bool) -> UnetConfig {
    let json = r#"{"sample_size": 8, "in_channels": 12, "out_channels": 12, "block_out_channels": [16, 32],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "layers_per_block": 1, "cross_attention_dim": 20,
        "attention_head_dim": 2, "norm_num_groups": 4}"#;
    let mut config: UnetConfig = serde_json::from_str(json).expect("a config");
    config.block_out_channels = channels.to_vec();
    config.use_linear_projection = linear;
    if !linear {
        config.down_block_types[0] = BlockType::CrossAttnDownBlock2D;
        config.layers_per_block = 2;
        config.transformer_layers_per_block = PerBlock::All(2);
    }
    config.check().expect("known");
    config
}

fn noise<const D: usize>(name: &str, dims: [usize; D]) -> Tensor<D> {
    let values = NoiseKey::new(5).named(name).normal(dims.iter().product());
    Tensor::from_data(TensorData::new(values, dims), &Device::flex())
}

fn bank(unet: &Unet, members: usize, share_a: bool) -> AdapterBank {
    let config = BankConfig { rank: 3, alpha: 6.0, share_a, seed: 2 };
    let names: Vec<String> = (0..members).map(|member| format!("member {member}")).collect();
    let bank = AdapterBank::fresh(&config, &names, &unet.linears(), &Device::flex());
    let layers = bank
        .layers()
        .iter()
        .map(|(name, LowRank { a, b })| (name.clone(), LowRank { a: a.clone(), b: noise(name, b.dims()) * 0.1 }));
    bank.with_layers(layers.collect())
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.inner().into_data().try_into_vec().expect("f32")
}

/// The largest difference of a tensor's gradient, as a share of its largest value.
const TOLERANCE: f32 = 2e-5;

/// Returns the largest difference, as a share of the largest value.
fn difference(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let worst = found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
    assert!(largest > 0.0 && worst.is_finite());
    worst / largest
}

struct Case {
    unet: Unet,
    x: Tensor<4>,
    timesteps: Vec<f32>,
    context: TextContext,
}

fn case(channels: [usize; 2], linear: bool, rows: usize, one_step: bool) -> Case {
    let parameters = Parameters::fresh(NoiseKey::new(3), &Device::flex());
    let unet = Unet::load(&config(channels, linear), &parameters).expect("fresh parameters fit");
    // Rows of one prompt lie side by side and share its text.
    let texts = noise("texts", [rows.div_ceil(3), 5, 20]);
    let rows_of = (0..rows).map(|row| texts.clone().narrow(0, row / 3, 1)).collect();
    let timesteps = (0..rows).map(|row| if one_step { 400.0 } else { 100.0 + 70.0 * row as f32 }).collect();
    Case { unet, x: noise("x", [rows, 12, 8, 8]), timesteps, context: Tensor::cat(rows_of, 0).into() }
}

impl Case {
    fn on_device(&self, bank: Option<&AdapterBank>) -> Tensor<4> {
        self.unet.forward_on_device(self.x.clone(), &self.timesteps, &self.context, bank)
    }

    fn native(&self, bank: Option<&AdapterBank>) -> Tensor<4> {
        let output = self.unet.forward(self.x.clone(), &self.timesteps, &self.context, bank);
        let native = self.unet.native.get().expect("the first pass has looked for the engine");
        assert!(native.is_some(), "flex has the engine");
        output
    }
}

#[test]
fn values_are_those_of_burns_operations() {
    for (channels, linear, one_step) in [([16, 32], true, true), ([8, 20], false, false), ([48, 96], true, false)] {
        let case = case(channels, linear, 12, one_step);
        let bank = bank(&case.unet, 2, true);
        for bank in [None, Some(&bank)] {
            let error = difference(&host(case.native(bank)), &host(case.on_device(bank)));
            assert!(error < 1e-5, "{channels:?}: {error}");
        }
    }
}

/// Which gradients are taken.
#[derive(Clone, Copy, Debug)]
struct To {
    factors: bool,
    input: bool,
    text: bool,
}

const FACTORS: To = To { factors: true, input: false, text: false };
const INPUT: To = To { factors: false, input: true, text: false };
const TEXT: To = To { factors: false, input: false, text: true };
const BOTH: To = To { text: false, ..ALL };
const ALL: To = To { factors: true, input: true, text: true };

/// Returns a tensor as a leaf, or as it is.
fn leaf<const D: usize>(x: &Tensor<D>, wanted: bool) -> Tensor<D> {
    let x = x.clone();
    if wanted { x.autodiff().require_grad() } else { x }
}

impl Case {
    fn forward(&self, x: Tensor<4>, context: &Tensor<3>, native: bool, bank: Option<&AdapterBank>) -> Tensor<4> {
        let context = context.clone().into();
        let case = Self { x, unet: self.unet.clone(), timesteps: self.timesteps.clone(), context };
        if native { case.native(bank) } else { case.on_device(bank) }
    }

    /// Returns named gradients through `steps` evaluations, each of which starts from what the one before made of its input.
    fn gradients(
        &self,
        plain: Option<&AdapterBank>,
        share_a: bool,
        to: To,
        steps: usize,
        native: bool,
    ) -> Vec<(String, Vec<f32>)> {
        let leaves = plain.map_or_else(BTreeMap::new, |plain| {
            let leaves = plain.layers().iter().map(|(name, LowRank { a, b })| {
                let (a, b) = (leaf(a, to.factors && !share_a), leaf(b, to.factors));
                (name.clone(), LowRank { a, b })
            });
            leaves.collect()
        });
        let bank = plain.map(|plain| plain.with_layers(leaves.clone()));
        let (start, context) = (leaf(&self.x, to.input), leaf(&self.context.states, to.text));
        let mut x = start.clone();
        for _ in 0..steps {
            x = x.clone() * 0.7 + self.forward(x, &context, native, bank.as_ref());
        }
        let mut gradients = (x * noise("towards", self.x.dims())).sum().backward();
        let mut found = Vec::new();
        if to.input {
            found.push(("input".to_owned(), host(start.grad_remove(&mut gradients).expect("a leaf has a gradient"))));
        }
        if to.text {
            found.push(("text".to_owned(), host(context.grad_remove(&mut gradients).expect("a leaf has a gradient"))));
        }
        for (name, LowRank { a, b }) in &leaves {
            for (factor, leaf) in [("A", a), ("B", b)] {
                if leaf.is_autodiff() {
                    let gradient = leaf.grad_remove(&mut gradients).expect("a leaf has a gradient");
                    found.push((format!("{name} {factor}"), host(gradient)));
                }
            }
        }
        found
    }
}

#[test]
fn gradients_are_those_of_burns_operations() {
    // Ten rows of an adapter are two parts.
    let mut worst = 0.0f32;
    for (channels, linear, share_a, one_step) in
        [([16, 32], true, true, true), ([8, 20], false, false, false), ([48, 96], true, true, false)]
    {
        let case = case(channels, linear, 20, one_step);
        let bank = bank(&case.unet, 2, share_a);
        for (bank, to, steps) in [
            (Some(&bank), FACTORS, 1),
            (Some(&bank), BOTH, 1),
            (Some(&bank), INPUT, 1),
            (None, INPUT, 1),
            (Some(&bank), TEXT, 1),
            (None, TEXT, 1),
            (Some(&bank), ALL, 1),
            // Through a sampler's steps.
            (Some(&bank), FACTORS, 2),
            (Some(&bank), BOTH, 3),
            (None, TEXT, 2),
            (Some(&bank), ALL, 3),
        ] {
            let [found, wanted] = [true, false].map(|native| case.gradients(bank, share_a, to, steps, native));
            assert_eq!(found.len(), wanted.len());
            for ((name, found), (_, wanted)) in found.iter().zip(&wanted) {
                let error = difference(found, wanted);
                worst = worst.max(error);
                assert!(error < TOLERANCE, "{channels:?} {to:?} {steps} {name}: {error}");
            }
        }
    }
    println!("largest difference of a gradient: {worst:e} of its largest value");
}

#[test]
fn a_row_has_the_same_bits_in_any_batch_and_bank() {
    let case = case([16, 32], true, 24, true);
    let bank = bank(&case.unet, 2, true);
    let all = host(case.native(Some(&bank)));
    let size = all.len() / 24;
    for (member, rows) in [(0, 0..5), (1, 12..24), (1, 20..21)] {
        let part = |x: &Tensor<4>| x.clone().narrow(0, rows.start, rows.len());
        let context = TextContext::from(case.context.states.clone().narrow(0, rows.start, rows.len()));
        let alone =
            case.unet.forward(part(&case.x), &case.timesteps[rows.clone()], &context, Some(&bank.member(member)));
        assert_eq!(host(alone), all[rows.start * size..rows.end * size], "rows {rows:?}");
    }
}

#[test]
fn gradients_of_texts_are_differences_and_each_rows_own() {
    let case = case([16, 32], true, 12, false);
    let (bank, towards) = (bank(&case.unet, 2, true), noise("towards", case.x.dims()));
    let followed = leaf(&case.context.states, true);
    let output = case.forward(case.x.clone(), &followed, true, Some(&bank));
    assert_eq!(host(output.clone()), host(case.native(Some(&bank))), "following the text changes no value");
    let gradient = followed.grad_remove(&mut (output * towards.clone()).sum().backward()).expect("a gradient");
    // Rows 3 to 5 have one text; what is changed is that of row 4.
    for row in [4, 11] {
        let direction = noise("direction", [1, 5, 20]);
        let loss = |step: f32| {
            let parts = (0..12).map(|i| {
                let text = case.context.states.clone().narrow(0, i, 1);
                if i == row { text + direction.clone() * step } else { text }
            });
            let moved = Tensor::cat(parts.collect(), 0);
            let output = case.forward(case.x.clone(), &moved, true, Some(&bank));
            let terms = host(output * towards.clone());
            terms.into_iter().map(f64::from).sum::<f64>()
        };
        let wanted = (loss(1e-2) - loss(-1e-2)) / 2e-2;
        let found = f64::from((gradient.clone().narrow(0, row, 1) * direction.clone()).sum().into_scalar::<f32>());
        assert!((found - wanted).abs() < 5e-3 * wanted.abs(), "row {row}: {found}, not {wanted}");
    }
}

#[test]
fn other_sizes_pass_through_burns_operations() {
    let case = case([16, 32], true, 2, true);
    let output = case.unet.forward(noise("wide", [2, 12, 16, 16]), &case.timesteps, &case.context, None);
    assert_eq!(output.dims(), [2, 12, 16, 16]);
}
