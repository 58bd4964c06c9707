//! `CLIPImageProcessor` of transformers: images of any size become a tower's input.

mod gradient;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::read_object;
use super::resample::{Bytes, Filter};
use crate::{Preprocessor, Raster, RewardError};

/// Sides of an image are in these bounds; configs that say otherwise are damaged.
const LARGEST_SIDE: u64 = 8192;

/// What `preprocessor_config.json` says.
///
/// Images are rounded to bytes, as they would be saved; resized with Pillow's filters, so that the shorter side has the
/// given length; cropped to the centre, with black around images that are smaller; scaled to [0, 1] and normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureProcessor {
    resize: Option<(Size, Filter)>,
    crop: Option<[usize; 2]>,
    centre: Centre,
    /// Factor on bytes, 1/255 unless the file says otherwise.
    rescale: f64,
    normalise: Option<Preprocessor>,
}

/// Where a crop lies whose distance from the image's borders is no whole number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Centre {
    /// Transformers': rounded down inside the image, and the other way around it.
    Down,
    /// Torchvision's: rounded to the nearest even number.
    Even,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Size {
    /// The shorter side, in pixels; the other keeps the image's form.
    Shortest(usize),
    /// Height and width, in pixels.
    Exact([usize; 2]),
}

impl PictureProcessor {
    /// Finds and reads the processor of a model: `preprocessor_config.json`, or `image_processor` in `processor_config.json`,
    /// in the first of the folders that has either.
    ///
    /// # Errors
    /// Says that no folder has one, and what moa does not know of it.
    pub(super) fn find(folders: &[PathBuf]) -> Result<(Self, PathBuf), RewardError> {
        if let Some(found) = Self::look(folders)? {
            return Ok(found);
        }
        let problem = "it has no preprocessor_config.json, which says how images are resized and normalised: download it, \
                       or name a folder that has it as `processor`";
        Err(RewardError::file(folders.first().cloned().unwrap_or_default(), problem))
    }

    /// Reads the processor as [`PictureProcessor::find`] does; nothing where no folder has one.
    ///
    /// # Errors
    /// Says what moa does not know of it.
    pub(super) fn look(folders: &[PathBuf]) -> Result<Option<(Self, PathBuf)>, RewardError> {
        for folder in folders {
            let path = folder.join("preprocessor_config.json");
            if path.is_file() {
                return Ok(Some((Self::parse(&path, &read_object(&path)?)?, path)));
            }
            let path = folder.join("processor_config.json");
            if path.is_file() {
                let found = &read_object(&path)?["image_processor"];
                if found.is_object() {
                    return Ok(Some((Self::parse(&path, found)?, path)));
                }
            }
        }
        Ok(None)
    }

    /// Returns the same processor with torchvision's crop, `CenterCrop`, which OpenCLIP and ImageReward use: it lies a pixel further
    /// down or right where 3, 7, 11, … pixels are cut.
    pub(super) fn cropped_as_torchvision(self) -> Self {
        Self { centre: Centre::Even, ..self }
    }

    /// Reads the fields of a `CLIPImageProcessor`; those that are left out have its defaults.
    ///
    /// # Errors
    /// Refuses processors of other kinds, filters that are unknown, and impossible numbers; `path` names the file.
    pub fn parse(path: &Path, found: &Value) -> Result<Self, RewardError> {
        let refuse = |field: &str, wanted: &str| {
            Err(RewardError::file(path, format!("`{field}` is {}: moa supports {wanted}", found[field])))
        };
        let kind = found["image_processor_type"].as_str().unwrap_or("CLIPImageProcessor");
        if !kind.starts_with("CLIPImageProcessor") {
            return refuse("image_processor_type", "CLIPImageProcessor");
        }
        let does = |field: &str| found[field].as_bool().unwrap_or(true);
        let resize = if does("do_resize") {
            let size = match &found["size"] {
                Value::Null => Some(Size::Shortest(224)),
                Value::Object(size) if size.contains_key("shortest_edge") => {
                    side(&size["shortest_edge"]).map(Size::Shortest)
                }
                size @ Value::Object(_) => sides(size).map(Size::Exact),
                size => side(size).map(Size::Shortest),
            };
            let Some(size) = size else {
                return refuse("size", "{\"shortest_edge\": …} and {\"height\": …, \"width\": …}, 1 to 8192 pixels");
            };
            let code = if found["resample"].is_null() { Some(3) } else { found["resample"].as_u64() };
            let Some(filter) = code.and_then(Filter::of_code) else {
                return refuse("resample", "1 (Lanczos), 2 (bilinear) and 3 (bicubic)");
            };
            Some((size, filter))
        } else {
            None
        };
        let crop = if does("do_center_crop") {
            let size = match &found["crop_size"] {
                Value::Null => Some([224; 2]),
                size @ Value::Object(_) => sides(size),
                size => side(size).map(|side| [side; 2]),
            };
            let Some(size) = size else {
                return refuse("crop_size", "{\"height\": …, \"width\": …}, 1 to 8192 pixels");
            };
            Some(size)
        } else {
            None
        };
        let rescale = match (does("do_rescale"), &found["rescale_factor"]) {
            (false, _) => 1.0,
            (true, Value::Null) => 1.0 / 255.0,
            (true, factor) => factor.as_f64().unwrap_or(f64::NAN),
        };
        if !rescale.is_finite() {
            return refuse("rescale_factor", "a number");
        }
        let normalise = does("do_normalize").then(|| normaliser(found));
        let normalise = match normalise {
            Some(None) => return refuse("image_std", "three positive numbers, as image_mean three numbers"),
            other => other.flatten(),
        };
        Ok(Self { resize, crop, centre: Centre::Down, rescale, normalise })
    }

    /// Returns the height and width of the result, where they are the same for every image.
    pub(super) fn output(&self) -> Option<[usize; 2]> {
        match (self.crop, self.resize) {
            (Some(size), _) | (None, Some((Size::Exact(size), _))) => Some(size),
            _ => None,
        }
    }

    /// Returns an image as a tower's input, `[3, height, width]` in a row; not a number throughout where the image holds
    /// values that are not finite.
    pub fn process(&self, picture: &Raster) -> Vec<f32> {
        let mut bytes = Bytes { width: picture.width, height: picture.height, rgb: picture.to_bytes() };
        if let Some((size, filter)) = self.resize {
            let [height, width] = size.of(&bytes);
            bytes = bytes.resized(width, height, filter);
        }
        if let Some(size) = self.crop {
            bytes = cropped(&bytes, size, self.centre);
        }
        let finite = picture.is_finite();
        let value = |channel: usize, byte: u8| {
            let scaled = (f64::from(byte) * self.rescale) as f32;
            match &self.normalise {
                _ if !finite => f32::NAN,
                Some(Preprocessor { image_mean, image_std }) => (scaled - image_mean[channel]) / image_std[channel],
                None => scaled,
            }
        };
        let plane = |channel: usize| {
            let table: Vec<f32> = (0..=255).map(|byte| value(channel, byte)).collect();
            bytes.rgb.iter().skip(channel).step_by(3).map(move |byte| table[usize::from(*byte)])
        };
        (0..3).flat_map(plane).collect()
    }
}

impl Size {
    /// Returns height and width of an image once it is resized.
    fn of(self, picture: &Bytes) -> [usize; 2] {
        let (width, height) = (picture.width, picture.height);
        match self {
            Self::Exact(size) => size,
            Self::Shortest(side) if width <= height => [side * height / width, side],
            Self::Shortest(side) => [side, side * width / height],
        }
    }
}

fn side(value: &Value) -> Option<usize> {
    value.as_u64().filter(|side| (1..=LARGEST_SIDE).contains(side)).map(|side| side as usize)
}

fn sides(size: &Value) -> Option<[usize; 2]> {
    Some([side(&size["height"])?, side(&size["width"])?])
}

/// Returns mean and deviation of each channel, OpenAI's where they are left out.
fn normaliser(found: &Value) -> Option<Preprocessor> {
    let three = |field: &str, default: [f32; 3]| match &found[field] {
        Value::Null => Some(default),
        value => serde_json::from_value::<[f32; 3]>(value.clone()).ok(),
    };
    let image_mean = three("image_mean", [0.481_454_66, 0.457_827_5, 0.408_210_73])?;
    let image_std = three("image_std", [0.268_629_54, 0.261_302_6, 0.275_777_1])?;
    let usable = image_std.iter().all(|value| *value > 0.0 && value.is_finite());
    (usable && image_mean.iter().all(|value| value.is_finite())).then_some(Preprocessor { image_mean, image_std })
}

/// Returns the centre of an image; where the image is smaller, black around it.
fn cropped(picture: &Bytes, [height, width]: [usize; 2], centre: Centre) -> Bytes {
    let (top, left) = (centre.start(picture.height, height), centre.start(picture.width, width));
    let mut rgb = vec![0; height * width * 3];
    for (row, line) in rgb.chunks_exact_mut(width * 3).enumerate() {
        let y = row as isize + top;
        if !(0..picture.height as isize).contains(&y) {
            continue;
        }
        for (column, pixel) in line.chunks_exact_mut(3).enumerate() {
            let x = column as isize + left;
            if (0..picture.width as isize).contains(&x) {
                let place = (y as usize * picture.width + x as usize) * 3;
                pixel.copy_from_slice(&picture.rgb[place..place + 3]);
            }
        }
    }
    Bytes { width, height, rgb }
}

impl Centre {
    /// Returns where a side of a crop lies in the image.
    fn start(self, whole: usize, part: usize) -> isize {
        let (whole, part) = (whole as isize, part as isize);
        let space = whole - part;
        match self {
            _ if space < 0 => -((1 - space) / 2),
            // 1.5 becomes 2, and 2.5 too.
            Self::Even if space % 4 == 3 => space / 2 + 1,
            _ => space / 2,
        }
    }
}
