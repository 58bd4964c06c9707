//! What attacks achieve: success by attack and model, and against the passes that they spend.

use std::path::Path;

use moa_pareto::Interval;

use crate::PlotError;
use crate::axis::Axis;
use crate::figure::{Figure, Point, Rect, Stroke, Text};
use crate::font::{self, Weight};
use crate::key::{Entry, KeyRows, Mark};
use crate::panel::{self, Panel};
use crate::render;
use crate::series::SeriesMark;

/// What an attack achieves on a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Success {
    /// The attack.
    pub attack: String,
    /// The share of images that show what they should not, with its interval.
    pub share: Interval,
    /// That share by the passes that were spent, more than 0, in rising order; may be empty.
    pub curve: Vec<(f64, f64)>,
}

/// A model that was attacked.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackedModel {
    /// What to call it.
    pub label: String,
    /// By attack, as far as it was under it.
    pub successes: Vec<Success>,
}

/// Panels of curves beside each other.
const COLUMNS: usize = 4;
const CELL: (f64, f64) = (210.0, 150.0);
const TALL: f64 = 240.0;
const MARGIN: f64 = 22.0;
const BETWEEN: f64 = 18.0;
const HEAD: f64 = 20.0;
const FOOT: f64 = 46.0;
const RADIUS: f64 = 3.8;
/// The part of an attack's place that its models take.
const CROWD: f64 = 0.74;

/// Draws the success of each attack on each model with its interval, and below a panel for each attack with the success against the passes that
/// it spent, on a logarithmic scale.
///
/// # Errors
/// No models, a model without attacks, numbers that are not finite, no passes, an ending other than `.svg` or `.png`, and failures to
/// write.
pub fn draw_attacks(path: &Path, title: &str, models: &[AttackedModel]) -> Result<(), PlotError> {
    check(models)?;
    render::save(path, &figure(title, models))
}

fn figure(title: &str, models: &[AttackedModel]) -> Figure {
    let attacks = attacks(models);
    let curved: Vec<&str> = attacks.iter().copied().filter(|attack| is_curved(models, attack)).collect();
    let y = y_axis(models);
    let gutter = panel::gutter(&y) + 18.0;
    let columns = curved.len().clamp(2, COLUMNS);
    let across = columns as f64 * (gutter + CELL.0 + BETWEEN) - BETWEEN;
    let rows = curved.len().div_ceil(columns);
    let entries: Vec<Entry> =
        models.iter().enumerate().map(|(place, model)| Entry::new(Mark::Series(mark(place)), &*model.label)).collect();
    let key = KeyRows::new(&entries, across);
    let top = MARGIN + 26.0;
    let curves_top = top + HEAD + TALL + FOOT;
    let pitch = HEAD + CELL.1 + FOOT;
    let key_top = curves_top + rows as f64 * pitch + 4.0;

    let mut figure = Figure::new(MARGIN + across + MARGIN, key_top + key.height() + MARGIN * 0.8);
    let shown = font::fit(title, Weight::SemiBold, 14.0, across);
    figure.text(Text::new(shown, 14.0, Point::new(MARGIN, MARGIN + 10.0)).bold());
    let frame = Rect::new(MARGIN + gutter, top + HEAD, across - gutter, TALL);
    heading(&mut figure, "Images that show what they should not, by attack", frame);
    draw_rates(&mut figure, &Panel { frame, x: names(&attacks), y: y.clone() }, models, &attacks, gutter);
    for (number, attack) in curved.iter().enumerate() {
        let left = MARGIN + (number % columns) as f64 * (gutter + CELL.0 + BETWEEN) + gutter;
        let frame = Rect::new(left, curves_top + (number / columns) as f64 * pitch + HEAD, CELL.0, CELL.1);
        heading(&mut figure, attack, frame);
        let area = Panel { frame, x: passes(models, attack), y: y.clone() };
        draw_curves(&mut figure, &area, models, attack, gutter);
    }
    key.draw(&mut figure, MARGIN + across / 2.0, key_top);
    figure
}

fn heading(figure: &mut Figure, text: &str, frame: Rect) {
    let shown = font::fit(text, Weight::SemiBold, 11.5, frame.width);
    figure.text(Text::new(shown, 11.5, Point::new(frame.left, frame.top - 8.0)).bold());
}

fn draw_rates(figure: &mut Figure, area: &Panel, models: &[AttackedModel], attacks: &[&str], gutter: f64) {
    area.draw_grid(figure);
    area.draw_frame(figure);
    area.draw_y(figure, "share of images", gutter - 18.0);
    area.draw_x(figure, "", 0.0);
    for (place, model) in models.iter().enumerate() {
        let shift = CROWD * ((place as f64 + 0.5) / models.len() as f64 - 0.5);
        for success in &model.successes {
            let Some(slot) = attacks.iter().position(|attack| *attack == success.attack) else { continue };
            let x = slot as f64 + shift;
            let Interval { mean, lo, hi } = success.share;
            figure.line(area.at(x, lo), area.at(x, hi), Stroke::new(mark(place).bar().colour, 1.4));
            mark(place).draw(figure, area.at(x, mean), false);
        }
    }
}

fn draw_curves(figure: &mut Figure, area: &Panel, models: &[AttackedModel], attack: &str, gutter: f64) {
    area.draw_grid(figure);
    area.draw_frame(figure);
    area.draw_y(figure, "", gutter);
    area.draw_x(figure, "passes through the denoiser", 0.0);
    for (place, model) in models.iter().enumerate().rev() {
        for success in model.successes.iter().filter(|success| success.attack == attack) {
            let points: Vec<Point> =
                success.curve.iter().map(|(passes, share)| area.at(passes.log2(), *share)).collect();
            figure.path(&points, mark(place).line());
            for at in points {
                mark(place).draw(figure, at, false);
            }
        }
    }
}

fn mark(place: usize) -> SeriesMark {
    SeriesMark::new(place, RADIUS)
}

/// Returns all attacks, each once, in the order in which they first come.
fn attacks(models: &[AttackedModel]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for success in models.iter().flat_map(|model| &model.successes) {
        if !names.contains(&&*success.attack) {
            names.push(&success.attack);
        }
    }
    names
}

fn of<'a>(models: &'a [AttackedModel], attack: &'a str) -> impl Iterator<Item = &'a Success> {
    models.iter().flat_map(|model| &model.successes).filter(move |success| success.attack == attack)
}

fn is_curved(models: &[AttackedModel], attack: &str) -> bool {
    of(models, attack).any(|success| success.curve.len() > 1)
}

fn names(attacks: &[&str]) -> Axis {
    let ticks = attacks.iter().enumerate().map(|(place, name)| (place as f64, (*name).to_owned()));
    Axis::named(-0.5, attacks.len() as f64 - 0.5, ticks.collect())
}

/// Returns the axis of an attack's passes: log₂, with the levels themselves as labels as far as they have room.
fn passes(models: &[AttackedModel], attack: &str) -> Axis {
    let mut levels: Vec<f64> =
        of(models, attack).flat_map(|success| &success.curve).map(|(passes, _)| *passes).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let (least, most) = levels.first().zip(levels.last()).map_or((0.0, 1.0), |(one, other)| (one.log2(), other.log2()));
    let pad = if most > least { (most - least) * 0.07 } else { 0.5 };
    let mut ticks: Vec<(f64, String)> = Vec::new();
    for level in levels {
        let at = level.log2();
        // Labels of other budgets may stand close by.
        if ticks.last().is_none_or(|(last, _)| at - last > (most - least) * 0.15) {
            ticks.push((at, format!("{level:.0}")));
        }
    }
    Axis::named(least - pad, most + pad, ticks)
}

/// Returns the common axis of shares: from 0 to what is reached.
fn y_axis(models: &[AttackedModel]) -> Axis {
    let all = models.iter().flat_map(|model| &model.successes);
    let most = all.flat_map(|success| success.curve.iter().map(|(_, share)| *share).chain([success.share.hi]));
    let most = most.fold(0.1, f64::max);
    Axis::between(-0.03 * most, most * 1.05, 5)
}

fn check(models: &[AttackedModel]) -> Result<(), PlotError> {
    PlotError::if_empty(models, "the list of models")?;
    for model in models {
        PlotError::if_empty(&model.successes, &format!("the model {:?}", model.label))?;
        for success in &model.successes {
            let Interval { mean, lo, hi } = success.share;
            // The logarithm of no passes is not finite.
            let passes = success.curve.iter().map(|(passes, _)| ("passes", passes.max(0.0).log2()));
            let shares = success.curve.iter().map(|(_, share)| ("share", *share));
            for (part, value) in
                [("mean", mean), ("lower end", lo), ("upper end", hi)].into_iter().chain(passes).chain(shares)
            {
                PlotError::unless_finite(value, || {
                    format!("the {part} of the attack {:?} on the model {:?}", success.attack, model.label)
                })?;
            }
        }
    }
    Ok(())
}
