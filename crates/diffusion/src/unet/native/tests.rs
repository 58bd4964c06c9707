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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Factors,
    Input,
    Both,
}

impl Case {
    fn forward(&self, x: Tensor<4>, native: bool, bank: Option<&AdapterBank>) -> Tensor<4> {
        let case =
            Self { x, unet: self.unet.clone(), timesteps: self.timesteps.clone(), context: self.context.clone() };
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
        let leaf = |factor: &Tensor<3>, wanted: bool| {
            let factor = factor.clone();
            if wanted { factor.autodiff().require_grad() } else { factor }
        };
        let leaves = plain.map_or_else(BTreeMap::new, |plain| {
            let leaves = plain.layers().iter().map(|(name, LowRank { a, b })| {
                let (a, b) = (leaf(a, to != To::Input && !share_a), leaf(b, to != To::Input));
                (name.clone(), LowRank { a, b })
            });
            leaves.collect()
        });
        let bank = plain.map(|plain| plain.with_layers(leaves.clone()));
        let start = if to == To::Factors { self.x.clone() } else { self.x.clone().autodiff().require_grad() };
        let mut x = start.clone();
        for _ in 0..steps {
            x = x.clone() * 0.7 + self.forward(x, native, bank.as_ref());
        }
        let mut gradients = (x * noise("towards", self.x.dims())).sum().backward();
        let mut found = Vec::new();
        if to != To::Factors {
            found.push(("input".to_owned(), host(start.grad_remove(&mut gradients).expect("a leaf has a gradient"))));
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
            (Some(&bank), To::Factors, 1),
            (Some(&bank), To::Both, 1),
            (Some(&bank), To::Input, 1),
            (None, To::Input, 1),
            // Through a sampler's steps.
            (Some(&bank), To::Factors, 2),
            (Some(&bank), To::Both, 3),
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
fn other_sizes_pass_through_burns_operations() {
    let case = case([16, 32], true, 2, true);
    let output = case.unet.forward(noise("wide", [2, 12, 16, 16]), &case.timesteps, &case.context, None);
    assert_eq!(output.dims(), [2, 12, 16, 16]);
}
