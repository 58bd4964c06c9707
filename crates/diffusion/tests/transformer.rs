//! Stable Diffusion 3's transformer against diffusers (fixtures/README.md says how it was made), and adapters on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{AdapterBank, BankConfig, LowRank, Parameter, Parameters, weight_files};
use moa_core::NoiseKey;
use moa_diffusion::{Sd3Config, Sd3Transformer};
use safetensors::SafeTensors;

const FIXTURES: [&str; 2] = ["sd3", "sd35"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn config(name: &str) -> Sd3Config {
    let config: Sd3Config =
        serde_json::from_slice(&fs::read(fixture(name).join("config.json")).expect("config")).expect("config");
    config.check().expect("known");
    config
}

fn load(name: &str) -> Sd3Transformer {
    let files = weight_files(&fixture(name), "diffusion_pytorch_model").expect("weights");
    let parameters = Parameters::open(&files, &Device::flex()).expect("weights");
    Sd3Transformer::load(&config(name), &parameters).expect("fits")
}

/// The inputs and outputs that diffusers gave.
struct Golden(Vec<u8>);

impl Golden {
    fn of(name: &str) -> Self {
        Self(fs::read(fixture(name).join("io.safetensors")).expect("io"))
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let file = SafeTensors::deserialize(&self.0).expect("io");
        let view = file.tensor(name).expect(name);
        let bytes = view.data().chunks_exact(4);
        let values: Vec<f32> = bytes.map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect();
        Tensor::from_data(TensorData::new(values, view.shape().to_vec()), &Device::flex())
    }

    fn timesteps(&self) -> Vec<f32> {
        host(self.tensor::<1>("timestep"))
    }

    fn forward(&self, transformer: &Sd3Transformer, size: char, bank: Option<&AdapterBank>) -> Tensor<4> {
        transformer.forward(
            self.tensor(&format!("sample_{size}")),
            &self.timesteps(),
            &self.tensor("encoder_hidden_states"),
            &self.tensor("pooled_projections"),
            bank,
        )
    }
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("f32")
}

fn difference<const D: usize>(found: Tensor<D>, wanted: Tensor<D>) -> f32 {
    assert_eq!(found.dims(), wanted.dims());
    (found - wanted).abs().max().into_scalar::<f32>()
}

/// Returns a bank over every layer whose branches change the output.
fn bank(transformer: &Sd3Transformer, members: usize) -> AdapterBank {
    let config = BankConfig { rank: 2, alpha: 4.0, share_a: true, seed: 7 };
    let names: Vec<String> = (0..members).map(|member| format!("member {member}")).collect();
    let bank = AdapterBank::fresh(&config, &names, &transformer.linears(), &Device::flex());
    let layers = bank.layers().iter().map(|(name, LowRank { a, b })| {
        let values = NoiseKey::new(8).named(name).normal(b.dims().iter().product());
        let b = Tensor::from_data(TensorData::new(values, b.dims()), &Device::flex()) * 0.1;
        (name.clone(), LowRank { a: a.clone(), b })
    });
    bank.with_layers(layers.collect())
}

#[test]
fn both_forms_match_diffusers_at_two_sizes() {
    for name in FIXTURES {
        let (transformer, golden) = (load(name), Golden::of(name));
        for size in ['a', 'b'] {
            let worst = difference(golden.forward(&transformer, size, None), golden.tensor(&format!("output_{size}")));
            println!("{name} at size {size}: largest difference {worst:e}");
            assert!(worst <= 1e-4, "{name} at size {size}: largest difference {worst}");
        }
    }
}

#[test]
fn adapters_can_bend_every_linear_layer_of_the_file() {
    for name in FIXTURES {
        let weights = fs::read(fixture(name).join("diffusion_pytorch_model.safetensors")).expect("weights");
        let weights = SafeTensors::deserialize(&weights).expect("weights");
        let matrices: BTreeSet<(String, Vec<usize>)> = weights
            .tensors()
            .into_iter()
            .filter_map(|(name, view)| Some((name.strip_suffix(".weight")?.to_owned(), view.shape().to_vec())))
            .filter(|(_, shape)| shape.len() == 2)
            .collect();
        let linears = load(name).linears();
        assert_eq!(linears.len(), matrices.len(), "{name}: every layer once");
        let linears: BTreeSet<_> =
            linears.into_iter().map(|layer| (layer.name, vec![layer.d_out, layer.d_in])).collect();
        assert_eq!(linears, matrices, "{name}");
    }
}

#[test]
fn a_bank_of_two_equals_two_models_with_merged_weights() {
    for name in FIXTURES {
        let (transformer, golden) = (load(name), Golden::of(name));
        let bank = bank(&transformer, 2);
        let twice = |x: Tensor<4>| Tensor::cat(vec![x; 2], 0);
        let together = transformer.forward(
            twice(golden.tensor("sample_b")),
            &golden.timesteps().repeat(2),
            &Tensor::cat(vec![golden.tensor::<3>("encoder_hidden_states"); 2], 0),
            &Tensor::cat(vec![golden.tensor::<2>("pooled_projections"); 2], 0),
            Some(&bank),
        );
        let bytes = fs::read(fixture(name).join("diffusion_pytorch_model.safetensors")).expect("weights");
        for member in 0..2 {
            let mut map = Parameters::read(&bytes, &Device::flex()).expect("weights").into_map();
            for (layer, LowRank { a, b }) in bank.member(member).layers() {
                let delta = a.clone().matmul(b.clone()) * bank.scale();
                let Parameter { flat, .. } = map.get_mut(&format!("{layer}.weight")).expect(layer);
                *flat = flat.clone() + delta.swap_dims(1, 2).flatten(0, 2);
            }
            let merged = Sd3Transformer::load(&config(name), &Parameters::stored(map, &Device::flex())).expect("fits");
            let merged = golden.forward(&merged, 'b', None);
            let worst = difference(together.clone().narrow(0, 3 * member, 3), merged.clone());
            assert!(worst <= 1e-4, "{name}, adapter {member}: largest difference {worst}");
            let change = difference(merged, golden.tensor("output_b"));
            assert!(change > 0.1, "{name}, adapter {member} changes the prediction by {change} only");
        }
    }
}

#[test]
fn gradients_reach_every_adapter_and_agree_with_differences() {
    let (transformer, golden) = (load("sd35"), Golden::of("sd35"));
    let plain = bank(&transformer, 1);
    let leaves: BTreeMap<String, LowRank> = plain
        .layers()
        .iter()
        .map(|(name, LowRank { a, b })| {
            (name.clone(), LowRank { a: a.clone(), b: b.clone().autodiff().require_grad() })
        })
        .collect();
    let loss = |output: Tensor<4>| output.powi_scalar(2).mean();
    let output = golden.forward(&transformer, 'b', Some(&plain.with_layers(leaves.clone())));
    let gradients = loss(output).backward();

    // Along its gradient, the loss grows by the gradient's squared length.
    let (mut squared, mut moved) = (0.0, [BTreeMap::new(), BTreeMap::new()]);
    for (name, LowRank { a, b }) in &leaves {
        let gradient = b.grad(&gradients).unwrap_or_else(|| panic!("{name} has a gradient"));
        squared += gradient.clone().powi_scalar(2).sum().into_scalar::<f32>();
        for (moved, step) in moved.iter_mut().zip([1e-2, -1e-2]) {
            let b = plain.layers()[name].b.clone() + gradient.clone() * step;
            moved.insert(name.clone(), LowRank { a: a.clone(), b });
        }
    }
    let at = |layers: BTreeMap<String, LowRank>| {
        loss(golden.forward(&transformer, 'b', Some(&plain.with_layers(layers)))).into_scalar::<f32>()
    };
    let [ahead, behind] = moved;
    let slope = (at(ahead) - at(behind)) / 2e-2;
    assert!((slope / squared - 1.0).abs() < 0.02, "slope {slope}, squared length {squared}");
}

#[test]
fn unknown_configs_are_refused_by_field() {
    let text = fs::read_to_string(fixture("sd35").join("config.json")).expect("config");
    let refuse = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let config: Sd3Config = serde_json::from_str(&text.replace(from, to)).expect("a config");
        config.check().expect_err(to).to_string()
    };
    assert_eq!(
        refuse("\"SD3Transformer2DModel\"", "\"FluxTransformer2DModel\""),
        "transformer/config.json: `_class_name` is FluxTransformer2DModel: only \"SD3Transformer2DModel\" is known"
    );
    assert_eq!(
        refuse("\"qk_norm\": \"rms_norm\"", "\"qk_norm\": \"layer_norm\""),
        "transformer/config.json: `qk_norm` is layer_norm: only \"rms_norm\" is known, or null"
    );
    assert_eq!(
        refuse("\"caption_projection_dim\": 12", "\"caption_projection_dim\": 16"),
        "transformer/config.json: `caption_projection_dim` is 16: num_attention_heads · attention_head_dim, as both streams \
         have one width"
    );
    assert_eq!(
        refuse("\"pos_embed_max_size\": 7", "\"pos_embed_max_size\": null"),
        "transformer/config.json: `pos_embed_max_size` is null: a number, as positions are cropped from a table of this size"
    );
    assert_eq!(
        refuse("\"pos_embed_max_size\": 7", "\"pos_embed_max_size\": 3"),
        "transformer/config.json: `pos_embed_max_size` is 3: sample_size / patch_size to 1048576"
    );
    assert_eq!(
        refuse("\"out_channels\": 4", "\"out_channels\": 8"),
        "transformer/config.json: `out_channels` is 8: as many as in_channels, as the sample's velocity is predicted"
    );
    assert_eq!(
        refuse("    1\n", "    3\n"),
        "transformer/config.json: `dual_attention_layers` is 3: blocks below num_layers"
    );
    assert_eq!(
        refuse("\"num_attention_heads\": 3", "\"num_attention_heads\": 18446744073709551615"),
        "transformer/config.json: `num_attention_heads` is 18446744073709551615: 1 to 1048576"
    );
    assert_eq!(
        refuse("\"sample_size\": 8", "\"sample_size\": 7"),
        "transformer/config.json: `sample_size` is 7: a multiple of patch_size"
    );
    assert_eq!(
        refuse("\"patch_size\": 2", "\"patch_size\": 2, \"quantization_config\": {\"load_in_4bit\": true}"),
        "transformer/config.json: `quantization_config` is given: quantised weights are not known, take the full ones"
    );
}
