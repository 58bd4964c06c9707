//! Recomputed blocks and attention against burn's own gradients, on the fixtures of the real architectures in miniature.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Gradients, Tensor, TensorData, module};
use moa_adapter::{AdapterBank, BankConfig, LayerShape, LowRank, Parameters, weight_files};
use moa_core::NoiseKey;

use super::{Activations, attention};
use crate::context::AddedConditions;
use crate::{Backbone, Sd3Config, Sd3Transformer, TextContext, Unet, UnetConfig};

/// The difference of outputs and of all gradients together, as shares of their length.
const TOLERANCE: f32 = 1e-5;
/// The largest difference in the gradient of one factor or of the input, as a share of its largest value: group norms round otherwise with
/// autodiff than without.
const FACTOR_TOLERANCE: f32 = 1e-4;
/// The same of queries and keys, whose small gradients are sums of large ones: 0.00009 as a rule, 0.00012 where threads of a busy machine
/// add up in another order.
const SCORE_TOLERANCE: f32 = 3e-4;
const ROWS: usize = 4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn parameters(folder: &Path) -> Parameters {
    let files = weight_files(folder, "diffusion_pytorch_model").expect("weights");
    Parameters::open(&files, &Device::flex()).expect("weights")
}

fn noise<const D: usize>(name: &str, dims: [usize; D]) -> Tensor<D> {
    let values = NoiseKey::new(5).named(name).normal(dims.iter().product());
    Tensor::from_data(TensorData::new(values, dims), &Device::flex())
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.inner().into_data().try_into_vec().expect("f32")
}

fn difference(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let worst = found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
    assert!(worst.is_finite());
    // What the last block makes of the text goes nowhere: some gradients are zero.
    if largest == 0.0 { worst } else { worst / largest }
}

/// A network, what it is fed, and the way to choose what it keeps.
struct Case {
    networks: [Box<dyn Backbone>; 2],
    x: Tensor<4>,
    context: TextContext,
}

fn unet(name: &str) -> Case {
    let folder = fixture(name);
    let config: UnetConfig =
        serde_json::from_slice(&fs::read(folder.join("config.json")).expect("config")).expect("config");
    let unet = Unet::load(&config, &parameters(&folder)).expect("fits").without_engine();
    let side = config.sample_size;
    let added = config.added_widths().map(|widths| AddedConditions {
        pooled: noise("pooled", [ROWS, widths.pooled]),
        time_ids: vec![64.0, 64.0, 0.0, 0.0, 64.0, 64.0],
    });
    Case {
        networks: [Activations::Kept, Activations::Recomputed]
            .map(|activations| -> Box<dyn Backbone> { Box::new(unet.clone().keeping(activations)) }),
        x: noise("x", [ROWS, config.in_channels, side, side]),
        context: TextContext { added, ..noise("states", [ROWS, 7, config.cross_attention_dim]).into() },
    }
}

fn sd3(name: &str) -> Case {
    let folder = fixture(name);
    let config: Sd3Config =
        serde_json::from_slice(&fs::read(folder.join("config.json")).expect("config")).expect("config");
    let transformer = Sd3Transformer::load(&config, &parameters(&folder)).expect("fits");
    let pooled = noise("pooled", [ROWS, config.pooled_projection_dim]);
    Case {
        networks: [Activations::Kept, Activations::Recomputed]
            .map(|activations| -> Box<dyn Backbone> { Box::new(transformer.clone().keeping(activations)) }),
        x: noise("x", [ROWS, config.in_channels, 8, 8]),
        context: TextContext {
            states: noise("states", [ROWS, 5, config.joint_attention_dim]),
            added: Some(AddedConditions { pooled, time_ids: Vec::new() }),
            guidance: None,
        },
    }
}

fn bank(layers: &[LayerShape], members: usize, share_a: bool) -> AdapterBank {
    let config = BankConfig { rank: 3, alpha: 6.0, share_a, seed: 2 };
    let names: Vec<String> = (0..members).map(|member| format!("member {member}")).collect();
    let bank = AdapterBank::fresh(&config, &names, layers, &Device::flex());
    // Numbers of the test's own, by place: those that its tolerances were measured with.
    let a = |name: &str, a: &Tensor<3>| {
        let dims @ [copies, d_in, rank] = a.dims();
        let key = NoiseKey::new(config.seed).named("lora-a").named(name);
        let draws = (0..copies as u64).flat_map(|copy| key.with(copy).normal(d_in * rank));
        let values: Vec<f32> = draws.map(|x| x * (1.0 / (d_in as f32).sqrt())).collect();
        Tensor::from_data(TensorData::new(values, dims), &Device::flex())
    };
    let layers = bank
        .layers()
        .iter()
        .map(|(name, layer)| (name.clone(), LowRank { a: a(name, &layer.a), b: noise(name, layer.b.dims()) * 0.1 }));
    bank.with_layers(layers.collect())
}

impl Case {
    /// Returns the case with gradients to what comes in.
    fn following_input(mut self) -> Self {
        self.x = self.x.autodiff().require_grad();
        self
    }

    /// Returns the case with gradients to what is read: texts and pooled vectors.
    fn following_text(mut self) -> Self {
        let TextContext { states, added, guidance } = self.context;
        let follow = |AddedConditions { pooled, time_ids }| AddedConditions {
            pooled: pooled.autodiff().require_grad(),
            time_ids,
        };
        self.context = TextContext { states: states.autodiff().require_grad(), added: added.map(follow), guidance };
        self
    }

    /// Returns the gradients of the input, the texts and the pooled vectors, where autodiff follows them.
    fn of_inputs(&self, gradients: &mut Gradients) -> Vec<(String, Vec<f32>)> {
        fn of<const D: usize>(leaf: &Tensor<D>, gradients: &mut Gradients) -> Option<Vec<f32>> {
            leaf.is_autodiff().then(|| host(leaf.grad_remove(gradients).expect("a leaf has a gradient")))
        }
        let pooled = self.context.added.as_ref().and_then(|added| of(&added.pooled, gradients));
        let all =
            [("input", of(&self.x, gradients)), ("text", of(&self.context.states, gradients)), ("pooled", pooled)];
        all.into_iter().filter_map(|(name, gradient)| Some((name.to_owned(), gradient?))).collect()
    }

    /// Returns the output, and the gradients of all factors that are trained, and of the inputs that autodiff follows.
    fn gradients(
        &self,
        network: &dyn Backbone,
        plain: &AdapterBank,
        share_a: bool,
    ) -> (Vec<f32>, Vec<(String, Vec<f32>)>) {
        let leaves: BTreeMap<String, LowRank> = plain
            .layers()
            .iter()
            .map(|(name, LowRank { a, b })| {
                let a = if share_a { a.clone() } else { a.clone().autodiff().require_grad() };
                (name.clone(), LowRank { a, b: b.clone().autodiff().require_grad() })
            })
            .collect();
        let bank = plain.with_layers(leaves.clone());
        let output = network.predict(self.x.clone(), &[20.0, 300.0, 650.0, 999.0], &self.context, Some(&bank));
        let values = host(output.clone());
        let towards = noise("towards", output.dims());
        let mut gradients = (output * towards).sum().backward();
        let mut found = self.of_inputs(&mut gradients);
        for (name, LowRank { a, b }) in &leaves {
            for (factor, leaf) in [("A", a), ("B", b)] {
                if leaf.is_autodiff() {
                    let gradient = leaf.grad_remove(&mut gradients).expect("a leaf has a gradient");
                    found.push((format!("{name} {factor}"), host(gradient)));
                }
            }
        }
        (values, found)
    }

    /// Compares the gradients to what comes in and what is read through the base alone.
    fn assert_same_without_adapters(&self) {
        let [wanted, found] = self.networks.each_ref().map(|network| {
            let output = network.predict(self.x.clone(), &[20.0, 300.0, 650.0, 999.0], &self.context, None);
            let towards = noise("towards", output.dims());
            let mut gradients = (output * towards).sum().backward();
            self.of_inputs(&mut gradients)
        });
        assert!(!wanted.is_empty() && wanted.len() == found.len());
        for ((name, wanted), (_, found)) in wanted.iter().zip(&found) {
            assert!(wanted.iter().any(|x| *x != 0.0), "{name}");
            let error = difference(found, wanted);
            assert!(error < FACTOR_TOLERANCE, "{name}: {error}");
        }
    }

    fn assert_same(&self, chosen: impl Fn(&str) -> bool, members: usize, share_a: bool) {
        let [kept, recomputed] = self.networks.each_ref().map(|network| &**network);
        let layers: Vec<LayerShape> = kept.linears().into_iter().filter(|layer| chosen(&layer.name)).collect();
        let bank = bank(&layers, members, share_a);
        let (wanted_output, wanted) = self.gradients(kept, &bank, share_a);
        let (output, found) = self.gradients(recomputed, &bank, share_a);
        let error = difference(&output, &wanted_output);
        assert!(error < TOLERANCE, "output: {error}");
        assert!(wanted.iter().any(|(_, gradient)| gradient.iter().any(|x| *x != 0.0)));
        assert_eq!(found.len(), wanted.len());
        let (mut apart, mut length) = (0.0, 0.0);
        for ((name, found), (_, wanted)) in found.iter().zip(&wanted) {
            let error = difference(found, wanted);
            let of_scores = ["to_q", "to_k", "add_q_proj", "add_k_proj"].iter().any(|layer| name.contains(layer));
            let tolerance = if of_scores { SCORE_TOLERANCE } else { FACTOR_TOLERANCE };
            assert!(error < tolerance, "{members} adapters, {name}: {error}");
            apart += found.iter().zip(wanted).map(|(f, w)| f64::from(f - w).powi(2)).sum::<f64>();
            length += wanted.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>();
        }
        let error = (apart / length).sqrt() as f32;
        assert!(error < TOLERANCE, "{members} adapters: {error}");
    }
}

#[test]
fn recomputed_unets_have_the_same_gradients() {
    for name in ["unet_sd", "unet_tiny", "pipeline_sd2/unet", "pipeline_xl/unet"] {
        let case = unet(name);
        for (members, share_a) in [(1, true), (2, true), (2, false)] {
            case.assert_same(|_| true, members, share_a);
        }
        // The first blocks have no adapter then, and the time embedding none.
        case.assert_same(|layer| layer.contains("up_blocks") && layer.contains("to_"), 2, true);
        let case = case.following_input();
        case.assert_same(|_| true, 2, false);
        case.assert_same(|layer| layer.contains("up_blocks") && layer.contains("to_"), 1, true);
        case.assert_same_without_adapters();
        case.following_text().assert_same(|_| true, 2, false);
        unet(name).following_text().assert_same_without_adapters();
    }
}

#[test]
fn recomputed_transformers_have_the_same_gradients() {
    // Text of the last block ends there: what it is projected by before is trained through the image's attention alone.
    for name in ["sd3", "sd35"] {
        let case = sd3(name);
        for (members, share_a) in [(1, true), (2, true), (2, false)] {
            case.assert_same(|_| true, members, share_a);
        }
        case.assert_same(|layer| layer.contains("transformer_blocks.1."), 2, true);
        let case = case.following_input();
        case.assert_same(|_| true, 2, false);
        case.assert_same_without_adapters();
        case.following_text().assert_same(|_| true, 2, false);
        sd3(name).following_text().assert_same_without_adapters();
    }
}

#[test]
fn attention_in_parts_has_the_gradients_of_attention_at_once() {
    // More weights than are held at a time, in one head and in all heads together.
    for (dims, keys) in [([2, 3, 5, 4], 7), ([1, 2, 2100, 4], 2050), ([3, 40, 200, 8], 200)] {
        let inputs = [noise("q", dims), noise("k", [dims[0], dims[1], keys, dims[3]]) * 2.0];
        let [q, k] = inputs;
        let v = noise("v", k.dims());
        let towards = noise("towards", dims);
        let results = [true, false].map(|ours| {
            let [q, k, v] = [&q, &k, &v].map(|x| x.clone().autodiff().require_grad());
            // Heads come in with their tokens' order swapped.
            let swapped = |x: &Tensor<4>| x.clone().swap_dims(1, 2).swap_dims(1, 2);
            let output = if ours {
                attention(swapped(&q), swapped(&k), swapped(&v))
            } else {
                module::attention(q.clone(), k.clone(), v.clone(), None, None, AttentionModuleOptions::default())
            };
            let values = host(output.clone());
            let mut gradients = (output * towards.clone()).sum().backward();
            let mut all = vec![values];
            all.extend([q, k, v].map(|leaf| host(leaf.grad_remove(&mut gradients).expect("a gradient"))));
            all
        });
        let [found, wanted] = results;
        for (place, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let error = difference(found, wanted);
            assert!(error < TOLERANCE, "{dims:?}, tensor {place}: {error}");
        }
    }
}

#[test]
fn small_networks_keep_everything_and_large_ones_do_not() {
    let layer = |width| LayerShape { name: "x".into(), d_in: width, d_out: 4096 };
    assert_eq!(Activations::of(&[layer(4096)]), Activations::Kept);
    assert_eq!(Activations::of(&[layer(4096), layer(1)]), Activations::Recomputed);
}
