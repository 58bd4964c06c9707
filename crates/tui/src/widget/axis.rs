//! Scales of plots, and the numbers beside them.

/// What a plot shows of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) lo: f64,
    pub(crate) hi: f64,
    /// Whether equal steps are equal factors.
    pub(crate) log: bool,
    /// Whether only whole numbers mean something.
    pub(crate) whole: bool,
}

impl Axis {
    /// Returns an axis with some room around values; of nothing, 0 to 1. Logarithms leave values that are not positive out.
    pub(crate) fn around(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let fits = |value: &f64| value.is_finite() && (!log || *value > 0.0);
        let (lo, hi) = values
            .filter(fits)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), value| (lo.min(value), hi.max(value)));
        if lo > hi {
            return if log {
                Self { lo: 0.1, hi: 1.0, log, whole: false }
            } else {
                Self { lo: 0.0, hi: 1.0, log, whole: false }
            };
        }
        if log {
            let room = ((hi / lo).ln() * 0.06).max(0.05);
            return Self { lo: lo * (-room).exp(), hi: hi * room.exp(), log, whole: false };
        }
        let width = hi - lo;
        let room = if width > 0.0 { 0.06 * width } else { 0.05 * lo.abs().max(0.1) };
        Self { lo: lo - room, hi: hi + room, log, whole: false }
    }

    /// Returns an axis of whole numbers, without room around.
    pub(crate) fn whole(lo: f64, hi: f64) -> Self {
        Self { lo, hi: if hi > lo { hi } else { lo + 1.0 }, log: false, whole: true }
    }

    /// Returns where a value lies: 0 at the low end, 1 at the high end; none for what cannot be shown.
    pub(crate) fn share(&self, value: f64) -> Option<f64> {
        let share = if self.log {
            if value <= 0.0 {
                return None;
            }
            (value / self.lo).ln() / (self.hi / self.lo).ln()
        } else {
            (value - self.lo) / (self.hi - self.lo)
        };
        share.is_finite().then_some(share)
    }

    /// Returns the value at a share.
    pub(crate) fn value(&self, share: f64) -> f64 {
        if self.log { self.lo * (self.hi / self.lo).powf(share) } else { self.lo + share * (self.hi - self.lo) }
    }

    /// Returns about `count` round numbers on the axis with their text.
    pub(crate) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.log {
            let decades = |step: i32| {
                let (first, last) = (self.lo.log10().ceil() as i32, self.hi.log10().floor() as i32);
                (first..=last)
                    .filter(move |exponent| exponent.rem_euclid(step) == 0)
                    .map(|exponent| 10f64.powi(exponent))
            };
            let step = (1..=700).find(|step| decades(*step).count() <= count.max(2)).unwrap_or(1);
            let ticks: Vec<f64> = decades(step).collect();
            let ticks = if ticks.len() >= 2 { ticks } else { (0..3).map(|i| self.value(f64::from(i) / 2.0)).collect() };
            return ticks.into_iter().map(|value| (value, short(value))).collect();
        }
        // A step that is too wide for two ticks is halved.
        let ticks = (0..4).map(|halved| self.even_ticks(count.max(1) << halved)).find(|ticks| ticks.len() >= 2);
        ticks.unwrap_or_else(|| self.even_ticks(count.max(1)))
    }

    fn even_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let rough = (self.hi - self.lo) / count as f64;
        let rough = if self.whole { rough.max(1.0) } else { rough };
        let power = 10f64.powf(rough.log10().floor());
        let factors = if self.whole && power < 10.0 { [1.0, 2.0, 5.0, 5.0, 10.0] } else { [1.0, 2.0, 2.5, 5.0, 10.0] };
        let step = factors.map(|factor| factor * power).into_iter().find(|step| *step >= 0.8 * rough);
        let step = step.unwrap_or(rough);
        if step <= 0.0 || !step.is_finite() {
            return Vec::new();
        }
        let mut decimals = (-(step * (1.0 + 1e-9)).log10().floor()).max(0.0) as usize;
        // 2.5 needs one digit more than its power of ten.
        if ((step * 10f64.powi(decimals as i32)).fract() - 0.5).abs() < 1e-6 {
            decimals += 1;
        }
        let text = |value: f64| if decimals > 5 { short(value) } else { format!("{value:.decimals$}") };
        let first = (self.lo / step - 1e-9).ceil() as i64;
        let last = (self.hi / step + 1e-9).floor() as i64;
        (first..=last.min(first + 50)).map(|i| i as f64 * step).map(|value| (value, text(value))).collect()
    }
}

/// Returns a number in about five columns.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "–".into(),
        0.0 => "0".into(),
        s if !(1e-3..1e5).contains(&s) => format!("{value:.0e}"),
        s if s < 0.01 => format!("{value:.4}"),
        s if s < 10.0 => format!("{value:.3}"),
        s if s < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Returns a gain with its sign and three decimals; what rounds to nothing has no minus.
pub(crate) fn signed(value: f64) -> String {
    let value = if value.abs() < 5e-4 { 0.0 } else { value };
    format!("{value:+.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis { lo: 0.6613, hi: 0.7139, log: false, whole: false };
        let texts: Vec<String> = axis.ticks(5).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0.67", "0.68", "0.69", "0.70", "0.71"]);
        let texts: Vec<String> =
            Axis { lo: 0.0, hi: 0.0115, log: false, whole: false }.ticks(4).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0.0000", "0.0025", "0.0050", "0.0075", "0.0100"]);
        let log = Axis { lo: 2e-6, hi: 3.0, log: true, whole: false };
        assert!(log.ticks(4).iter().all(|(value, _)| (2e-6..3.0).contains(value)));
    }

    #[test]
    fn nothing_has_no_minus() {
        assert_eq!([-1e-9, 4e-4, -5e-4, 0.0123].map(signed), ["+0.000", "+0.000", "-0.001", "+0.012"]);
    }

    #[test]
    fn a_single_value_and_none_have_an_axis_too() {
        for values in [vec![], vec![0.5], vec![0.0, 0.0], vec![f64::NAN]] {
            for log in [false, true] {
                let axis = Axis::around(values.iter().copied(), log);
                assert!(axis.lo < axis.hi, "{values:?}");
                assert!(!axis.ticks(4).is_empty());
            }
        }
        assert_eq!(Axis::around([0.5].into_iter(), true).share(-1.0), None);
    }
}
