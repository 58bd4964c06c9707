//! Folders that are not a pipeline, or a damaged one: one message names file and field, with a hint.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use moa_diffusion::unet::UnetConfig;
use moa_diffusion::{Pipeline, PipelineFiles};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("folder");
    for entry in fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy");
        }
    }
}

/// Returns what is said of a fixture after `damage`, without the folder's path.
fn refused(name: &str, damage: impl FnOnce(&Path)) -> String {
    let folder = TempDir::new().expect("folder");
    copy(&fixture(name), folder.path());
    damage(folder.path());
    let error = Pipeline::open_folder(folder.path(), &Device::flex()).err().expect("damaged").to_string();
    let path = folder.path().display().to_string();
    assert!(error.starts_with(&path), "{error}");
    assert!(!error.contains('\n'), "one line: {error}");
    error.replace(&format!("{path}/"), "").replace(&format!("{path}: "), "")
}

/// Replaces a part of a file's text.
fn edit(file: &'static str, from: &'static str, to: &'static str) -> impl FnOnce(&Path) {
    move |folder| {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).expect(file);
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(path, text.replacen(from, to, 1)).expect(file);
    }
}

fn delete(file: &'static str) -> impl FnOnce(&Path) {
    move |folder| fs::remove_file(folder.join(file)).expect(file)
}

#[test]
fn a_folder_without_an_index_is_no_pipeline() {
    assert_eq!(
        refused("pipeline_sd2", delete("model_index.json")),
        "there is no model_index.json: name a folder in diffusers' layout, with unet/, text_encoder/ and so on in it, as \
         save_pretrained writes it"
    );
}

#[test]
fn classes_that_are_unknown_or_missing_are_named() {
    let message = |from, to| refused("pipeline_sd2", edit("model_index.json", from, to));
    assert_eq!(
        message("\"StableDiffusionPipeline\"", "\"SomePipeline\""),
        "model_index.json: `_class_name` is SomePipeline: StableDiffusionPipeline, LatentConsistencyModelPipeline, \
         StableDiffusionXLPipeline, StableDiffusion3Pipeline and FluxPipeline are known"
    );
    assert_eq!(
        message("\"CLIPTextModel\"", "\"T5EncoderModel\""),
        "model_index.json: `text_encoder` is T5EncoderModel: CLIPTextModel is known"
    );
    assert_eq!(
        message("\"unet\"", "\"transformer\""),
        "model_index.json: `unet` is absent: UNet2DConditionModel is known"
    );
    assert_eq!(
        message("\"AutoencoderKL\"", "\"VQModel\""),
        "model_index.json: `vae` is VQModel: AutoencoderKL and AutoencoderTiny are known"
    );
}

#[test]
fn files_that_are_missing_empty_or_cut_short_are_named() {
    let config = refused("pipeline_sd2", delete("vae/config.json"));
    assert!(config.starts_with("the pipeline has no `vae/config.json`: "), "{config}");
    let empty = refused("pipeline_sd2", |folder| fs::write(folder.join("unet/config.json"), "").expect("file"));
    assert!(empty.starts_with("unet/config.json is unreadable: EOF while parsing"), "{empty}");
    let weights = "text_encoder/model.fp16.safetensors";
    let empty = refused("pipeline_sd2", |folder| fs::write(folder.join(weights), "").expect("file"));
    assert!(empty.contains(weights) && empty.contains("fetch or write it again"), "{empty}");
    let cut = refused("pipeline_sd2", |folder| {
        let bytes = fs::read(folder.join(weights)).expect("file");
        fs::write(folder.join(weights), &bytes[..bytes.len() - 7]).expect("file");
    });
    assert!(cut.contains(weights) && cut.contains("fetch or write it again"), "{cut}");
}

#[test]
fn missing_shards_are_listed() {
    let message = refused("pipeline_xl", |folder| {
        let shards = fs::read_dir(folder.join("unet")).expect("folder").flatten().map(|entry| entry.path());
        let second = shards.into_iter().find(|path| path.to_string_lossy().contains("-00002-of-"));
        fs::remove_file(second.expect("a second shard")).expect("file");
    });
    assert!(message.starts_with("unet: the folder unet: 1 of "), "{message}");
    assert!(message.contains(" shards are missing: diffusion_pytorch_model-00002-of-"), "{message}");
}

#[test]
fn pickles_are_refused() {
    let message = refused("pipeline_sd2", |folder| {
        let unet = folder.join("unet");
        let (from, to) = ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin");
        fs::rename(unet.join(from), unet.join(to)).expect("file");
    });
    assert!(message.contains("diffusion_pytorch_model.bin, a pickle"), "{message}");
    assert!(message.contains("safe_serialization=True"), "{message}");
}

#[test]
fn weights_that_do_not_fit_their_config_are_named() {
    let wide = edit("text_encoder/config.json", "\"intermediate_size\": 48", "\"intermediate_size\": 40");
    assert_eq!(
        refused("pipeline_sd2", wide),
        "text_encoder: text_encoder/model.fp16.safetensors: tensor `encoder.layers.0.mlp.fc1.weight` has shape \
         [48, 32], but the config implies [40, 32]: do config and weights belong together?"
    );
    let deep = edit("text_encoder/config.json", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4");
    let message = refused("pipeline_sd2", deep);
    assert!(message.contains("tensor `encoder.layers.3."), "{message}");
    assert!(message.contains("is missing: do config and weights belong together?"), "{message}");
}

#[test]
fn parts_that_do_not_belong_together_are_named() {
    let unet = |from, to| refused("pipeline_sd2", edit("unet/config.json", from, to));
    assert_eq!(
        unet("\"cross_attention_dim\": 32", "\"cross_attention_dim\": 40"),
        "unet/config.json: `cross_attention_dim` is 40: the text states are 32 wide: are denoiser and text encoder of one \
         model?"
    );
    assert_eq!(
        unet("\"in_channels\": 4", "\"in_channels\": 9"),
        "unet/config.json: `in_channels` is 9: it is an inpainting model, which takes a mask and the masked image beside the sample: name the \
         model that it was made from"
    );
    let few = refused("pipeline_sd2", edit("text_encoder/config.json", "\"vocab_size\": 590", "\"vocab_size\": 580"));
    assert!(few.contains("vocab_size") && few.contains("580"), "{few}");
    let short = refused("pipeline_xl", edit("tokenizer_2/tokenizer_config.json", ": 77", ": 70"));
    assert!(
        short.starts_with("tokenizer_2/tokenizer_config.json: `model_max_length` is 70: tokenizer cuts"),
        "{short}"
    );
    let pooled = edit(
        "unet/config.json",
        "\"projection_class_embeddings_input_dim\": 60",
        "\"projection_class_embeddings_input_dim\": 61",
    );
    let message = refused("pipeline_xl", pooled);
    assert!(
        message.ends_with(
            "leaves 13 for the pooled text, which is 12 wide: are denoiser and text_encoder_2 of one model?"
        ),
        "{message}"
    );
}

#[test]
fn what_a_u_net_cannot_do_here_is_refused_by_field() {
    let text = fs::read_to_string(fixture("pipeline_sd2/unet/config.json")).expect("config");
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    UnetConfig::read(text.as_bytes()).expect("known");
    for (field, value, wanted) in [
        (
            "down_block_types",
            r#"["AttnDownBlock2D", "DownBlock2D"]"#,
            "is AttnDownBlock2D: DownBlock2D and CrossAttnDown",
        ),
        ("up_block_types", r#"["UpBlock2D", "KUpBlock2D"]"#, "is KUpBlock2D: UpBlock2D and CrossAttnUpBlock2D"),
        ("mid_block_type", "null", "is null: only \"UNetMidBlock2DCrossAttn\""),
        ("only_cross_attention", "[true, false]", "is [true,false]: only false"),
        ("dual_cross_attention", "true", "is true: only false"),
        ("class_embed_type", "\"projection\"", "is projection: class embeddings are not known"),
        ("num_class_embeds", "1000", "is 1000: class embeddings are not known"),
        ("addition_embed_type", "\"image\"", "is image: only \"text_time\""),
        ("addition_embed_type", "\"text_time\"", "the width of the pooled text"),
        ("encoder_hid_dim_type", "\"text_proj\"", "is text_proj: projections of the text states"),
        ("time_cond_proj_dim", "255", "is 255: an even number of at least 4"),
        ("time_cond_proj_dim", "2", "is 2: an even number of at least 4"),
        ("attention_head_dim", "[2]", "is [2]: one number, or one for each block"),
        ("attention_head_dim", "3", "is 3: a divisor of the block's channels"),
        ("block_out_channels", "[3, 6]", "a multiple of norm_num_groups"),
        ("layers_per_block", "0", "is 0: at least 1"),
        ("sample_size", "9", "is 9: divisible by 2"),
        ("conv_in_kernel", "1", "is 1: only 3 is known"),
    ] {
        let kept = config[field].take();
        config[field] = serde_json::from_str(value).expect("JSON");
        let error = UnetConfig::read(config.to_string().as_bytes()).expect_err(field).to_string();
        config[field] = kept;
        assert!(error.starts_with("unet/config.json: `") && error.contains(wanted), "{field} = {value}: {error}");
    }
}

#[test]
fn files_in_memory_are_refused_alike() {
    let index = fs::read(fixture("pipeline_sd2/model_index.json")).expect("index");
    let refused =
        |files: &PipelineFiles<'_>| Pipeline::open(files, &Device::flex()).err().expect("damaged").to_string();
    assert!(refused(&PipelineFiles::new()).starts_with("there is no model_index.json"));
    let files: PipelineFiles<'_> = [("model_index.json", &index[..])].into();
    assert!(refused(&files).starts_with("the pipeline has no `unet/config.json`"));
}
