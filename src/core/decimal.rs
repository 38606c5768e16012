//! Fixed-point decimals: six places, integers inside, so that no float decides a threshold.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// A non-negative decimal with six places, held as millionths: `99.95` is 99_950_000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Decimal(pub u64);

/// Millionths in one.
pub const SCALE: u64 = 1_000_000;

impl Decimal {
    /// Reads digits with an optional point and at most six places. None if it is anything else.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(places) || places.len() > 6 {
            return None;
        }
        let fraction: u64 = format!("{places:0<6}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(SCALE)?.checked_add(fraction).map(Decimal)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) = (self.0 / SCALE, self.0 % SCALE);
        if places == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{places:06}").trim_end_matches('0'))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A positive rational in lowest terms: a burn-rate factor such as 14.4 = 72/5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
pub struct Ratio {
    /// Numerator.
    pub num: u64,
    /// Denominator, never 0.
    pub den: u64,
}

impl Ratio {
    /// `num / den` in lowest terms.
    ///
    /// # Panics
    /// If `den` is 0.
    pub fn new(num: u64, den: u64) -> Ratio {
        assert!(den > 0, "a ratio needs a denominator");
        let divisor = gcd(num, den).max(1);
        Ratio { num: num / divisor, den: den / divisor }
    }
}

impl From<Decimal> for Ratio {
    fn from(d: Decimal) -> Ratio {
        Ratio::new(d.0, SCALE)
    }
}

/// As a decimal, rounded down to six places: for display only.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scaled = self.num as u128 * SCALE as u128 / self.den as u128;
        write!(f, "{}", Decimal(scaled.min(u64::MAX as u128) as u64))
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Compares two products of up to six factors each, exactly: cross-multiplication never overflows.
pub fn cmp_products(a: &[u64], b: &[u64]) -> Ordering {
    match (product(a), product(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => limbs(a).cmp(&limbs(b)),
    }
}

/// The product; None where it is wider than 128 bits.
pub fn product(factors: &[u64]) -> Option<u128> {
    factors.iter().try_fold(1u128, |product, factor| match u64::try_from(product) {
        // no test needed, and mostly so
        Ok(product) => Some(u128::from(product) * u128::from(*factor)),
        Err(_) => product.checked_mul(u128::from(*factor)),
    })
}

/// The product as limbs, most significant first (so that comparing arrays compares numbers).
fn limbs(factors: &[u64]) -> [u64; 6] {
    assert!(factors.len() <= 6, "at most six factors");
    let mut limbs = [0u64; 6];
    limbs[5] = 1;
    for &factor in factors {
        let mut carry = 0u128;
        for limb in limbs.iter_mut().rev() {
            let wide = *limb as u128 * factor as u128 + carry;
            *limb = wide as u64;
            carry = wide >> 64;
        }
    }
    limbs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn narrow_and_wide_products_agree(a in prop::array::uniform2(0..u64::MAX), b in prop::array::uniform2(0..u64::MAX)) {
            prop_assert_eq!(cmp_products(&a, &b), limbs(&a).cmp(&limbs(&b)));
            prop_assert_eq!(product(&a).map(|wide| [(wide >> 64) as u64, wide as u64]), Some([limbs(&a)[4], limbs(&a)[5]]));
        }
    }

    #[test]
    fn decimals_read_and_print() {
        let cases = [
            ("99.95", Some(99_950_000)),
            ("100", Some(100_000_000)),
            ("0.000001", Some(1)),
            ("1.", Some(1_000_000)),
        ];
        for (text, want) in cases {
            assert_eq!(Decimal::parse(text).map(|d| d.0), want, "{text}");
        }
        for bad in ["", ".5", "-1", "1e3", "0.0000001", "1.2.3", "99999999999999999999"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
        assert_eq!(Decimal(99_950_000).to_string(), "99.95");
        assert_eq!(Ratio::new(144, 10).to_string(), "14.4");
    }

    #[test]
    fn products_compare_beyond_128_bits() {
        let m = u64::MAX;
        assert_eq!(cmp_products(&[m, m, m, m], &[m, m, m, m - 1]), Ordering::Greater);
        assert_eq!(cmp_products(&[2, 3], &[6]), Ordering::Equal);
        assert_eq!(cmp_products(&[m, m, m, m, m, m], &[m, m, m, m, m, m]), Ordering::Equal);
        assert_eq!(cmp_products(&[5, 0], &[1]), Ordering::Less);
    }
}
