//! Shares of adapters.

use super::TradeOffError;
use super::level::{number, pairs};

/// Returns the share of every adapter from `NAME=SHARE, …`; those that are not named have none.
///
/// - `extrapolation`: by how much a share may leave 0 to 1
///
/// # Errors
/// Says which name is unknown, which share is out of range, and to what shares sum that do not sum to 1.
pub fn shares(text: &str, adapters: &[String], extrapolation: f64) -> Result<Vec<f64>, TradeOffError> {
    let mut shares = vec![0.0; adapters.len()];
    for (name, share) in pairs(text, "NAME=SHARE", number)? {
        let place = adapters.iter().position(|known| *known == name);
        let unknown = || TradeOffError::Unknown { what: "adapter", name: name.clone(), known: adapters.to_vec() };
        let place = place.ok_or_else(unknown)?;
        if !(-extrapolation..=1.0 + extrapolation).contains(&share) {
            return Err(TradeOffError::Share { name, share, extrapolation });
        }
        shares[place] = share;
    }
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(TradeOffError::Sum { sum });
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_must_be_known_positive_and_sum_to_one() {
        let names = ["aesthetics", "safety"].map(str::to_owned);
        assert_eq!(shares("safety=0.4, aesthetics=0.6", &names, 0.0).unwrap(), [0.6, 0.4]);
        assert_eq!(shares("safety=1", &names, 0.0).unwrap(), [0.0, 1.0]);
        for wrong in ["safety=0.5", "safety=1.5,aesthetics=-0.5", "beauty=1", "safety", ""] {
            assert!(shares(wrong, &names, 0.0).is_err(), "{wrong}");
        }
        assert_eq!(shares("safety=1.5,aesthetics=-0.5", &names, 0.5).unwrap(), [-0.5, 1.5]);
    }
}
