//! What `moa explain` writes.

use std::path::Path;

use moa_analysis::explanation::{CARDS, Explanation, HeatMapFile, RewardCard};
use moa_explain::{Explained, Images, Planes, overlay};
use moa_plot::{GridRow, RgbPicture, draw_picture_grid};
use moa_report::explanation_page;
use moa_store::write_atomically;

use crate::error::CliError;
use crate::pictures::scale;

/// Heat maps that are shown of a reward.
const SHOWN: usize = 12;

/// Writes a reward's images into a folder of its name, and returns its card, which names them.
pub(super) fn write(folder: &Path, explained: Explained, set: &Images) -> Result<RewardCard, CliError> {
    let Explained { mut card, drawings } = explained;
    let own = folder.join(&card.reward);
    std::fs::create_dir_all(&own)
        .map_err(|error| CliError::failure(format!("failed to make the folder {}: {error}", own.display())))?;
    let put = |name: &str, image: &Planes| {
        write_atomically(&own.join(name), &image.png()?)?;
        Ok::<_, CliError>(format!("{}/{name}", card.reward))
    };
    let mut shown = Vec::new();
    let (mut images, mut maps, mut captions) = (Vec::new(), Vec::new(), Vec::new());
    for (place, map) in drawings.maps.iter().take(SHOWN) {
        let image = &set.images()[*place];
        let heat = overlay(image, map);
        let prompt = set.prompts()[*place].clone();
        shown.push(HeatMapFile {
            prompt: prompt.clone(),
            score: map.score,
            blurred: map.blurred,
            image: put(&format!("image-{place}.png"), image)?,
            map: put(&format!("map-{place}.png"), &heat)?,
        });
        images.push(rgb(image));
        maps.push(rgb(&heat));
        captions.push(prompt);
    }
    if let Some(region) = &mut card.region {
        region.maps = shown;
        let rows = [row("image", images), row("heat map", maps)];
        grid(&own.join("maps.png"), &rows, &captions)?;
    }
    let mut climbed: [Vec<RgbPicture>; 3] = Default::default();
    let mut prompts = Vec::new();
    for (place, both) in &drawings.climbs {
        let before = put(&format!("image-{place}.png"), &set.images()[*place])?;
        climbed[0].push(rgb(&set.images()[*place]));
        prompts.push(set.prompts()[*place].clone());
        for (at, name) in ["climbed", "climbed-smooth"].into_iter().enumerate() {
            let after = put(&format!("{name}-{place}.png"), &both[at].image)?;
            if let Some(climb) = card.climbs.get_mut(at) {
                climb.files.push([before.clone(), after]);
            }
            climbed[at + 1].push(rgb(&both[at].image));
        }
    }
    if !prompts.is_empty() {
        let [before, free, smooth] = climbed;
        let rows = [row("before", before), row("climbed", free), row("climbed, smooth", smooth)];
        grid(&own.join("climbed.png"), &rows, &prompts)?;
    }
    Ok(card)
}

/// Writes the cards, as JSON and as a page.
pub(super) fn finish(folder: &Path, explanation: &Explanation) -> Result<(), CliError> {
    write_atomically(&folder.join(CARDS), explanation.to_json().as_bytes())?;
    write_atomically(&folder.join("card.html"), explanation_page(explanation, folder)?.as_bytes())?;
    Ok(())
}

fn rgb(image: &Planes) -> RgbPicture {
    RgbPicture { width: image.width as u32, height: image.height as u32, pixels: image.to_bytes() }
}

fn row(label: &str, pictures: Vec<RgbPicture>) -> GridRow {
    GridRow { label: label.to_owned(), pictures }
}

fn grid(path: &Path, rows: &[GridRow], captions: &[String]) -> Result<(), CliError> {
    draw_picture_grid(path, rows, captions, scale(rows))
        .map_err(|error| CliError::failure(format!("failed to write images: {error}")))
}
