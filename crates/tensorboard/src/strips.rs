//! The images of an evaluation as strips: those of a prompt, from one noise after the other, side by side.

use std::io::Cursor;

/// The images of a prompt as one.
pub(crate) struct Strip {
    /// Width and height, in pixels.
    pub(crate) size: [u32; 2],
    /// RGB.
    pub(crate) png: Vec<u8>,
}

/// Cuts a sheet, which has a column for each prompt and a row for each noise, into a strip for each prompt; nothing where it is no such
/// sheet.
///
/// - `prompts` and `images`: how many columns and rows it has
pub(crate) fn strips(sheet: &[u8], prompts: usize, images: usize) -> Option<Vec<Strip>> {
    let mut reader = png::Decoder::new(Cursor::new(sheet)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    let rgb = info.color_type == png::ColorType::Rgb && info.bit_depth == png::BitDepth::Eight;
    let (across, down) = (info.width as usize, info.height as usize);
    if !rgb || prompts == 0 || images == 0 || !across.is_multiple_of(prompts) || !down.is_multiple_of(images) {
        return None;
    }
    let (width, height) = (across / prompts, down / images);
    let line = |prompt: usize, image: usize, y: usize| {
        let start = ((image * height + y) * across + prompt * width) * 3;
        &pixels[start..start + width * 3]
    };
    let strip = |prompt: usize| {
        let lines = (0..height).flat_map(|y| (0..images).flat_map(move |image| line(prompt, image, y)));
        let size = [(images * width) as u32, height as u32];
        Some(Strip { png: encoded(size, &lines.copied().collect::<Vec<u8>>())?, size })
    };
    (0..prompts).map(strip).collect()
}

fn encoded([width, height]: [u32; 2], pixels: &[u8]) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels)).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strip_has_the_images_of_its_prompt_from_left_to_right() {
        // Two prompts across, three noises down, each image two pixels wide and one high; a pixel says where it is.
        let pixels: Vec<u8> = (0..3u8).flat_map(|y| (0..4u8).flat_map(move |x| [x, y, 9])).collect();
        let sheet = encoded([4, 3], &pixels).unwrap();
        let strips = strips(&sheet, 2, 3).unwrap();
        assert_eq!((strips.len(), strips[1].size), (2, [6, 1]));
        let mut reader = png::Decoder::new(Cursor::new(&strips[1].png)).read_info().unwrap();
        let mut found = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut found).unwrap();
        let places: Vec<[u8; 2]> = found.chunks(3).map(|pixel| [pixel[0], pixel[1]]).collect();
        assert_eq!(places, [[2, 0], [3, 0], [2, 1], [3, 1], [2, 2], [3, 2]]);
    }

    #[test]
    fn what_is_no_sheet_of_this_form_has_no_strips() {
        let sheet = encoded([4, 3], &[0; 36]).unwrap();
        assert!(strips(&sheet, 3, 3).is_none(), "four pixels are no three columns");
        assert!(strips(b"no image", 2, 3).is_none());
        assert!(strips(&sheet, 0, 3).is_none());
    }
}
