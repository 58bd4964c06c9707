//! Images from tensors to bytes.

use moa_device::to_host;
use moa_plot::{GridRow, RgbPicture};
use moa_reward::Pictures;

/// Returns images as bytes.
pub(crate) fn rgb(pictures: &Pictures) -> Vec<RgbPicture> {
    let pixels = pictures.pixels();
    let [count, _, height, width] = pixels.dims();
    let rows = pixels.permute([0, 2, 3, 1]).reshape([count * height * width * 3]);
    let bytes: Vec<u8> = to_host(rows).iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let picture = |pixels: &[u8]| RgbPicture { width: width as u32, height: height as u32, pixels: pixels.to_vec() };
    bytes.chunks_exact(3 * height * width).map(picture).collect()
}

/// Small images are enlarged to about so many pixels.
const SIDE: u32 = 96;

/// Returns how large a pixel is drawn in a grid.
pub(crate) fn scale(rows: &[GridRow]) -> u32 {
    let side = rows.iter().flat_map(|row| &row.pictures).map(|picture| picture.width.max(picture.height)).max();
    (SIDE / side.unwrap_or(SIDE).max(1)).max(1)
}
