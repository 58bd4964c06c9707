//! Quantiles of the normal distribution and of Student's t.

/// Returns the lower end of the one-sided interval of this confidence for the mean of what values are a sample of: x̄ − t·s/√n, by Student's t;
/// the mean itself at a confidence of ½, or of fewer than two values.
pub fn lower_end(values: &[f64], confidence: f64) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return mean;
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    mean - student_quantile(confidence, count - 1.0) * (variance / count).sqrt()
}

/// Returns the quantile of Student's t by its expansion about the normal quantile z (Abramowitz & Stegun 26.7.5):
/// z + (z³ + z)/4ν + (5z⁵ + 16z³ + 3z)/96ν² + (3z⁷ + 19z⁵ + 17z³ − 15z)/384ν³.
///
/// Four digits from ν = 10 on between 0.5 % and 99.5 %, two from ν = 3 on between 2.5 % and 97.5 %. For one and two degrees of freedom,
/// where the expansion fails, the closed forms tan(π·(p − ½)) and (2p − 1)/√(2p·(1 − p)).
///
/// - `level`: between 0 and 1
/// - `freedom`: ν, the degrees of freedom
pub(crate) fn student_quantile(level: f64, freedom: f64) -> f64 {
    if freedom <= 1.0 {
        return (std::f64::consts::PI * (level - 0.5)).tan();
    }
    if freedom <= 2.0 {
        return (2.0 * level - 1.0) / (2.0 * level * (1.0 - level)).sqrt();
    }
    let z = normal_quantile(level);
    let square = z * z;
    let first = (square + 1.0) / 4.0;
    let second = ((5.0 * square + 16.0) * square + 3.0) / 96.0;
    let third = (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0;
    z * (1.0 + ((third / freedom + second) / freedom + first) / freedom)
}

/// Returns the quantile of the standard normal distribution by Acklam's rational approximation (relative error 1.2·10⁻⁹).
fn normal_quantile(level: f64) -> f64 {
    const EDGE: f64 = 0.02425;
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, factor| sum * x + factor);
    if level > 0.5 {
        return -normal_quantile(1.0 - level);
    }
    if level < EDGE {
        let q = (-2.0 * level.ln()).sqrt();
        let above = [
            -7.784894002430293e-3,
            -3.223964580411365e-1,
            -2.400758277161838,
            -2.549732539343734,
            4.374664141464968,
            2.938163982698783,
        ];
        let below = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1.0];
        return polynomial(&above, q) / polynomial(&below, q);
    }
    let q = level - 0.5;
    let above = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    let below = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
        1.0,
    ];
    q * polynomial(&above, q * q) / polynomial(&below, q * q)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `t.test(c(1, 2, 4, 3, 2.5, 3.5, 1.5, 2.2, 3.1, 2.8, 1.9), alternative = "greater", conf.level = 0.9)` of R.
    #[test]
    fn lower_ends_are_those_of_a_t_test() {
        let values = [1.0, 2.0, 4.0, 3.0, 2.5, 3.5, 1.5, 2.2, 3.1, 2.8, 1.9];
        let mean = values.iter().sum::<f64>() / 11.0;
        assert!((lower_end(&values, 0.5) - mean).abs() < 1e-12);
        assert!((lower_end(&values, 0.9) - 2.132_27).abs() < 1e-3, "{}", lower_end(&values, 0.9));
        assert!((lower_end(&values[..1], 0.9) - 1.0).abs() < 1e-12);
    }

    /// Values of R's `qnorm` and `qt`.
    #[test]
    fn quantiles_are_those_of_tables() {
        for (level, value) in [(0.975, 1.959963985), (0.5, 0.0), (0.999, 3.090232306), (0.2, -0.841621234)] {
            assert!((normal_quantile(level) - value).abs() < 1e-7, "{level}");
        }
        for (level, freedom, value) in [(0.975, 15.0, 2.131450), (0.95, 20.0, 1.724718), (0.975, 95.0, 1.985251)] {
            assert!((student_quantile(level, freedom) - value).abs() < 5e-4, "{level} {freedom}");
        }
        assert!((student_quantile(0.995, 15.0) - 2.946713).abs() < 2e-3);
        for (freedom, value, slack) in [(1.0, 12.706205, 1e-6), (2.0, 4.302653, 1e-6), (3.0, 3.182446, 0.04)] {
            assert!((student_quantile(0.975, freedom) - value).abs() < slack, "{freedom}");
        }
    }
}
