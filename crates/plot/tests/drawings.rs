//! Every drawing through its public door: valid files, the right text, and clear refusals.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use moa_plot::{
    AttackedModel, Curve, CurvePanel, EdgeLine, EdgePanel, EdgeRow, FrontPoint, FrontSeries, GridRow, HeatCell,
    HeatMap, Interval, PlotError, PointKind, RgbPicture, Success, draw_attacks, draw_compared_fronts, draw_curves,
    draw_edges, draw_front_pair, draw_fronts, draw_heat_map, draw_picture_grid,
};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Names of all that lies in the folder: nothing may be left over beside the drawings.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn pixels(path: &Path) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width, info.height, pixels)
}

/// The document's text elements; panics unless tags are balanced.
fn texts(path: &Path) -> Vec<String> {
    let svg = fs::read_to_string(path).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    let texts = svg.split("<text").skip(1);
    let content = |text: &str| text.split_once('>').unwrap().1.split_once('<').unwrap().0.trim().to_owned();
    texts.map(content).collect()
}

fn rewards(count: usize) -> Vec<String> {
    ["aesthetics", "alignment", "safety", "diversity", "contrast"].map(String::from)[..count].to_vec()
}

fn point(label: &str, kind: PointKind, on_front: bool, means: &[f64]) -> FrontPoint {
    let rewards = means.iter().map(|&mean| Interval { mean, lo: mean - 0.02, hi: mean + 0.03 }).collect();
    FrontPoint { label: label.to_owned(), kind, on_front, rewards }
}

fn points(count: usize) -> Vec<FrontPoint> {
    let means = |seed: usize| -> Vec<f64> { (0..count).map(|j| (((seed * 7 + j * 5) % 11) as f64) / 11.0).collect() };
    vec![
        point("base", PointKind::Base, false, &means(1)),
        point("corner <1> & more", PointKind::Trained, true, &means(2)),
        point("centre", PointKind::Trained, false, &means(3)),
        point("soup", PointKind::Soup, true, &means(5)),
    ]
}

fn panel(title: &str, curves: &[(&str, &[(f64, f64)])]) -> CurvePanel {
    let curve = |(label, points): &(&str, &[(f64, f64)])| Curve { label: (*label).to_owned(), points: points.to_vec() };
    CurvePanel { title: title.to_owned(), curves: curves.iter().map(curve).collect() }
}

fn picture(width: u32, height: u32, colour: [u8; 3]) -> RgbPicture {
    RgbPicture { width, height, pixels: colour.repeat((width * height) as usize) }
}

fn attacked(label: &str, attacks: &[&str], level: f64) -> AttackedModel {
    let success = |(place, attack): (usize, &&str)| {
        let mean = (level + 0.1 * place as f64).min(1.0);
        let curve =
            [75.0, 150.0, 300.0, 600.0].iter().enumerate().map(|(step, passes)| (*passes, mean * step as f64 / 3.0));
        Success {
            attack: (*attack).to_owned(),
            share: Interval { mean, lo: (mean - 0.1).max(0.0), hi: (mean + 0.1).min(1.0) },
            curve: curve.collect(),
        }
    };
    AttackedModel { label: label.to_owned(), successes: attacks.iter().enumerate().map(success).collect() }
}

#[test]
fn attacks_are_drawn_by_model_and_against_the_passes_that_they_spend() {
    let folder = Folder::new();
    let models = [
        attacked("base <1> & more", &["plain", "evolution", "gradient"], 0.6),
        attacked("safety", &["evolution"], 0.2),
    ];
    let (svg, png) = (folder.file("attacks.svg"), folder.file("attacks.png"));
    draw_attacks(&svg, "Attacks", &models).unwrap();
    draw_attacks(&png, "Attacks", &models).unwrap();
    let texts = texts(&svg);
    for wanted in
        ["Attacks", "base &lt;1&gt; &amp; more", "safety", "plain", "75", "600", "passes through the denoiser"]
    {
        assert!(texts.iter().any(|text| text == wanted), "`{wanted}` is not in {texts:?}");
    }
    // Once below its place in the rates, once above its curves.
    assert_eq!(texts.iter().filter(|text| *text == "gradient").count(), 2);
    let (width, height, pixels) = pixels(&png);
    assert!(width > 400 && height > 400 && pixels.iter().any(|value| *value < 100));

    let refused = |models: &[AttackedModel]| draw_attacks(&folder.file("no.svg"), "", models).unwrap_err().to_string();
    assert!(refused(&[]).contains("the list of models"));
    assert!(refused(&[attacked("empty", &[], 0.1)]).contains("empty"));
    let mut none_spent = models.to_vec();
    none_spent[0].successes[0].curve[0].0 = 0.0;
    assert!(refused(&none_spent).contains("passes"), "{}", refused(&none_spent));
    assert_eq!(folder.names(), ["attacks.png", "attacks.svg"]);
}

#[test]
fn fronts_of_any_number_of_rewards_are_valid_in_both_formats() {
    let folder = Folder::new();
    for count in 2..=5 {
        let svg = folder.file("front.svg");
        draw_fronts(&svg, &rewards(count), &points(count)).unwrap();
        let texts = texts(&svg);
        for wanted in
            rewards(count).iter().map(String::as_str).chain(["base", "centre", "soup", "front of these two rewards"])
        {
            assert!(texts.iter().any(|text| text == wanted), "{wanted} is missing of {texts:?}");
        }
    }
    let png = folder.file("front.png");
    draw_fronts(&png, &rewards(2), &points(2)).unwrap();
    let (width, height, pixels) = pixels(&png);
    assert!(width > 800 && height > 600 && width < 4000);
    assert!(pixels.chunks_exact(3).any(|p| p == [0, 114, 178]), "the blue of trained adapters");
    assert!(pixels[..3] == [255; 3], "a white margin");
    assert_eq!(folder.names(), ["front.png", "front.svg"]);
}

#[test]
fn edges_show_every_kind_and_refuse_what_cannot_be_drawn() {
    let folder = Folder::new();
    let value = |mean: f64| Interval { mean, lo: mean - 0.01, hi: mean + 0.02 };
    let line = |kind, bonus: f64| EdgeLine {
        kind,
        inner: vec![(0.25, value(bonus)), (0.75, value(bonus + 0.01))],
        ends: vec![(0.0, value(0.0)), (1.0, value(0.05))],
    };
    let row = |bonus| EdgeRow {
        from: "safety".into(),
        to: "diversity".into(),
        panels: rewards(2)
            .into_iter()
            .map(|title| EdgePanel { title, lines: vec![line(PointKind::Soup, bonus), line(PointKind::Blend, 0.02)] })
            .collect(),
    };
    let svg = folder.file("edges.svg");
    draw_edges(&svg, "Between two adapters", &[row(0.03), row(-0.03)]).unwrap();
    let texts = texts(&svg);
    for wanted in
        ["safety → diversity: share of diversity", "soup: weights mixed", "blend: predictions mixed", "trained"]
    {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} is missing of {texts:?}");
    }
    let png = folder.file("edges.png");
    draw_edges(&png, "Between two adapters", &[row(0.03)]).unwrap();
    let (.., pixels) = pixels(&png);
    assert!(pixels.chunks_exact(3).any(|p| p == [0, 158, 115]), "the green of blends");
    assert!(draw_edges(&svg, "", &[]).is_err());
    assert!(draw_edges(&svg, "", &[row(f64::NAN)]).is_err());
}

#[test]
fn markup_in_labels_is_escaped() {
    let folder = Folder::new();
    draw_fronts(&folder.file("a.svg"), &rewards(2), &points(2)).unwrap();
    assert!(texts(&folder.file("a.svg")).contains(&"corner &lt;1&gt; &amp; more".to_owned()));
}

#[test]
fn a_pair_names_its_points_and_many_points_are_numbered() {
    let folder = Folder::new();
    let path = folder.file("pair.svg");
    draw_front_pair(&path, &rewards(4), &points(4), (3, 1)).unwrap();
    let few = texts(&path);
    for wanted in ["diversity", "alignment", "centre", "soup"] {
        assert!(few.iter().any(|text| text == wanted), "{wanted} is missing of {few:?}");
    }
    assert!(!few.contains(&"safety".to_owned()));

    let many: Vec<FrontPoint> = (0..40)
        .map(|i| {
            let x = f64::from(i) / 40.0;
            point(&format!("weighting {i}"), PointKind::Trained, true, &[x, 1.0 - x * x])
        })
        .collect();
    draw_front_pair(&path, &rewards(2), &many, (0, 1)).unwrap();
    let many = texts(&path);
    assert!(many.contains(&"weighting 39".to_owned()), "listed beside the panel");
    assert!(many.iter().filter(|text| *text == "40").count() >= 2, "in the list and in the panel");
}

#[test]
fn one_point_and_equal_points_are_drawn() {
    let folder = Folder::new();
    let exact = |value: f64| FrontPoint {
        label: "same".to_owned(),
        kind: PointKind::Trained,
        on_front: true,
        rewards: vec![Interval::exact(value); 3],
    };
    for (name, points) in
        [("one.svg", vec![exact(0.5)]), ("zero.svg", vec![exact(0.0)]), ("three.svg", vec![exact(2.0); 3])]
    {
        draw_fronts(&folder.file(name), &rewards(3), &points).unwrap();
        draw_front_pair(&folder.file(name), &rewards(3), &points, (0, 2)).unwrap();
    }
    assert!(!texts(&folder.file("zero.svg")).contains(&"95 % interval against the base".to_owned()));
}

#[test]
fn fronts_refuse_what_cannot_be_drawn() {
    let folder = Folder::new();
    let path = folder.file("front.svg");
    assert!(matches!(draw_fronts(&path, &rewards(2), &[]), Err(PlotError::Empty { .. })));
    assert!(matches!(draw_fronts(&path, &rewards(1), &points(1)), Err(PlotError::TooFewRewards { found: 1 })));
    assert!(matches!(draw_fronts(&path, &rewards(3), &points(2)), Err(PlotError::Count { .. })));
    for pair in [(0, 0), (0, 2)] {
        assert!(matches!(draw_front_pair(&path, &rewards(2), &points(2), pair), Err(PlotError::NoSuchPair { .. })));
    }
    let mut broken = points(2);
    broken[1].rewards[1].lo = f64::NAN;
    let error = draw_fronts(&path, &rewards(2), &broken).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lower end of alignment of point \"corner <1> & more\" is NaN: only finite numbers can be drawn"
    );
    assert!(folder.names().is_empty(), "nothing is written when something is refused");
}

#[test]
fn other_formats_and_unwritable_places_are_refused_by_name() {
    let folder = Folder::new();
    let error = draw_fronts(&folder.file("front.pdf"), &rewards(2), &points(2)).unwrap_err();
    assert!(error.to_string().ends_with("front.pdf cannot be drawn: the name must end in .svg or .png"), "{error}");
    std::fs::write(folder.file("occupied"), "a file, not a folder").unwrap();
    let below = folder.file("occupied").join("front.svg");
    assert!(matches!(draw_fronts(&below, &rewards(2), &points(2)), Err(PlotError::Write { .. })));
    assert_eq!(folder.names(), ["occupied"]);
    draw_fronts(&folder.file("new").join("front.svg"), &rewards(2), &points(2)).unwrap();
    assert!(folder.file("new").join("front.svg").is_file(), "a missing folder is made");
}

#[test]
fn curves_have_a_panel_each_and_a_common_key() {
    let folder = Folder::new();
    let line: Vec<(f64, f64)> = (0..30).map(|i| (f64::from(i), f64::from(i).sqrt())).collect();
    let many: Vec<String> = (0..12).map(|i| format!("adapter {i}")).collect();
    let curves: Vec<(&str, &[(f64, f64)])> = many.iter().map(|name| (name.as_str(), &line[..])).collect();
    let panels: Vec<CurvePanel> = rewards(5).iter().map(|title| panel(title, &curves)).collect();
    for count in 1..=5 {
        draw_curves(&folder.file("curves.svg"), "Training", "epoch", &panels[..count]).unwrap();
        let texts = texts(&folder.file("curves.svg"));
        assert_eq!(texts.iter().filter(|text| *text == "adapter 11").count(), 1);
        assert!(rewards(count).iter().all(|title| texts.contains(title)));
        assert!(texts.contains(&"Training".to_owned()) && texts.contains(&"epoch".to_owned()));
    }
}

#[test]
fn a_curve_of_one_point_and_a_flat_curve_are_drawn() {
    let folder = Folder::new();
    let panels = [panel("reward", &[("dot", &[(0.0, 0.3)]), ("flat", &[(0.0, 0.3), (1.0, 0.3)])])];
    draw_curves(&folder.file("curves.png"), "", "epoch", &panels).unwrap();
    draw_curves(&folder.file("dot.svg"), "", "epoch", &[panel("reward", &[("dot", &[(4.0, 0.0)])])]).unwrap();
}

#[test]
fn curves_refuse_what_cannot_be_drawn() {
    let folder = Folder::new();
    let path = folder.file("curves.svg");
    let draw = |panels: &[CurvePanel]| draw_curves(&path, "", "epoch", panels);
    assert!(matches!(draw(&[]), Err(PlotError::Empty { .. })));
    assert!(matches!(draw(&[panel("a", &[])]), Err(PlotError::Empty { .. })));
    assert!(matches!(draw(&[panel("a", &[("b", &[])])]), Err(PlotError::Empty { .. })));
    let error = draw(&[panel("kl", &[("b", &[(0.0, 1.0), (1.0, f64::INFINITY)])])]).unwrap_err();
    assert_eq!(error.to_string(), "y of point 1 of the curve \"b\" of \"kl\" is inf: only finite numbers can be drawn");
}

#[test]
fn every_pixel_of_a_grid_picture_becomes_a_square() {
    let folder = Folder::new();
    let path = folder.file("grid.png");
    let mut left = picture(4, 4, [10, 20, 30]);
    left.pixels[..3].copy_from_slice(&[250, 0, 0]);
    let rows = [
        GridRow { label: "base".to_owned(), pictures: vec![left, picture(4, 4, [0, 200, 0])] },
        GridRow { label: "a longer label of an adapter".to_owned(), pictures: vec![picture(4, 4, [0, 0, 210])] },
    ];
    let columns = ["a red apple on a blue background".to_owned(), "a cat".to_owned()];
    draw_picture_grid(&path, &rows, &columns, 10).unwrap();
    let (_, _, pixels) = pixels(&path);
    let count = |colour: [u8; 3]| pixels.chunks_exact(3).filter(|p| *p == colour).count();
    assert_eq!(count([250, 0, 0]), 100);
    assert_eq!(count([10, 20, 30]), 1500);
    assert_eq!((count([0, 200, 0]), count([0, 0, 210])), (1600, 1600));
    assert_eq!(folder.names(), ["grid.png"]);
}

#[test]
fn a_grid_without_captions_is_drawn() {
    let folder = Folder::new();
    let rows = [GridRow { label: String::new(), pictures: vec![picture(32, 16, [9, 9, 9]); 3] }];
    draw_picture_grid(&folder.file("grid.png"), &rows, &[], 2).unwrap();
    assert!(pixels(&folder.file("grid.png")).0 >= 3 * 64);
}

#[test]
fn grids_refuse_what_cannot_be_drawn() {
    let folder = Folder::new();
    let path = folder.file("grid.png");
    let row = |pictures: Vec<RgbPicture>| [GridRow { label: "base".to_owned(), pictures }];
    let one = row(vec![picture(4, 4, [0; 3])]);
    assert!(matches!(draw_picture_grid(&path, &[], &[], 2), Err(PlotError::Empty { .. })));
    assert!(matches!(draw_picture_grid(&path, &row(vec![]), &[], 2), Err(PlotError::Empty { .. })));
    assert!(matches!(draw_picture_grid(&path, &one, &[], 0), Err(PlotError::Setting { .. })));
    assert!(matches!(draw_picture_grid(&folder.file("grid.svg"), &one, &[], 2), Err(PlotError::Format { .. })));
    let two = row(vec![picture(4, 4, [0; 3]); 2]);
    assert!(matches!(draw_picture_grid(&path, &two, &["one".to_owned()], 2), Err(PlotError::Count { .. })));
    let mut short = picture(4, 4, [0; 3]);
    short.pixels.pop();
    let error = draw_picture_grid(&path, &row(vec![short]), &[], 2).unwrap_err();
    assert_eq!(error.to_string(), "row \"base\" has 47 bytes in an image where 48 are wanted");
    let huge = row(vec![picture(512, 512, [0; 3]); 4]);
    assert!(matches!(draw_picture_grid(&path, &huge, &[], 32), Err(PlotError::TooLarge { .. })));
    assert!(folder.names().is_empty());
}

#[test]
fn the_same_input_gives_the_same_file() {
    let folder = Folder::new();
    let path = folder.file("front.svg");
    draw_fronts(&path, &rewards(3), &points(3)).unwrap();
    let first = fs::read(&path).unwrap();
    draw_fronts(&path, &rewards(3), &points(3)).unwrap();
    assert_eq!(first, fs::read(&path).unwrap());
}

fn series(count: usize, rewards: usize) -> Vec<FrontSeries> {
    let point = |place: usize, along: usize| {
        let mean = |reward: usize| 0.3 + 0.01 * place as f64 + 0.1 * ((along + reward) % 3) as f64;
        (0..rewards)
            .map(|reward| Interval { mean: mean(reward), lo: mean(reward) - 0.01, hi: mean(reward) + 0.02 })
            .collect()
    };
    let one = |place: usize| FrontSeries {
        label: format!("method {place}"),
        points: (0..3).map(|along| point(place, along)).collect(),
    };
    (0..count).map(one).collect()
}

#[test]
fn fronts_of_twenty_experiments_are_all_named_in_the_key() {
    let folder = Folder::new();
    for count in [2, 4] {
        let (names, base) = (rewards(count), vec![0.35; count]);
        let file = folder.file("compared.svg");
        draw_compared_fronts(&file, &names, &base, &series(20, count), "least to greatest seed").unwrap();
        let found = texts(&file);
        for place in 0..20 {
            assert!(found.contains(&format!("method {place}")), "{place} of {count} rewards: {found:?}");
        }
        for text in names.iter().map(String::as_str).chain(["base", "least to greatest seed"]) {
            assert!(found.iter().any(|found| found == text), "{text}: {found:?}");
        }
        let drawn = folder.file("compared.png");
        draw_compared_fronts(&drawn, &names, &base, &series(20, count), "least to greatest seed").unwrap();
        let (_, _, pixels) = pixels(&drawn);
        assert!(pixels.chunks_exact(3).any(|pixel| pixel == [0, 114, 178]), "the first colour is there");
    }
}

#[test]
fn fronts_that_cannot_be_drawn_over_each_other_are_refused() {
    let folder = Folder::new();
    let file = folder.file("compared.svg");
    let draw = |rewards: &[String], base: &[f64], series: &[FrontSeries]| {
        draw_compared_fronts(&file, rewards, base, series, "").unwrap_err().to_string()
    };
    assert!(draw(&rewards(2), &[0.1, 0.2], &[]).contains("experiments"));
    assert!(draw(&rewards(2), &[0.1], &series(2, 2)).contains("the base"));
    assert!(draw(&rewards(2), &[0.1, 0.2], &series(2, 3)).contains("method 0"));
    assert!(draw(&rewards(1), &[0.1], &series(2, 1)).contains('1'));
    let mut broken = series(2, 2);
    broken[1].points[0][1].hi = f64::NAN;
    assert!(draw(&rewards(2), &[0.1, 0.2], &broken).contains("upper end of alignment of a point of \"method 1\""));
    assert!(folder.names().is_empty());
}

#[test]
fn a_heat_map_has_every_number_and_is_dark_where_it_is_far_from_zero() {
    let folder = Folder::new();
    let cell = |text: &str, shade: f64| {
        Some(HeatCell { text: text.into(), below: "± 0.010".into(), shade, is_framed: shade > 0.5 })
    };
    let map = HeatMap {
        title: "gains".into(),
        columns: vec!["norms".into(), "taste".into()],
        rows: vec![
            ("after norms".into(), vec![cell("+0.500", 1.0), cell("-0.250", -1.0)]),
            ("after taste".into(), vec![None, cell("+0.000", 0.0)]),
        ],
        note: "framed: its own".into(),
    };
    for name in ["map.svg", "map.png"] {
        draw_heat_map(&folder.file(name), &map).unwrap();
    }
    let found = texts(&folder.file("map.svg"));
    for text in
        ["gains", "norms", "taste", "after norms", "after taste", "+0.500", "-0.250", "± 0.010", "framed: its own"]
    {
        assert!(found.iter().any(|found| found == text), "{text} in {found:?}");
    }
    let (_, _, bytes) = pixels(&folder.file("map.png"));
    let (mut blue, mut orange) = (false, false);
    for pixel in bytes.chunks(3) {
        blue |= pixel[2] > pixel[0].saturating_add(60);
        orange |= pixel[0] > pixel[2].saturating_add(60);
    }
    assert!(blue && orange, "gains are blue and losses orange");
    let short = HeatMap { rows: vec![("after norms".into(), vec![None])], ..map.clone() };
    assert!(matches!(
        draw_heat_map(&folder.file("no.svg"), &short),
        Err(PlotError::Count { found: 1, expected: 2, .. })
    ));
    let none = HeatMap { rows: Vec::new(), ..map.clone() };
    assert!(matches!(draw_heat_map(&folder.file("no.svg"), &none), Err(PlotError::Empty { .. })));
    let nan = HeatMap { rows: vec![("x".into(), vec![cell("?", f64::NAN), None])], ..map };
    assert!(matches!(draw_heat_map(&folder.file("no.png"), &nan), Err(PlotError::NotFinite { .. })));
    assert_eq!(folder.names(), ["map.png", "map.svg"]);
}
