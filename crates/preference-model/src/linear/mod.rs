//! Dense linear algebra on `f64`: products, Cholesky factors, eigenvectors. Results do not depend on the number of threads.

mod cholesky;
mod eigen;
mod matrix;

pub(crate) use cholesky::Cholesky;
pub(crate) use eigen::symmetric_eigen;
pub(crate) use matrix::{Matrix, dot, norm2};
