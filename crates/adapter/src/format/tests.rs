//! Formats of adapters: round trips bit for bit, detection of formats, and refusals.

use std::collections::BTreeMap;

use super::*;
use crate::{AdapterLayer, Precision};

const FORMATS: [AdapterFormat; 3] = [AdapterFormat::Peft, AdapterFormat::Diffusers, AdapterFormat::Kohya];

/// An adapter whose α is neither its rank nor a short decimal fraction.
fn adapter() -> Adapter {
    let layer =
        AdapterLayer { d_in: 3, d_out: 2, a: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], b: vec![0.5, -0.5, 0.25, 1e-20] };
    let layers = ["down_blocks.0.attn1.to_q", "mid.to_out.0"].map(|name| (name.to_owned(), layer.clone()));
    Adapter { rank: 2, alpha: 0.1 + 0.2, precision: Precision::F32, layers: BTreeMap::from(layers) }
}

fn layers(adapter: &Adapter) -> Vec<LayerShape> {
    let shape = |(name, layer): (&String, &AdapterLayer)| LayerShape {
        name: name.clone(),
        d_in: layer.d_in,
        d_out: layer.d_out,
    };
    adapter.layers.iter().map(shape).collect()
}

fn read(files: &AdapterFiles) -> Result<(Adapter, AdapterFormat), AdapterFileError> {
    Adapter::read_any(&files.tensors, files.config.as_deref(), &layers(&adapter()))
}

#[test]
fn every_format_reads_back_bit_for_bit_and_is_recognised() {
    let adapter = adapter();
    for format in FORMATS {
        let files = adapter.to_files(format, "emoji-32").unwrap();
        assert_eq!(read(&files).unwrap(), (adapter.clone(), format));
    }
}

#[test]
fn diffusers_finds_adapters_under_the_name_of_their_denoiser() {
    for (name, model) in
        [("mid_block.attentions.0.proj_out", "unet"), ("transformer_blocks.0.attn.to_q", "transformer")]
    {
        let mut adapter = adapter();
        adapter.layers = BTreeMap::from([(name.to_owned(), adapter.layers["mid.to_out.0"].clone())]);
        let files = adapter.to_files(AdapterFormat::Diffusers, "b").unwrap();
        let file = SafeTensors::deserialize(&files.tensors).unwrap();
        assert!(file.tensor(&format!("{model}.{name}.lora.down.weight")).is_ok(), "{:?}", file.names());
        assert_eq!(read(&files).unwrap(), (adapter, AdapterFormat::Diffusers));
    }
}

#[test]
fn halves_stay_halves_in_every_format() {
    for precision in [Precision::F16, Precision::Bf16] {
        let mut adapter = Adapter { precision, ..adapter() };
        adapter.layers.values_mut().for_each(|layer| layer.b[3] = 0.125);
        for format in FORMATS {
            let files = adapter.to_files(format, "emoji-32").unwrap();
            assert_eq!(read(&files).unwrap().0, adapter, "{format:?}");
        }
        let merged = Adapter::mean(&[(&adapter, 0.5), (&adapter, 0.5)]).unwrap();
        assert_eq!(merged.precision, precision);
    }
}

#[test]
fn kohyas_format_is_for_u_nets_and_adapters_are_told_from_weights() {
    let mut adapter = adapter();
    let name = "transformer_blocks.0.attn.to_q";
    adapter.layers = BTreeMap::from([(name.to_owned(), adapter.layers["mid.to_out.0"].clone())]);
    let error = adapter.to_files(AdapterFormat::Kohya, "b").unwrap_err();
    assert!(matches!(&error, AdapterFileError::KohyaTransformer(layer) if layer == name), "{error}");

    let weight = TensorView::new(safetensors::Dtype::F32, vec![2, 3], &[0; 24]).unwrap();
    let bytes = safetensors::serialize([("conv_in.weight", weight)], None).unwrap();
    let error = Adapter::read_any(&bytes, None, &[]).unwrap_err();
    assert!(matches!(&error, AdapterFileError::NotLora(name) if name == "conv_in.weight"), "{error}");
}

#[test]
fn truncated_empty_and_diverged_files_are_refused_in_every_format() {
    for format in FORMATS {
        let mut files = adapter().to_files(format, "emoji-32").unwrap();
        files.tensors.truncate(files.tensors.len() - 3);
        assert!(matches!(read(&files), Err(AdapterFileError::Parameters(_))), "{format:?}");
        files.tensors.clear();
        assert!(matches!(read(&files), Err(AdapterFileError::Parameters(_))), "{format:?}");
        let mut diverged = adapter();
        diverged.layers.get_mut("mid.to_out.0").unwrap().b[0] = f32::NAN;
        let files = diverged.to_files(format, "emoji-32").unwrap();
        assert!(matches!(read(&files), Err(AdapterFileError::NotFinite(layer)) if layer.contains("mid")), "{format:?}");
    }
}

#[test]
fn what_would_be_applied_wrongly_is_refused_by_name() {
    let files = adapter().to_files(AdapterFormat::Peft, "b").unwrap();
    let config = files.config.clone().unwrap();
    let with = |from: &str, to: &str| {
        assert!(config.contains(from), "{from} is not in {config}");
        let changed = AdapterFiles { config: Some(config.replace(from, to)), ..files.clone() };
        read(&changed).unwrap_err().to_string()
    };
    assert!(with("\"r\": 2", "\"r\": 4").contains("the rank is 4"));
    assert!(with("\"use_dora\": false", "\"use_dora\": true").contains("`use_dora` is true"));
    assert!(with("\"bias\": \"none\"", "\"bias\": \"all\"").contains("`bias`"));
    assert!(with("\"r\": 2", "\"r\": 2, \"alpha_pattern\": {\"to_q\": 3}").contains("`alpha_pattern`"));
    assert!(with("\"lora_alpha\"", "\"lora_beta\"").contains("`lora_alpha` is missing"));
    assert!(matches!(
        read(&AdapterFiles { config: Some("{".into()), ..files.clone() }),
        Err(AdapterFileError::Config(_))
    ));
    assert!(matches!(read(&AdapterFiles { config: None, ..files }), Err(AdapterFileError::ConfigMissing)));
}

#[test]
fn adapters_of_other_models_and_text_encoders_are_refused_by_name() {
    let mut other = adapter();
    let layer = other.layers.remove("mid.to_out.0").unwrap();
    other.layers.insert("elsewhere.to_q".into(), layer);
    let files = other.to_files(AdapterFormat::Kohya, "b").unwrap();
    assert!(matches!(read(&files), Err(AdapterFileError::UnknownLayer(name)) if name == "elsewhere_to_q"));

    let layer = other.layers["elsewhere.to_q"].clone();
    other.layers.insert("elsewhere_to.q".into(), layer);
    let error = other.to_files(AdapterFormat::Kohya, "b").unwrap_err();
    assert!(matches!(error, AdapterFileError::Ambiguous { .. }), "{error}");

    let mut text = Vec::new();
    for (name, shape) in [("text_encoder.x.lora_A.weight", vec![2, 3]), ("unet.x.lora_A.weight", vec![2, 3])] {
        text.push((name, TensorView::new(safetensors::Dtype::F32, shape, &[0; 24]).unwrap()));
    }
    let tensors = safetensors::serialize(text, None).unwrap();
    let error = read(&AdapterFiles { tensors, config: None }).unwrap_err().to_string();
    assert!(error.contains("text_encoder.x.lora_A.weight") && error.contains("not adapted"), "{error}");
}

#[test]
fn files_of_kohya_are_read_without_their_base_and_in_the_original_order_of_blocks() {
    let mut adapter = adapter();
    let layer = adapter.layers["mid.to_out.0"].clone();
    let name = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k";
    adapter.layers = BTreeMap::from([(name.to_owned(), layer.clone())]);
    let bytes = adapter.to_files(AdapterFormat::Kohya, "b").unwrap().tensors;
    assert_eq!(Adapter::read_any(&bytes, None, &[]).unwrap().0, adapter);
    let original = "input_blocks.4.1.transformer_blocks.0.attn1.to_k";
    let renamed = Adapter { layers: BTreeMap::from([(original.to_owned(), layer)]), ..adapter.clone() };
    let bytes = renamed.to_files(AdapterFormat::Kohya, "b").unwrap().tensors;
    for known in [vec![], layers(&adapter)] {
        assert_eq!(Adapter::read_any(&bytes, None, &known).unwrap().0, adapter);
    }
    let elsewhere = LayerShape { name: "conv_in".into(), d_in: 1, d_out: 1 };
    assert!(matches!(Adapter::read_any(&bytes, None, &[elsewhere]), Err(AdapterFileError::UnknownLayer(_))));
}

#[test]
fn kohyas_name_of_the_embedding_of_added_conditions_is_the_originals() {
    let mut adapter = adapter();
    let layer = adapter.layers["mid.to_out.0"].clone();
    let names = ["add_embedding.linear_1", "add_embedding.linear_2", "time_embedding.linear_1"];
    adapter.layers = names.map(|name| (name.to_owned(), layer.clone())).into();
    let bytes = adapter.to_files(AdapterFormat::Kohya, "b").unwrap().tensors;
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for flat in ["label_emb_0_0", "label_emb_0_2", "time_embedding_linear_1"] {
        assert!(file.tensor(&format!("lora_unet_{flat}.lora_up.weight")).is_ok(), "{:?}", file.names());
    }
    for known in [vec![], layers(&adapter)] {
        assert_eq!(Adapter::read_any(&bytes, None, &known).unwrap().0, adapter);
    }
}

#[test]
fn files_name_their_base_and_say_when_they_are_dora() {
    let adapter = adapter();
    for (format, base) in
        [(AdapterFormat::Peft, Some("sd")), (AdapterFormat::Diffusers, Some("sd")), (AdapterFormat::Kohya, None)]
    {
        let files = adapter.to_files(format, "sd").unwrap();
        assert_eq!(base_named_by(&files.tensors, files.config.as_deref()).as_deref(), base, "{format:?}");
        let unnamed = adapter.to_files(format, "").unwrap();
        assert_eq!(base_named_by(&unnamed.tensors, unnamed.config.as_deref()), None, "{format:?}");
    }
    let scale = TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
    for name in ["lora_unet_mid_to_q.dora_scale", "unet.mid.to_q.lora_magnitude_vector"] {
        let bytes = safetensors::serialize([(name, scale.clone())], None).unwrap();
        assert!(matches!(Adapter::read_any(&bytes, None, &[]), Err(AdapterFileError::Dora(_))), "{name}");
    }
}

#[test]
fn without_metadata_alpha_comes_from_tensors_and_is_the_rank_without_these() {
    let factor = |shape: [usize; 2]| TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &[0; 24]).unwrap();
    let alpha = 3.5f32.to_le_bytes();
    let pair = || [("unet.x.lora.down.weight", factor([2, 3])), ("unet.x.lora.up.weight", factor([3, 2]))];
    let bare = safetensors::serialize(pair(), None).unwrap();
    assert_eq!(Adapter::read_any(&bare, None, &[]).unwrap().0.alpha.to_bits(), 2.0f32.to_bits());
    let scalar = TensorView::new(safetensors::Dtype::F32, vec![], &alpha).unwrap();
    let with = safetensors::serialize(pair().into_iter().chain([("unet.x.alpha", scalar)]), None).unwrap();
    assert_eq!(Adapter::read_any(&with, None, &[]).unwrap().0.alpha.to_bits(), 3.5f32.to_bits());
    // As diffusers' convert_state_dict_to_kohya writes it.
    let alpha = 6i64.to_le_bytes();
    let scalar = TensorView::new(safetensors::Dtype::I64, vec![], &alpha).unwrap();
    let with = safetensors::serialize(pair().into_iter().chain([("unet.x.alpha", scalar)]), None).unwrap();
    assert_eq!(Adapter::read_any(&with, None, &[]).unwrap().0.alpha.to_bits(), 6f32.to_bits());
}

#[test]
fn convolutions_are_refused_by_name() {
    let factor = |shape: [usize; 4]| TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &[0; 24]).unwrap();
    let pair = [
        ("unet.mid_block.attentions.0.proj_in.lora.down.weight", factor([2, 3, 1, 1])),
        ("unet.mid_block.attentions.0.proj_in.lora.up.weight", factor([3, 2, 1, 1])),
    ];
    let bytes = safetensors::serialize(pair, None).unwrap();
    let error = Adapter::read_any(&bytes, None, &[]).unwrap_err();
    let AdapterFileError::Convolution { layer, shape } = &error else { panic!("{error}") };
    assert_eq!((&**layer, &shape[..]), ("mid_block.attentions.0.proj_in", &[2, 3, 1, 1][..]));
}

fn provenance() -> Provenance {
    let ingredient = moa_core::provenance::Ingredient {
        name: "safety".into(),
        share: 1.5,
        sha256: "ab".repeat(32),
        provenance: None,
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
        assert_eq!(read(&files).unwrap(), (adapter.clone(), format));
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
    other.layers.get_mut("mid.to_out.0").unwrap().a[0] = 7.0;
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
