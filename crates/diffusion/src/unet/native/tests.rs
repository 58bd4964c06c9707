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
    let bank = AdapterBank::fresh(&config, &vec![""; members], &unet.linears(), &Device::flex());
    let layers = bank
        .layers()
        .iter()
        .map(|(name, LowRank { a, b })| (name.clone(), LowRank { a: a.clone(), b: noise(name, b.dims()) * 0.1 }));
    bank.with_layers(layers.collect())
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.inner().into_data().try_into_vec().expect("f32")
}

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

#[test]
fn gradients_are_those_of_burns_operations() {
    for (channels, linear, share_a, one_step) in
        [([16, 32], true, true, true), ([8, 20], false, false, false), ([48, 96], true, true, true)]
    {
        let case = case(channels, linear, 12, one_step);
        let plain = bank(&case.unet, 2, share_a);
        let towards = noise("towards", [12, 12, 8, 8]);
        let gradients = |native: bool| {
            let leaves: BTreeMap<String, LowRank> = plain
                .layers()
                .iter()
                .map(|(name, LowRank { a, b })| {
                    let a = if share_a { a.clone() } else { a.clone().autodiff().require_grad() };
                    (name.clone(), LowRank { a, b: b.clone().autodiff().require_grad() })
                })
                .collect();
            let bank = plain.with_layers(leaves.clone());
            let output = if native { case.native(Some(&bank)) } else { case.on_device(Some(&bank)) };
            let mut gradients = (output * towards.clone()).sum().backward();
            let mut take = |leaf: &Tensor<3>| host(leaf.grad_remove(&mut gradients).expect("a leaf has a gradient"));
            leaves
                .iter()
                .map(|(name, LowRank { a, b })| (name.clone(), if share_a { Vec::new() } else { take(a) }, take(b)))
                .collect::<Vec<_>>()
        };
        for ((name, a, b), (_, wanted_a, wanted_b)) in gradients(true).iter().zip(gradients(false)) {
            let error = difference(b, &wanted_b);
            assert!(error < 2e-5, "{channels:?} {name} B: {error}");
            if !share_a {
                let error = difference(a, &wanted_a);
                assert!(error < 2e-5, "{channels:?} {name} A: {error}");
            }
        }
    }
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
