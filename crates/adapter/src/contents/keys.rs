//! The names of tensors in all layouts, as two tables: how they begin says what model a layer belongs to, how they end says what
//! the tensor is. Trainers and converters combine beginnings and endings freely.

use super::Component;

/// What a tensor is of its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Down,
    Mid,
    Up,
    /// peft's bias of the projection up, which is scaled as the product is.
    UpBias,
    Alpha,
    /// DoRA's magnitude, `[out, 1, …]` or `[1, in, …]`.
    DoraScale,
    /// DoRA's magnitude as peft has it: of outputs always.
    MagnitudeVector,
    HadaOneLeft,
    HadaOneRight,
    HadaTwoLeft,
    HadaTwoRight,
    HadaOneCore,
    HadaTwoCore,
    KronOne,
    KronOneLeft,
    KronOneRight,
    KronTwo,
    KronTwoLeft,
    KronTwoRight,
    KronTwoCore,
    Difference,
    BiasDifference,
    NormWeight,
    NormBias,
}

/// How names end, and who writes them so.
const ENDINGS: [(&str, Role); 36] = [
    // kohya's sd-scripts, OneTrainer; LyCORIS for LoCon
    (".lora_down.weight", Role::Down),
    (".lora_mid.weight", Role::Mid),
    (".lora_up.weight", Role::Up),
    (".alpha", Role::Alpha),
    (".dora_scale", Role::DoraScale),
    // peft, and diffusers since 0.26; ai-toolkit, SimpleTuner, OneTrainer, DiffSynth-Studio
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_B.bias", Role::UpBias),
    (".lora_A", Role::Down),
    (".lora_B", Role::Up),
    (".lora_magnitude_vector", Role::MagnitudeVector),
    (".lora_magnitude_vector.weight", Role::MagnitudeVector),
    // diffusers
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    // diffusers up to 0.20: attention processors
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    // LyCORIS
    (".hada_w1_a", Role::HadaOneLeft),
    (".hada_w1_b", Role::HadaOneRight),
    (".hada_w2_a", Role::HadaTwoLeft),
    (".hada_w2_b", Role::HadaTwoRight),
    (".hada_t1", Role::HadaOneCore),
    (".hada_t2", Role::HadaTwoCore),
    (".lokr_w1", Role::KronOne),
    (".lokr_w1_a", Role::KronOneLeft),
    (".lokr_w1_b", Role::KronOneRight),
    (".lokr_w2", Role::KronTwo),
    (".lokr_w2_a", Role::KronTwoLeft),
    (".lokr_w2_b", Role::KronTwoRight),
    (".lokr_t2", Role::KronTwoCore),
    // LyCORIS, ComfyUI
    (".diff", Role::Difference),
    (".diff_b", Role::BiasDifference),
    (".w_norm", Role::NormWeight),
    (".b_norm", Role::NormBias),
    // conversions of diffusers' old text encoders
    (".lora_linear_layer.alpha", Role::Alpha),
];

/// How names of methods end or what they contain that is not read, and what these are.
const REFUSED: [(&str, &str); 27] = [
    (".oft_blocks", "an OFT, which rotates weights: it cannot be read yet"),
    (".oft_diag", "an OFT, which rotates weights: it cannot be read yet"),
    (".oft_R", "an OFT, which rotates weights: it cannot be read yet"),
    (".boft_", "a BOFT, which rotates weights: it cannot be read yet"),
    (".on_input", "an (IA)³, which scales activations: it cannot be read yet"),
    (".ia3_l", "an (IA)³, which scales activations: it cannot be read yet"),
    (".a1.weight", "a GLoRA, whose ΔW depends on the base's weights: it cannot be read yet"),
    (".a2.weight", "a GLoRA, whose ΔW depends on the base's weights: it cannot be read yet"),
    (".b1.weight", "a GLoRA, whose ΔW depends on the base's weights: it cannot be read yet"),
    (".b2.weight", "a GLoRA, whose ΔW depends on the base's weights: it cannot be read yet"),
    (".vera_lambda", "a VeRA, whose matrices are drawn at random: it cannot be read yet"),
    ("vera_A", "a VeRA, whose matrices are drawn at random: it cannot be read yet"),
    ("vera_B", "a VeRA, whose matrices are drawn at random: it cannot be read yet"),
    (".lora_E", "an AdaLoRA, which has a third factor: it cannot be read yet"),
    (".lora_embedding_", "a LoRA on a table of tokens: it cannot be read yet"),
    (".set_weight", "ComfyUI's replacement of a whole weight, which is no difference to a base"),
    (".reshape_weight", "ComfyUI's reshaping of a base's weight: it makes another base"),
    (".base_layer.", "a base layer beside its LoRA: write the adapter alone, e.g. by peft's save_pretrained"),
    (".original_module.", "a base layer beside its LoRA: write the adapter alone, e.g. by peft's save_pretrained"),
    (".modules_to_save.", "a layer that was trained whole (peft's modules_to_save): it cannot be read yet"),
    (
        "_custom_diffusion.weight",
        "a Custom Diffusion, which replaces weights of cross-attention: it cannot be read yet",
    ),
    (".bias_values", "LyCORIS' sparse biases: they cannot be read yet"),
    (".bias_indices", "LyCORIS' sparse biases: they cannot be read yet"),
    (".bias_size", "LyCORIS' sparse biases: they cannot be read yet"),
    (".lokr_t1", "LyCORIS' core of a first factor, which its own programs ignore"),
    (
        ".scalar",
        "LyCORIS' trained scalar, which programs apply differently: export the adapter again with it multiplied in",
    ),
    ("lora_prior_", "Stable Cascade's prior, which no base of moa has"),
];

/// Returns why a tensor belongs to a method that is known and not read.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    let is = |mark: &&(&str, &str)| {
        name.ends_with(mark.0) || ((mark.0.ends_with(['_', '.']) || !mark.0.starts_with('.')) && name.contains(mark.0))
    };
    REFUSED.iter().find(is).map(|(_, method)| *method)
}

/// Splits a name into layer and role; nothing where it ends as no layout's names do.
///
/// peft's name of the adapter, `default`, may be left in: `….lora_A.default.weight`.
pub(super) fn split(name: &str) -> Option<(String, Role)> {
    let plain = name.strip_suffix(".default").unwrap_or(name);
    let plain = plain.replace(".default.weight", ".weight").replace(".default.bias", ".bias");
    let known = ENDINGS.iter().filter(|(ending, _)| plain.ends_with(ending)).max_by_key(|(ending, _)| ending.len());
    let (ending, role) = known?;
    let layer = plain.strip_suffix(ending).filter(|layer| !layer.is_empty())?;
    Some((layer.to_owned(), *role))
}

/// How the name of a layer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// With dots.
    Dotted,
    /// With underscores in place of dots.
    Flat,
}

/// What the beginning of a name says: of the denoiser only that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Denoiser(Option<Component>),
    Text(Component),
    /// By the rest of the name.
    Unsaid,
}

/// How names begin.
const BEGINNINGS: [(&str, Side, Spelling); 18] = [
    // kohya's sd-scripts, which call transformers unet, too; LyCORIS; OneTrainer
    ("lora_unet_", Side::Denoiser(None), Spelling::Flat),
    ("lora_te_", Side::Text(Component::TextEncoder), Spelling::Flat),
    ("lora_te1_", Side::Text(Component::TextEncoder), Spelling::Flat),
    ("lora_te2_", Side::Text(Component::TextEncoder2), Spelling::Flat),
    ("lora_te3_", Side::Text(Component::TextEncoder3), Spelling::Flat),
    ("lora_transformer_", Side::Denoiser(Some(Component::Transformer)), Spelling::Flat),
    // SimpleTuner with LyCORIS
    ("lycoris_text_encoder_", Side::Text(Component::TextEncoder), Spelling::Flat),
    ("lycoris_", Side::Unsaid, Spelling::Flat),
    // diffusers
    ("unet.", Side::Denoiser(Some(Component::UNet)), Spelling::Dotted),
    ("transformer.", Side::Denoiser(Some(Component::Transformer)), Spelling::Dotted),
    ("text_encoder.", Side::Text(Component::TextEncoder), Spelling::Dotted),
    ("text_encoder_2.", Side::Text(Component::TextEncoder2), Spelling::Dotted),
    ("text_encoder_3.", Side::Text(Component::TextEncoder3), Spelling::Dotted),
    // ComfyUI
    ("diffusion_model.", Side::Denoiser(None), Spelling::Dotted),
    ("model.diffusion_model.", Side::Denoiser(None), Spelling::Dotted),
    ("text_encoders.clip_l.transformer.", Side::Text(Component::TextEncoder), Spelling::Dotted),
    ("text_encoders.clip_g.transformer.", Side::Text(Component::TextEncoder2), Spelling::Dotted),
    ("text_encoders.t5xxl.transformer.", Side::Text(Component::TextEncoder3), Spelling::Dotted),
];

/// peft's wrapper, which names may begin with.
pub(super) const WRAPPER: &str = "base_model.model.";

/// Takes the beginning from a layer's name.
pub(super) fn beginning(layer: &str) -> (Side, Spelling, &str) {
    // Behind it stand the names of the base's own modules.
    if let Some(module) = layer.strip_prefix(WRAPPER) {
        return (Side::Unsaid, Spelling::Dotted, module);
    }
    let known =
        BEGINNINGS.iter().find_map(|(start, side, spelling)| Some((*side, *spelling, layer.strip_prefix(start)?)));
    known.unwrap_or((Side::Unsaid, Spelling::Dotted, layer))
}
