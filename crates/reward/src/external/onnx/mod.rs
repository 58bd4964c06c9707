//! A model in an ONNX file as a reward: images in, one number of its output as the score.

mod facts;
mod picture;
mod reading;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use moa_core::experiment::OnnxSpec;
use rten::{Model, NodeId, Value};
use rten_tensor::{AsView, Layout};

use super::batches::finite;
use super::error::{ExternalError, Problem};
use crate::{Raster, Reward, RewardError, View};
use facts::{Axes, input_axes, pick};
use picture::Preparation;
use reading::Reading;

/// A model that scores images, one after the other, so that no score depends on what is scored beside it.
pub struct Onnx {
    name: String,
    path: PathBuf,
    run: Run,
    reading: Reading,
}

/// A model with what it is given.
struct Run {
    model: Model,
    input: NodeId,
    output: NodeId,
    axes: Axes,
    preparation: Preparation,
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
        let preparation = Preparation::new(spec, axes.height, axes.width)?;
        let run = Run { model, input, output, axes, preparation };
        let (shape, _) = run.numbers(&[Raster::of_bytes(1, &[0, 0, 0])])?;
        Ok(Self { name: name.to_owned(), path: spec.model.clone(), reading: Reading::new(spec, &shape)?, run })
    }
}

impl Run {
    /// Returns what the output holds for each of at most `axes.batch` images, behind the shape that it has for each.
    fn numbers(&self, pictures: &[Raster]) -> Result<(Vec<usize>, Vec<Vec<f32>>), String> {
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
        if !one_for_each || numbers.is_empty() {
            return Err(format!(
                "gives an output of shape {shape:?} for {batch} images: choose an `output` whose first axis is the images'"
            ));
        }
        let each = numbers.len() / batch;
        let numbers = numbers.chunks_exact(each).take(pictures.len()).map(<[f32]>::to_vec).collect();
        Ok((shape.into_iter().skip(1).collect(), numbers))
    }
}

impl Reward for Onnx {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let rasters = finite(&self.name, view)?;
        let mut scores = Vec::with_capacity(rasters.len());
        let failed = |reason| failure(&self.name, &self.path, reason);
        for pictures in rasters.chunks(self.run.axes.batch) {
            let (shape, numbers) = self.run.numbers(pictures).map_err(failed)?;
            if shape != self.reading.shape() {
                let first = self.reading.shape();
                return Err(failed(format!("gives {shape:?} for an image, and gave {first:?} for another")).into());
            }
            scores.extend(numbers.iter().map(|numbers| self.reading.score(numbers)));
        }
        Ok(scores)
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
