//! Pipelines that people name and moa does not know: what they are, and what to name instead.

/// Parts of pipelines' classes, in order, and what is said of them.
const UNKNOWN: [(&str, &str); 20] = [
    ("Inpaint", "it is an inpainting model, which takes a mask and an image: name the model that it was made from"),
    ("Img2Img", "it takes an image: name the same model's text-to-image pipeline, whose files are alike"),
    ("InstructPix2Pix", "it edits images: name a text-to-image model"),
    ("ControlNet", "controls are not known: name the model without them, whose files lie beside"),
    ("Adapter", "T2I adapters are not known: name the model without them, whose files lie beside"),
    ("Upscale", "it is an upscaler, which takes an image: name a text-to-image model"),
    ("Depth2Img", "it takes a depth map: name the model without depth"),
    ("ImageVariation", "it varies images: name a text-to-image model"),
    ("LDM3D", "images with depth are not known: name a text-to-image model"),
    ("PixArt", "PixArt is not known, a transformer whose text encoder is T5 alone: name a model of Stable Diffusion"),
    (
        "Kolors",
        "Kolors is not known, whose text encoder is ChatGLM: name Stable Diffusion XL, whose U-Net is of the same kind",
    ),
    ("StableCascade", "Stable Cascade is not known, which has a prior and a decoder: name a model of Stable Diffusion"),
    ("Wuerstchen", "Würstchen is not known, which has a prior and a decoder: name a model of Stable Diffusion"),
    ("Kandinsky", "Kandinsky is not known: name a model of Stable Diffusion"),
    ("HunyuanDiT", "Hunyuan-DiT is not known: name a model of Stable Diffusion"),
    ("AuraFlow", "AuraFlow is not known: name a model of Stable Diffusion"),
    ("Sana", "Sana is not known: name a model of Stable Diffusion"),
    ("Lumina", "Lumina is not known: name a model of Stable Diffusion"),
    ("QwenImage", "Qwen-Image is not known: name a model of Stable Diffusion"),
    ("IFPipeline", "DeepFloyd IF is not known: name a model of Stable Diffusion"),
];

/// Returns what is said of a pipeline's class; nothing of classes that are not told apart.
pub(super) fn wanted(class: &str) -> Option<&'static str> {
    UNKNOWN.iter().find(|(part, _)| class.contains(part)).map(|(_, wanted)| *wanted)
}
