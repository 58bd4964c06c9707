//! Operations of burn's autodiff with a backward pass of their own: what keeps less than burn would.

mod attention;
mod blocks;
#[cfg(test)]
mod tests;
mod tie;

pub(crate) use attention::attention;
pub(crate) use blocks::{Activations, Pass};
pub(crate) use tie::tie;
