//! From a model's output to scores: the activation, what several numbers become, and which number is the score.

use moa_core::experiment::{OnnxActivation, OnnxSpec, Reduce};

/// How an image's numbers become its score.
pub(super) struct Reading {
    /// The output's axes behind the images'.
    shape: Vec<usize>,
    softmax: Option<usize>,
    is_sigmoid: bool,
    reduce: Vec<Step>,
    index: usize,
    negate: bool,
}

/// An axis that is brought to one entry.
struct Step {
    axis: usize,
    of: Vec<usize>,
    by: Reduce,
}

impl Reading {
    /// Returns the reading of an output whose axes behind the images' are `shape`.
    ///
    /// # Errors
    /// Says which setting does not fit the output, or which is missing.
    pub(super) fn new(spec: &OnnxSpec, shape: &[usize]) -> Result<Self, String> {
        let whole = shown(shape);
        // Axes count from 1, behind the images'.
        let place = |setting: &str, axis: u32| {
            let place = (axis as usize).checked_sub(1).filter(|place| *place < shape.len());
            place.ok_or_else(|| {
                format!("gives {whole}, which has no axis {axis}: `{setting}` counts the images as axis 0")
            })
        };
        let softmax = match (spec.activation, spec.softmax_axis) {
            (OnnxActivation::Softmax, axis) => {
                let axis = axis.unwrap_or(1);
                let alone =
                    || "gives one number an image, whose softmax is always 1: take `activation: Sigmoid`".to_owned();
                if shape.iter().product::<usize>() == 1 {
                    return Err(alone());
                }
                let place = place("softmax_axis", axis)?;
                if shape[place] == 1 {
                    return Err(format!(
                        "gives {whole}, whose axis {axis} has one entry: choose another `softmax_axis`"
                    ));
                }
                Some(place)
            }
            (_, Some(_)) => {
                return Err("is given a `softmax_axis` without `activation: Softmax`: take one of them".into());
            }
            (_, None) => None,
        };
        let (mut left, mut reduce) = (shape.to_vec(), Vec::new());
        for reduction in &spec.reduce {
            let axis = place("reduce", reduction.axis)?;
            let count = left[axis];
            let of = match &reduction.of {
                None => (0..count).collect(),
                Some(of) => of.iter().map(|index| *index as usize).collect::<Vec<_>>(),
            };
            if let Some(index) = of.iter().find(|index| **index >= count) {
                let axis = reduction.axis;
                return Err(format!(
                    "gives {whole}: axis {axis} has {count} entries when it is reduced, and `of` names {index}; give 0 to {}",
                    count - 1
                ));
            }
            left[axis] = 1;
            reduce.push(Step { axis, of, by: reduction.by });
        }
        let index = chosen(spec, &left)?;
        let (shape, is_sigmoid) = (shape.to_vec(), spec.activation == OnnxActivation::Sigmoid);
        Ok(Self { shape, softmax, is_sigmoid, reduce, index, negate: spec.negate })
    }

    /// Returns the axes that it reads, behind the images'.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the score of an image's numbers.
    pub(super) fn score(&self, numbers: &[f32]) -> f32 {
        let mut values: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
        let mut shape = self.shape.clone();
        if self.is_sigmoid {
            values = values.into_iter().map(|value| 1.0 / (1.0 + (-value).exp())).collect();
        }
        if let Some(axis) = self.softmax {
            softmax(&mut values, &shape, axis);
        }
        for step in &self.reduce {
            values = step.apply(&values, &shape);
            shape[step.axis] = 1;
        }
        let score = values[self.index];
        (if self.negate { -score } else { score }) as f32
    }
}

impl Step {
    fn apply(&self, values: &[f64], shape: &[usize]) -> Vec<f64> {
        let (outer, count, inner) = around(shape, self.axis);
        let of = |place: usize| {
            let (before, behind) = (place / inner, place % inner);
            let entries = self.of.iter().map(|entry| values[(before * count + entry) * inner + behind]);
            match self.by {
                Reduce::Max => entries.fold(f64::NEG_INFINITY, f64::max),
                Reduce::Sum => entries.sum(),
                Reduce::Mean => entries.sum::<f64>() / self.of.len() as f64,
            }
        };
        (0..outer * inner).map(of).collect()
    }
}

/// Returns how many entries are before an axis, along it and behind it.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

fn softmax(values: &mut [f64], shape: &[usize], axis: usize) {
    let (outer, count, inner) = around(shape, axis);
    for place in 0..outer * inner {
        let at = |entry: usize| (place / inner * count + entry) * inner + place % inner;
        let greatest = (0..count).map(|entry| values[at(entry)]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..count).map(|entry| (values[at(entry)] - greatest).exp()).sum();
        (0..count).for_each(|entry| values[at(entry)] = (values[at(entry)] - greatest).exp() / sum);
    }
}

/// Returns which of the numbers that are left is the score.
fn chosen(spec: &OnnxSpec, left: &[usize]) -> Result<usize, String> {
    let numbers: usize = left.iter().product();
    if left.iter().filter(|side| **side != 1).count() > 1 {
        return Err(format!(
            "gives {} for an image: bring all axes but one to one number with `reduce`, e.g. [(axis: 2, by: Max)]",
            shown(left)
        ));
    }
    match spec.index.map(|index| index as usize) {
        Some(index) if index < numbers => Ok(index),
        Some(index) => Err(format!("gives {numbers} numbers an image: `index` is {index}, give 0 to {}", numbers - 1)),
        None if numbers == 1 => Ok(0),
        None => Err(format!("gives {numbers} numbers an image: choose one with `index`, 0 to {}", numbers - 1)),
    }
}

/// Returns the whole output's shape as messages show it.
fn shown(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[images{}{}]", if sides.is_empty() { "" } else { ", " }, sides.join(", "))
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::OnnxReduction;

    use super::*;

    fn step(axis: u32, of: Option<&[u32]>, by: Reduce) -> OnnxReduction {
        OnnxReduction { axis, of: of.map(<[u32]>::to_vec), by }
    }

    fn score(change: impl FnOnce(&mut OnnxSpec), shape: &[usize], numbers: &[f32]) -> Result<f32, String> {
        let mut spec = OnnxSpec::of("a.onnx");
        change(&mut spec);
        Reading::new(&spec, shape).map(|reading| reading.score(numbers))
    }

    /// Three classes at two places.
    const NUMBERS: [f32; 6] = [0.1, 0.2, 0.7, 0.3, 0.4, 0.9];

    #[test]
    fn axes_are_reduced_one_after_the_other() {
        for (reduce, wanted) in [
            (vec![step(1, None, Reduce::Max), step(2, None, Reduce::Max)], 0.9),
            (vec![step(1, Some(&[0, 1]), Reduce::Max), step(2, None, Reduce::Max)], 0.7),
            (vec![step(2, None, Reduce::Max), step(1, Some(&[0, 1]), Reduce::Sum)], 0.2 + 0.7),
            (vec![step(1, Some(&[0, 2]), Reduce::Sum), step(2, None, Reduce::Max)], 0.2 + 0.9),
            (vec![step(1, Some(&[0, 1]), Reduce::Sum), step(2, None, Reduce::Max)], 0.8),
            (vec![step(2, Some(&[1]), Reduce::Mean), step(1, None, Reduce::Mean)], 1.4 / 3.0),
        ] {
            let found = score(|spec| spec.reduce.clone_from(&reduce), &[3, 2], &NUMBERS).expect("fits");
            assert!((found - wanted).abs() < 1e-6, "{reduce:?}: {found} is not {wanted}");
        }
        let classes = |spec: &mut OnnxSpec| {
            (spec.reduce, spec.index, spec.negate) = (vec![step(2, None, Reduce::Max)], Some(1), true);
        };
        assert!((score(classes, &[3, 2], &NUMBERS).expect("fits") + 0.7).abs() < 1e-6);
    }

    #[test]
    fn activations_act_before_anything_is_reduced() {
        let softmax = |axis: Option<u32>, by: Reduce| {
            move |spec: &mut OnnxSpec| {
                (spec.activation, spec.softmax_axis) = (OnnxActivation::Softmax, axis);
                spec.reduce = vec![step(1, Some(&[0, 1]), by), step(2, None, Reduce::Max)];
            }
        };
        let share = |own: [f32; 2], all: [f32; 3]| {
            own.map(f32::exp).iter().sum::<f32>() / all.map(f32::exp).iter().sum::<f32>()
        };
        let wanted = share([0.1, 0.7], [0.1, 0.7, 0.4]).max(share([0.2, 0.3], [0.2, 0.3, 0.9]));
        assert!((score(softmax(None, Reduce::Sum), &[3, 2], &NUMBERS).expect("fits") - wanted).abs() < 1e-6);
        let other = 0.7f32.exp() / (0.7f32.exp() + 0.3f32.exp());
        assert!((score(softmax(Some(2), Reduce::Max), &[3, 2], &NUMBERS).expect("fits") - other).abs() < 1e-6);
        let sigmoid = |spec: &mut OnnxSpec| {
            (spec.activation, spec.reduce) = (OnnxActivation::Sigmoid, vec![step(1, None, Reduce::Mean)]);
        };
        let wanted = [0.1f32, 0.7].map(|logit| 0.5 / (1.0 + (-logit).exp())).iter().sum::<f32>();
        assert!((score(sigmoid, &[2], &[0.1, 0.7]).expect("fits") - wanted).abs() < 1e-6);
    }

    #[test]
    fn what_does_not_fit_the_output_is_refused() {
        let refused = |change: &dyn Fn(&mut OnnxSpec)| score(change, &[3, 2], &NUMBERS).expect_err("refused");
        for (found, wanted) in [
            (refused(&|_| {}), "gives [images, 3, 2] for an image: bring all axes but one to one number with `reduce`"),
            (
                refused(&|spec| spec.reduce = vec![step(3, None, Reduce::Max)]),
                "gives [images, 3, 2], which has no axis 3: `reduce` counts the images as axis 0",
            ),
            (
                refused(&|spec| spec.reduce = vec![step(1, Some(&[3]), Reduce::Max)]),
                "gives [images, 3, 2]: axis 1 has 3 entries when it is reduced, and `of` names 3; give 0 to 2",
            ),
            (
                refused(&|spec| spec.reduce = vec![step(2, None, Reduce::Max)]),
                "gives 3 numbers an image: choose one with `index`, 0 to 2",
            ),
            (refused(&|spec| spec.softmax_axis = Some(1)), "is given a `softmax_axis` without `activation: Softmax`"),
        ] {
            assert!(found.starts_with(wanted), "{found}");
        }
    }
}
