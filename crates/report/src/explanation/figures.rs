//! The images of cards.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moa_analysis::explanation::RewardCard;

use crate::ReportError;
use crate::escape::html;

/// The largest image that is shown, in bytes.
const MOST_BYTES: u64 = 4_000_000;
const PNG: &[u8] = b"\x89PNG";

/// Where the images are; nothing where they are left out.
pub(super) struct Files<'a> {
    pub(super) folder: Option<&'a Path>,
}

impl Files<'_> {
    /// Returns an image; an empty text where images are left out.
    fn image(&self, name: &str, alt: &str) -> Result<String, ReportError> {
        let Some(folder) = self.folder else { return Ok(String::new()) };
        let path = folder.join(name);
        let refuse = |reason: String| ReportError::Read { path: path.clone(), reason };
        let length = fs::metadata(&path).map_err(|error| refuse(error.to_string()))?.len();
        if length > MOST_BYTES {
            return Err(refuse(format!("it has {length} bytes, more than an image of a card")));
        }
        let bytes = fs::read(&path).map_err(|error| refuse(error.to_string()))?;
        if !bytes.starts_with(PNG) {
            return Err(refuse("it is not a PNG".into()));
        }
        Ok(format!("<img alt=\"{}\" src=\"data:image/png;base64,{}\">", html(alt), STANDARD.encode(bytes)))
    }

    /// Returns images beside their heat maps.
    pub(super) fn maps(&self, card: &RewardCard) -> Result<String, ReportError> {
        let Some(region) = card.region.as_ref().filter(|region| !region.maps.is_empty()) else {
            return Ok(String::new());
        };
        if self.folder.is_none() {
            return Ok(String::new());
        }
        let mut text = "<h4>Where it looks</h4><p class=\"dim\"><span class=\"raises\">Vermilion</span> raises the score above that of the \
                        blurred image, <span class=\"lowers\">blue</span> lowers it.</p><div class=\"shots\">"
            .to_owned();
        for map in &region.maps {
            let images = self.image(&map.image, &map.prompt)? + &self.image(&map.map, "its heat map")?;
            let _ = write!(
                text,
                "<figure><div class=\"two\">{images}</div><figcaption>{} <b>{:.3}</b></figcaption></figure>",
                html(&map.prompt),
                map.score
            );
        }
        Ok(text + "</div>")
    }

    /// Returns images before and after they were climbed.
    pub(super) fn climbs(&self, card: &RewardCard) -> Result<String, ReportError> {
        if self.folder.is_none() || card.climbs.iter().all(|climb| climb.files.is_empty()) {
            return Ok(String::new());
        }
        let mut text = "<h4>What it wants</h4><p class=\"dim\">Each image before, and after its pixels were changed to raise the score.</p>\
                        <div class=\"shots\">"
            .to_owned();
        for climb in &card.climbs {
            let caption = if climb.smooth { "smooth changes" } else { "any change" };
            for [before, after] in &climb.files {
                let images = self.image(before, "before")? + &self.image(after, "after")?;
                let _ = write!(
                    text,
                    "<figure><div class=\"two\">{images}</div><figcaption>{caption}</figcaption></figure>"
                );
            }
        }
        Ok(text + "</div>")
    }
}
