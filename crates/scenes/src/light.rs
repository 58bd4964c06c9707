//! How clear an image is.

use crate::SceneRng;

/// The clearest and the haziest light, as shares of 255.
const CLARITY: std::ops::RangeInclusive<u8> = 150..=255;
/// The grey that haze mixes in, darkest and lightest.
const HAZE: std::ops::RangeInclusive<u8> = 128..=208;

/// How clear an image is: haze draws every colour towards a grey.
///
/// Captions do not speak of it, so that a model which has seen scenes draws clear and hazy images of one prompt, and a
/// reward for clear ones has something to choose among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Light {
    /// How much of each colour's distance to the haze is left: 255 for all of it.
    pub clarity: u8,
    /// The grey of the haze.
    pub haze: u8,
}

impl Light {
    /// Light that changes nothing.
    pub const CLEAR: Self = Self { clarity: 255, haze: 255 };

    /// Returns a light drawn uniformly.
    pub fn draw(rng: &mut SceneRng) -> Self {
        let mut within = |range: std::ops::RangeInclusive<u8>| {
            // The draw is below the range's length, so the sum stays in it.
            range.start() + rng.below(usize::from(range.end() - range.start()) + 1) as u8
        };
        Self { clarity: within(CLARITY), haze: within(HAZE) }
    }

    /// Returns a channel's value, 0 to 255, in this light.
    pub fn on(self, value: u8) -> u8 {
        let (clarity, haze) = (i32::from(self.clarity), i32::from(self.haze));
        let left = (i32::from(value) - haze) * clarity;
        // Rounded to the nearest, halves away from the haze.
        (haze + (left + 127 * left.signum()) / 255).clamp(0, 255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_light_changes_nothing_and_haze_draws_towards_its_grey() {
        assert!((0..=255).all(|value| Light::CLEAR.on(value) == value));
        let hazy = Light { clarity: 153, haze: 200 };
        assert_eq!([0, 200, 255].map(|value| hazy.on(value)), [80, 200, 233]);
    }

    #[test]
    fn lights_fill_their_ranges() {
        let mut rng = SceneRng::new(1);
        let lights: Vec<Light> = (0..20_000).map(|_| Light::draw(&mut rng)).collect();
        for (range, of) in [(CLARITY, (|light| light.clarity) as fn(&Light) -> u8), (HAZE, |light| light.haze)] {
            assert_eq!(lights.iter().map(of).min(), Some(*range.start()));
            assert_eq!(lights.iter().map(of).max(), Some(*range.end()));
        }
    }
}
