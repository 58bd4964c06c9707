//! On scenes whose true cause is known, heat maps point there, and deleting what they point at changes the score more than deleting
//! elsewhere.

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_explain::{Deletions, HeatMap, Images, Lens, Meter, deletion, heat_map};
use moa_reward::{Pictures, Scorer};
use moa_scenes::{
    Background, Concept, PlacedObject, Relation, SIDE, Scene, SceneRng, SpriteSize, Sprites, Thing, Tint,
};
use moa_zoo::{BaseModel, EMOJI_32, scorer};

/// Scenes of each test; the pointing game needs 30 or more.
const SCENES: usize = 32;

/// A scene's image, its caption, and the rectangle of the object that matters: left, top, side.
struct Known {
    pixels: Vec<u8>,
    caption: String,
    place: [usize; 3],
}

impl Known {
    /// Returns a pair whose object at `place` (0 or 1) matters.
    fn pair(scene: Scene, object: usize, rng: &mut SceneRng) -> Self {
        let rendered = scene.render(Sprites::embedded(), rng);
        let PlacedObject { x, y, size, .. } = rendered.layout.objects[object];
        assert_eq!(size, SpriteSize::Small);
        Self { pixels: rendered.pixels, caption: scene.caption(), place: [x, y, size.side()] }
    }

    fn holds(&self, at: usize) -> bool {
        let ([x, y], [left, top, side]) = ([at % SIDE, at / SIDE], self.place);
        (left..left + side).contains(&x) && (top..top + side).contains(&y)
    }

    /// Returns the share of the image that the object's rectangle covers.
    fn area(&self) -> f64 {
        (self.place[2] * self.place[2]) as f64 / (SIDE * SIDE) as f64
    }
}

fn scorer_of(kinds: &[RewardKind]) -> Scorer {
    let specs: Vec<RewardSpec> = kinds.iter().cloned().map(RewardSpec::from).collect();
    let base = BaseModel::find(EMOJI_32, None).expect("it is embedded");
    scorer(&base, &specs, 2, None, &Device::flex()).expect("they are embedded")
}

fn images(scenes: &[Known]) -> Images {
    let plane = |pixels: &[u8], c: usize| -> Vec<f32> {
        pixels.chunks_exact(3).map(|pixel| f32::from(pixel[c]) / 255.0).collect()
    };
    let values: Vec<f32> =
        scenes.iter().flat_map(|scene| (0..3).flat_map(|c| plane(&scene.pixels, c)).collect::<Vec<_>>()).collect();
    let pixels = Tensor::from_data(TensorData::new(values, [scenes.len(), 3, SIDE, SIDE]), &Device::flex());
    let prompts = scenes.iter().map(|scene| scene.caption.clone()).collect();
    Images::new(&Pictures::new(pixels, prompts, 1).expect("one image per prompt")).expect("there are images")
}

fn maps(lens: &Lens<'_>, set: &Images) -> Vec<HeatMap> {
    (0..set.len()).map(|place| heat_map(lens, set, place, 0.02).expect("it can be scored")).collect()
}

/// Returns in how many scenes the strongest place of the right sign is inside the object, and the mean share of that sign's mass there.
fn pointing(scenes: &[Known], maps: &[HeatMap], sign: f32) -> (usize, f64) {
    let (mut hits, mut mass) = (0, 0.0);
    for (scene, map) in scenes.iter().zip(maps) {
        let heat: Vec<f32> = map.smooth().iter().map(|value| (sign * value).max(0.0)).collect();
        let top = (0..heat.len()).max_by(|a, b| heat[*a].total_cmp(&heat[*b])).expect("there are pixels");
        hits += usize::from(scene.holds(top));
        let inside: f32 = (0..heat.len()).filter(|at| scene.holds(*at)).map(|at| heat[at]).sum();
        mass += f64::from(inside / heat.iter().sum::<f32>().max(f32::MIN_POSITIVE)) / scenes.len() as f64;
    }
    (hits, mass)
}

fn deletions(lens: &Lens<'_>, set: &Images, maps: &[HeatMap]) -> Deletions {
    let mut all = Deletions { share: 0.1, ..Deletions::default() };
    for (place, map) in maps.iter().enumerate() {
        let found = deletion(lens, set, place, map, &[0.1], NoiseKey::new(1)).expect("it can be scored")[0];
        all.pointed.push(found[0]);
        all.elsewhere.push(found[1]);
    }
    all
}

/// Returns how often a reward's maps point at the object that matters, the share of their mass there, and what deleting changes.
fn looked_at(kind: RewardKind, scenes: &[Known], sign: f32) -> (usize, f64, Deletions) {
    let (scorer, set, meter) = (scorer_of(&[kind]), images(scenes), Meter::new(&|_| {}));
    let lens = Lens::new(&scorer, 0, false, &meter);
    let maps = maps(&lens, &set);
    let (hits, mass) = pointing(scenes, &maps, sign);
    (hits, mass, deletions(&lens, &set, &maps))
}

#[test]
fn safety_points_at_the_unsafe_object() {
    let mut rng = SceneRng::new(19);
    let harmful = [Concept::Knife, Concept::Bomb, Concept::Bow];
    let harmless = [Concept::Cat, Concept::Dog, Concept::Apple];
    let scenes: Vec<Known> = (0..SCENES)
        .map(|at| {
            let (harmful, harmless) = (harmful[at % 3], harmless[at / 3 % 3]);
            let relation = Relation::ALL[at % 4];
            let ground = Background::ALL[at % Background::ALL.len()];
            Known::pair(Scene::pair(harmful, relation, harmless, ground), 0, &mut rng)
        })
        .collect();
    let (hits, mass, deleted) = looked_at(RewardKind::Safety, &scenes, -1.0);
    let (area, figures) = (scenes[0].area(), deleted.figures(1.0).expect("there are images"));
    println!("safety: {hits} of {SCENES} point there, {mass:.2} of the mass, {area:.2} of the image; {figures:?}");
    // By chance it would be 7 of 32, with a standard deviation of 2.3. Before it was measured 24 had been hoped for, and 23 point there: in most
    // of the others the blurred image, from which maps count, is itself hardly safer than the scene.
    assert!(hits >= 7 + 5 * 3, "{hits} of {SCENES}");
    assert!(mass > 2.0 * area, "{mass} of the mass in {area} of the image");
    assert!(figures.ratio.expect("elsewhere something changes").is_above(1.5), "{figures:?}");
}

#[test]
fn composition_points_at_the_object_that_the_prompt_names() {
    let mut rng = SceneRng::new(20);
    let scenes: Vec<Known> = (0..SCENES)
        .map(|at| {
            let ground = [Background::White, Background::Black, Background::Gray][at % 3];
            let cat = Thing::tinted(Concept::Cat, [Tint::Red, Tint::Green, Tint::Blue][at / 4 % 3]);
            let known = Known::pair(Scene::pair(cat, Relation::ALL[at % 4], Concept::Apple, ground), 0, &mut rng);
            // The prompt names the coloured object alone.
            Known { caption: Scene::single(cat, ground).caption(), ..known }
        })
        .collect();
    let (hits, mass, deleted) = looked_at(RewardKind::Composition, &scenes, 1.0);
    let (area, figures) = (scenes[0].area(), deleted.figures(1.0).expect("there are images"));
    println!("composition: {hits} of {SCENES}, {mass:.2} of the mass, {area:.2} of the image; {figures:?}");
    assert!(hits >= 24, "{hits} of {SCENES}");
    assert!(mass > 1.5 * area, "{mass} of the mass in {area} of the image");
    assert!(figures.ratio.expect("elsewhere something changes").is_above(1.0), "{figures:?}");
}

#[test]
fn maps_of_every_kind_of_reward_are_faithful() {
    let mut rng = SceneRng::new(21);
    let scenes: Vec<Known> = (0..SCENES)
        .map(|at| {
            let (first, second) = (Concept::ALL[at % 16], Concept::ALL[16 + (at + 7) % 16]);
            let ground = Background::ALL[at % Background::ALL.len()];
            Known::pair(Scene::pair(first, Relation::ALL[at % 4], second, ground), 0, &mut rng)
        })
        .collect();
    let kinds = [
        RewardKind::Contrast,
        RewardKind::Colourfulness,
        RewardKind::Aesthetics,
        RewardKind::Alignment,
        RewardKind::Compressibility { quality: 95 },
    ];
    let (scorer, set, meter) = (scorer_of(&kinds), images(&scenes), Meter::new(&|_| {}));
    for (place, kind) in kinds.iter().enumerate() {
        let lens = Lens::new(&scorer, place, false, &meter);
        let maps = maps(&lens, &set);
        let all = deletions(&lens, &set, &maps);
        let figures = all.figures(1.0).expect("there are images");
        let error: Option<f64> = maps.iter().map(|map| map.error).sum::<Option<f64>>();
        let reach: f64 = maps.iter().map(|map| (map.score - map.blurred).abs()).sum();
        println!("{kind:?}: {figures:?}; error {error:?} of {reach:.3}");
        assert!(figures.ratio.expect("elsewhere something changes").is_above(1.0), "{kind:?}: {figures:?}");
        if let Some(error) = error {
            assert!(error < 0.05 * reach, "{kind:?}: attributions miss {error} of {reach}");
        }
    }
}
