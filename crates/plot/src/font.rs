//! The embedded typeface, and the measure of text set in it.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _};

/// What SVG viewers look for: the typeface itself, then its nearest kin.
pub(crate) const FAMILY: &str = "Inter, Helvetica Neue, Arial, sans-serif";

/// Height of capitals in ems.
pub(crate) const CAPITALS: f64 = 0.727;

/// Distance between baselines in ems.
pub(crate) const LEADING: f64 = 1.3;

/// How heavy the strokes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    SemiBold,
}

static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parse(include_bytes!("../fonts/inter-regular-subset.otf")));
static SEMI_BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| parse(include_bytes!("../fonts/inter-semibold-subset.otf")));

fn parse(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a valid OpenType file: a test parses it")
}

/// Returns the typeface of a weight.
pub(crate) fn face(weight: Weight) -> &'static FontRef<'static> {
    match weight {
        Weight::Regular => &REGULAR,
        Weight::SemiBold => &SEMI_BOLD,
    }
}

/// Returns the scale at which an em of the face is `size` pixels high.
pub(crate) fn scale(weight: Weight, size: f64) -> PxScale {
    let face = face(weight);
    let em = face.units_per_em().unwrap_or(1000.0);
    PxScale::from(size as f32 * face.height_unscaled() / em)
}

/// Returns the width of a line of text.
pub(crate) fn width(text: &str, weight: Weight, size: f64) -> f64 {
    let face = face(weight).as_scaled(scale(weight, size));
    text.chars().map(|c| f64::from(face.h_advance(face.glyph_id(c)))).sum()
}

/// Returns the text, cut and ended with an ellipsis where it is wider than `most`.
pub(crate) fn fit(text: &str, weight: Weight, size: f64, most: f64) -> String {
    if width(text, weight, size) <= most {
        return text.to_owned();
    }
    let mut cut = text.to_owned();
    while cut.pop().is_some() {
        let shown = format!("{}…", cut.trim_end());
        if width(&shown, weight, size) <= most {
            return shown;
        }
    }
    String::new()
}

/// Returns the text broken into at most `lines` lines no wider than `most`, at spaces where there are any.
///
/// What does not fit is cut, and the cut shown by an ellipsis.
pub(crate) fn wrap(text: &str, weight: Weight, size: f64, most: f64, lines: usize) -> Vec<String> {
    let mut broken: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let longer = broken.last().map(|line| format!("{line} {word}"));
        match longer.filter(|line| width(line, weight, size) <= most) {
            Some(line) => *broken.last_mut().expect("there is a line that was made longer") = line,
            None => broken.push(word.to_owned()),
        }
    }
    if broken.len() > lines {
        let rest = broken.split_off(lines.max(1) - 1).join(" ");
        broken.push(rest);
    }
    broken.iter().map(|line| fit(line, weight, size, most)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_faces_have_the_characters_that_figures_need() {
        for weight in [Weight::Regular, Weight::SemiBold] {
            for c in "AZaz09 −–…·×±≤≥→↑λμσÅéß".chars() {
                assert_ne!(face(weight).glyph_id(c).0, 0, "{c} is missing");
            }
        }
    }

    #[test]
    fn long_text_is_cut_to_the_width() {
        let text = "aesthetics 0.25 · alignment 0.75";
        let cut = fit(text, Weight::Regular, 10.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, Weight::Regular, 10.0) <= 80.0);
        assert_eq!(fit("short", Weight::Regular, 10.0, 80.0), "short");
    }

    #[test]
    fn wrapped_lines_fit_and_lose_no_word_where_there_is_room() {
        let text = "a red apple to the left of a blue car";
        let lines = wrap(text, Weight::Regular, 10.0, 70.0, 9);
        assert!(lines.len() > 1 && lines.iter().all(|l| width(l, Weight::Regular, 10.0) <= 70.0));
        assert_eq!(lines.join(" "), text);
        let two = wrap(text, Weight::Regular, 10.0, 70.0, 2);
        assert!(two.len() == 2 && two[1].ends_with('…'), "{two:?}");
    }
}
