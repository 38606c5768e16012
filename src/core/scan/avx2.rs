//! The walk with AVX2, BMI1/2 and carry-less multiplication: the one file of the core with `unsafe`.
//!
//! Invariant: the intrinsics run only after the processor was asked for every feature they need, and
//! read only the 64 bytes of the array they are given.
#![allow(unsafe_code)]

use super::{Block, Columns, Shape};
use std::arch::x86_64::*;

/// Indexes the line if the processor has what it takes; false if it has not, and nothing was done.
#[inline(always)]
pub(super) fn index(line: &[u8], wanted: usize, shape: Shape, columns: &mut Columns) -> bool {
    // Each answer is cached by the standard library: a load and a test.
    let able = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("pclmulqdq");
    if able {
        // SAFETY: the features of `index_avx2` were just detected.
        unsafe { index_avx2(line, wanted, shape, columns) }
    }
    able
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,pclmulqdq")]
fn index_avx2(line: &[u8], wanted: usize, shape: Shape, columns: &mut Columns) {
    super::index::<Avx2>(line, wanted, shape, columns);
}

/// Only [`index_avx2`] uses it; its methods are inlined into that function and take on its features.
struct Avx2;

impl Block for Avx2 {
    #[inline(always)]
    fn equal(bytes: &[u8; 64], byte: u8) -> u64 {
        // SAFETY: the caller runs with AVX2; both loads are unaligned ones inside the array.
        unsafe {
            let wide = _mm256_set1_epi8(byte.cast_signed());
            let low = _mm256_loadu_si256(bytes.as_ptr().cast());
            let high = _mm256_loadu_si256(bytes.as_ptr().add(32).cast());
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wide)).cast_unsigned();
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wide)).cast_unsigned();
            u64::from(low) | u64::from(high) << 32
        }
    }

    #[inline(always)]
    fn running_xor(bits: u64) -> u64 {
        // SAFETY: the caller runs with PCLMULQDQ. Multiplying by all ones without carries is the running xor.
        unsafe {
            let ones = _mm_set1_epi8(-1);
            let bits = _mm_set_epi64x(0, bits.cast_signed());
            _mm_cvtsi128_si64(_mm_clmulepi64_si128(bits, ones, 0)).cast_unsigned()
        }
    }
}
