//! The pack of emoji sprites.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::{Concept, ScenesError, Vendor};

/// The committed atlas: RGBA with straight alpha; `assets/pack_sprites.py` describes its layout.
const ATLAS: &[u8] = include_bytes!("../assets/sprites.png");
/// The committed index: which vendors have which concept.
const INDEX: &str = include_str!("../assets/sprites.json");
/// The version of the index that this code reads.
const VERSION: u32 = 1;

/// The two sizes of a sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpriteSize {
    /// 24 px: the only object of a scene.
    Large,
    /// 15 px: one object of two to four.
    Small,
}

impl SpriteSize {
    /// Both sizes in the atlas's order.
    pub const ALL: [Self; 2] = [Self::Large, Self::Small];

    /// Returns the side of the square, in pixels.
    pub fn side(self) -> usize {
        match self {
            Self::Large => 24,
            Self::Small => 15,
        }
    }
}

/// One vendor's drawing of one concept at one size.
#[derive(Clone, Debug)]
pub struct Sprite {
    side: usize,
    rgba: Vec<u8>,
}

impl Sprite {
    /// Takes `side × side × 4` bytes of premultiplied colour and alpha.
    pub(crate) fn new(side: usize, rgba: Vec<u8>) -> Self {
        Self { side, rgba }
    }

    /// Returns the side of the square, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Returns the pixels: `side × side × 4` bytes, row by row, colour **premultiplied** by alpha.
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }

    /// Returns the coverage mask: `side × side` bytes, row by row, 0 outside the drawing and 255 inside.
    pub fn alpha(&self) -> impl Iterator<Item = u8> {
        self.rgba.iter().skip(3).step_by(4).copied()
    }
}

/// Every sprite: up to five vendors' drawings of forty concepts at two sizes.
#[derive(Clone, Debug)]
pub struct Sprites {
    /// By concept, vendor and size.
    drawings: Vec<Option<Sprite>>,
    /// By concept.
    vendors: Vec<Vec<Vendor>>,
}

impl Sprites {
    /// Returns the pack that is part of the program, decoded once.
    pub fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Sprites> =
            LazyLock::new(|| Sprites::load(ATLAS, INDEX).expect("the embedded sprite pack is valid: a test loads it"));
        &EMBEDDED
    }

    /// Returns the pack in a PNG atlas and its JSON index.
    ///
    /// # Errors
    /// Names what is malformed, or differs from the concepts, vendors and sizes that this version knows.
    pub fn load(atlas: &[u8], index: &str) -> Result<Self, ScenesError> {
        let index: Index = serde_json::from_str(index)?;
        index.check()?;
        let atlas = Atlas::decode(atlas)?;
        let mut drawings = Vec::new();
        for (concept, entry) in Concept::ALL.into_iter().zip(&index.concepts) {
            for vendor in Vendor::ALL {
                let present = entry.vendors.contains(&vendor);
                drawings.extend(SpriteSize::ALL.map(|size| present.then(|| atlas.cut(concept, vendor, size))));
            }
        }
        Ok(Self { drawings, vendors: index.concepts.into_iter().map(|entry| entry.vendors).collect() })
    }

    /// Returns a vendor's drawing of a concept, or `None` where the pack leaves it out.
    pub fn get(&self, concept: Concept, vendor: Vendor, size: SpriteSize) -> Option<&Sprite> {
        let drawing = concept.index() * Vendor::ALL.len() + vendor.index();
        self.drawings[drawing * SpriteSize::ALL.len() + size as usize].as_ref()
    }

    /// Returns the vendors whose drawing of the concept is in the pack: four or five.
    pub fn vendors_of(&self, concept: Concept) -> &[Vendor] {
        &self.vendors[concept.index()]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    version: u32,
    sizes: Vec<usize>,
    vendors: Vec<VendorEntry>,
    concepts: Vec<ConceptEntry>,
}

#[derive(Deserialize)]
struct VendorEntry {
    name: Vendor,
}

#[derive(Deserialize)]
struct ConceptEntry {
    name: Concept,
    vendors: Vec<Vendor>,
}

impl Index {
    /// Refuses an index that describes another pack than this version knows.
    fn check(&self) -> Result<(), ScenesError> {
        let same = |field, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
            let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
            if found == wanted { Ok(()) } else { Err(ScenesError::IndexForm { field, found, wanted }) }
        };
        same("version", &self.version, &VERSION)?;
        same("sizes", &self.sizes, &SpriteSize::ALL.map(SpriteSize::side))?;
        same("vendors", &self.vendors.iter().map(|entry| entry.name).collect::<Vec<_>>(), &Vendor::ALL)?;
        same("concepts", &self.concepts.iter().map(|entry| entry.name).collect::<Vec<_>>(), &Concept::ALL)?;
        let bare = self.concepts.iter().find(|entry| entry.vendors.is_empty());
        bare.map_or(Ok(()), |entry| same("vendors of a concept", &entry.name, &"drawn by at least one"))
    }
}

/// The decoded image that holds every sprite.
struct Atlas {
    width: usize,
    rgba: Vec<u8>,
}

impl Atlas {
    fn decode(bytes: &[u8]) -> Result<Self, ScenesError> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info()?;
        let info = reader.info();
        let found = (info.width as usize, info.height as usize, info.color_type, info.bit_depth);
        let width = SpriteSize::ALL.map(SpriteSize::side).iter().sum::<usize>() * Vendor::ALL.len();
        let height = SpriteSize::Large.side() * Concept::ALL.len();
        let wanted = (width, height, png::ColorType::Rgba, png::BitDepth::Eight);
        if found != wanted {
            let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
            return Err(ScenesError::AtlasForm { field: "width, height and colour", found, wanted });
        }
        let mut rgba = vec![0; width * height * 4];
        reader.next_frame(&mut rgba)?;
        Ok(Self { width, rgba })
    }

    /// Returns one sprite, its colours premultiplied.
    fn cut(&self, concept: Concept, vendor: Vendor, size: SpriteSize) -> Sprite {
        let side = size.side();
        let left = match size {
            SpriteSize::Large => vendor.index() * side,
            SpriteSize::Small => Vendor::ALL.len() * SpriteSize::Large.side() + vendor.index() * side,
        };
        let top = concept.index() * SpriteSize::Large.side();
        let mut rgba = Vec::with_capacity(side * side * 4);
        for y in top..top + side {
            let start = (y * self.width + left) * 4;
            for pixel in self.rgba[start..start + side * 4].chunks_exact(4) {
                let alpha = u32::from(pixel[3]);
                rgba.extend(pixel[..3].iter().map(|&c| ((u32::from(c) * alpha + 127) / 255) as u8));
                rgba.push(pixel[3]);
            }
        }
        Sprite::new(side, rgba)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_concept_has_four_vendors_or_more_and_each_drawing_fills_its_square() {
        let sprites = Sprites::embedded();
        for concept in Concept::ALL {
            assert!(sprites.vendors_of(concept).len() >= 4, "{concept:?}");
            for vendor in Vendor::ALL {
                let present = sprites.vendors_of(concept).contains(&vendor);
                for size in SpriteSize::ALL {
                    let sprite = sprites.get(concept, vendor, size);
                    assert_eq!(sprite.is_some(), present);
                    let Some(sprite) = sprite else { continue };
                    let coverage = sprite.alpha().map(f64::from).sum::<f64>() / 255.0 / (size.side().pow(2) as f64);
                    assert!((0.1..0.98).contains(&coverage), "{concept:?} {vendor:?} {size:?}: {coverage}");
                }
            }
        }
    }

    #[test]
    fn every_drawing_stands_out_from_every_background() {
        let sprites = Sprites::embedded();
        for background in crate::Background::ALL {
            for (concept, vendor) in Concept::ALL.into_iter().flat_map(|c| Vendor::ALL.map(|v| (c, v))) {
                let Some(sprite) = sprites.get(concept, vendor, SpriteSize::Large) else { continue };
                let solid = sprite.rgba().chunks_exact(4).filter(|pixel| pixel[3] > 200);
                let (all, seen) = solid.fold((0, 0), |(all, seen), pixel| {
                    let far = |(&a, b): (&u8, u8)| (i32::from(a) - i32::from(b)).pow(2);
                    let distance: i32 = pixel.iter().zip(background.rgb()).map(far).sum();
                    (all + 1, seen + i32::from(distance > 60 * 60))
                });
                assert!(seen * 5 > all, "{concept:?} by {vendor:?} on {background:?}: {seen} of {all} pixels");
            }
        }
    }

    #[test]
    fn drawings_are_all_different() {
        let sprites = Sprites::embedded();
        for size in SpriteSize::ALL {
            let all = Concept::ALL.into_iter().flat_map(|concept| Vendor::ALL.map(|vendor| (concept, vendor)));
            let mut drawings: Vec<_> = all.filter_map(|(c, v)| sprites.get(c, v, size)).map(Sprite::rgba).collect();
            let count = drawings.len();
            drawings.sort_unstable();
            drawings.dedup();
            assert_eq!(drawings.len(), count);
        }
    }

    #[test]
    fn a_damaged_pack_is_refused_with_the_field_that_differs() {
        let refuse = |atlas: &[u8], index: &str| Sprites::load(atlas, index).expect_err("damaged").to_string();
        assert!(refuse(&ATLAS[..1000], INDEX).starts_with("decode the sprite atlas"));
        assert!(refuse(b"not an image", INDEX).starts_with("decode the sprite atlas"));
        let newer = INDEX.replace("\"version\": 1", "\"version\": 2");
        assert!(refuse(ATLAS, &newer).contains("version is 2, not 1"));
        let renamed = INDEX.replace("\"name\": \"apple\"", "\"name\": \"pear\"");
        assert!(refuse(ATLAS, &renamed).contains("pear"));
    }
}
