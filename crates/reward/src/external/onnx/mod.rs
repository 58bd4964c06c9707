//! A model in an ONNX file as a reward: images in, one number of its output as the score.

mod facts;
mod picture;

use std::fs::File;
use std::io;
use std::path::Path;

use moa_core::experiment::{OnnxActivation, OnnxSpec};
use rten::{Model, NodeId, Value};
use rten_tensor::{AsView, Layout};

use super::batches::finite;
use super::error::{ExternalError, Problem};
use crate::{Raster, Reward, RewardError, View};
use facts::{Axes, input_axes, pick};
use picture::Preparation;

/// A model that scores images, one after the other, so that no score depends on what is scored beside it.
pub struct Onnx {
    name: String,
    spec: OnnxSpec,
    model: Model,
    input: NodeId,
    output: NodeId,
    axes: Axes,
    preparation: Preparation,
    /// Which of an image's numbers is the score.
    index: usize,
}

impl Onnx {
    /// Reads the model and tries it on a black image.
    ///
    /// # Errors
    /// Refuses files that are no ONNX models or hold operators that are not known, inputs and outputs that are not there or
    /// not chosen, sizes and layouts that the input does not take, and outputs of which none or no single number is a
    /// image's score.
    pub fn open(name: impl Into<String>, spec: &OnnxSpec) -> Result<Self, RewardError> {
        let name = name.into();
        // What the reader of models says of files that are not there is hard to read.
        File::open(&spec.model).map_err(|error| unreadable(&name, &spec.model, &error))?;
        let opened = Self::read(&name, spec);
        Ok(opened.map_err(|reason| failure(&name, &spec.model, reason))?)
    }

    fn read(name: &str, spec: &OnnxSpec) -> Result<Self, String> {
        let model = Model::load_file(&spec.model)
            .map_err(|error| format!("cannot be read: {}", one_line(&error.to_string())))?;
        let input = pick(&model, "input", model.input_ids(), spec.input.as_deref())?;
        let output = pick(&model, "output", model.output_ids(), spec.output.as_deref())?;
        let axes = input_axes(&model, input, spec)?;
        let preparation = Preparation::new(spec, axes.height, axes.width);
        let mut onnx =
            Self { name: name.to_owned(), spec: spec.clone(), model, input, output, axes, preparation, index: 0 };
        let black = Raster::of_bytes(1, &[0, 0, 0]);
        let numbers = onnx.numbers(&[black])?[0].len();
        onnx.index = chosen(spec, numbers)?;
        Ok(onnx)
    }

    /// Returns what the output holds for each of at most `axes.batch` images.
    fn numbers(&self, pictures: &[Raster]) -> Result<Vec<Vec<f32>>, String> {
        let Axes { batch, height, width, .. } = self.axes;
        let mut values: Vec<f32> = pictures.iter().flat_map(|picture| self.preparation.apply(picture)).collect();
        // A model with a fixed number of images gets zeros in place of those that there are not.
        values.resize(batch * 3 * height * width, 0.0);
        let input = Value::from_shape(self.axes.shape(), values).map_err(|error| error.to_string())?;
        let outputs = self
            .model
            .run(vec![(self.input, input.into())], &[self.output], None)
            .map_err(|error| format!("cannot be run on images alone: {}", one_line(&error.to_string())))?;
        let output = outputs.into_iter().next().and_then(Value::into_tensor::<f32>);
        let output = output.ok_or("gives no 32-bit floating point numbers: choose another `output`")?;
        let shape = output.shape().to_vec();
        let numbers = output.to_vec();
        let one_for_each = shape.first() == Some(&batch) || (shape.is_empty() && batch == 1);
        if !one_for_each || shape.iter().skip(2).any(|side| *side != 1) || numbers.is_empty() {
            return Err(format!(
                "gives an output of shape {shape:?} for {batch} images: choose an `output` of shape [images] or \
                 [images, numbers]"
            ));
        }
        let each = numbers.len() / batch;
        Ok(numbers.chunks_exact(each).take(pictures.len()).map(<[f32]>::to_vec).collect())
    }

    fn score_of(&self, numbers: &[f32]) -> f32 {
        let own = f64::from(numbers[self.index]);
        let score = match self.spec.activation {
            OnnxActivation::Identity => own,
            OnnxActivation::Sigmoid => 1.0 / (1.0 + (-own).exp()),
            OnnxActivation::Softmax => 1.0 / numbers.iter().map(|number| (f64::from(*number) - own).exp()).sum::<f64>(),
        };
        (if self.spec.negate { -score } else { score }) as f32
    }
}

impl Reward for Onnx {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let rasters = finite(&self.name, view)?;
        let mut scores = Vec::with_capacity(rasters.len());
        for pictures in rasters.chunks(self.axes.batch) {
            let numbers = self.numbers(pictures).map_err(|reason| failure(&self.name, &self.spec.model, reason))?;
            scores.extend(numbers.iter().map(|numbers| self.score_of(numbers)));
        }
        Ok(scores)
    }
}

/// Returns which of an image's numbers is the score.
fn chosen(spec: &OnnxSpec, numbers: usize) -> Result<usize, String> {
    if numbers == 1 && spec.activation == OnnxActivation::Softmax {
        return Err("gives one number an image, whose softmax is always 1: take `activation: Sigmoid`".into());
    }
    match spec.index.map(|index| index as usize) {
        Some(index) if index < numbers => Ok(index),
        Some(index) => Err(format!("gives {numbers} numbers an image: `index` is {index}, give 0 to {}", numbers - 1)),
        None if numbers == 1 => Ok(0),
        None => Err(format!("gives {numbers} numbers an image: choose one with `index`, 0 to {}", numbers - 1)),
    }
}

/// Returns the error about a model's file that cannot be read.
fn unreadable(reward: &str, model: &Path, error: &io::Error) -> ExternalError {
    failure(reward, model, format!("cannot be read: {error}; paths count from the experiment file's folder"))
}

fn failure(reward: &str, model: &Path, reason: String) -> ExternalError {
    let peer = format!("the model {}", model.display());
    ExternalError { reward: reward.to_owned(), peer, problem: Problem::Model(reason) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
