//! From what a file contains to an [`Adapter`]: fused layers taken apart, products of other kinds as low-rank factors where these are
//! exact and smaller, else as the differences that they are.

use rayon::prelude::*;
use safetensors::Dtype;

use super::keys::WRAPPER;
use super::part::{Form, Part, Product, Side, Target};
use super::{Component, Contents, ContentsError, Layer, Origin};
use crate::adapter::{Adapter, AdapterLayer, Difference, Norms, Precision};
use crate::names::unet::kernel_of;

/// Low-rank factors of one part: `[out, r]` and `[r, columns]`.
struct Factors {
    rank: usize,
    alpha: f32,
    up: Vec<f32>,
    down: Vec<f32>,
}

/// What a layer adds, over all its rows.
struct Sum {
    /// `[out, in, …]`.
    shape: Vec<usize>,
    factors: Vec<Factors>,
    difference: Option<Vec<f32>>,
}

impl Contents<'_> {
    /// Returns the adapter, under diffusers' names: rows of fused projections are given to the layers that they belong to; LoHa and LoKr
    /// become low-rank factors where their rank makes these smaller than the weight (exact, at the product of their ranks), and
    /// differences elsewhere.
    ///
    /// # Errors
    /// Names a layer that no table knows, and one whose rows cannot be divided among the layers that it is fused of; refuses a file that needs an
    /// α and has none.
    pub fn adapter(&self) -> Result<Adapter, ContentsError> {
        if self.needs_alpha() {
            return Err(ContentsError::NoAlpha);
        }
        let read = |layer: &Layer<'_>| layer.split();
        let all = self.layers.par_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut adapter = Adapter { precision: self.precision(), ..Adapter::default() };
        for part in all {
            adapter.layers.extend(part.layers);
            adapter.differences.extend(part.differences);
            adapter.magnitudes.extend(part.magnitudes);
        }
        Ok(adapter)
    }

    /// Returns whether the file has peft's names, by which α is in a configuration beside it, and nothing says α.
    pub fn needs_alpha(&self) -> bool {
        self.alphas_from == [Origin::Rank] && self.layers.iter().any(|layer| layer.name.starts_with(WRAPPER))
    }

    /// Returns the precision that holds the file's numbers.
    fn precision(&self) -> Precision {
        let stored = |dtype| match dtype {
            // Numbers of eight bits are halves, too.
            Dtype::F16 | Dtype::F8_E4M3 | Dtype::F8_E5M2 => Precision::F16,
            Dtype::BF16 => Precision::Bf16,
            _ => Precision::F32,
        };
        let parts = self.layers.iter().flat_map(|layer| &layer.parts);
        let all = parts.flat_map(Part::tensors).map(|tensor| stored(tensor.dtype()));
        all.reduce(Precision::joined).unwrap_or_default()
    }
}

impl Adapter {
    /// Reads a safetensors file with peft's key names and the `adapter_config.json` beside it.
    ///
    /// # Errors
    /// As [`Contents::read`] and [`Contents::adapter`].
    pub fn read(safetensors: &[u8], config: &str) -> Result<Self, ContentsError> {
        Contents::read(safetensors, Some(config))?.adapter()
    }
}

impl Layer<'_> {
    /// Returns the layer under diffusers' names.
    fn split(&self) -> Result<Adapter, ContentsError> {
        if self.canonical.is_empty() {
            return Err(ContentsError::UnknownLayer(self.name.clone()));
        }
        let names: Vec<String> = self.canonical.iter().map(|name| full_name(self.component, name)).collect();
        let mut found = Adapter::default();
        if let Some(mut sum) = self.sum()? {
            sum.unfold(&names);
            let rows = self.rows(&sum.shape)?;
            let columns: usize = sum.shape[1..].iter().product();
            let mut first = 0;
            for (name, rows) in names.iter().zip(&rows) {
                let own = first..first + rows;
                if let Some(layer) = sum.layer(own.clone(), columns) {
                    found.layers.insert(name.clone(), layer);
                }
                if let Some(values) = &sum.difference {
                    let shape = [&[*rows], &sum.shape[1..]].concat();
                    let values = values[own.start * columns..own.end * columns].to_vec();
                    found.differences.insert(format!("{name}.weight"), Difference { shape, values });
                }
                if let Some(magnitude) = &self.magnitude {
                    let norms = magnitude.norms.values();
                    // A column's norm is that of all rows.
                    let values = match (magnitude.by_output, names.len()) {
                        (true, _) => norms[own].to_vec(),
                        (false, 1) => norms,
                        (false, _) => return Err(self.indivisible("its DoRA magnitude is one of columns")),
                    };
                    let by_output = magnitude.by_output;
                    found.magnitudes.insert(name.clone(), Norms { values, by_output });
                }
                first += rows;
            }
        }
        for part in self.parts.iter().filter(|part| part.target != Target::Weight) {
            let values = part.delta().values;
            let end = if part.target == Target::NormWeight { "weight" } else { "bias" };
            let rows = self.rows(&[values.len()])?;
            let mut first = 0;
            for (name, rows) in names.iter().zip(rows) {
                let difference = Difference { shape: vec![rows], values: values[first..first + rows].to_vec() };
                found.differences.insert(format!("{name}.{end}"), difference);
                first += rows;
            }
        }
        Ok(found)
    }

    /// Returns how many rows of a weight or bias belong to each layer that this one is fused of.
    fn rows(&self, shape: &[usize]) -> Result<Vec<usize>, ContentsError> {
        let (all, count) = (shape[0], self.canonical.len());
        // FLUX's single blocks: three projections as wide as the states, and the first of an MLP that is four times as wide.
        let is_single = count > 1 && self.canonical.last().is_some_and(|name| name.ends_with(".proj_mlp"));
        let parts = if is_single { 7 } else { count };
        if !all.is_multiple_of(parts) {
            return Err(self.indivisible(&format!("it has {all} rows")));
        }
        let mut rows = vec![all / parts; count];
        if let Some(last) = rows.last_mut().filter(|_| is_single) {
            *last = all / parts * 4;
        }
        Ok(rows)
    }

    fn indivisible(&self, problem: &str) -> ContentsError {
        let problem = format!("{problem}, which cannot be divided among {}", self.canonical.join(", "));
        ContentsError::Shape { layer: self.name.clone(), problem }
    }

    /// Returns all that is added to the weight.
    fn sum(&self) -> Result<Option<Sum>, ContentsError> {
        let mut sum: Option<Sum> = None;
        for part in self.parts.iter().filter(|part| part.target == Target::Weight) {
            let shape = part.shape();
            let sum = sum.get_or_insert_with(|| Sum { shape: shape.clone(), factors: Vec::new(), difference: None });
            let size = |shape: &[usize]| shape.iter().product::<usize>();
            if size(&sum.shape) != size(&shape) || sum.shape[0] != shape[0] {
                let problem = format!("its parts have shapes {:?} and {shape:?}", sum.shape);
                return Err(ContentsError::Shape { layer: self.name.clone(), problem });
            }
            if shape.len() > sum.shape.len() {
                sum.shape = shape;
            }
            if let Some(factors) = part.factors() {
                sum.factors.push(factors);
                continue;
            }
            let values = part.delta().values;
            match &mut sum.difference {
                Some(total) => total.iter_mut().zip(&values).for_each(|(total, value)| *total += value),
                none => *none = Some(values),
            }
        }
        Ok(sum)
    }
}

impl Sum {
    /// Gives a convolution its kernel where the file has it folded into the inputs, as LoHa and LoKr without a core do.
    fn unfold(&mut self, names: &[String]) {
        let ([out, columns], [name]) = (&self.shape[..], names) else { return };
        let Some([height, width]) = kernel_of(name) else { return };
        if columns.is_multiple_of(height * width) {
            self.shape = vec![*out, columns / (height * width), height, width];
        }
    }

    /// Returns the factors of some rows.
    fn layer(&self, rows: std::ops::Range<usize>, columns: usize) -> Option<AdapterLayer> {
        let of = |factors: &Factors, factor: f32| -> Vec<Vec<f32>> {
            factors.up[rows.start * factors.rank..rows.end * factors.rank]
                .chunks_exact(factors.rank)
                .map(|row| row.iter().map(|value| value * factor).collect())
                .collect()
        };
        let (rank, alpha) = match &self.factors[..] {
            [] => return None,
            [only] => (only.rank, only.alpha),
            // Scales are folded in, and α is the rank.
            all => {
                let rank: usize = all.iter().map(|factors| factors.rank).sum();
                (rank, rank as f32)
            }
        };
        let factor =
            |factors: &Factors| if self.factors.len() == 1 { 1.0 } else { factors.alpha / factors.rank as f32 };
        let ups: Vec<Vec<Vec<f32>>> = self.factors.iter().map(|factors| of(factors, factor(factors))).collect();
        let b = (0..rows.len()).flat_map(|row| ups.iter().flat_map(move |up| up[row].iter().copied())).collect();
        let a = self.factors.iter().flat_map(|factors| factors.down.iter().copied()).collect();
        let kernel = self.shape.get(2..).unwrap_or_default().to_vec();
        Some(AdapterLayer { d_in: columns, d_out: rows.len(), kernel, rank, alpha, a, b })
    }
}

impl Part<'_> {
    /// Returns low-rank factors whose product is exactly the part's; nothing of differences, and where the factors would not be
    /// smaller than the weight.
    fn factors(&self) -> Option<Factors> {
        let shape = self.shape();
        let (out, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let is_small = |rank: usize| rank.saturating_mul(out + columns) < out * columns;
        let (rank, up, down) = match &self.form {
            Form::LowRank(product) => {
                let (down, _) = product.right_values();
                (product.rank_of_left(), product.left_values(), down)
            }
            Form::Hadamard(one, two) => {
                let rank = one.rank_of_left() * two.rank_of_left();
                is_small(rank).then(|| khatri_rao(one, two, out, columns))?
            }
            Form::Kronecker(one, two) => {
                let rank = one.largest_rank() * two.largest_rank();
                is_small(rank).then(|| of_kronecker(one, two))?
            }
            Form::Difference(_) => return None,
        };
        // α as it is in the file where it stands for this rank, so that it is written as it was.
        let alpha = self.alpha.filter(|alpha| (alpha / rank as f32).to_bits() == self.scale.to_bits());
        Some(Factors { rank, alpha: alpha.unwrap_or(self.scale * rank as f32), up, down })
    }
}

/// Returns the factors of `(L₁R₁) ∘ (L₂R₂)`: products of columns, and of rows.
fn khatri_rao(one: &Product<'_>, two: &Product<'_>, out: usize, columns: usize) -> (usize, Vec<f32>, Vec<f32>) {
    let (first, second) = (one.rank_of_left(), two.rank_of_left());
    let (left, right) = (one.left_values(), two.left_values());
    let up = (0..out).flat_map(|o| {
        let (left, right) = (&left[o * first..][..first], &right[o * second..][..second]);
        left.iter().flat_map(move |x| right.iter().map(move |y| x * y))
    });
    let ((above, _), (below, _)) = (one.right_values(), two.right_values());
    let down = (0..first * second).flat_map(|r| {
        let (above, below) = (&above[r / second * columns..][..columns], &below[r % second * columns..][..columns]);
        above.iter().zip(below).map(|(x, y)| x * y)
    });
    (first * second, up.collect(), down.collect())
}

/// Returns the factors of `(L₁R₁) ⊗ (L₂R₂) = (L₁ ⊗ L₂)(R₁ ⊗ R₂)`.
fn of_kronecker(one: &Side<'_>, two: &Side<'_>) -> (usize, Vec<f32>, Vec<f32>) {
    let ((rank, up, down, _), (other, next_up, next_down, width)) = (one.as_factors(), two.as_factors());
    let columns = down.len() / rank;
    let kronecker = |x: &[f32], wide: usize, y: &[f32], narrow: usize| -> Vec<f32> {
        let rows = |row: &[f32]| -> Vec<f32> {
            let with =
                |next: &[f32]| -> Vec<f32> { row.iter().flat_map(|x| next.iter().map(move |y| x * y)).collect() };
            y.chunks_exact(narrow).flat_map(with).collect()
        };
        x.chunks_exact(wide).flat_map(rows).collect()
    };
    let up = kronecker(&up, rank, &next_up, other);
    let down = kronecker(&down, columns, &next_down, width);
    (rank * other, up, down)
}

impl Side<'_> {
    /// Returns the rank of the factors that [`Side::as_factors`] gives.
    fn largest_rank(&self) -> usize {
        let shape = self.shape();
        let smaller = shape[0].min(shape[1..].iter().product());
        match self {
            Self::Whole(_) => smaller,
            Self::Product(product) => product.rank_of_left(),
        }
    }

    /// Returns rank, factor up, factor down, and the columns of that: of a whole matrix itself and a unit matrix.
    fn as_factors(&self) -> (usize, Vec<f32>, Vec<f32>, usize) {
        let shape = self.shape();
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let unit = |size: usize| (0..size * size).map(move |at| f32::from(u8::from(at / size == at % size))).collect();
        match self {
            Self::Product(product) => {
                (product.rank_of_left(), product.left_values(), product.right_values().0, columns)
            }
            Self::Whole(stored) if rows <= columns => (rows, unit(rows), stored.values(), columns),
            Self::Whole(stored) => (columns, stored.values(), unit(columns), columns),
        }
    }
}

/// Returns the name that a component's layer has in an [`Adapter`].
pub(super) fn full_name(component: Component, name: &str) -> String {
    match component {
        Component::UNet | Component::Transformer => name.to_owned(),
        encoder => format!("{}.{name}", encoder.name()),
    }
}
