//! Prompts as tokens and embeddings: what is encoded, and gradients down to one-hot tokens.

mod golden;

use burn::tensor::{Device, Tensor, TensorData};
use golden::fixture;
use moa_core::NoiseKey;
use moa_diffusion::{Pipeline, PromptTokens, TextContext};

/// One encoder, two with pooled vectors of one, two with pooled vectors of both.
const PIPELINES: [&str; 4] = ["pipeline_sd1", "pipeline_sd2", "pipeline_xl", "sd3_pipeline"];
const PROMPTS: [&str; 3] = ["a red heart", "", "the object of a class!"];

fn open(name: &str) -> Pipeline {
    Pipeline::open_folder(&fixture(name), &Device::flex()).expect("opens")
}

fn noise<const D: usize>(name: &str, dims: [usize; D]) -> Tensor<D> {
    let values = NoiseKey::new(5).named(name).normal(dims.iter().product());
    Tensor::from_data(TensorData::new(values, dims), &Device::flex())
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.inner().into_data().try_into_vec().expect("f32")
}

fn values(context: &TextContext) -> Vec<Vec<f32>> {
    let pooled = context.added.as_ref().map(|added| host(added.pooled.clone()));
    std::iter::once(host(context.states.clone())).chain(pooled).collect()
}

#[test]
fn tokens_and_embeddings_of_prompts_are_encoded_as_prompts() {
    for name in PIPELINES {
        let pipeline = open(name);
        let wanted = values(&pipeline.encode_prompts(&PROMPTS).expect("prompts"));
        let tokens = pipeline.prompt_tokens(&PROMPTS).expect("prompts");
        assert_eq!([tokens.rows(), tokens.encoders()], [3, pipeline.token_tables().len()]);
        assert_eq!(values(&pipeline.encode_tokens(&tokens).expect("tokens")), wanted, "{name}");
        let embedded = pipeline.embed_tokens(&tokens).expect("tokens");
        assert_eq!(values(&pipeline.encode_embedded(&tokens, &embedded).expect("embeddings")), wanted, "{name}");
        let followed: Vec<_> = embedded.into_iter().map(|one| one.autodiff().require_grad()).collect();
        let context = pipeline.encode_embedded(&tokens, &followed).expect("embeddings");
        for (found, wanted) in values(&context).iter().zip(&wanted) {
            let worst = found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{name}: {worst}");
        }
        let typed: Vec<&[u32]> = tokens.ids(0).iter().map(|ids| pipeline.tokenizer().between(ids)).collect();
        assert_eq!(pipeline.tokens_of(&typed).expect("they fit"), tokens, "{name}");
        assert_eq!(tokens.select(&[2, 0]), pipeline.prompt_tokens(&[PROMPTS[2], PROMPTS[0]]).expect("prompts"));
    }
}

/// Returns \u{3a3} of the denoiser's output for every row, by weights that differ.
fn loss(pipeline: &Pipeline, context: &TextContext) -> Tensor<1> {
    let [channels, height, width] = pipeline.latent_shape();
    let x = noise("x", [3, channels, height, width]);
    let output = pipeline.denoise(x, &[100.0, 500.0, 900.0], context, None);
    (output.clone() * noise("towards", output.dims())).sum()
}

/// Returns what a change of `step` of the one-hot row of a token at a place adds to the embeddings.
fn moved(pipeline: &Pipeline, embedded: &[Tensor<3>], [row, place, id]: [usize; 3], step: f32) -> Vec<Tensor<3>> {
    let all = embedded.iter().zip(pipeline.token_tables()).zip(pipeline.shares_vocabulary());
    all.map(|((embedded, table), shares)| {
        let [rows, tokens, width] = embedded.dims();
        let mut change = vec![0.0; rows * tokens * width];
        if shares {
            let at = (row * tokens + place) * width;
            let entry = host(table.narrow(0, id, 1));
            change[at..at + width].iter_mut().zip(entry).for_each(|(change, value)| *change = step * value);
        }
        embedded.clone() + Tensor::from_data(TensorData::new(change, [rows, tokens, width]), &Device::flex())
    })
    .collect()
}

#[test]
fn gradients_of_one_hot_tokens_are_differences() {
    for name in PIPELINES {
        let pipeline = open(name);
        let tokens = pipeline.prompt_tokens(&PROMPTS).expect("prompts");
        let embedded = pipeline.embed_tokens(&tokens).expect("tokens");
        let leaves: Vec<_> = embedded.iter().map(|one| one.clone().autodiff().require_grad()).collect();
        let context = pipeline.encode_embedded(&tokens, &leaves).expect("embeddings");
        let mut gradients = loss(&pipeline, &context).backward();
        let of_embeddings: Vec<_> =
            leaves.iter().map(|leaf| leaf.grad_remove(&mut gradients).expect("a leaf has a gradient")).collect();
        let found = pipeline.token_gradients(&of_embeddings).expect("gradients");
        let [_, length, vocabulary] = found.dims();
        assert_eq!([length, vocabulary], [pipeline.tokenizer().length(), pipeline.token_tables()[0].dims()[0]]);
        let found = host(found);
        let at = |embedded: &[Tensor<3>]| {
            let context = pipeline.encode_embedded(&tokens, embedded).expect("embeddings");
            f64::from(loss(&pipeline, &context).into_scalar::<f32>())
        };
        // Words, an end token, padding; ids from all over the table.
        let places = [[0, 1, 5], [0, 3, 300], [1, 1, 71], [2, 2, 511], [2, 5, 64], [2, 9, 410]];
        let pairs: Vec<[f64; 2]> = places
            .into_iter()
            .map(|change @ [row, place, id]| {
                let step = 0.05;
                let difference =
                    at(&moved(&pipeline, &embedded, change, step)) - at(&moved(&pipeline, &embedded, change, -step));
                [f64::from(found[(row * length + place) * vocabulary + id]), difference / f64::from(2.0 * step)]
            })
            .collect();
        let largest = pairs.iter().map(|[_, wanted]| wanted.abs()).fold(0.0, f64::max);
        for (place, [found, wanted]) in places.iter().zip(&pairs) {
            assert!((found - wanted).abs() < 0.03 * largest, "{name} {place:?}: {found}, not {wanted}");
        }
    }
}

#[test]
fn tokens_and_embeddings_that_do_not_fit_are_refused() {
    let (sd1, xl) = (open("pipeline_sd1"), open("pipeline_xl"));
    let tokens = sd1.prompt_tokens(&["a heart"]).expect("a prompt");
    let refused = |result: Result<PromptTokens, _>| result.map_err(|e: moa_diffusion::TokensError| e.to_string());
    assert_eq!(
        refused(sd1.tokens_of(&[vec![64], vec![64; 76]])).expect_err("too long"),
        "prompt 1 has 76 tokens, and there is room for 75 beside the begin and end token: take some away"
    );
    let size = sd1.token_tables()[0].dims()[0];
    assert_eq!(
        refused(sd1.tokens_of(&[[64, 99_999]])).expect_err("no such token"),
        format!("prompt 0 has the token 99999, and the table of text encoder 0 has {size} tokens: take ids below that")
    );
    assert_eq!(
        xl.encode_tokens(&tokens).expect_err("of another pipeline").to_string(),
        "the tokens are rows of [77] for the text encoders in order, and this pipeline's are [77, 77] long: take those that the \
         same pipeline returns"
    );
    let wrong = [noise("wrong", [1, 76, 16])];
    let width = sd1.token_tables()[0].dims()[1];
    let wanted = format!(
        "the embeddings have the shapes [[1, 76, 16]] for the text encoders in order: make them [[1, 77, {width}]]"
    );
    assert_eq!(sd1.encode_embedded(&tokens, &wrong).expect_err("another shape").to_string(), wanted);
    assert_eq!(sd1.token_gradients(&wrong).expect_err("another shape").to_string(), wanted);
}

#[test]
fn an_encoder_of_another_vocabulary_reads_the_text() {
    let copied = tempfile::tempdir().expect("a folder");
    let from = fixture("pipeline_xl");
    copy(&from, copied.path());
    // The second tokenizer has the ids of two letters swapped.
    let path = copied.path().join("tokenizer_2/vocab.json");
    let mut vocab: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("vocab")).expect("a vocabulary");
    let (a, b) = (vocab["a</w>"].clone(), vocab["b</w>"].clone());
    (vocab["a</w>"], vocab["b</w>"]) = (b.clone(), a.clone());
    std::fs::write(&path, vocab.to_string()).expect("written");
    let pipeline = Pipeline::open_folder(copied.path(), &Device::flex()).expect("opens");
    assert_eq!(pipeline.shares_vocabulary(), [true, false]);
    assert_eq!(open("pipeline_xl").shares_vocabulary(), [true, true]);
    let id = |value: serde_json::Value| value.as_u64().expect("an id") as u32;
    let tokens = pipeline.tokens_of(&[[id(a.clone())]]).expect("a token");
    assert_eq!([tokens.ids(0)[0][1], tokens.ids(1)[0][1]], [id(a), id(b)]);
    let shapes: Vec<[usize; 3]> = pipeline.embed_tokens(&tokens).expect("tokens").iter().map(Tensor::dims).collect();
    let gradients = [noise("first", shapes[0]), noise("second", shapes[1])];
    let alone = moa_diffusion::one_hot_gradient(&gradients[0], &pipeline.token_tables()[0]);
    assert_eq!(host(pipeline.token_gradients(&gradients).expect("they fit")), host(alone));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
