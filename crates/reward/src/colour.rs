//! Measures of colour.

/// Returns the luma of a colour in [0, 1] (ITU-R BT.601 weights on gamma-encoded values), in [0, 1].
pub(crate) fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Returns hue in degrees [0, 360) and saturation in [0, 1] (HSV). Greys have hue 0 and saturation 0.
pub(crate) fn hue_saturation([red, green, blue]: [f32; 3]) -> (f32, f32) {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let range = most - least;
    if range <= 0.0 || most <= 0.0 {
        return (0.0, 0.0);
    }
    let sixth = if most <= red {
        (green - blue) / range
    } else if most <= green {
        (blue - red) / range + 2.0
    } else {
        (red - green) / range + 4.0
    };
    ((sixth * 60.0).rem_euclid(360.0), range / most)
}

/// Returns lightness and the two opponent axes of Oklab (Ottosson, 2020) of an sRGB colour in [0, 1].
pub(crate) fn oklab(colour: [f32; 3]) -> [f32; 3] {
    let linear = |value: f32| {
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let [red, green, blue] = colour.map(linear);
    let long = (0.412_221_46 * red + 0.536_332_55 * green + 0.051_445_995 * blue).cbrt();
    let medium = (0.211_903_5 * red + 0.680_699_5 * green + 0.107_396_96 * blue).cbrt();
    let short = (0.088_302_46 * red + 0.281_718_85 * green + 0.629_978_7 * blue).cbrt();
    [
        0.210_454_26 * long + 0.793_617_8 * medium - 0.004_072_047 * short,
        1.977_998_5 * long - 2.428_592_2 * medium + 0.450_593_7 * short,
        0.025_904_037 * long + 0.782_771_77 * medium - 0.808_675_77 * short,
    ]
}

/// Returns the mean and the standard deviation of values.
pub(crate) fn mean_deviation(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let variance = values.map(|value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    (mean as f32, variance.sqrt() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_are_degrees_on_the_wheel() {
        assert_eq!(hue_saturation([1.0, 0.0, 0.0]), (0.0, 1.0));
        assert_eq!(hue_saturation([0.0, 1.0, 0.0]), (120.0, 1.0));
        assert_eq!(hue_saturation([0.0, 0.0, 0.5]), (240.0, 1.0));
        assert_eq!(hue_saturation([1.0, 0.5, 1.0]), (300.0, 0.5));
        assert_eq!(hue_saturation([0.4; 3]), (0.0, 0.0));
    }

    #[test]
    fn oklab_has_white_at_lightness_one_and_greys_without_colour() {
        for (colour, lightness) in [([1.0; 3], 1.0), ([0.0; 3], 0.0)] {
            let [l, a, b] = oklab(colour);
            assert!((l - lightness).abs() < 1e-3 && a.abs() < 1e-3 && b.abs() < 1e-3, "{l} {a} {b}");
        }
        let [l, a, b] = oklab([1.0, 0.0, 0.0]);
        assert!((l - 0.628).abs() < 2e-3 && (a - 0.225).abs() < 2e-3 && (b - 0.126).abs() < 2e-3, "{l} {a} {b}");
    }
}
