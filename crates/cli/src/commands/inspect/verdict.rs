//! What moa does with an adapter, and what other programs do with its file.

use moa_adapter::contents::{Component, Contents, Family, Form, Layer, Origin, Target};

/// What `moa sample`, `merge` and `convert` do with a file.
pub(super) struct Verdict {
    /// Whether they apply all of it as its trainer does.
    pub(super) applies: bool,
    /// What they do, or why not.
    pub(super) remark: String,
    /// Programs, and what each does with the file.
    pub(super) programs: Vec<(&'static str, String)>,
}

impl Verdict {
    pub(super) fn of(contents: &Contents<'_>, family: Option<Family>) -> Self {
        let programs = vec![
            ("diffusers", diffusers(contents)),
            ("ComfyUI", comfyui(contents)),
            ("A1111, Forge", a1111(contents, family)),
        ];
        let (applies, remark) = match contents.adapter() {
            Err(error) => (false, error.to_string()),
            Ok(_) if !contents.embeddings.is_empty() => {
                (false, "sample, merge and convert take all but the words that come along".into())
            }
            Ok(_) => (true, "sample, merge and convert take all of it, with a base of its family".into()),
        };
        Self { applies, remark, programs }
    }
}

/// Marks of a file that programs go by.
struct Marks<'c, 'a> {
    contents: &'c Contents<'a>,
}

impl Marks<'_, '_> {
    fn any(&self, is: impl Fn(&Layer<'_>) -> bool) -> bool {
        self.contents.layers.iter().any(is)
    }

    fn any_form(&self, is: impl Fn(&Form<'_>) -> bool) -> bool {
        self.any(|layer| layer.parts.iter().any(|part| is(&part.form)))
    }

    /// Whether names are kohya's or LyCORIS': flat, behind a prefix.
    fn is_flat(&self) -> bool {
        self.any(|layer| layer.name.starts_with("lora_") || layer.name.starts_with("lycoris_"))
    }

    fn has_lycoris(&self) -> bool {
        self.any_form(|form| matches!(form, Form::Hadamard(..) | Form::Kronecker(..)))
    }

    fn has_differences(&self) -> bool {
        self.any_form(|form| matches!(form, Form::Difference(_)))
    }

    /// Whether α stands where only its own trainer looks.
    fn hides_alpha(&self) -> bool {
        let hidden = |origin: &Origin| matches!(origin, Origin::Text(_));
        let acts = self.any(|layer| layer.parts.iter().any(|part| (part.scale - 1.0).abs() > 1e-6));
        acts && self.contents.alphas_from.iter().any(hidden)
    }

    /// Whether α stands in peft's configuration, beside the file or in its header.
    fn has_configured_alpha(&self) -> bool {
        let acts = self.any(|layer| layer.parts.iter().any(|part| (part.scale - 1.0).abs() > 1e-6));
        acts && self.contents.alphas_from.iter().any(|origin| matches!(origin, Origin::Config | Origin::Header))
    }

    /// Whether attention layers of a U-Net have diffusers' own names, of which ComfyUI knows none.
    fn has_unmapped_attention(&self) -> bool {
        self.any(|layer| {
            layer.component == Component::UNet
                && layer.name.contains(".attn")
                && layer.name.contains(".to_")
                && !layer.name.contains(".processor.")
        })
    }
}

fn diffusers(contents: &Contents<'_>) -> String {
    let marks = Marks { contents };
    if marks.has_lycoris() || marks.has_differences() {
        return "refuses it, or leaves LyCORIS' and full parts out: convert it with --reduce".into();
    }
    if contents.layers.iter().any(|layer| layer.magnitude.is_some()) && marks.is_flat() {
        return "loads the factors without DoRA's magnitudes, or refuses them".into();
    }
    if marks.hides_alpha() {
        return "takes alpha to be the rank, as it does not look into this header: another strength".into();
    }
    if contents.alphas_from.contains(&Origin::Config) {
        return "needs adapter_config.json beside the file; by load_lora_weights alone alpha is taken to be the rank"
            .into();
    }
    if marks.has_configured_alpha() {
        return "from 0.34 at the right strength; before that alpha is taken to be the rank".into();
    }
    "loads it (load_lora_weights)".into()
}

fn comfyui(contents: &Contents<'_>) -> String {
    let marks = Marks { contents };
    if marks.has_unmapped_attention() {
        return "leaves attention layers out, whose names it does not know: convert it to diffusers or kohya".into();
    }
    if marks.hides_alpha() || marks.has_configured_alpha() {
        return "takes alpha to be the rank: another strength; convert it".into();
    }
    "loads it".into()
}

fn a1111(contents: &Contents<'_>, family: Option<Family>) -> String {
    let marks = Marks { contents };
    if !marks.is_flat() {
        return "knows kohya's names: convert it to kohya".into();
    }
    let hidden = match family {
        Some(Family::SdXl) => {
            !contents.metadata.get("ss_base_model_version").is_some_and(|version| version.starts_with("sdxl_"))
        }
        Some(Family::Sd2) => contents.metadata.get("ss_v2").is_none_or(|version| version != "True"),
        _ => false,
    };
    if hidden {
        return "loads it, and hides it from the list, as its header does not name its base: convert it to kohya"
            .into();
    }
    if contents.layers.iter().flat_map(|layer| &layer.parts).any(|part| part.target == Target::Bias) {
        return "loads it, biases apart".into();
    }
    "loads it".into()
}
