//! `moa inspect`: what a LoRA is.

mod text;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use moa_adapter::contents::{About, Block, Contents};
use serde_json::{Value, json};

use crate::adapters::{self, AdapterFile};
use crate::bar::work_with_bar;
use crate::error::CliError;
use crate::global::Global;
use crate::output::print;
use verdict::Verdict;

/// After how long progress is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says what a LoRA is, whichever program trained it: its base, layers, ranks, alphas, and where it changes its base most.
///
/// Says what `moa sample` and `moa merge` do with it, and what diffusers, ComfyUI and A1111 do. Files that are no adapters are told by their
/// right names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads safetensors files of kohya's sd-scripts, OneTrainer, LyCORIS (LoCon, LoHa, LoKr, full, norms, DoRA), diffusers, peft, ai-toolkit, SimpleTuner and ComfyUI, \
for Stable Diffusion 1, 2, XL, 3, 3.5 and FLUX.1, with their text encoders. Layers of other models are listed under the file's own names.

Lines:
  base    the family, by the layers' shapes and names, and by the file's header
  alpha   and where it comes from: each layer's tensor, peft's configuration, the header
  moa     whether moa applies it, and below what other programs do with the file

The change of a block's weights is their root mean square, √(Σ‖ΔW‖² / number of weights), without biases, norms and DoRA's magnitudes. Compare blocks of one file, or \
files of one base.

Fields of JSON, a list of files: file, bytes, family, header_family, base, trainer, components, kinds, precisions, alpha_from, layers (name, \
component, diffusers, kinds, rank, alpha, scale, shape, norm, dora), blocks (component, name, layers, root_mean_square), words, texts, \
embeddings, applies, remark, programs; of files that cannot be read file and error. What is not known is null.

Examples:
  moa inspect style.safetensors
  moa inspect results/my/runs/safety
  moa inspect loras/*.safetensors --json | jq -r '.[] | [.file, .family] | @tsv'")]
pub(crate) struct Arguments {
    /// Adapters: safetensors files, folders with one, or an experiment's results for all of its runs
    #[arg(value_name = "ADAPTER", required = true)]
    adapters: Vec<PathBuf>,

    /// Print everything as JSON, with every layer
    #[arg(long)]
    json: bool,
}

/// What is said of a file.
struct Inspected<'a> {
    file: &'a AdapterFile,
    contents: &'a Contents<'a>,
    about: About,
    norms: Vec<f64>,
    blocks: Vec<Block>,
    verdict: Verdict,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let files: Vec<PathBuf> = arguments
        .adapters
        .iter()
        .map(|path| adapters::files(path))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    let mut values = Vec::new();
    let mut texts = Vec::new();
    let mut failed: Vec<String> = Vec::new();
    for path in &files {
        match inspect(path, arguments.json, global) {
            Ok(Found::Json(value)) => values.push(value),
            Ok(Found::Text(text)) => texts.push(text),
            Err(error) => {
                values.push(json!({ "file": path.display().to_string(), "error": error.message() }));
                failed.push(error.message().to_owned());
            }
        }
    }
    print(if arguments.json { format!("{:#}\n", Value::Array(values)) } else { texts.join("\n") })?;
    // What can be read is printed whatever else was named.
    if failed.is_empty() { Ok(()) } else { Err(CliError::failure(failed.join("\n"))) }
}

/// What is printed of a file.
enum Found {
    Json(Value),
    Text(String),
}

fn inspect(path: &Path, as_json: bool, global: Global) -> Result<Found, CliError> {
    let file = AdapterFile::read(path)?;
    let contents = file.contents()?;
    let started = Instant::now();
    let norms = work_with_bar("norms", global.quiet, |tell| {
        contents.norms(&|share| {
            if started.elapsed() > PATIENCE {
                tell(share);
            }
        })
    });
    let blocks = contents.blocks(&norms);
    let about = contents.about();
    let family = about.by_shapes.as_ref().or(about.by_header.as_ref()).map(|(family, _)| *family);
    let verdict = Verdict::of(&contents, family);
    let inspected = Inspected { file: &file, contents: &contents, about, norms, blocks, verdict };
    Ok(if as_json { Found::Json(inspected.to_json()) } else { Found::Text(inspected.to_text()) })
}

impl Inspected<'_> {
    fn to_json(&self) -> Value {
        let layer = |(layer, norm): (&moa_adapter::contents::Layer<'_>, &f64)| {
            let main = layer.parts.first();
            json!({
                "name": layer.name,
                "component": layer.component.name(),
                "diffusers": layer.canonical,
                "kinds": layer.parts.iter().map(|part| part.kind().to_string()).collect::<Vec<_>>(),
                "rank": main.and_then(|part| part.rank),
                "alpha": main.and_then(|part| part.alpha),
                "scale": main.map(|part| part.scale),
                "shape": main.map(moa_adapter::contents::Part::shape),
                "norm": norm,
                "dora": layer.magnitude.is_some(),
            })
        };
        let block = |block: &Block| {
            json!({
                "component": block.component.name(),
                "name": block.name,
                "layers": block.layers,
                "root_mean_square": block.root_mean_square,
            })
        };
        let counts = |counts: Vec<(String, usize)>| {
            Value::Object(counts.into_iter().map(|(key, count)| (key, count.into())).collect())
        };
        json!({
            "file": self.file.path.display().to_string(),
            "bytes": self.file.bytes.len(),
            "family": self.about.by_shapes.as_ref().map(|(family, _)| family.to_string()),
            "header_family": self.about.by_header.as_ref().map(|(family, _)| family.to_string()),
            "base": self.base(),
            "trainer": self.about.trainer,
            "components": counts(self.components()),
            "kinds": counts(self.kinds()),
            "precisions": counts(self.precisions()),
            "alpha_from": self.contents.alphas_from.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "layers": self.contents.layers.iter().zip(&self.norms).map(layer).collect::<Vec<_>>(),
            "blocks": self.blocks.iter().map(block).collect::<Vec<_>>(),
            "words": self.about.words.iter().map(|(word, count)| json!({ "word": word, "count": count })).collect::<Vec<_>>(),
            "texts": self.about.texts,
            "embeddings": self.contents.embeddings.iter().map(|embedding| &embedding.word[..]).collect::<Vec<_>>(),
            "applies": self.verdict.applies,
            "remark": self.verdict.remark,
            "programs": self.verdict.programs.iter().map(|(program, does)| json!({ "program": program, "does": does })).collect::<Vec<_>>(),
        })
    }

    /// Returns the base that the files name.
    fn base(&self) -> Option<&str> {
        self.file.base.as_deref()
    }
}
