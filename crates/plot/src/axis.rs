//! Ranges, ticks and their labels.

/// A stretch of numbers with evenly spaced round ticks, or with ticks of its own.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    lo: f64,
    hi: f64,
    step: f64,
    named: Option<Vec<(f64, String)>>,
}

impl Axis {
    /// Returns an axis that shows all the values with a margin, and about `count` ticks.
    ///
    /// Values that are all equal get a range around them.
    pub(crate) fn covering(values: impl Iterator<Item = f64>, margin: f64, count: usize) -> Self {
        let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        let (lo, hi) = if lo <= hi { (lo, hi) } else { (0.0, 1.0) };
        // Less than this is rounding noise, and cannot be distinguished on paper.
        let least = lo.abs().max(hi.abs()) * 1e-9;
        let pad = match (hi - lo) * margin {
            _ if hi - lo > least => (hi - lo) * margin,
            _ if least > 0.0 => lo.abs().max(hi.abs()) * 0.1,
            _ => 0.5,
        };
        Self::between(lo - pad, hi + pad, count)
    }

    /// Returns an axis from exactly `lo` to exactly `hi`.
    pub(crate) fn between(lo: f64, hi: f64, count: usize) -> Self {
        Self { lo, hi, step: round_step((hi - lo) / count as f64), named: None }
    }

    /// Returns an axis from exactly `lo` to exactly `hi` with these ticks and labels.
    pub(crate) fn named(lo: f64, hi: f64, ticks: Vec<(f64, String)>) -> Self {
        Self { named: Some(ticks), ..Self::between(lo, hi, 1) }
    }

    /// Returns an axis whose ticks are whole numbers, for counts.
    pub(crate) fn whole(self) -> Self {
        Self { step: self.step.ceil().max(1.0), ..self }
    }

    /// Returns where a value stands: 0 at the low end, 1 at the high end.
    pub(crate) fn share(&self, value: f64) -> f64 {
        (value - self.lo) / (self.hi - self.lo)
    }

    /// Returns the ticks with their labels.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        if let Some(named) = &self.named {
            return named.clone();
        }
        let first = (self.lo / self.step - 1e-9).ceil() as i64;
        let last = (self.hi / self.step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * self.step).map(|value| (value, self.label(value))).collect()
    }

    fn label(&self, value: f64) -> String {
        let largest = self.lo.abs().max(self.hi.abs());
        let plain = if largest >= 1e6 || self.step < 1e-5 {
            if value.abs() < self.step / 2.0 { "0".to_owned() } else { shortest_power(value, self.step) }
        } else {
            // As many decimals as the step needs.
            let decimals = (0..7).find(|&d| is_whole(self.step * 10f64.powi(d))).unwrap_or(7);
            format!("{value:.*}", decimals as usize)
        };
        let plain = if plain.trim_start_matches(['-', '0', '.']).is_empty() { plain.replace('-', "") } else { plain };
        plain.replace('-', "−")
    }
}

/// Returns the smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let choices = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = choices.iter().map(|c| c * power).find(|&choice| choice >= step * (1.0 - 1e-9));
    step.filter(|s| s.is_finite() && *s > 0.0).unwrap_or(1.0)
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs()
}

/// Returns the number with a power of ten, and the decimals that tell steps apart.
fn shortest_power(value: f64, step: f64) -> String {
    let decimals = (value.abs().log10().floor() - step.log10().floor()).max(0.0) as usize;
    let text = format!("{value:.decimals$e}");
    match text.split_once('e') {
        Some((digits, power)) if digits.contains('.') => {
            format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(lo: f64, hi: f64) -> Vec<String> {
        Axis::between(lo, hi, 5).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_labelled_with_the_decimals_they_need() {
        assert_eq!(labels(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.71, 0.83), ["0.725", "0.750", "0.775", "0.800", "0.825"]);
        assert_eq!(labels(-30.0, 60.0), ["−20", "0", "20", "40", "60"]);
    }

    #[test]
    fn very_large_and_very_small_numbers_get_powers_of_ten() {
        assert_eq!(labels(0.0, 5e8), ["0", "1e8", "2e8", "3e8", "4e8", "5e8"]);
        assert_eq!(labels(0.0, 1e-6), ["0", "2e−7", "4e−7", "6e−7", "8e−7", "1e−6"]);
    }

    #[test]
    fn equal_values_stand_in_the_middle_of_a_range() {
        for value in [0.0, 0.7, -3.0, 1e12, 1e-12] {
            let axis = Axis::covering([value, value].into_iter(), 0.05, 4);
            assert!((axis.share(value) - 0.5).abs() < 1e-6, "{value}");
            assert!((2..=10).contains(&axis.ticks().len()), "{value}: {:?}", axis.ticks());
        }
    }

    #[test]
    fn nothing_to_cover_gives_a_range_all_the_same() {
        assert!(!Axis::covering(std::iter::empty(), 0.05, 4).ticks().is_empty());
    }
}
