//! A model in an ONNX file: what it is given, and which of its numbers is the score.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::list;

/// A model in an ONNX file that takes images alone; one number of its output, or several brought to one, is the score.
///
/// An image is brought to the input's size, ordered and normalised; of the output, `activation` acts first, then each of `reduce`, then
/// `index`, then `negate`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxSpec {
    /// The file. A relative path counts from the folder of the experiment file.
    pub model: PathBuf,
    /// The input that takes the images. Default: the only one.
    #[serde(default)]
    pub input: Option<String>,
    /// The output that holds the score. Default: the only one.
    #[serde(default)]
    pub output: Option<String>,
    /// Height and width, in pixels, that images are brought to: cropped about the centre to that shape, then resized with
    /// antialiased bicubic interpolation. Default: what the model's input says.
    #[serde(default, with = "list::optional")]
    pub size: Option<[u32; 2]>,
    /// Height and width, in pixels, that images are brought to before the centre of `size` is cut out of them, for models that were
    /// trained on such cuts: at least `size`. Default: `size`.
    #[serde(default, with = "list::optional", skip_serializing_if = "Option::is_none")]
    pub resize: Option<[u32; 2]>,
    /// Subtracted from red, green and blue in [0, `white`]. Default: 0, 0, 0.
    #[serde(default = "no_mean", with = "list::exact")]
    pub mean: [f64; 3],
    /// What red, green and blue are divided by then. Default: 1, 1, 1.
    #[serde(default = "no_deviation", with = "list::exact")]
    pub std: [f64; 3],
    /// The value of white, in whose unit `mean` and `std` are: 255 for models that take 0 to 255. Default: 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub white: f64,
    /// The order of the colours in the input. Default: `Rgb`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub channels: OnnxChannels,
    /// The order of the input's axes. Default: `Nchw`.
    #[serde(default)]
    pub layout: OnnxLayout,
    /// Which of the output's numbers is the score, from 0: the class of a classifier. Default: the only one.
    #[serde(default)]
    pub index: Option<u32>,
    /// What makes the output a score. Default: `Identity`.
    #[serde(default)]
    pub activation: OnnxActivation,
    /// The output's axis over which `Softmax` acts, from 0, the images'. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub softmax_axis: Option<u32>,
    /// How several numbers become one, axis after axis. Default: not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reduce: Vec<OnnxReduction>,
    /// Whether the score is negated, as rewards are maximised and the model gives a cost. Default: false.
    #[serde(default)]
    pub negate: bool,
    /// The scores that count as 0 and as 1 in the hypervolume. Default: 0 and 1, or −1 and 0 if negated.
    #[serde(default, with = "list::optional")]
    pub range: Option<[f64; 2]>,
}

/// An axis of the output that is brought to one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxReduction {
    /// The axis, as the output has them; 0 is the images', which cannot be reduced.
    pub axis: u32,
    /// What of the axis counts, from 0: some classes of many. Default: all.
    #[serde(default)]
    pub of: Option<Vec<u32>>,
    /// What is taken of it.
    pub by: Reduce,
}

/// What is taken of several numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduce {
    /// The greatest.
    Max,
    /// The mean.
    Mean,
    /// The sum.
    Sum,
}

/// The order of the colours in an image input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnnxChannels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red: Caffe's and OpenCV's.
    Bgr,
}

/// The order of an image input's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnnxLayout {
    /// Image, channel, row, column: PyTorch's.
    #[default]
    Nchw,
    /// Image, row, column, channel: TensorFlow's.
    Nhwc,
}

/// What makes a model's output a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnnxActivation {
    /// The number as it is.
    #[default]
    Identity,
    /// 1 / (1 + e^−x): the probability behind one logit.
    Sigmoid,
    /// e^x over the sum of e^x along an axis of the image's numbers: the probability of a class behind logits.
    Softmax,
}

fn no_mean() -> [f64; 3] {
    [0.0; 3]
}

fn no_deviation() -> [f64; 3] {
    [1.0; 3]
}

fn one() -> f64 {
    1.0
}

#[expect(
    clippy::float_cmp,
    clippy::trivially_copy_pass_by_ref,
    reason = "the default is exactly 1; serde gives references"
)]
fn is_one(value: &f64) -> bool {
    *value == 1.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl OnnxSpec {
    /// Returns a model with the default of every setting.
    pub fn of(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            input: None,
            output: None,
            size: None,
            resize: None,
            mean: no_mean(),
            std: no_deviation(),
            white: one(),
            channels: OnnxChannels::Rgb,
            layout: OnnxLayout::Nchw,
            index: None,
            activation: OnnxActivation::Identity,
            softmax_axis: None,
            reduce: Vec::new(),
            negate: false,
            range: None,
        }
    }

    /// Makes the file's path absolute; relative ones count from `folder`.
    pub(in crate::experiment) fn anchor(&mut self, folder: &Path) {
        self.model = folder.join(&self.model);
    }
}

/// Evaluations are recognised by this text: settings that came later are left out where they change nothing.
impl fmt::Debug for OnnxSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, input, output, size, resize, mean, std, white, channels, layout, .. } = self;
        let Self { index, activation, softmax_axis, reduce, negate, range, .. } = self;
        let mut text = f.debug_struct("OnnxSpec");
        text.field("model", model).field("input", input).field("output", output).field("size", size);
        text.field("mean", mean).field("std", std).field("layout", layout).field("index", index);
        text.field("activation", activation).field("negate", negate).field("range", range);
        if resize.is_some() {
            text.field("resize", resize);
        }
        if !is_one(white) {
            text.field("white", white);
        }
        if !is_default(channels) {
            text.field("channels", channels);
        }
        if softmax_axis.is_some() {
            text.field("softmax_axis", softmax_axis);
        }
        if !reduce.is_empty() {
            text.field("reduce", reduce);
        }
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When this fails, what earlier builds evaluated with ONNX models is evaluated again.
    #[test]
    fn the_text_of_settings_that_came_earlier_stands() {
        let spec = OnnxSpec { index: Some(1), ..OnnxSpec::of("a.onnx") };
        let text = "OnnxSpec { model: \"a.onnx\", input: None, output: None, size: None, mean: [0.0, 0.0, 0.0], \
                    std: [1.0, 1.0, 1.0], layout: Nchw, index: Some(1), activation: Identity, negate: false, range: None }";
        assert_eq!(format!("{spec:?}"), text);
        let json = serde_json::to_value(&spec).expect("plain values");
        assert_eq!(json.as_object().expect("fields").len(), 11, "{json}");
        let bgr = OnnxSpec { channels: OnnxChannels::Bgr, ..spec };
        assert!(format!("{bgr:?}").ends_with("range: None, channels: Bgr }"), "{bgr:?}");
    }
}
