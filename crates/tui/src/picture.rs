//! Images: sheets cut into single ones, and their way to the terminal.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use image::{DynamicImage, ImageReader, RgbImage};
use ratatui::layout::{Rect, Size};
use ratatui::style::Style;
use ratatui::widgets::Widget;
use ratatui::{buffer::Buffer, symbols};
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::protocol::Protocol;
use ratatui_image::protocol::halfblocks::Halfblocks;
use ratatui_image::{FilterType, Image, Resize};

use crate::dither::braille;
use crate::theme::{Background, Colours, Theme};

/// Larger sheets are refused: images of a few prompts are never so large.
pub(crate) const MOST_PIXELS: u64 = 64_000_000;
/// Images kept in the terminal's form, at most.
const MOST_KEPT: usize = 600;

/// An image, shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb {
    width: u32,
    height: u32,
    pixels: Arc<[u8]>,
    hash: u64,
}

impl Rgb {
    /// Returns an image of `width × height × 3` bytes, row by row; nothing where they do not fit.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && pixels.len() as u64 == 3 * u64::from(width) * u64::from(height);
        let mut hasher = DefaultHasher::new();
        (width, height, &pixels).hash(&mut hasher);
        fits.then(|| Self { width, height, pixels: pixels.into(), hash: hasher.finish() })
    }

    fn image(&self) -> Option<DynamicImage> {
        RgbImage::from_raw(self.width, self.height, self.pixels.to_vec()).map(DynamicImage::ImageRgb8)
    }

    /// Returns the difference to another image of the same size, in the middle grey where they are alike, twice as strong as it is;
    /// nothing where sizes differ.
    pub(crate) fn difference(&self, other: &Self) -> Option<Self> {
        let fits = (self.width, self.height) == (other.width, other.height);
        let apart = |(one, other): (&u8, &u8)| (128 + 2 * (i32::from(*one) - i32::from(*other))).clamp(0, 255) as u8;
        let pixels = self.pixels.iter().zip(other.pixels.iter()).map(apart).collect();
        fits.then(|| Self::new(self.width, self.height, pixels))?
    }

    /// Returns a number that other pixels do not have.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns width and height in pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Returns the height in widths.
    pub(crate) fn aspect(&self) -> f64 {
        f64::from(self.height) / f64::from(self.width)
    }
}

/// The first images of the first prompts of a point: by prompt, then image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    columns: Vec<Vec<Rgb>>,
}

impl Sheet {
    /// Returns the sheet of images by prompt, then image.
    pub fn new(columns: Vec<Vec<Rgb>>) -> Self {
        Self { columns }
    }

    /// Reads a sheet of so many columns and rows.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn read(path: &Path, (columns, rows): (u32, u32)) -> Result<Self, String> {
        let failed = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
        if !path.exists() {
            return Err(failed(&"no images there"));
        }
        let mut reader = ImageReader::open(path).map_err(|error| failed(&error))?;
        reader.set_format(image::ImageFormat::Png);
        let (width, height) = reader.into_dimensions().map_err(|error| failed(&error))?;
        let fits = columns > 0 && rows > 0 && width % columns == 0 && height % rows == 0;
        if !fits || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(failed(&format!("{width} × {height} pixels are not a sheet of {columns} × {rows} images")));
        }
        let mut reader = ImageReader::open(path).map_err(|error| failed(&error))?;
        reader.set_format(image::ImageFormat::Png);
        let whole = reader.decode().map_err(|error| failed(&error))?.into_rgb8();
        let (w, h) = (width / columns, height / rows);
        let cut = |column: u32, row: u32| {
            let part = image::imageops::crop_imm(&whole, column * w, row * h, w, h).to_image();
            Rgb::new(w, h, part.into_raw())
        };
        Ok(Self::new((0..columns).map(|column| (0..rows).filter_map(|row| cut(column, row)).collect()).collect()))
    }

    /// Returns how many prompts there are.
    pub(crate) fn prompts(&self) -> usize {
        self.columns.len()
    }

    /// Returns how many images each prompt has.
    pub(crate) fn pictures(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Returns an image.
    pub(crate) fn get(&self, prompt: usize, picture: usize) -> Option<&Rgb> {
        self.columns.get(prompt)?.get(picture)
    }
}

/// An image at a size, in columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PictureKey {
    hash: u64,
    width: u16,
    height: u16,
}

/// Images in the terminal's form. Drawing asks for them, and shows what is there.
#[derive(Default)]
pub(crate) struct Gallery {
    ready: HashMap<PictureKey, Drawn>,
    wanted: RefCell<HashMap<PictureKey, Rgb>>,
    asked: HashSet<PictureKey>,
}

impl Gallery {
    /// Draws an image, or dots where it is on its way.
    pub(crate) fn draw(&self, picture: &Rgb, area: Rect, waiting: Style, buffer: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let key = PictureKey { hash: picture.hash, width: area.width, height: area.height };
        match self.ready.get(&key) {
            Some(Drawn::Pixels(protocol)) => return Image::new(protocol).render(area, buffer),
            Some(Drawn::Dots(lines)) => {
                return area
                    .rows()
                    .zip(lines)
                    .for_each(|(row, line)| buffer.set_string(row.x, row.y, line, Style::new()));
            }
            None => {}
        }
        self.wanted.borrow_mut().insert(key, picture.clone());
        let (x, y) = (area.x + area.width / 2, area.y + area.height / 2);
        buffer.set_string(x, y, symbols::DOT, waiting);
    }

    /// Asks for an image that is drawn later. Returns whether it is ready.
    pub(crate) fn prepare(&self, picture: &Rgb, area: Rect) -> bool {
        let key = PictureKey { hash: picture.hash, width: area.width, height: area.height };
        let ready = self.ready.contains_key(&key);
        if !ready && !area.is_empty() {
            self.wanted.borrow_mut().insert(key, picture.clone());
        }
        ready
    }

    /// Forgets all images but some, by their hashes.
    pub(crate) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.ready.retain(|key, _| keep(key.hash));
    }

    /// Takes an image that is ready.
    pub(crate) fn put(&mut self, key: PictureKey, drawn: Drawn) {
        if self.ready.len() >= MOST_KEPT {
            self.ready.clear();
        }
        self.asked.remove(&key);
        self.ready.insert(key, drawn);
    }

    /// Returns the images that drawing missed, with their sizes, once each.
    pub(crate) fn missed(&mut self) -> Vec<(PictureKey, Rgb, (u16, u16))> {
        let wanted = self.wanted.take().into_iter();
        let new: Vec<_> = wanted.filter(|(key, _)| self.asked.insert(*key)).collect();
        new.into_iter().map(|(key, rgb)| (key, rgb, (key.width, key.height))).collect()
    }
}

/// An image in the terminal's form.
pub enum Drawn {
    /// With colours: pixels, or half-blocks.
    Pixels(Protocol),
    /// Without: rows of braille dots.
    Dots(Vec<String>),
}

/// What brings images into the terminal's form.
#[derive(Clone, Debug)]
pub struct Painter {
    picker: Picker,
    theme: Theme,
}

impl Painter {
    /// Returns the painter for a terminal that draws pixels as the picker says, with the theme's colours.
    pub fn new(picker: Picker, theme: Theme) -> Self {
        Self { picker, theme }
    }

    /// Returns the width and height of a cell in pixels; of half-blocks and dots, their shape.
    pub fn cell(&self) -> (u16, u16) {
        if self.picker.protocol_type() == ProtocolType::Halfblocks {
            return (1, 2);
        }
        let font = self.picker.font_size();
        (font.width.max(1), font.height.max(1))
    }

    /// Brings an image to a size in columns and rows. Pixels stay sharp: small images are looked at pixel by pixel.
    pub(crate) fn paint(&self, picture: &Rgb, (width, height): (u16, u16)) -> Option<Drawn> {
        let half_blocks = self.picker.protocol_type() == ProtocolType::Halfblocks;
        if half_blocks && self.theme.colours == Colours::None {
            let light = self.theme.background == Background::Light;
            return Some(Drawn::Dots(braille(&picture.image()?, (width, height), light)));
        }
        let font = self.picker.font_size();
        // A half block is one column wide and half a row high.
        let (across, down) = if half_blocks { (1, 2) } else { (u32::from(font.width), u32::from(font.height)) };
        let (w, h) = (u32::from(width) * across, u32::from(height) * down);
        let filter = if w >= picture.width { FilterType::Nearest } else { FilterType::Triangle };
        let resized = picture.image()?.resize_exact(w.max(1), h.max(1), filter);
        let size = Size::new(width, height);
        if half_blocks {
            return Halfblocks::new(resized, size).ok().map(Protocol::Halfblocks).map(Drawn::Pixels);
        }
        let drawn = self.picker.new_protocol(resized, size, Resize::Scale(Some(FilterType::Nearest)));
        drawn.ok().map(Drawn::Pixels)
    }
}
