//! Parameters under other names: a checkpoint of another layout, read as if it had the names that modules ask for.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::{Init, Parameters, ParametersError};

/// Where a parameter of a view comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A tensor as it is.
    Whole(String),
    /// A convolution of single pixels, `[out, in, 1, 1]`, as the matrix `[out, in]` that it is.
    Matrix(String),
    /// A matrix, transposed.
    Transposed(String),
    /// One of several parts of a tensor, cut along its rows, as fused projections are.
    Rows {
        /// The tensor.
        name: String,
        /// Which part, from 0.
        part: usize,
        /// Number of parts.
        parts: usize,
    },
}

impl Origin {
    /// Returns the name of the tensor.
    pub fn name(&self) -> &str {
        match self {
            Self::Whole(name) | Self::Matrix(name) | Self::Transposed(name) | Self::Rows { name, .. } => name,
        }
    }

    /// Returns the shape that a tensor has in the view; nothing where the tensor has no such form.
    fn shape(&self, stored: &[usize]) -> Option<Vec<usize>> {
        match (self, stored) {
            (Self::Whole(_), _) => Some(stored.to_vec()),
            (Self::Matrix(_), [rows, columns, rest @ ..]) if rest.iter().all(|size| *size == 1) => {
                Some(vec![*rows, *columns])
            }
            (Self::Transposed(_), [rows, columns]) => Some(vec![*columns, *rows]),
            (Self::Rows { parts, .. }, [rows, rest @ ..]) if *parts > 0 && rows.is_multiple_of(*parts) => {
                Some([&[rows / parts], rest].concat())
            }
            _ => None,
        }
    }
}

/// Parameters of another layout, with the origin of every name.
pub(super) struct View {
    pub(super) of: Parameters,
    pub(super) origins: BTreeMap<String, Origin>,
}

impl View {
    /// Returns a parameter's shape.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let origin = self.origins.get(name)?;
        origin.shape(&self.of.shape(origin.name())?)
    }

    /// Reads a parameter of the given shape, `[product of shape]`.
    pub(super) fn flat(&self, name: &str, shape: &[usize]) -> Result<Tensor<1>, ParametersError> {
        let origin = self.origins.get(name);
        let stored = origin.and_then(|origin| self.of.shape(origin.name()));
        let (Some(origin), Some(stored)) = (origin, stored) else {
            return Err(ParametersError::Missing { name: name.to_owned(), wanted: shape.to_vec() });
        };
        if origin.shape(&stored).is_none_or(|found| found != shape) {
            let name = format!("{name}, from {}", origin.name());
            let found = origin.shape(&stored).unwrap_or(stored);
            return Err(ParametersError::Shape { name, found, wanted: shape.to_vec() });
        }
        let values = self.of.flat(origin.name(), &stored, Init::Zeros)?;
        Ok(match origin {
            Origin::Whole(_) | Origin::Matrix(_) => values,
            Origin::Transposed(_) => values.reshape([stored[0], stored[1]]).transpose().flatten(0, 1),
            Origin::Rows { part, .. } => {
                let count = shape.iter().product();
                values.narrow(0, part * count, count)
            }
        })
    }
}
