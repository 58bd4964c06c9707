//! What a model says about its inputs and outputs, and whether images fit them.

use moa_core::experiment::{OnnxLayout, OnnxSpec};
use rten::{DataType, Dimension, Model, NodeId, ValueType};

/// The axes of the input that takes images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axes {
    /// Images in one run: 1 where the model takes any number.
    pub(super) batch: usize,
    /// Rows.
    pub(super) height: usize,
    /// Columns.
    pub(super) width: usize,
    /// The order of the axes.
    pub(super) layout: OnnxLayout,
}

impl Axes {
    /// Returns the input's shape.
    pub(super) fn shape(self) -> [usize; 4] {
        let Self { batch, height, width, layout } = self;
        match layout {
            OnnxLayout::Nchw => [batch, 3, height, width],
            OnnxLayout::Nhwc => [batch, height, width, 3],
        }
    }
}

/// Returns a node's name.
pub(super) fn name(model: &Model, node: NodeId) -> String {
    model.node_info(node).and_then(|info| info.name().map(str::to_owned)).unwrap_or_else(|| "without a name".into())
}

/// Returns the input or output that is named, or the only one there is.
pub(super) fn pick(model: &Model, end: &str, nodes: &[NodeId], named: Option<&str>) -> Result<NodeId, String> {
    let listed = || {
        let shown = |node: &NodeId| format!("`{}` {}", name(model, *node), shape(model, *node));
        nodes.iter().map(shown).collect::<Vec<_>>().join(", ")
    };
    match (named, nodes) {
        (Some(named), _) => nodes
            .iter()
            .copied()
            .find(|node| name(model, *node) == named)
            .ok_or_else(|| format!("has no {end} `{named}`: name one of its {end}s, {}, with `{end}`", listed())),
        (None, [only]) => Ok(*only),
        (None, []) => Err(format!("has no {end}: give another model")),
        (None, _) => Err(format!("has the {end}s {}: choose one with `{end}`", listed())),
    }
}

/// Returns a node's shape as messages show it, e.g. `[batch, 3, 224, 224]`.
fn shape(model: &Model, node: NodeId) -> String {
    let Some(shape) = model.node_info(node).and_then(|info| info.shape()) else { return "of unknown shape".into() };
    let side = |side: &Dimension| match side {
        Dimension::Fixed(side) => side.to_string(),
        // A name that shape inference gives.
        Dimension::Symbolic(name) if name.starts_with("unknown_") => "?".into(),
        Dimension::Symbolic(name) => name.clone(),
    };
    format!("[{}]", shape.iter().map(side).collect::<Vec<_>>().join(", "))
}

/// Returns the axes of the input, by what the model says and by the settings.
pub(super) fn input_axes(model: &Model, input: NodeId, spec: &OnnxSpec) -> Result<Axes, String> {
    let info = model.node_info(input);
    let whole = || format!("its input `{}` is {}", name(model, input), shape(model, input));
    let dtype = info.as_ref().and_then(rten::NodeInfo::dtype);
    if dtype.is_some_and(|dtype| dtype != ValueType::Tensor(DataType::Float)) {
        let way_out = "give a model whose input is of 32-bit floating point numbers";
        return Err(format!("does not take images: its input `{}` is of another type; {way_out}", name(model, input)));
    }
    let (channels, rows, columns) = match spec.layout {
        OnnxLayout::Nchw => (1, 2, 3),
        OnnxLayout::Nhwc => (3, 1, 2),
    };
    let sides: Vec<Option<usize>> = match info.and_then(|info| info.shape()) {
        Some(shape) if shape.len() == 4 => shape.iter().map(fixed).collect(),
        Some(_) => return Err(format!("does not take images: {}, and images have four axes", whole())),
        None => vec![None; 4],
    };
    if sides[channels].is_some_and(|channels| channels != 3) {
        return Err(format!(
            "does not take images with three channels as axis {channels}: {}; is `layout` right, which is {:?}?",
            whole(),
            spec.layout
        ));
    }
    let side = |axis: usize, which: usize| match (sides[axis], spec.size.map(|size| size[which] as usize)) {
        (Some(own), Some(wanted)) if own != wanted => {
            let size = spec.size.unwrap_or_default();
            Err(format!("takes another size than {size:?}: {}; leave `size` out", whole()))
        }
        (Some(side), _) | (None, Some(side)) => Ok(side),
        (None, None) => Err(format!("takes images of any size ({}): give `size`, e.g. [224, 224]", whole())),
    };
    let (height, width) = (side(rows, 0)?, side(columns, 1)?);
    Ok(Axes { batch: sides[0].unwrap_or(1).max(1), height, width, layout: spec.layout })
}

fn fixed(side: &Dimension) -> Option<usize> {
    match side {
        Dimension::Fixed(side) => Some(*side),
        Dimension::Symbolic(_) => None,
    }
}
