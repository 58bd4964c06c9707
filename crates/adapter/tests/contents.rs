//! What adapter files contain: every layout against what its trainer's own code adds, and refusals by their right names.
//!
//! `fixtures/contents/generate.py` writes the files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use moa_adapter::contents::{Contents, ContentsError, Family, Kind, Layer, Origin, Part, Target};
use moa_adapter::{Adapter, AdapterFormat, AdapterLayer, Precision};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

const NAMES: [&str; 23] = [
    "kohya-sd1",
    "kohya-sdxl",
    "kohya-sd3",
    "kohya-fp8-e4m3",
    "kohya-fp8-e5m2",
    "onetrainer-legacy",
    "alpha-in-header",
    "processors",
    "comfyui",
    "lycoris-locon",
    "lycoris-loha",
    "lycoris-lokr",
    "lycoris-dora",
    "lycoris-full",
    "peft-patterns",
    "peft-rslora-bias",
    "peft-dora",
    "peft-lokr",
    "peft-loha",
    "diffusers",
    "diffusers-metadata",
    "diffusers-sd3",
    "bundled",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/contents")
}

/// Bytes and config of a fixture. The bundled embedding is added here.
fn fixture(name: &str) -> (Vec<u8>, Option<String>) {
    if name == "bundled" {
        return (file(&[&PAIR[..], &[("bundle_emb.fox.clip_l", &[1, 3])]].concat()), None);
    }
    let bytes = fs::read(folder().join(format!("{name}.safetensors"))).unwrap();
    (bytes, fs::read_to_string(folder().join(format!("{name}.json"))).ok())
}

fn floats(view: &TensorView<'_>) -> Vec<f32> {
    assert_eq!(view.dtype(), Dtype::F32);
    view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn nearly(one: &[f32], other: &[f32], what: &str) {
    assert_eq!(one.len(), other.len(), "{what}");
    let furthest = one.iter().zip(other).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(furthest <= 1e-4, "{what}: {furthest}");
}

fn find<'c, 'a>(contents: &'c Contents<'a>, component: &str, canonical: &str) -> &'c Layer<'a> {
    let names: Vec<&str> = canonical.split('+').collect();
    let is = |layer: &&Layer<'_>| layer.component.name() == component && layer.canonical == names;
    contents.layers.iter().find(is).unwrap_or_else(|| {
        let found: Vec<_> = contents.layers.iter().map(|layer| (layer.component, &layer.canonical)).collect();
        panic!("{component} {canonical} is none of {found:?}")
    })
}

fn target<'c, 'a>(layer: &'c Layer<'a>, target: Target) -> &'c Part<'a> {
    layer.parts.iter().find(|part| part.target == target).unwrap()
}

#[test]
fn every_layout_adds_what_its_trainer_adds() {
    for name in NAMES.iter().filter(|name| **name != "bundled") {
        let (bytes, config) = fixture(name);
        let contents = Contents::read(&bytes, config.as_deref()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = fs::read(folder().join(format!("{name}.expected.safetensors"))).unwrap();
        let expected = SafeTensors::deserialize(&expected).unwrap();
        let mut layers = BTreeSet::new();
        for (key, view) in expected.tensors() {
            let [component, canonical, what] = key.split('|').collect::<Vec<_>>()[..] else { panic!("{key}") };
            layers.insert((component.to_owned(), canonical.to_owned()));
            let layer = find(&contents, component, canonical);
            let own = match what {
                "delta" => layer.delta().unwrap().unwrap().values,
                "bias" => target(layer, Target::Bias).delta().values,
                "norm_weight" => target(layer, Target::NormWeight).delta().values,
                "norm_bias" => target(layer, Target::NormBias).delta().values,
                "base" => continue,
                _ => {
                    let base = expected.tensor(&format!("{component}|{canonical}|base")).unwrap();
                    let mut weight = floats(&base);
                    let adapter = contents.adapter().unwrap();
                    let full =
                        if component == "unet" { canonical.to_owned() } else { format!("{component}.{canonical}") };
                    adapter.apply(&format!("{full}.weight"), &mut weight, base.shape(), 1.0).unwrap();
                    weight
                }
            };
            nearly(&own, &floats(&view), &format!("{name} {key}"));
            if what == "delta" {
                let norm = own.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
                let parts: Vec<_> = layer.parts.iter().filter(|part| part.target == Target::Weight).collect();
                assert_eq!(parts.len(), 1);
                assert!((parts[0].norm() - norm).abs() <= 1e-5 * norm, "{name} {key}: {} {norm}", parts[0].norm());
            }
        }
        assert_eq!(contents.layers.len(), layers.len(), "{name}");
    }
}

/// Returns what an adapter adds to the weight of a layer, or of several that were one, rows after rows.
fn added(adapter: &Adapter, component: &str, canonical: &str) -> Vec<f32> {
    let full = |name: &str| match component {
        "unet" | "transformer" => name.to_owned(),
        encoder => format!("{encoder}.{name}"),
    };
    let of = |name: &str| {
        let name = full(name);
        let difference = adapter.differences.get(&format!("{name}.weight")).map(|difference| difference.values.clone());
        match (adapter.layers.get(&name).map(AdapterLayer::delta), difference) {
            (Some(one), Some(other)) => one.iter().zip(&other).map(|(one, other)| one + other).collect(),
            (one, other) => one.or(other).unwrap_or_else(|| panic!("{name} is not in the adapter")),
        }
    };
    canonical.split('+').flat_map(of).collect()
}

#[test]
fn adapters_of_every_layout_add_what_their_trainers_add() {
    for name in NAMES.iter().filter(|name| **name != "bundled") {
        let (bytes, config) = fixture(name);
        let adapter =
            Contents::read(&bytes, config.as_deref()).unwrap().adapter().unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected = fs::read(folder().join(format!("{name}.expected.safetensors"))).unwrap();
        for (key, view) in SafeTensors::deserialize(&expected).unwrap().tensors() {
            let [component, canonical, what] = key.split('|').collect::<Vec<_>>()[..] else { panic!("{key}") };
            if what == "delta" {
                nearly(&added(&adapter, component, canonical), &floats(&view), &format!("{name} {key}"));
            }
        }
        // What one format says, all of it says again; differences are left to kohya's.
        let files = match adapter.to_files(AdapterFormat::Kohya, "") {
            Ok(files) => files,
            // They have layers of a U-Net beside those of a transformer, as no base has.
            Err(_) if ["onetrainer-legacy", "comfyui"].contains(name) => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        let again = Contents::read(&files.tensors, None).unwrap().adapter().unwrap();
        for (key, view) in SafeTensors::deserialize(&expected).unwrap().tensors() {
            let [component, canonical, what] = key.split('|').collect::<Vec<_>>()[..] else { panic!("{key}") };
            if what == "delta" {
                // Numbers are written in the file's own precision, of which products are rounded.
                let (found, wanted) = (added(&again, component, canonical), floats(&view));
                let far = found.iter().zip(&wanted).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
                let size = wanted.iter().fold(0f32, |most, value| most.max(value.abs()));
                let bound = if adapter.precision == Precision::F32 { 1e-4 } else { 2e-3 * size.max(0.1) };
                assert!(far <= bound, "{name} {key} in kohya's format: {far}");
            }
        }
    }
}

#[test]
fn alphas_that_make_no_sense_are_refused_and_zero_is_the_rank_in_tensors_alone() {
    let with = |alpha: f32| {
        let pair = [(PAIR[0], 1.0), (PAIR[1], 1.0)];
        let data: Vec<_> = pair
            .into_iter()
            .map(|((name, shape), value): (_, f32)| {
                let count: usize = shape.iter().product();
                (name, shape, (0..count).flat_map(|_| value.to_le_bytes()).collect::<Vec<u8>>())
            })
            .chain([("lora_unet_conv_in.alpha", &[][..], alpha.to_le_bytes().to_vec())])
            .collect();
        let views =
            data.iter().map(|(name, shape, data)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap()));
        safetensors::serialize(views, None).unwrap()
    };
    let zero = with(0.0);
    let contents = Contents::read(&zero, None).unwrap();
    assert_eq!(contents.layers[0].parts[0].scale.to_bits(), 1f32.to_bits());
    for alpha in [-1.0, 1e-45, 1e38] {
        let error = refusal(&with(alpha), None);
        assert!(error.contains("layer `conv_in`: alpha is"), "{error}");
    }
    let peft = file(&[("x.lora_A.weight", &[2, 4]), ("x.lora_B.weight", &[3, 2])]);
    for alpha in ["0", "-4", "1e308"] {
        let error = refusal(&peft, Some(&format!(r#"{{"peft_type": "LORA", "r": 2, "lora_alpha": {alpha}}}"#)));
        assert!(error.contains("alpha is"), "{error}");
    }
    let error = refusal(&peft, Some(r#"{"peft_type": "IA3", "r": 2, "lora_alpha": 2}"#));
    assert!(error.contains("moa reads LORA, LOHA and LOKR"), "{error}");
    let bare = file(&PAIR);
    let mut contents = Contents::read(&bare, None).unwrap();
    assert!(contents.set_alpha(1.0).unwrap() && !contents.set_alpha(2.0).unwrap(), "asked once");
    assert_eq!(contents.layers[0].parts[0].scale.to_bits(), 0.5f32.to_bits());
    assert!(Contents::read(&bare, None).unwrap().set_alpha(f32::NAN).is_err());
}

#[test]
fn kinds_alphas_and_headers_are_told() {
    let (bytes, _) = fixture("kohya-sd1");
    let contents = Contents::read(&bytes, None).unwrap();
    let kinds: Vec<String> = contents.layers.iter().map(|layer| layer.parts[0].kind().to_string()).collect();
    assert_eq!(kinds, ["linear", "linear", "convolution 1×1", "linear", "convolution 3×3"]);
    assert_eq!(contents.alphas_from, [Origin::Tensors]);
    let about = contents.about();
    assert_eq!(about.by_header.unwrap().0, Family::Sd1);
    assert_eq!(about.trainer.unwrap(), "kohya's sd-scripts (networks.lora)");
    assert_eq!(about.words[..3], [("fox".into(), 8), ("in snow".into(), 4), ("a photo".into(), 2)]);
    assert_eq!(about.texts["title"], "fox [31m");
    // kohya's programs take α 0 as the rank.
    let fc1 = find(&contents, "text_encoder", "text_model.encoder.layers.0.mlp.fc1");
    assert_eq!((fc1.parts[0].rank, fc1.parts[0].scale), (Some(3), 1.0));

    let of = |name: &str| {
        let (bytes, config) = fixture(name);
        let contents = Contents::read(&bytes, config.as_deref()).unwrap();
        (contents.about().by_shapes.map(|(family, _)| family), contents.alphas_from)
    };
    assert_eq!(of("kohya-sdxl").0, Some(Family::SdXl));
    assert_eq!(of("alpha-in-header").1, [Origin::Text("alpha")]);
    assert_eq!(of("diffusers-metadata").1, [Origin::Header]);
    assert_eq!(of("diffusers").1, [Origin::Rank]);
    assert_eq!(of("peft-patterns").1, [Origin::Config]);

    let (bytes, _) = fixture("lycoris-locon");
    let contents = Contents::read(&bytes, None).unwrap();
    let core = find(&contents, "unet", "down_blocks.0.resnets.0.conv2");
    assert_eq!(core.parts[0].kind(), Kind::Tucker(vec![3, 3]));
    let (bytes, _) = fixture("bundled");
    let contents = Contents::read(&bytes, None).unwrap();
    assert_eq!(contents.embeddings[0].word, "fox.clip_l");
}

#[test]
fn blocks_are_in_the_order_of_the_network_and_long_lists_are_put_together() {
    let names: Vec<String> = (0..30)
        .map(|block| format!("transformer_blocks.{block}.attn.to_q"))
        .chain(["x_embedder", "proj_out"].map(str::to_owned))
        .collect();
    let shapes = names.iter().flat_map(|name| {
        [("A", [1, 4]), ("B", [2, 1])].map(|(side, shape)| (format!("transformer.{name}.lora_{side}.weight"), shape))
    });
    let tensors: Vec<(String, [usize; 2])> = shapes.collect();
    let tensors: Vec<(&str, &[usize])> = tensors.iter().map(|(name, shape)| (&name[..], &shape[..])).collect();
    let bytes = file(&tensors);
    let contents = Contents::read(&bytes, None).unwrap();
    // All ones: ‖ΔW‖ = √8, and every weight changes by 1.
    let norms = contents.norms(&|_| {});
    assert!(norms.iter().all(|norm| (norm - 8f64.sqrt()).abs() < 1e-6));
    let blocks = contents.blocks(&norms);
    assert!(blocks.iter().all(|block| (block.root_mean_square - 1.0).abs() < 1e-6));
    let found: Vec<(&str, usize)> = blocks.iter().map(|block| (&block.name[..], block.layers)).collect();
    assert_eq!(found.len(), 12);
    assert_eq!(found[..3], [("proj_out", 1), ("transformer_blocks.0–2", 3), ("transformer_blocks.3–5", 3)]);
    assert_eq!(found[10..], [("transformer_blocks.27–29", 3), ("x_embedder", 1)]);

    let (bytes, _) = fixture("kohya-sdxl");
    let contents = Contents::read(&bytes, None).unwrap();
    let blocks = contents.blocks(&contents.norms(&|_| {}));
    let names: Vec<&str> = blocks.iter().map(|block| &block.name[..]).collect();
    let text = ["text_model.encoder.layers.0", "text_projection"];
    assert_eq!(
        names,
        [&["conv_in", "add_embedding", "down_blocks.0", "down_blocks.1", "up_blocks.2"][..], &text].concat()
    );
}

const PAIR: [(&str, &[usize]); 2] =
    [("lora_unet_conv_in.lora_down.weight", &[2, 4]), ("lora_unet_conv_in.lora_up.weight", &[3, 2])];

/// A file of ones.
fn file(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    file_of(tensors, 1.0, &[])
}

fn file_of(tensors: &[(&str, &[usize])], value: f32, metadata: &[(&str, &str)]) -> Vec<u8> {
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape)| (0..shape.iter().product()).flat_map(|_: usize| value.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&data);
    let views = views.map(|((name, shape), data)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap()));
    let metadata = metadata.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    safetensors::serialize(views, Some(metadata)).unwrap()
}

fn refusal(bytes: &[u8], config: Option<&str>) -> String {
    match Contents::read(bytes, config) {
        Ok(contents) => panic!("read: {:?}", contents.layers),
        Err(error) => error.to_string(),
    }
}

#[test]
fn other_files_are_refused_by_their_right_names() {
    for (bytes, words) in [
        (&b""[..], "an empty file"),
        (b"PK\x03\x04 and so on", "a PyTorch pickle"),
        (b"\x80\x02}q\x00.", "a PyTorch pickle"),
        (b"GGUF\x03\0\0\0", "a GGUF file"),
        (b"PNG and other things", "no safetensors file"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "not a readable safetensors file"),
    ] {
        let error = refusal(bytes, None);
        assert!(error.contains(words), "{error}");
    }
    for (name, words) in [
        ("unet:0:up", "cloneofsimo"),
        ("emb_params", "a textual inversion (tensor `emb_params`)"),
        ("768.0.linear.0.weight", "a hypernetwork"),
        ("model.diffusion_model.input_blocks.0.0.weight", "a whole model's weights"),
        ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
        ("ip_adapter.1.to_k_ip.weight", "an IP-Adapter"),
        ("lora_unet_x.oft_blocks", "an OFT"),
        ("lora_unet_x.on_input", "an (IA)³"),
        ("lora_unet_x.a1.weight", "a GLoRA"),
        ("lora_unet_x.set_weight", "ComfyUI's replacement"),
        ("base_model.model.x.lora_embedding_A", "a LoRA on a table of tokens"),
    ] {
        let error = refusal(&file(&[(name, &[2, 4])]), None);
        assert!(error.contains(words), "{error}");
    }
    // Beside an adapter.
    for (name, words) in [
        ("lora_unet_mid.scalar", "LyCORIS' trained scalar"),
        ("transformer.proj_out.bias", "a layer that was trained whole"),
        ("lora_unet_mid.fancy_new", "no known trainer"),
    ] {
        let error = refusal(&file(&[&PAIR[..], &[(name, &[1])]].concat()), None);
        assert!(error.contains(words) && error.contains(name), "{error}");
    }
}

#[test]
fn initialisations_that_change_the_base_are_refused() {
    let bytes = file(&[("base_model.model.x.lora_A.weight", &[2, 4]), ("base_model.model.x.lora_B.weight", &[3, 2])]);
    let config = |more: &str| format!("{{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4{more}}}");
    let contents = Contents::read(&bytes, Some(&config(", \"init_lora_weights\": \"gaussian\"")))
        .map(|contents| contents.layers[0].parts[0].scale);
    nearly(&[contents.unwrap()], &[2.0], "scale");
    for init in ["pissa", "pissa_niter_16", "olora", "corda", "loftq"] {
        let error = refusal(&bytes, Some(&config(&format!(", \"init_lora_weights\": \"{init}\""))));
        assert!(error.contains(init) && error.contains("changes the base"), "{error}");
    }
    for (more, words) in [
        (", \"bias\": \"all\"", "`bias` is \"all\""),
        (", \"fan_in_fan_out\": true", "transposed"),
        (", \"rank_pattern\": {\"x\": 3}", "its factors have rank 2"),
        (", \"alpha_pattern\": {\"x|y\": 3}", "a regular expression"),
        (", \"modules_to_save\": [\"y\"]", "trained whole"),
    ] {
        let error = refusal(&bytes, Some(&config(more)));
        assert!(error.contains(words), "{error}");
    }
    for (config, words) in [
        ("{", "unreadable"),
        ("[]", "not an object"),
        ("{\"r\": 0, \"lora_alpha\": 1}", "`r` is 0"),
        ("{\"r\": 2, \"peft_type\": \"VERA\"}", "VERA"),
    ] {
        let error = refusal(&bytes, Some(config));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn hostile_and_broken_files_are_refused() {
    let unet = |name: &'static str| -> (&'static str, &'static [usize]) { (name, &[2, 2]) };
    for (tensors, words) in [
        (vec![PAIR[0]], "lacks `its factor up (lora_B)`"),
        (vec![PAIR[1]], "lacks `its factor down (lora_A)`"),
        (vec![PAIR[0], ("lora_unet_conv_in.lora_up.weight", &[3, 5])], "do not fit each other"),
        (vec![PAIR[0], ("lora_unet_conv_in.lora_up.weight", &[3, 2, 3, 3])], "a kernel of its own"),
        (vec![PAIR[0], ("lora_unet_conv_in.lora_up.weight", &[3])], "do not fit each other"),
        (vec![("x.lora_A.weight", &[0, 1 << 40]), ("x.lora_B.weight", &[1 << 40, 0])], "is empty"),
        (vec![("x.lora_A.weight", &[1, 1 << 15]), ("x.lora_B.weight", &[1 << 15, 1])], "more than"),
        (vec![("x.lokr_w1", &[1 << 9, 1 << 9]), ("x.lokr_w2", &[1 << 9, 1 << 9])], "more than"),
        (vec![PAIR[0], PAIR[1], ("lora_unet_conv_in.alpha", &[2])], "alpha `lora_unet_conv_in.alpha` has shape [2]"),
        (vec![PAIR[0], PAIR[1], ("lora_unet_conv_in.dora_scale", &[7, 1])], "its DoRA magnitude has shape [7, 1]"),
        (vec![unet("x.hada_w1_a"), unet("x.hada_w1_b"), unet("x.hada_w2_a")], "lacks `hada_w2_b`"),
        (vec![unet("x.lokr_w1")], "lacks `lokr_w2"),
        (vec![unet("x.lokr_w1"), unet("x.lokr_w1_a"), unet("x.lokr_w2")], "stands beside its own factors"),
        (vec![unet("x.dora_scale")], "its DoRA magnitude belongs to"),
        (
            vec![unet("x.lora_A.weight"), unet("x.lora.down.weight"), unet("x.lora_B.weight")],
            "are the same part of one layer",
        ),
        (
            vec![PAIR[0], PAIR[1], ("unet.conv_in.lora_A.weight", &[2, 4]), ("unet.conv_in.lora_B.weight", &[3, 2])],
            "both adapt `conv_in`",
        ),
        (vec![("a\u{1b}[2J.lora_A.weight", &[2, 2])], "`a[2J.lora_A.weight` has a name"),
    ] {
        // A large part of the first of these exists only as a product.
        let error = refusal(&file(&tensors), None);
        assert!(error.contains(words), "{words}: {error}");
        assert!(!error.contains('\u{1b}'));
    }
    for value in [f32::NAN, f32::INFINITY] {
        let error = refusal(&file_of(&PAIR, value, &[]), None);
        assert!(error.contains("`lora_unet_conv_in.lora_down.weight` holds values that are not finite"), "{error}");
    }
    // Every truncation, and offsets that overlap.
    let (whole, _) = fixture("lycoris-lokr");
    for length in (0..whole.len()).step_by(97) {
        assert!(Contents::read(&whole[..length], None).is_err());
    }
    let header = r#"{"x.lora_A.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"x.lora_B.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}"#;
    let overlapping = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
    assert!(matches!(Contents::read(&overlapping, None), Err(ContentsError::Unreadable(_))));
    let error = refusal(&file_of(&PAIR, 1.0, &[("lora_adapter_metadata", "{")]), None);
    assert!(error.contains("`lora_adapter_metadata` in the file's header is unreadable"), "{error}");
}

#[test]
fn damaged_bytes_never_panic() {
    let mut state = 1u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for name in NAMES {
        let (whole, config) = fixture(name);
        for _ in 0..60 {
            let mut bytes = whole.clone();
            // Most of them in the header, digits by digits, so that it stays readable.
            for _ in 0..=next(3) {
                let place = next(bytes.len().min(2500));
                bytes[place] = if bytes[place].is_ascii_digit() { b'0' + next(10) as u8 } else { next(256) as u8 };
            }
            let Ok(contents) = Contents::read(&bytes, config.as_deref()) else { continue };
            contents.about();
            contents.blocks(&contents.norms(&|_| {}));
            let (mut small, shape) = (vec![0.5; 12], [3, 4]);
            for layer in &contents.layers {
                let _ = layer.delta();
            }
            let Ok(adapter) = contents.adapter() else { continue };
            for name in adapter.names() {
                let _ = (adapter.apply(&format!("{name}.weight"), &mut small, &shape, 1.0), adapter.reduced(2));
            }
        }
    }
}

/// FLUX.1's layers that the original fuses are whole in diffusers' names: their rows need not be divisible by the parts of the fused one.
#[test]
fn layers_that_others_fuse_are_read_by_themselves() {
    let name = "single_transformer_blocks.0.proj_mlp";
    let [down, up] = ["lora_A", "lora_B"].map(|side| format!("transformer.{name}.{side}.weight"));
    let adapter = Contents::read(&file(&[(&*down, &[1, 4]), (&*up, &[16, 1])]), None).unwrap().adapter().unwrap();
    assert_eq!(adapter.layers.keys().collect::<Vec<_>>(), [name]);
    assert_eq!((adapter.layers[name].d_in, adapter.layers[name].d_out), (4, 16));
}

#[test]
fn names_of_all_trainers_are_those_of_diffusers() {
    let block = "down_blocks.1.attentions.0.transformer_blocks.0";
    for (name, component, canonical) in [
        (
            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_out_0",
            "unet",
            format!("{block}.attn1.to_out.0"),
        ),
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_ff_net_0_proj", "unet", format!("{block}.ff.net.0.proj")),
        ("lycoris_down_blocks_1_attentions_0_proj_out", "unet", "down_blocks.1.attentions.0.proj_out".into()),
        ("down_blocks.1.attentions.0.proj_out", "unet", "down_blocks.1.attentions.0.proj_out".into()),
        ("base_model.model.mid_block.attentions.0.proj_in", "unet", "mid_block.attentions.0.proj_in".into()),
        ("diffusion_model.middle_block.1.proj_in", "unet", "mid_block.attentions.0.proj_in".into()),
        ("diffusion_model.time_embed.0", "unet", "time_embedding.linear_1".into()),
        ("diffusion_model.out.2", "unet", "conv_out".into()),
        ("lora_unet_down_blocks_0_resnets_1_norm2", "unet", "down_blocks.0.resnets.1.norm2".into()),
        (
            "unet.down_blocks.0.attentions.0.attn2.processor.to_k",
            "unet",
            "down_blocks.0.attentions.0.attn2.to_k".into(),
        ),
        ("lycoris_transformer_blocks_3_attn_to_q", "transformer", "transformer_blocks.3.attn.to_q".into()),
        (
            "lora_transformer_single_transformer_blocks_3_proj_mlp",
            "transformer",
            "single_transformer_blocks.3.proj_mlp".into(),
        ),
        ("transformer_blocks.3.attn.add_k_proj", "transformer", "transformer_blocks.3.attn.add_k_proj".into()),
        ("transformer.blocks.3.attn1.to_q", "transformer", "blocks.3.attn1.to_q".into()),
        ("lora_unet_single_blocks_7_linear2", "transformer", "single_transformer_blocks.7.proj_out".into()),
        ("lora_unet_double_blocks_7_txt_attn_proj", "transformer", "transformer_blocks.7.attn.to_add_out".into()),
        ("diffusion_model.double_blocks.7.img_mlp.0", "transformer", "transformer_blocks.7.ff.net.0.proj".into()),
        (
            "diffusion_model.joint_blocks.7.x_block.attn2.proj",
            "transformer",
            "transformer_blocks.7.attn2.to_out.0".into(),
        ),
        ("diffusion_model.layers.3.attention.qkv", "transformer", String::new()),
        ("diffusion_model.blocks.3.cross_attn.q", "transformer", String::new()),
        ("lora_unet_something_else", "unet", String::new()),
        (
            "lora_te1_text_model_encoder_layers_11_mlp_fc2",
            "text_encoder",
            "text_model.encoder.layers.11.mlp.fc2".into(),
        ),
        (
            "text_encoder_2.text_model.encoder.layers.1.self_attn.k_proj",
            "text_encoder_2",
            "text_model.encoder.layers.1.self_attn.k_proj".into(),
        ),
        (
            "base_model.model.text_model.encoder.layers.1.self_attn.k_proj",
            "text_encoder",
            "text_model.encoder.layers.1.self_attn.k_proj".into(),
        ),
        (
            "text_encoders.t5xxl.transformer.encoder.block.2.layer.1.DenseReluDense.wo",
            "text_encoder_3",
            "encoder.block.2.layer.1.DenseReluDense.wo".into(),
        ),
    ] {
        for [down, up] in [["lora_down.weight", "lora_up.weight"], ["lora_A.default.weight", "lora_B.default.weight"]] {
            let (down, up) = (format!("{name}.{down}"), format!("{name}.{up}"));
            let bytes = file(&[(&down, &[1, 4]), (&up, &[2, 1])]);
            let contents = Contents::read(&bytes, None).unwrap();
            let [layer] = &contents.layers[..] else { panic!("{name}") };
            assert_eq!((layer.component.name(), layer.canonical.join("+")), (component, canonical.clone()), "{name}");
        }
    }
    // Fused layers are several, in the order of their rows.
    let bytes = file(&[
        ("lora_unet_single_blocks_0_linear1.lora_down.weight", &[1, 4]),
        ("lora_unet_single_blocks_0_linear1.lora_up.weight", &[7, 1]),
    ]);
    let contents = Contents::read(&bytes, None).unwrap();
    let parts =
        ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"].map(|part| format!("single_transformer_blocks.0.{part}"));
    assert_eq!(contents.layers[0].canonical, parts);
    assert_eq!(contents.about().by_shapes.map(|(family, _)| family), Some(Family::Flux1));
}

#[test]
fn of_several_faults_the_same_is_named_each_time() {
    let names: Vec<String> = (0..40).map(|index| format!("lora_unet_down_blocks_{index}_x.lora_up.weight")).collect();
    let tensors: Vec<(&str, &[usize])> = names.iter().map(|name| (&name[..], &[2, 2][..])).collect();
    let first = refusal(&file(&tensors), None);
    assert!(first.contains("`lora_unet_down_blocks_0_x`"), "{first}");
    assert!((0..8).all(|_| refusal(&file(&tensors), None) == first));
}

#[test]
fn a_magnitude_gives_rows_or_columns_their_norms() {
    // W = [[3, 4], [0, 2]], ΔW = 0: rows of norms 5 and 2, columns of 3 and √20.
    let zero = |magnitude: &'static [usize]| {
        let pair: [(&str, &[usize]); 2] =
            [("unet.conv_in.lora_A.weight", &[1, 2]), ("unet.conv_in.lora_B.weight", &[2, 1])];
        let data: Vec<(&str, &[usize], Vec<u8>)> =
            [(pair[0], 0f32), (pair[1], 0f32), (("unet.conv_in.dora_scale", magnitude), 10f32)]
                .map(|((name, shape), value)| (name, shape, (0..2).flat_map(|_| value.to_le_bytes()).collect()))
                .into();
        let views =
            data.iter().map(|(name, shape, data)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap()));
        safetensors::serialize(views, None).unwrap()
    };
    let long = 20f32.sqrt();
    for (magnitude, strength, wanted) in [
        (&[2, 1], 1.0, [6.0, 8.0, 0.0, 10.0]),
        (&[1, 2], 1.0, [10.0, 40.0 / long, 0.0, 20.0 / long]),
        (&[2, 1], 0.5, [4.5, 6.0, 0.0, 6.0]),
    ] {
        let bytes = zero(magnitude);
        let contents = Contents::read(&bytes, None).unwrap();
        let adapter = contents.adapter().unwrap();
        let mut weight = [3.0, 4.0, 0.0, 2.0];
        adapter.apply("conv_in.weight", &mut weight, &[2, 2], strength).unwrap();
        nearly(&weight, &wanted, "DoRA");
        assert!(adapter.apply("conv_in.weight", &mut weight, &[4, 1], 1.0).is_err());
    }
}
