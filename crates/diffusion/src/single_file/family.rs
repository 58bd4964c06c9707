//! Which family a single-file checkpoint is of, and what no tensor tells.

use moa_adapter::Parameters;
use serde_json::{Value, json};

use crate::schedule::Prediction;

/// A family of checkpoints in the original layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Stable Diffusion 1: OpenAI's CLIP.
    Sd1,
    /// Stable Diffusion 2: OpenCLIP.
    Sd2,
    /// Stable Diffusion XL: both.
    Xl,
}

/// Where the first text encoder of Stable Diffusion 1 is.
pub(super) const SD1_TEXT: &str = "cond_stage_model.transformer.";
/// Where the text encoder of Stable Diffusion 2 is.
pub(super) const SD2_TEXT: &str = "cond_stage_model.model.";
/// Where Stable Diffusion XL's text encoders are.
pub(super) const XL_TEXTS: [&str; 2] = ["conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."];

impl Family {
    /// Tells the family by the names of the tensors.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, String> {
        let names = parameters.names();
        let has = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
        if !has("model.diffusion_model.input_blocks.") {
            let found = names.first().map_or("no tensors".into(), |name| format!("`{name}` and others"));
            return Err(format!(
                "it has {found}, and no `model.diffusion_model.input_blocks…`: single files of Stable Diffusion 1, 2 and XL are \
                 known; other models can be named by their diffusers folder"
            ));
        }
        if has("edm_mean") {
            return Err("it is a Playground model with noise levels of its own, which are not known".into());
        }
        let texts = [has(SD1_TEXT), has(SD2_TEXT), has(XL_TEXTS[0]), has(XL_TEXTS[1])];
        match texts {
            [true, false, false, false] => Ok(Self::Sd1),
            [false, true, false, false] => Ok(Self::Sd2),
            [false, false, true, true] => Ok(Self::Xl),
            [false, false, false, false] if has("conditioner.embedders.0.model.") => {
                Err("it is Stable Diffusion XL's refiner, which takes images: name the base model instead".into())
            }
            _ => Err("it holds no text encoder of Stable Diffusion 1, 2 or XL: name a file that holds the whole model"
                .into()),
        }
    }

    /// Returns `scheduler/scheduler_config.json`.
    pub(super) fn schedule(self, parameters: &Parameters, prediction: Option<Prediction>) -> Result<Value, String> {
        // Community models of the XL family mark themselves so.
        let (velocity, zero_snr) = (parameters.has("v_pred"), parameters.has("ztsnr"));
        let prediction = match (prediction, self) {
            (Some(prediction), _) => prediction,
            (None, _) if velocity => Prediction::VPrediction,
            (None, Self::Sd2) => {
                return Err("files of Stable Diffusion 2 do not tell what the model predicts: say epsilon (the base models, 512 \
                            pixels) or v_prediction (768 pixels)"
                    .into());
            }
            (None, Self::Sd1 | Self::Xl) => Prediction::Epsilon,
        };
        Ok(json!({
            "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
            "beta_schedule": "scaled_linear", "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1,
            "timestep_spacing": if zero_snr { "trailing" } else { "leading" }, "prediction_type": prediction,
            "rescale_betas_zero_snr": zero_snr,
        }))
    }

    /// Returns `model_index.json`.
    pub(super) fn index(self) -> Value {
        let mut index = json!({
            "_class_name": "StableDiffusionPipeline",
            "scheduler": ["diffusers", "DDIMScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        });
        if self == Self::Xl {
            index["_class_name"] = "StableDiffusionXLPipeline".into();
            index["force_zeros_for_empty_prompt"] = true.into();
            index["text_encoder_2"] = json!(["transformers", "CLIPTextModelWithProjection"]);
            index["tokenizer_2"] = json!(["transformers", "CLIPTokenizer"]);
        }
        index
    }
}
