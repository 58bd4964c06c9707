//! The five colours that an object can be drawn in.

use crate::Background;
use crate::words::words;

words! {
    /// The colour of an object that is drawn in one colour rather than in its own.
    #[serde(rename_all = "lowercase")]
    Tint {
        Red "red";
        Green "green";
        Blue "blue";
        Yellow "yellow";
        Purple "purple";
    }
}

impl Tint {
    /// Returns the colour of the tinted drawing's middle tones, sRGB in 0–255.
    ///
    /// Each is more vivid than the background of that name, and far from the other backgrounds and tints.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [236, 32, 40],
            Self::Green => [30, 165, 55],
            Self::Blue => [24, 112, 255],
            Self::Yellow => [250, 204, 16],
            Self::Purple => [186, 52, 226],
        }
    }

    /// Returns whether scenes may show the tint before that background: not before the colour of its own name.
    pub fn suits(self, background: Background) -> bool {
        self.name() != background.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: [u8; 3], b: [u8; 3]) -> f64 {
        a.iter().zip(b).map(|(&a, b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn tints_are_far_from_each_other_and_from_the_backgrounds_that_they_suit() {
        for (i, tint) in Tint::ALL.into_iter().enumerate() {
            for other in &Tint::ALL[i + 1..] {
                assert!(distance(tint.rgb(), other.rgb()) > 130.0, "{tint:?} {other:?}");
            }
            for background in Background::ALL.into_iter().filter(|background| tint.suits(*background)) {
                assert!(distance(tint.rgb(), background.rgb()) > 80.0, "{tint:?} on {background:?}");
            }
        }
    }

    #[test]
    fn each_tint_suits_all_backgrounds_but_one() {
        for tint in Tint::ALL {
            assert_eq!(Background::ALL.into_iter().filter(|background| !tint.suits(*background)).count(), 1);
            assert_eq!(Tint::from_name(tint.name()), Some(tint));
        }
        assert_eq!(Tint::from_name("white"), None);
    }
}
