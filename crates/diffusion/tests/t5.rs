//! T5's encoder against transformers, and Stable Diffusion 3 that reads prompts with it against diffusers (fixtures/README.md says how the
//! numbers were made).

mod formula;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use formula::{assert_close, noise, write_model};
use moa_adapter::Parameters;
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{Compute, Conditions, Denoiser, Pipeline, T5Config, T5Encoder, Tokenizer};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn golden() -> Value {
    serde_json::from_slice(&fs::read(fixtures().join("t5.json")).expect("t5.json")).expect("JSON")
}

fn tokenizer() -> Tokenizer {
    let json = fs::read_to_string(fixtures().join("t5_tokenizer.json")).expect("a tokenizer");
    Tokenizer::read_t5(&json, Path::new("tokenizer_3"), 256).expect("T5's")
}

fn lines(value: &Value) -> Vec<&str> {
    value.as_array().expect("texts").iter().filter_map(Value::as_str).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("an entry");
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copies");
        }
    }
}

/// Returns the folder of Stable Diffusion 3 in miniature with T5.
fn with_t5() -> tempfile::TempDir {
    let (folder, golden) = (tempfile::tempdir().expect("a folder"), golden());
    copy(&fixtures().join("sd3_pipeline"), folder.path());
    write_model(&folder.path().join("text_encoder_3"), "model", &golden["config"], &golden["shapes"]);
    fs::create_dir(folder.path().join("tokenizer_3")).expect("a folder");
    fs::copy(fixtures().join("t5_tokenizer.json"), folder.path().join("tokenizer_3/tokenizer.json")).expect("copies");
    let index = fs::read(folder.path().join("model_index.json")).expect("an index");
    let mut index: Value = serde_json::from_slice(&index).expect("JSON");
    index["text_encoder_3"] = serde_json::json!(["transformers", "T5EncoderModel"]);
    index["tokenizer_3"] = serde_json::json!(["transformers", "T5Tokenizer"]);
    fs::write(folder.path().join("model_index.json"), index.to_string()).expect("writes");
    folder
}

#[test]
fn texts_have_the_ids_of_transformers() {
    let (golden, tokenizer) = (golden(), tokenizer());
    for (text, wanted) in lines(&golden["texts"]).into_iter().zip(golden["ids"].as_array().expect("ids")) {
        let mut wanted: Vec<u32> =
            wanted.as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id") as u32).collect();
        wanted.resize(256, 0);
        assert_eq!(tokenizer.encode(&[text]).expect("is read")[0], wanted, "{text}");
    }
    assert_eq!(tokenizer.room(), 255);
}

#[test]
fn states_match_transformers() {
    let golden = golden();
    let config = T5Config::read(golden["config"].to_string().as_bytes(), "config.json").expect("known");
    let parameters = Parameters::read(&formula::safetensors(&golden["shapes"]), &Device::flex()).expect("weights");
    let t5 = T5Encoder::load(&config, &parameters).expect("fits");
    let ids = tokenizer().encode(&lines(&golden["prompts"])).expect("are read");
    assert_close(&t5.forward(&ids), &golden["states"], "states");

    // Gradients flow to the embeddings.
    let embedded = t5.embed(&ids[..1]).autodiff().require_grad();
    let mut gradients = t5.forward_embedded(embedded.clone()).narrow(1, 3, 1).powi_scalar(3).sum().backward();
    let gradient: Tensor<3> = embedded.grad_remove(&mut gradients).expect("a leaf has a gradient");
    let at = |shift: f32| {
        let moved = embedded.clone().inner() + gradient.clone() * shift;
        t5.forward_embedded(moved).narrow(1, 3, 1).powi_scalar(3).sum().into_scalar::<f32>()
    };
    let squared = gradient.clone().powi_scalar(2).sum().into_scalar::<f32>();
    let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
    assert!((slope / squared - 1.0).abs() < 0.02, "slope {slope}, squared length {squared}");
}

#[test]
fn stable_diffusion_3_with_t5_matches_diffusers() {
    let (golden, folder) = (golden(), with_t5());
    let pipeline = Pipeline::open_folder(folder.path(), &Device::flex()).expect("opens");
    let context = pipeline.encode_prompts(&lines(&golden["prompts"])).expect("prompts");
    let empty = pipeline.unconditional().expect("the empty prompt");
    assert_close(&context.states, &golden["context"], "context");
    assert_eq!(pipeline.context_bytes(), (context.states.shape().num_elements() * size_of::<f32>() / 2) as u64);
    assert_close(&empty.states, &golden["negative"], "negative");

    // Three encoders are searched over: the same values from tokens and from embeddings.
    assert_eq!(pipeline.shares_vocabulary(), [true, true, false]);
    let tokens = pipeline.prompt_tokens(&lines(&golden["prompts"])).expect("prompts");
    let embedded = pipeline.embed_tokens(&tokens).expect("own tokens");
    assert_eq!(embedded.iter().map(Tensor::dims).collect::<Vec<_>>(), [[2, 16, 8], [2, 16, 12], [2, 256, 24]]);
    let again = pipeline.encode_embedded(&tokens, &embedded).expect("own embeddings");
    assert_eq!(again.states.into_data(), context.states.clone().into_data());

    let steps = golden["steps"].as_u64().expect("steps") as usize;
    let guidance = golden["guidance"].as_f64().expect("guidance") as f32;
    let conditions = Conditions { context, guidance: Some((empty, guidance)) };
    let mut x = noise("noise", [2, 16, 8, 8]);
    for rule in pipeline.schedule().deterministic(steps) {
        let drawn = || unreachable!("the steps are deterministic");
        x = step(&pipeline, Denoiser::Base, &rule, x, &conditions, None, Next::Draw(&drawn)).next;
    }
    assert_close(&x, &golden["latents"], "latents");
}

#[test]
fn t5_can_be_left_out() {
    let (folder, prompts) = (with_t5(), ["a red cat"]);
    let states = |pipeline: Pipeline| pipeline.encode_prompts(&prompts).expect("a prompt").states.into_data();
    let plain = Pipeline::open_folder(&fixtures().join("sd3_pipeline"), &Device::flex()).expect("opens");
    let plain = states(plain);
    let without = Compute { t5: false, ..Compute::from(&Device::flex()) };
    assert_eq!(states(Pipeline::open_folder(folder.path(), &without).expect("opens")), plain);
    // Who took the folder away left it out, too.
    fs::remove_dir_all(folder.path().join("text_encoder_3")).expect("removes");
    assert_eq!(states(Pipeline::open_folder(folder.path(), &Device::flex()).expect("opens")), plain);
}

#[test]
fn what_is_no_t5_is_refused_by_field() {
    let refuse = |file: &str, change: &dyn Fn(String) -> String| {
        let folder = with_t5();
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).expect(file);
        let changed = change(text.clone());
        assert_ne!(changed, text, "{file}");
        fs::write(&path, changed).expect(file);
        let error = Pipeline::open_folder(folder.path(), &Device::flex()).err().expect(file).to_string();
        error.replace(&format!("{}: ", folder.path().display()), "").replace(&folder.path().display().to_string(), "")
    };
    let config = |from: &'static str, to: &'static str| {
        refuse("text_encoder_3/config.json", &move |text: String| text.replace(from, to))
    };
    assert_eq!(
        config("gated-gelu", "relu"),
        "text_encoder_3/config.json: `feed_forward_proj` is relu: only \"gated-gelu\" is known, which T5 has since version 1.1"
    );
    assert!(config("\"num_heads\":3", "\"num_heads\":0").contains("`num_heads` is 0: 1 to 1048576"));
    assert_eq!(
        config("\"d_model\":24", "\"d_model\":30"),
        "transformer/config.json: `joint_attention_dim` is 24: the text states are 30 wide: are transformer and text encoders \
         of one model?"
    );
    let few = config("\"vocab_size\":32", "\"vocab_size\":20");
    assert!(few.contains("vocab_size") && few.contains("20"), "{few}");
    let tokenizer = "tokenizer_3/tokenizer.json";
    let clip = fs::read_to_string(fixtures().join("sd3_pipeline/tokenizer/tokenizer.json")).expect("CLIP's");
    assert_eq!(
        refuse(tokenizer, &|_| clip.clone()),
        "/tokenizer_3/tokenizer.json: it is no unigram model: give the tokenizer of a T5 text encoder"
    );
    assert!(refuse(tokenizer, &|text| text.replace("</s>", "</z>")).contains("the vocabulary lacks </s>"));
    assert!(refuse(tokenizer, &|text| text[..text.len() / 2].into()).contains("tokenizer.json: it is unreadable"));
    assert_eq!(
        refuse("model_index.json", &|text| text.replace("T5EncoderModel", "UMT5EncoderModel")),
        "model_index.json: `text_encoder_3` is UMT5EncoderModel: T5EncoderModel is known"
    );
}
