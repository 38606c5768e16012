//! The generator's random numbers: small, seeded, and the same on every machine.
//!
//! Invariant: only integer arithmetic and the four IEEE operations are used (no libm), so that one seed
//! gives the same bytes on every platform.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// A sequence of its own for every seed and stream.
    pub(super) fn new(seed: u64, stream: u64) -> Rng {
        let mut rng =
            Rng(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ stream.wrapping_mul(0xDA94_2042_E4DD_58B5));
        rng.next();
        rng
    }

    /// 64 random bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// An integer in `[0, n)`; 0 for n = 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// True once in n times.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A number in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Nearly standard normal: the sum of twelve uniforms less six (Irwin-Hall), hence within 6 sigma.
    pub(super) fn normal(&mut self) -> f64 {
        // Three words hold twelve 16-bit uniforms: finer than the milliseconds they end in.
        let mut sum = 0u64;
        for _ in 0..3 {
            let word = self.next();
            sum += (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48);
        }
        sum as f64 / 65536.0 - 6.0
    }

    /// Log-normal around a median, with sigma in natural logarithms.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp2(sigma * self.normal() * std::f64::consts::LOG2_E)
    }

    /// Log-uniform between two bounds: `low * 2^(u * octaves)`.
    pub(super) fn log_uniform(&mut self, low: f64, octaves: f64) -> f64 {
        low * exp2(self.unit() * octaves)
    }

    /// One of the items. The slice must not be empty.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// The index of one of the weights, by its weight. Their sum must not be 0.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut at = self.below(weights.iter().map(|w| u64::from(*w)).sum());
        for (index, weight) in weights.iter().enumerate() {
            match at.checked_sub(u64::from(*weight)) {
                Some(rest) => at = rest,
                None => return index,
            }
        }
        weights.len() - 1
    }
}

/// 2^x to about 1e-6, for |x| < 60: whole part by halving or doubling, the rest by a Taylor polynomial.
fn exp2(x: f64) -> f64 {
    let whole = x.floor();
    let y = (x - whole) * std::f64::consts::LN_2;
    let series = 1.0
        + y * (1.0
            + y / 2.0
                * (1.0 + y / 3.0 * (1.0 + y / 4.0 * (1.0 + y / 5.0 * (1.0 + y / 6.0 * (1.0 + y / 7.0))))));
    let power = whole.clamp(-60.0, 60.0) as i32;
    let scale = (1u64 << power.unsigned_abs()) as f64;
    if power < 0 { series / scale } else { series * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp2_is_close() {
        for tenth in -300..300 {
            let x = f64::from(tenth) / 10.0;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 1e-5, "2^{x}");
        }
    }

    #[test]
    fn normal_has_the_right_moments() {
        let mut rng = Rng::new(1, 2);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..20_000 {
            let x = rng.normal();
            sum += x;
            squares += x * x;
        }
        assert!((sum / 20_000.0).abs() < 0.03);
        assert!((squares / 20_000.0 - 1.0).abs() < 0.05);
    }

    #[test]
    fn weights_are_kept() {
        let mut rng = Rng::new(1, 2);
        let mut counts = [0u32; 3];
        for _ in 0..10_000 {
            counts[rng.weighted(&[1, 0, 9])] += 1;
        }
        assert!(counts[0] > 800 && counts[1] == 0 && counts[2] > 8_500, "{counts:?}");
    }
}
