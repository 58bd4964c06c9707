//! Scenes as pictures.

use crate::{Background, Concept, Relation, Scene, SceneRng, Sprite, SpriteSize, Sprites, Vendor};

/// The side of a picture, in pixels.
pub const SIDE: usize = 32;
/// The number of pixels of a picture.
pub const PIXELS: usize = SIDE * SIDE;

/// How far the background strays from its nominal colour: standard deviation per channel, of 255.
const COLOUR_NOISE: f32 = 0.02 * 255.0;

/// One object of a picture: whose drawing it is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedObject {
    /// What it is.
    pub concept: Concept,
    /// Who drew it.
    pub vendor: Vendor,
    /// How large the drawing is.
    pub size: SpriteSize,
    /// The drawing's left edge, in pixels from the picture's.
    pub x: usize,
    /// The drawing's top edge, in pixels from the picture's.
    pub y: usize,
}

/// Everything that decides a picture: a scene with its vendors, places and exact colour drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The object that the caption names first.
    pub first: PlacedObject,
    /// The second object, if any.
    pub second: Option<PlacedObject>,
    /// The exact colour behind them.
    pub background: [u8; 3],
}

/// A picture, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The picture: 32 × 32 × 3 bytes, row by row, RGB (HWC).
    pub pixels: Vec<u8>,
    /// How much of each pixel the objects cover: 32 × 32 bytes, row by row, 0 for background only.
    pub mask: Vec<u8>,
    /// What was drawn.
    pub layout: Layout,
}

impl Scene {
    /// Returns the scene with vendors, places and exact colour drawn.
    pub fn lay_out(&self, sprites: &Sprites, rng: &mut SceneRng) -> Layout {
        let background = noisy(self.background, rng);
        let mut place =
            |concept, size, (x, y)| PlacedObject { concept, vendor: rng.pick(sprites.vendors_of(concept)), size, x, y };
        let Some((relation, second)) = self.second else {
            let mut object = place(self.first, SpriteSize::Large, (0, 0));
            (object.x, object.y) = (2 + rng.below(5), 2 + rng.below(5));
            return Layout { first: object, second: None, background };
        };
        let mut first = place(self.first, SpriteSize::Small, (0, 0));
        let mut second = place(second, SpriteSize::Small, (0, 0));
        (first.x, first.y) = pair_corner(relation, rng);
        (second.x, second.y) = pair_corner(relation.inverse(), rng);
        Layout { first, second: Some(second), background }
    }

    /// Returns a picture of the scene; the same generator state gives the same picture.
    pub fn render(&self, sprites: &Sprites, rng: &mut SceneRng) -> Rendered {
        self.lay_out(sprites, rng).render(sprites)
    }
}

/// Returns a top left corner for the object of a pair that stands in `relation` to the other.
fn pair_corner(relation: Relation, rng: &mut SceneRng) -> (usize, usize) {
    let near = rng.below(2);
    let along = match relation {
        Relation::LeftOf | Relation::Above => near,
        Relation::RightOf | Relation::Below => 16 + near,
    };
    let across = 5 + rng.below(7);
    if relation.is_horizontal() { (along, across) } else { (across, along) }
}

/// Returns a colour a few levels away from the nominal one.
fn noisy(background: Background, rng: &mut SceneRng) -> [u8; 3] {
    background.rgb().map(|channel| (f32::from(channel) + rng.bell() * COLOUR_NOISE).round().clamp(0.0, 255.0) as u8)
}

impl Layout {
    /// Returns the objects in the caption's order.
    pub fn objects(&self) -> impl Iterator<Item = PlacedObject> + use<> {
        std::iter::once(self.first).chain(self.second)
    }

    /// Returns the picture.
    ///
    /// An object whose drawing the pack leaves out is not drawn; [`Scene::lay_out`] never asks for one.
    pub fn render(&self, sprites: &Sprites) -> Rendered {
        let mut pixels = self.background.repeat(PIXELS);
        let mut mask = vec![0; PIXELS];
        for object in self.objects() {
            if let Some(sprite) = sprites.get(object.concept, object.vendor, object.size) {
                draw(sprite, object.x, object.y, &mut pixels, &mut mask);
            }
        }
        Rendered { pixels, mask, layout: *self }
    }
}

/// Draws a sprite over a picture and adds its coverage to the mask; what lies outside the picture is cut off.
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
    use crate::{HeldOut, SceneDistribution, sample_scene};

    fn pictures(seed: u64, count: usize) -> Vec<Rendered> {
        let mut rng = SceneRng::new(seed);
        let distribution = SceneDistribution { two_objects: 0.5, unsafe_share: None, held_out: HeldOut::Any };
        let scenes = (0..count).map(|_| sample_scene(&mut rng, &distribution)).collect::<Vec<_>>();
        scenes.iter().map(|scene| scene.render(Sprites::embedded(), &mut rng)).collect()
    }

    /// The 64-bit FNV-1a hash.
    fn hash<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn pictures_are_those_of_the_first_release() {
        // Trained weights depend on these pixels: a change here means that the base model must be trained again.
        let pictures = pictures(5, 100);
        let bytes = pictures.iter().flat_map(|picture| picture.pixels.iter().chain(&picture.mask));
        assert_eq!(format!("{:016x}", hash(bytes)), "93b32f5c1178cd20");
    }

    #[test]
    fn the_mask_tells_background_from_objects() {
        for picture in pictures(6, 200) {
            for (pixel, &covered) in picture.pixels.chunks_exact(3).zip(&picture.mask) {
                assert!(covered > 0 || pixel == picture.layout.background);
            }
            let coverage = picture.mask.iter().map(|&c| f32::from(c)).sum::<f32>() / 255.0 / PIXELS as f32;
            assert!((0.05..0.6).contains(&coverage), "{coverage}: {:?}", picture.layout);
        }
    }

    #[test]
    fn objects_stand_in_their_relation_inside_the_picture_and_apart() {
        let mut rng = SceneRng::new(8);
        for relation in Relation::ALL.into_iter().cycle().take(400) {
            let scene = Scene::pair(Concept::Cat, relation, Concept::Dog, Background::Red);
            let layout = scene.lay_out(Sprites::embedded(), &mut rng);
            let (first, second) = (layout.first, layout.second.expect("a pair has two objects"));
            let side = SpriteSize::Small.side();
            assert!(layout.objects().all(|object| object.x + side <= SIDE && object.y + side <= SIDE));
            assert!(match relation {
                Relation::LeftOf => first.x + side <= second.x,
                Relation::RightOf => second.x + side <= first.x,
                Relation::Above => first.y + side <= second.y,
                Relation::Below => second.y + side <= first.y,
            });
        }
    }

    #[test]
    fn blending_is_exact_at_both_ends() {
        assert_eq!(scaled(255, 255), 255);
        assert_eq!(scaled(255, 0), 0);
        assert_eq!(scaled(200, 128), 100);
    }
}
