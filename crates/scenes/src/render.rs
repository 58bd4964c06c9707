//! Scenes as images.

use std::borrow::Cow;

use crate::{Layout, Scene, SceneRng, Sprite, Sprites};

/// The side of an image, in pixels.
pub const SIDE: usize = 32;
/// The number of pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// An image, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The image: 32 × 32 × 3 bytes, row by row, RGB (HWC).
    pub pixels: Vec<u8>,
    /// How much of each pixel the objects cover: 32 × 32 bytes, row by row, 0 for background only.
    pub mask: Vec<u8>,
    /// What was drawn.
    pub layout: Layout,
}

impl Scene {
    /// Returns an image of the scene; the same generator state gives the same image.
    pub fn render(&self, sprites: &Sprites, rng: &mut SceneRng) -> Rendered {
        self.lay_out(sprites, rng).render(sprites)
    }
}

impl Layout {
    /// Returns the image.
    ///
    /// An object whose drawing the pack leaves out is not drawn; [`Scene::lay_out`] never asks for one.
    pub fn render(&self, sprites: &Sprites) -> Rendered {
        let mut pixels = self.background.repeat(PIXELS);
        let mut mask = vec![0; PIXELS];
        for object in &self.objects {
            if let Some(sprite) = sprites.get(object.concept, object.vendor, object.size) {
                let sprite = object.tint.map_or(Cow::Borrowed(sprite), |tint| Cow::Owned(sprite.tinted(tint)));
                draw(&sprite, object.x, object.y, &mut pixels, &mut mask);
            }
        }
        for value in &mut pixels {
            *value = self.light.on(*value);
        }
        Rendered { pixels, mask, layout: self.clone() }
    }
}

/// Draws a sprite over an image and adds its coverage to the mask; what lies outside the image is cut off.
fn draw(sprite: &Sprite, left: usize, top: usize, pixels: &mut [u8], mask: &mut [u8]) {
    let width = sprite.side().min(SIDE.saturating_sub(left));
    let rows = sprite.rgba().chunks_exact(sprite.side() * 4);
    for (row, y) in rows.zip(top..SIDE) {
        let start = y * SIDE + left;
        let targets = pixels[start * 3..(start + width) * 3].chunks_exact_mut(3);
        let covered = &mut mask[start..start + width];
        for ((source, target), covered) in row.chunks_exact(4).zip(targets).zip(covered) {
            let clear = 255 - source[3];
            for (target, &colour) in target.iter_mut().zip(source) {
                *target = colour.saturating_add(scaled(*target, clear));
            }
            *covered = source[3].saturating_add(scaled(*covered, clear));
        }
    }
}

/// Returns `value · share / 255`, rounded.
fn scaled(value: u8, share: u8) -> u8 {
    ((u32::from(value) * u32::from(share) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Background, Concept, HeldOut, Kinds, SceneDistribution, Thing, Tint, sample_scene};

    const ALL_KINDS: Kinds = Kinds { single: 1.0, tinted: 1.0, pair: 1.0, tinted_pair: 1.0, several: 1.0, trio: 1.0 };

    fn pictures(seed: u64, count: usize, kinds: Kinds) -> Vec<Rendered> {
        let mut rng = SceneRng::new(seed);
        let distribution = SceneDistribution { kinds, unsafe_share: None, held_out: HeldOut::Any };
        let scenes = (0..count).map(|_| sample_scene(&mut rng, &distribution)).collect::<Vec<_>>();
        scenes.iter().map(|scene| scene.render(Sprites::embedded(), &mut rng)).collect()
    }

    /// The 64-bit FNV-1a hash.
    fn hash<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn pictures_are_those_that_the_weights_were_trained_on() {
        // Trained weights depend on these pixels: a change here means that the base model must be trained again.
        let pictures = pictures(5, 200, ALL_KINDS);
        let bytes = pictures.iter().flat_map(|picture| picture.pixels.iter().chain(&picture.mask));
        assert_eq!(format!("{:016x}", hash(bytes)), "c6763ce731a2f834");
    }

    #[test]
    fn the_mask_tells_background_from_objects() {
        for picture in pictures(6, 600, ALL_KINDS) {
            for (pixel, &covered) in picture.pixels.chunks_exact(3).zip(&picture.mask) {
                let ground = picture.layout.background.map(|value| picture.layout.light.on(value));
                assert!(covered > 0 || pixel == ground);
            }
            let coverage = picture.mask.iter().map(|&c| f32::from(c)).sum::<f32>() / 255.0 / PIXELS as f32;
            assert!((0.05..0.75).contains(&coverage), "{coverage}: {:?}", picture.layout);
        }
    }

    #[test]
    fn a_tint_changes_the_pixels_of_its_object_alone() {
        let own = Scene::single(Concept::Cat, Background::Gray);
        let red = Scene::single(Thing::tinted(Concept::Cat, Tint::Red), Background::Gray);
        let [own, red] = [own, red].map(|scene| scene.render(Sprites::embedded(), &mut SceneRng::new(3)));
        assert_eq!(own.mask, red.mask);
        let pixels = own.pixels.chunks_exact(3).zip(red.pixels.chunks_exact(3)).zip(&own.mask);
        let changed = pixels.filter(|((own, red), covered)| {
            assert!(own == red || **covered > 0);
            own != red
        });
        let covered = own.mask.iter().filter(|covered| **covered > 200).count();
        assert!(changed.count() * 10 > covered * 9);
    }

    #[test]
    fn blending_is_exact_at_both_ends() {
        assert_eq!(scaled(255, 255), 255);
        assert_eq!(scaled(255, 0), 0);
        assert_eq!(scaled(200, 128), 100);
    }
}
