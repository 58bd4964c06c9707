//! Formats of adapters: round trips, what each format has no place for, and provenance.

use std::collections::BTreeMap;

use super::*;
use crate::contents::{Contents, ContentsError};
use crate::{AdapterLayer, Difference, Norms, Precision};

const FORMATS: [AdapterFormat; 3] = [AdapterFormat::Peft, AdapterFormat::Diffusers, AdapterFormat::Kohya];
const TO_Q: &str = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
const TO_OUT: &str = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0";

fn layer(alpha: f32) -> AdapterLayer {
    let (a, b) = (vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0.5, -0.5, 0.25, 1e-20]);
    AdapterLayer { d_in: 3, d_out: 2, kernel: Vec::new(), rank: 2, alpha, a, b }
}

fn of(layers: &[(&str, AdapterLayer)]) -> Adapter {
    let layers = layers.iter().map(|(name, layer)| ((*name).to_owned(), layer.clone()));
    Adapter::of_layers(Precision::F32, layers.collect())
}

/// An adapter whose α is neither its rank nor a short decimal fraction.
fn adapter() -> Adapter {
    of(&[(TO_Q, layer(0.1 + 0.2)), (TO_OUT, layer(0.1 + 0.2))])
}

fn read(files: &AdapterFiles) -> Result<Adapter, ContentsError> {
    Contents::read(&files.tensors, files.config.as_deref())?.adapter()
}

fn written(adapter: &Adapter, format: AdapterFormat) -> AdapterFiles {
    adapter.to_files(format, "b").unwrap_or_else(|error| panic!("{format:?}: {error}"))
}

fn names(files: &AdapterFiles) -> Vec<String> {
    SafeTensors::deserialize(&files.tensors).unwrap().names().iter().map(ToString::to_string).collect()
}

/// Checks that two adapters do the same to every layer, by six digits.
fn do_the_same(one: &Adapter, other: &Adapter) {
    assert_eq!(one.layers.keys().collect::<Vec<_>>(), other.layers.keys().collect::<Vec<_>>());
    for (name, layer) in &one.layers {
        let next = &other.layers[name];
        assert!(layer.same_shape(next), "{name}");
        for (x, y) in layer.delta().iter().zip(next.delta()) {
            assert!((x - y).abs() <= 1e-6 * x.abs().max(1e-6), "{name}: {x} {y}");
        }
    }
}

#[test]
fn peft_and_kohya_read_back_bit_for_bit_and_diffusers_with_alpha_multiplied_in() {
    let adapter = adapter();
    for format in [AdapterFormat::Peft, AdapterFormat::Kohya] {
        assert_eq!(read(&written(&adapter, format)).unwrap(), adapter, "{format:?}");
    }
    let read_back = read(&written(&adapter, AdapterFormat::Diffusers)).unwrap();
    do_the_same(&adapter, &read_back);
    assert!(read_back.layers.values().all(|layer| layer.scale().to_bits() == 1f64.to_bits()), "alpha is the rank");
    // Where α is the rank, nothing changes.
    let adapter = of(&[(TO_Q, layer(2.0))]);
    assert_eq!(read(&written(&adapter, AdapterFormat::Diffusers)).unwrap(), adapter);
}

#[test]
fn ranks_and_alphas_may_differ_in_every_format() {
    let other = AdapterLayer { rank: 1, alpha: 0.5, a: vec![1.0, 2.0, 3.0], b: vec![0.5, -0.5], ..layer(1.0) };
    let adapter = of(&[(TO_Q, layer(3.0)), (TO_OUT, other)]);
    for format in FORMATS {
        let read_back = read(&written(&adapter, format)).unwrap();
        do_the_same(&adapter, &read_back);
        assert_eq!(read_back.layers[TO_OUT].rank, 1, "{format:?}");
        // Elsewhere alphas are multiplied in.
        assert!(read_back == adapter || format != AdapterFormat::Peft);
    }
}

#[test]
fn convolutions_and_text_encoders_are_kept() {
    let a: Vec<f32> = (0..36u8).map(f32::from).collect();
    let convolution = AdapterLayer { d_in: 18, kernel: vec![3, 3], a, ..layer(1.0) };
    assert_eq!(convolution.shape(), [2, 2, 3, 3]);
    let point = AdapterLayer { kernel: vec![1, 1], ..layer(4.0) };
    let adapter = of(&[
        ("down_blocks.0.attentions.0.proj_in", point),
        ("down_blocks.0.resnets.0.conv1", convolution),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", layer(1.0)),
        ("text_encoder_2.text_model.encoder.layers.0.mlp.fc1", layer(1.0)),
    ]);
    for format in [AdapterFormat::Diffusers, AdapterFormat::Kohya] {
        do_the_same(&adapter, &read(&written(&adapter, format)).unwrap());
    }
    let error = adapter.to_files(AdapterFormat::Peft, "b").unwrap_err();
    assert!(matches!(&error, AdapterFileError::TextEncoder(layer) if layer.starts_with("text_encoder.")), "{error}");
    let denoiser = adapter.scaled(|layer| f64::from(u8::from(!layer.starts_with("text_encoder"))));
    assert_eq!(read(&written(&denoiser, AdapterFormat::Peft)).unwrap(), denoiser);
}

#[test]
fn differences_and_magnitudes_are_kept_by_kohyas_format_and_refused_by_name_elsewhere() {
    let difference = |shape: &[usize]| Difference { shape: shape.to_vec(), values: vec![0.5; shape.iter().product()] };
    let differences = [
        ("conv_in.weight", difference(&[2, 3, 1, 1])),
        ("conv_in.bias", difference(&[2])),
        ("down_blocks.0.attentions.0.norm.weight", difference(&[3])),
        ("down_blocks.0.attentions.0.norm.bias", difference(&[3])),
    ];
    let differences: BTreeMap<String, Difference> =
        differences.map(|(name, difference)| (name.to_owned(), difference)).into();
    let magnitudes = BTreeMap::from([(TO_Q.to_owned(), Norms { values: vec![1.0, 2.0], by_output: true })]);
    let adapter =
        Adapter { differences: differences.clone(), magnitudes: magnitudes.clone(), ..of(&[(TO_Q, layer(1.0))]) };
    assert_eq!(read(&written(&adapter, AdapterFormat::Kohya)).unwrap(), adapter);

    let whole = Adapter { differences, ..adapter.clone() };
    for format in [AdapterFormat::Peft, AdapterFormat::Diffusers] {
        let error = whole.to_files(format, "b").unwrap_err();
        assert!(
            matches!(&error, AdapterFileError::Difference { parameter, .. } if parameter == "conv_in.bias"),
            "{error}"
        );
    }
    let dora = Adapter { magnitudes, ..of(&[(TO_Q, layer(1.0))]) };
    assert_eq!(read(&written(&dora, AdapterFormat::Peft)).unwrap(), dora, "peft has them by output");
    let error = dora.to_files(AdapterFormat::Diffusers, "b").unwrap_err();
    assert!(matches!(&error, AdapterFileError::Dora { layer, .. } if layer == TO_Q), "{error}");
    let partly = Adapter { layers: of(&[(TO_Q, layer(1.0)), (TO_OUT, layer(1.0))]).layers, ..dora };
    assert!(partly.to_files(AdapterFormat::Peft, "b").is_err(), "in peft all layers are DoRAs or none");
}

#[test]
fn a_layer_is_written_in_one_kind_where_programs_take_one() {
    let difference = Difference { shape: vec![2, 3], values: vec![0.5; 6] };
    let differences = BTreeMap::from([(format!("{TO_Q}.weight"), difference)]);
    let adapter = Adapter { differences, ..of(&[(TO_Q, layer(1.0)), (TO_OUT, layer(1.0))]) };
    let files = written(&adapter, AdapterFormat::Kohya);
    let stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
    let own: Vec<String> = names(&files).into_iter().filter(|name| name.starts_with(stem)).collect();
    assert_eq!(own, [format!("{stem}.diff")]);
    let again = read(&files).unwrap();
    let wanted = adapter.layers[TO_Q].delta().iter().map(|value| value + 0.5).collect::<Vec<_>>();
    assert_eq!(again.differences[&format!("{TO_Q}.weight")].values, wanted);
    assert!(Adapter::default().to_files(AdapterFormat::Kohya, "").is_err(), "nothing is no adapter");
}

#[test]
fn what_a_half_cannot_hold_is_written_in_single_precision() {
    let small = AdapterLayer { b: vec![3e-8, -2e-8, 1e-8, 4e-8], ..layer(2.0) };
    let adapter = Adapter { precision: Precision::F16, ..of(&[(TO_Q, small), (TO_OUT, layer(2.0))]) };
    for format in FORMATS {
        let files = written(&adapter, format);
        let file = SafeTensors::deserialize(&files.tensors).unwrap();
        let types = |layer: &str| -> Vec<safetensors::Dtype> {
            let own = file.tensors().into_iter().filter(|(name, _)| name.contains(layer) && !name.ends_with("alpha"));
            own.map(|(_, tensor)| tensor.dtype()).collect()
        };
        assert!(types("attn1").contains(&safetensors::Dtype::F32), "{format:?}");
        assert!(!types("attn2").contains(&safetensors::Dtype::F32), "{format:?}");
        let again = read(&files).unwrap();
        let (found, wanted) = (again.layers[TO_Q].delta(), adapter.layers[TO_Q].delta());
        assert!(found.iter().zip(&wanted).all(|(x, y)| (x - y).abs() <= 1e-3 * y.abs()), "{format:?}");
    }
}

#[test]
fn kernels_come_from_the_base_where_a_file_folds_them_into_the_inputs() {
    let a: Vec<f32> = (0..36u8).map(f32::from).collect();
    let mut adapter = of(&[
        ("down_blocks.0.attentions.0.proj_in", layer(1.0)),
        ("x.conv9", AdapterLayer { d_in: 18, a, ..layer(1.0) }),
    ]);
    adapter.differences.insert("x.whole.weight".into(), Difference { shape: vec![2, 3], values: vec![0.5; 6] });
    let before = adapter.clone();
    adapter.unfold(|name| match name {
        "x.conv9.weight" => Some(vec![2, 2, 3, 3]),
        "x.whole.weight" => Some(vec![2, 3, 1, 1]),
        _ => Some(vec![5, 5]),
    });
    assert_eq!(adapter.layers["x.conv9"].kernel, [3, 3]);
    assert_eq!(adapter.differences["x.whole.weight"].shape, [2, 3, 1, 1]);
    assert_eq!(
        adapter.layers["down_blocks.0.attentions.0.proj_in"],
        before.layers["down_blocks.0.attentions.0.proj_in"]
    );
}

#[test]
fn fused_projections_of_transformers_are_joined_exactly_in_kohyas_format() {
    let b = |first: f32| vec![first, -0.5, 0.25, 2.0];
    for (family, block, others) in [
        ("sd3", "joint_blocks_0_x_block_attn_qkv", vec![]),
        ("flux", "double_blocks_0_img_attn_qkv", vec!["single_transformer_blocks.1.proj_out"]),
    ] {
        for shares_a in [true, false] {
            let projection = |first: f32| {
                let mut projection = AdapterLayer { b: b(first), ..layer(1.0) };
                projection.a[0] += if shares_a { 0.0 } else { first };
                projection
            };
            let mut layers = vec![
                ("transformer_blocks.0.attn.to_q", projection(1.0)),
                ("transformer_blocks.0.attn.to_v", projection(3.0)),
                ("transformer_blocks.0.ff.net.2", layer(1.0)),
            ];
            layers.extend(others.iter().map(|name| (*name, layer(1.0))));
            let adapter = of(&layers);
            let files = written(&adapter, AdapterFormat::Kohya);
            let wanted = format!("lora_unet_{block}.lora_up.weight");
            assert!(names(&files).contains(&wanted), "{family}: {:?}", names(&files));
            let mut read_back = read(&files).unwrap();
            let to_k = read_back.layers.remove("transformer_blocks.0.attn.to_k").unwrap();
            assert!(to_k.delta().iter().all(|value| value.to_bits() << 1 == 0), "what is missing is 0");
            assert_eq!(read_back.layers["transformer_blocks.0.attn.to_q"].rank, if shares_a { 2 } else { 4 });
            do_the_same(&adapter, &read_back);
        }
    }
    let adapter = of(&[("transformer_blocks.0.attn.norm_elsewhere", layer(1.0))]);
    let error = adapter.to_files(AdapterFormat::Kohya, "b").unwrap_err();
    assert!(matches!(error, AdapterFileError::NoOriginalName(_)), "{error}");
}

#[test]
fn kohyas_header_names_the_base_as_a1111_reads_it() {
    let text = |inputs: usize| {
        let (a, b) = (vec![0.5; 2 * inputs], vec![0.5; 4]);
        of(&[(
            "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
            AdapterLayer { d_in: inputs, a, b, ..layer(1.0) },
        )])
    };
    for (inputs, version, v2, architecture) in [
        (768, "sd_v1", "False", "stable-diffusion-v1/lora"),
        (1024, "sd_v2", "True", "stable-diffusion-v2-512/lora"),
        (2048, "sdxl_base_v1-0", "False", "stable-diffusion-xl-v1-base/lora"),
    ] {
        let files = written(&text(inputs), AdapterFormat::Kohya);
        let (_, header) = SafeTensors::read_metadata(&files.tensors).unwrap();
        let texts = header.metadata().clone().unwrap();
        assert_eq!((&texts["ss_base_model_version"][..], &texts["ss_v2"][..]), (version, v2));
        assert_eq!(texts["modelspec.architecture"], architecture);
        assert_eq!((&texts["ss_network_dim"][..], &texts["ss_network_alpha"][..]), ("2", "1"));
    }
    // The first text encoder has a number where there are two.
    let name = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj";
    for (inputs, start) in [(768, "lora_te_text_model"), (2048, "lora_te1_text_model")] {
        let mut adapter = text(inputs);
        adapter.layers.insert(name.to_owned(), layer(1.0));
        let files = written(&adapter, AdapterFormat::Kohya);
        assert!(names(&files).iter().any(|name| name.starts_with(start)), "{:?}", names(&files));
    }
}

#[test]
fn halves_stay_halves_in_every_format() {
    for precision in [Precision::F16, Precision::Bf16] {
        let mut adapter = Adapter { precision, ..of(&[(TO_Q, layer(1.0))]) };
        adapter.layers.values_mut().for_each(|layer| layer.b[3] = 0.125);
        for format in FORMATS {
            let read_back = read(&written(&adapter, format)).unwrap();
            assert_eq!(read_back.precision, precision, "{format:?}");
            do_the_same(&adapter, &read_back);
        }
        let merged = Adapter::mean(&[(&adapter, 0.5), (&adapter, 0.5)]).unwrap();
        assert_eq!(merged.precision, precision);
    }
}

#[test]
fn names_that_are_one_without_their_dots_are_refused() {
    let adapter = of(&[("mid_block.to_q", layer(1.0)), ("mid.block_to.q", layer(1.0))]);
    let error = adapter.to_files(AdapterFormat::Kohya, "b").unwrap_err();
    assert!(matches!(error, AdapterFileError::Ambiguous { .. }), "{error}");
}

#[test]
fn kohyas_name_of_the_embedding_of_added_conditions_is_the_originals() {
    let names = ["add_embedding.linear_1", "add_embedding.linear_2", "time_embedding.linear_1"];
    let adapter = of(&names.map(|name| (name, layer(1.0))));
    let files = written(&adapter, AdapterFormat::Kohya);
    let file = SafeTensors::deserialize(&files.tensors).unwrap();
    for flat in ["label_emb_0_0", "label_emb_0_2", "time_embedding_linear_1"] {
        assert!(file.tensor(&format!("lora_unet_{flat}.lora_up.weight")).is_ok(), "{:?}", file.names());
    }
    assert_eq!(read(&files).unwrap(), adapter);
}

#[test]
fn nothing_that_is_no_number_is_written_or_read() {
    for format in FORMATS {
        let mut diverged = adapter();
        diverged.layers.get_mut(TO_OUT).unwrap().b[0] = f32::NAN;
        let error = diverged.to_files(format, "b").unwrap_err();
        assert!(matches!(&error, AdapterFileError::NotFinite(layer) if layer == TO_OUT), "{format:?}: {error}");
        let mut files = written(&adapter(), format);
        files.tensors.truncate(files.tensors.len() - 3);
        assert!(matches!(read(&files), Err(ContentsError::Unreadable(_))), "{format:?}");
    }
}

#[test]
fn files_name_their_base() {
    let adapter = adapter();
    for format in FORMATS {
        let base = Some("b").filter(|_| format == AdapterFormat::Peft);
        let files = adapter.to_files(format, "b").unwrap();
        assert_eq!(base_named_by(&files.tensors, files.config.as_deref()).as_deref(), base, "{format:?}");
        let unnamed = adapter.to_files(format, "").unwrap();
        assert_eq!(base_named_by(&unnamed.tensors, unnamed.config.as_deref()), None, "{format:?}");
        let told = adapter.outgoing(format, "", Some(&provenance())).unwrap();
        let mut tensors = Vec::new();
        told.write(&mut tensors).unwrap();
        assert_eq!(base_named_by(&tensors, None).as_deref(), Some("emoji-32"), "{format:?}");
    }
}

fn provenance() -> Provenance {
    let ingredient = moa_core::provenance::Ingredient {
        name: "safety".into(),
        share: 1.5,
        sha256: "ab".repeat(32),
        provenance: None,
        blocks: vec![("up_blocks.*".into(), 0.5)],
    };
    let merge = moa_core::provenance::MergeSettings::mean();
    let mixture = moa_core::provenance::Mixture { merge, ingredients: vec![ingredient] };
    Provenance::now("emoji-32", Some("mein Versuch".into()), moa_core::provenance::Made::Merged(mixture))
}

#[test]
fn files_of_every_format_say_where_they_come_from_and_are_the_same_adapter_without() {
    let (adapter, provenance) = (adapter(), provenance());
    for format in FORMATS {
        let outgoing = adapter.outgoing(format, "emoji-32", Some(&provenance)).unwrap();
        let mut tensors = Vec::new();
        outgoing.write(&mut tensors).unwrap();
        assert_eq!(tensors.len(), outgoing.file.len(), "{format:?}");
        assert_eq!(provenance_of(&tensors).unwrap(), Some(provenance.clone()), "{format:?}");
        let files = AdapterFiles { tensors, config: outgoing.config };
        do_the_same(&adapter, &read(&files).unwrap());
        // Beside the format's own words, and under moa's prefix alone.
        let (_, header) = SafeTensors::read_metadata(&files.tensors).unwrap();
        let foreign: Vec<&String> =
            header.metadata().as_ref().unwrap().keys().filter(|key| !key.starts_with("moa.")).collect();
        let plain = adapter.to_files(format, "emoji-32").unwrap();
        let (_, header) = SafeTensors::read_metadata(&plain.tensors).unwrap();
        assert_eq!(foreign.len(), header.metadata().as_ref().unwrap().len(), "{format:?}");
        assert_eq!(provenance_of(&plain.tensors).unwrap(), None);
        // Golden: the fields that peft knows, and no others.
        if let Some(config) = &files.config {
            assert_eq!(files.config, plain.config);
            let config: serde_json::Map<String, serde_json::Value> = serde_json::from_str(config).unwrap();
            let mut fields: Vec<&str> = config.keys().map(String::as_str).collect();
            fields.sort_unstable();
            let known = [
                "base_model_name_or_path",
                "bias",
                "inference_mode",
                "lora_alpha",
                "lora_dropout",
                "peft_type",
                "r",
                "target_modules",
                "use_dora",
                "use_rslora",
            ];
            assert_eq!(fields, known);
        }
    }
}

#[test]
fn the_hash_of_an_adapter_is_that_of_its_file_whatever_that_says_of_its_origin() {
    let adapter = adapter();
    let plain = adapter.to_safetensors(None).unwrap();
    let told = adapter.to_safetensors(Some(&provenance())).unwrap();
    assert_ne!(plain, told);
    let hash = adapter.sha256().unwrap();
    assert_eq!((sha256_of_file(&plain).unwrap(), sha256_of_file(&told).unwrap()), (hash.clone(), hash.clone()));
    let mut other = adapter;
    other.layers.get_mut(TO_OUT).unwrap().a[0] = 7.0;
    assert_ne!(other.sha256().unwrap(), hash);
    assert!(sha256_of_file(&told[..20]).is_err());
}

#[test]
fn provenance_that_makes_no_sense_is_named_and_the_adapter_is_read_all_the_same() {
    let told = adapter().to_safetensors(Some(&provenance())).unwrap();
    let text = "\"moa.made\":\"merged\"";
    let place = told.windows(text.len()).position(|bytes| bytes == text.as_bytes()).unwrap();
    let mut wrong = told;
    wrong[place + 12..place + 18].copy_from_slice(b"cooked");
    assert!(provenance_of(&wrong).unwrap_err().to_string().contains("moa.made"));
    assert!(Adapter::read(&wrong, &adapter().to_config("b")).is_ok());
}
