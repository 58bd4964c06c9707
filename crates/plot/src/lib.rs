//! Fronts, curves and picture grids as SVG and PNG.
