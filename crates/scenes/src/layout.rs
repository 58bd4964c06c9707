//! Where an image's objects are, and whose drawings they are.

use crate::{Background, Concept, Content, Light, Relation, Scene, SceneRng, SpriteSize, Sprites, Thing, Tint, Vendor};

/// How far the background strays from its nominal colour: standard deviation per channel, of 255.
const COLOUR_NOISE: f32 = 0.02 * 255.0;

/// The top left corners of the cells of scenes with more objects than two, in pixels.
const CELLS: [(usize, usize); 4] = [(0, 0), (16, 0), (0, 16), (16, 16)];

/// One object of an image: whose drawing it is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedObject {
    /// What it is.
    pub concept: Concept,
    /// The colour that all of it is drawn in; `None` for the drawing's own colours.
    pub tint: Option<Tint>,
    /// Who drew it.
    pub vendor: Vendor,
    /// How large the drawing is.
    pub size: SpriteSize,
    /// The drawing's left edge, in pixels from the image's.
    pub x: usize,
    /// The drawing's top edge, in pixels from the image's.
    pub y: usize,
}

/// Everything that decides an image: a scene with its vendors, places, exact colour and light drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The objects in the caption's order.
    pub objects: Vec<PlacedObject>,
    /// The exact colour behind them, in clear light.
    pub background: [u8; 3],
    /// How clear the image is.
    pub light: Light,
}

impl Scene {
    /// Returns the scene with vendors, places, exact colour and light drawn.
    ///
    /// One object is large and anywhere near the middle; two stand in their relation; more are each in a cell of their
    /// own, of four. Every object's vendor is drawn apart.
    pub fn lay_out(&self, sprites: &Sprites, rng: &mut SceneRng) -> Layout {
        let background = noisy(self.background, rng);
        let things = self.content.things();
        let size = if things.len() == 1 { SpriteSize::Large } else { SpriteSize::Small };
        let vendors: Vec<Vendor> = things.iter().map(|thing| rng.pick(sprites.vendors_of(thing.concept))).collect();
        let corners = match self.content {
            Content::One(_) => vec![(2 + rng.below(5), 2 + rng.below(5))],
            Content::Pair(_, relation, _) => vec![pair_corner(relation, rng), pair_corner(relation.inverse(), rng)],
            Content::Several(..) | Content::Trio(_) => cell_corners(things.len(), rng),
        };
        let place = |((Thing { concept, tint }, vendor), (x, y))| PlacedObject { concept, tint, vendor, size, x, y };
        let objects = things.into_iter().zip(vendors).zip(corners).map(place).collect();
        Layout { objects, background, light: Light::draw(rng) }
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

/// Returns top left corners in `count` different cells, up to four, each up to a pixel away from its cell's.
fn cell_corners(count: usize, rng: &mut SceneRng) -> Vec<(usize, usize)> {
    let mut cells = CELLS;
    rng.shuffle(&mut cells);
    cells.into_iter().take(count).map(|(x, y)| (x + rng.below(2), y + rng.below(2))).collect()
}

/// Returns a colour a few levels away from the nominal one.
fn noisy(background: Background, rng: &mut SceneRng) -> [u8; 3] {
    background.rgb().map(|channel| (f32::from(channel) + rng.bell() * COLOUR_NOISE).round().clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Kind, SIDE, SceneDistribution, sample_scene};

    fn layouts(kind: Kind, count: usize) -> impl Iterator<Item = (Scene, Layout)> {
        let mut rng = SceneRng::keyed(8, &[kind as u64]);
        (0..count).map(move |_| {
            let scene = sample_scene(&mut rng, &SceneDistribution::only(kind));
            (scene, scene.lay_out(Sprites::embedded(), &mut rng))
        })
    }

    #[test]
    fn objects_stand_in_their_relation_inside_the_picture_and_apart() {
        let mut rng = SceneRng::new(8);
        for relation in Relation::ALL.into_iter().cycle().take(400) {
            let scene = Scene::pair(Concept::Cat, relation, Concept::Dog, Background::Red);
            let layout = scene.lay_out(Sprites::embedded(), &mut rng);
            let [first, second] = layout.objects[..] else { panic!("a pair has two objects") };
            let side = SpriteSize::Small.side();
            assert!(layout.objects.iter().all(|object| object.x + side <= SIDE && object.y + side <= SIDE));
            assert!(match relation {
                Relation::LeftOf => first.x + side <= second.x,
                Relation::RightOf => second.x + side <= first.x,
                Relation::Above => first.y + side <= second.y,
                Relation::Below => second.y + side <= first.y,
            });
        }
    }

    #[test]
    fn a_layout_lists_the_objects_of_the_scene_inside_the_picture_and_apart() {
        for (scene, layout) in Kind::ALL.into_iter().flat_map(|kind| layouts(kind, 300)) {
            let listed: Vec<Thing> =
                layout.objects.iter().map(|object| Thing { concept: object.concept, tint: object.tint }).collect();
            assert_eq!(listed, scene.content.things());
            for (i, a) in layout.objects.iter().enumerate() {
                let side = a.size.side();
                assert!(a.x + side <= SIDE && a.y + side <= SIDE, "{a:?}");
                assert_eq!(a.size == SpriteSize::Large, layout.objects.len() == 1);
                for b in &layout.objects[i + 1..] {
                    assert!(a.x.abs_diff(b.x) >= side || a.y.abs_diff(b.y) >= side, "{scene}: {a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn objects_come_up_in_every_cell_with_vendors_of_their_own() {
        let (mut firsts, mut vendors) = (HashSet::new(), HashSet::new());
        for (_, layout) in layouts(Kind::Several, 400).chain(layouts(Kind::Trio, 400)) {
            firsts.insert((layout.objects[0].x, layout.objects[0].y));
            vendors.insert((layout.objects[0].vendor, layout.objects[1].vendor));
        }
        assert_eq!(firsts.len(), 16, "four cells, and two places along each axis");
        assert_eq!(vendors.len(), 25);
    }
}
