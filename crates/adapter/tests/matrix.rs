//! The table of docs/loras.md: what becomes of each layout in each format, cell by cell from files of its trainers.
//!
//! `MOA_UPDATE_DOCS=1 cargo test --release --workspace --test matrix` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use moa_adapter::contents::Contents;
use moa_adapter::{Adapter, AdapterFileError, AdapterFormat, AdapterLayer, Precision};

/// Layouts, and who writes them.
const LAYOUTS: [(&str, &str); 21] = [
    ("kohya-sd1", "kohya's sd-scripts: U-Net, 1×1 and 3×3 convolutions, text encoder"),
    ("kohya-sdxl", "the same, Stable Diffusion XL's block names, two text encoders"),
    ("kohya-sd3", "kohya's sd-scripts for Stable Diffusion 3, fused projections"),
    ("kohya-fp8-e4m3", "kohya, stored as F8_E4M3"),
    ("kohya-fp8-e5m2", "kohya, stored as F8_E5M2"),
    ("alpha-in-header", "alpha in the header alone"),
    ("processors", "diffusers' attention processors, up to 0.20"),
    ("lycoris-locon", "LyCORIS LoCon, with and without a core"),
    ("lycoris-loha", "LyCORIS LoHa"),
    ("lycoris-lokr", "LyCORIS LoKr, SimpleTuner"),
    ("lycoris-dora", "LyCORIS DoRA"),
    ("lycoris-full", "LyCORIS full and norms"),
    ("peft-patterns", "peft, ranks and alphas by pattern"),
    ("peft-rslora-bias", "peft, rsLoRA with a bias on B"),
    ("peft-dora", "peft DoRA"),
    ("peft-lokr", "peft LoKr"),
    ("peft-loha", "peft LoHa"),
    ("diffusers", "diffusers, a U-Net"),
    ("diffusers-metadata", "diffusers from 0.34, alpha in the header"),
    ("diffusers-sd3", "diffusers, ai-toolkit, SimpleTuner: a transformer"),
    ("onetrainer-legacy", "OneTrainer's older names, bare and prefixed"),
];

const FORMATS: [AdapterFormat; 3] = [AdapterFormat::Peft, AdapterFormat::Diffusers, AdapterFormat::Kohya];
const BEGIN: &str = "<!-- the table is written by crates/adapter/tests/matrix.rs -->\n";
const END: &str = "<!-- end of the table -->\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/contents")
}

fn adapter(name: &str) -> Adapter {
    let bytes = fs::read(folder().join(format!("{name}.safetensors"))).unwrap();
    let config = fs::read_to_string(folder().join(format!("{name}.json"))).ok();
    Contents::read(&bytes, config.as_deref()).and_then(|contents| contents.adapter()).unwrap()
}

/// Returns all that is added to a weight or bias by an adapter, by parameter.
fn added(adapter: &Adapter) -> Vec<(String, Vec<f32>)> {
    let mut all: std::collections::BTreeMap<String, Vec<f32>> =
        adapter.layers.iter().map(|(name, layer)| (format!("{name}.weight"), AdapterLayer::delta(layer))).collect();
    for (name, own) in &adapter.differences {
        let sum = all.entry(name.clone()).or_insert_with(|| vec![0.0; own.values.len()]);
        sum.iter_mut().zip(&own.values).for_each(|(sum, value)| *sum += value);
    }
    all.into_iter().collect()
}

/// Returns ‖found − wanted‖ / ‖wanted‖ over all that is added.
fn error(found: &Adapter, wanted: &Adapter) -> f64 {
    let (found, wanted) = (added(found), added(wanted));
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>();
    let (mut rest, mut all) = (0.0, 0.0);
    for (name, wanted) in &wanted {
        let found = found.iter().find(|(own, _)| own == name).map(|(_, values)| values);
        let found = found.unwrap_or_else(|| panic!("{name} is lost"));
        rest += square(&mut found.iter().zip(wanted).map(|(x, y)| x - y));
        all += square(&mut wanted.iter().copied());
    }
    (rest / all).sqrt()
}

/// Returns what becomes of an adapter in a format.
fn cell(adapter: &Adapter, format: AdapterFormat) -> String {
    let whole = Adapter { precision: Precision::F32, ..adapter.clone() };
    let again = |adapter: &Adapter| {
        let files = adapter.to_files(format, "")?;
        Ok::<_, AdapterFileError>(Contents::read(&files.tensors, files.config.as_deref()).unwrap().adapter().unwrap())
    };
    match again(&whole) {
        Ok(found) => {
            let error = error(&found, &whole);
            assert!(error < 1e-6, "{format:?}: {error}");
            assert_eq!(found.magnitudes, whole.magnitudes);
            if error == 0.0 { "exact".into() } else { "exact, alpha multiplied in".into() }
        }
        Err(AdapterFileError::Difference { .. }) if whole.magnitudes.is_empty() => {
            let (reduced, _) = whole.reduced(4);
            match again(&reduced) {
                Ok(found) => format!("`--reduce 4`: {:.0} % of the norm lost", 100.0 * error(&found, &whole)),
                Err(_) => "`--reduce 4`, without biases and norms".into(),
            }
        }
        Err(AdapterFileError::Difference { .. } | AdapterFileError::Dora { .. }) => {
            "refused without `--base` and `--reduce`: DoRA".into()
        }
        Err(AdapterFileError::TextEncoder(_)) => "without text encoders: `--block`".into(),
        Err(AdapterFileError::NoOriginalName(_)) => "refused: layers of two models".into(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_table_says_what_becomes_of_each_layout() {
    let mut table = String::from(
        "| layout | moa | peft | diffusers, ComfyUI | kohya: A1111, Forge, ComfyUI |\n|---|---|---|---|---|\n",
    );
    for (name, words) in LAYOUTS {
        let adapter = adapter(name);
        let cells: Vec<String> = FORMATS.iter().map(|format| cell(&adapter, *format)).collect();
        let _ = writeln!(table, "| {words} | all of it | {} |", cells.join(" | "));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/loras.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (found, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("MOA_UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(found.trim(), table.trim(), "docs/loras.md: MOA_UPDATE_DOCS=1 writes it anew");
    }
}

/// Returns whether ComfyUI's `model_lora_keys_unet` and `model_lora_keys_clip` (comfy/lora.py) have a key for a tensor, and its loaders a
/// suffix.
fn comfyui_knows(name: &str) -> bool {
    const SUFFIXES: [&str; 10] = [
        ".lora_up.weight",
        ".lora_down.weight",
        "_lora.up.weight",
        "_lora.down.weight",
        ".lora_A.weight",
        ".lora_B.weight",
        ".lora.up.weight",
        ".lora.down.weight",
        ".lora_linear_layer.up.weight",
        ".lora_linear_layer.down.weight",
    ];
    const OTHERS: [&str; 6] = [".alpha", ".dora_scale", ".diff", ".diff_b", ".w_norm", ".b_norm"];
    let stem = SUFFIXES.iter().chain(&OTHERS).find_map(|suffix| name.strip_suffix(suffix));
    let Some(stem) = stem else { return false };
    // Flat names of U-Nets in diffusers' order, of transformers in the original's, of text encoders with their numbers.
    let flat = [
        "lora_unet_",
        "lora_te_text_model_",
        "lora_te1_text_model_",
        "lora_te2_text_model_",
        "lora_te2_text_projection",
        "lora_te3_",
    ];
    // `unet.` and diffusers' names, with `.to_` as `.processor.to_` and without the list of to_out.
    let of_unet = stem.starts_with("unet.")
        && (!stem.contains(".to_") || (stem.contains(".processor.to_") && !stem.ends_with("to_out.0")));
    let of_text = ["text_encoder.text_model.encoder.layers.", "text_encoder_2.text_model.encoder.layers."];
    flat.iter().any(|start| stem.starts_with(start))
        || of_unet
        || stem.starts_with("transformer.")
        || of_text.iter().any(|start| stem.starts_with(start))
}

/// Returns whether A1111's `networks.py` knows a tensor: kohya's names, each layer's own kind.
fn a1111_knows(name: &str) -> bool {
    let Some((stem, suffix)) = name.split_once('.') else { return false };
    let suffixes = ["lora_up.weight", "lora_down.weight", "alpha", "dora_scale", "diff", "diff_b", "w_norm", "b_norm"];
    ["lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_"].iter().any(|start| stem.starts_with(start))
        && suffixes.contains(&suffix)
}

#[test]
fn every_key_that_is_written_is_known_to_the_programs_that_it_is_written_for() {
    for (name, _) in LAYOUTS {
        let adapter = adapter(name);
        for (format, program, knows) in [
            (AdapterFormat::Kohya, "ComfyUI", comfyui_knows as fn(&str) -> bool),
            (AdapterFormat::Diffusers, "ComfyUI", comfyui_knows),
            (AdapterFormat::Kohya, "A1111", a1111_knows),
        ] {
            let Ok(files) = adapter.to_files(format, "") else { continue };
            let keys = safetensors::SafeTensors::deserialize(&files.tensors).unwrap();
            // ComfyUI has no keys under diffusers' names for Stable Diffusion XL's text projection and for T5 (docs/loras.md says so).
            let lacks = |key: &str| key.contains("text_projection") || key.starts_with("text_encoder_3.");
            let is_known = |key: &&str| format != AdapterFormat::Diffusers || !lacks(key);
            for key in keys.names().into_iter().filter(is_known) {
                assert!(knows(key), "{program} does not know `{key}` of {name} in {format:?}");
            }
        }
    }
}
