//! The walk with the vectors of x86-64: the one file of the core with `unsafe`.
//!
//! Invariant: the intrinsics run only after the processor was asked for every feature they need. They read only the bytes
//! of the array they are given, and write only the slots that they are lent.
#![allow(unsafe_code)]

use super::{Block, Columns, Shape};
use std::arch::x86_64::*;

/// The ways to index a line, best first. A way returns false if the processor has not what it takes, and nothing was done.
#[cfg(test)]
pub(super) const WAYS: [(&str, fn(&[u8], usize, Shape, &mut Columns) -> bool); 2] =
    [("avx512", avx512), ("avx2", avx2)];

/// With AVX-512. By the walk alone: here it costs less than the branches of a shape.
#[inline(always)]
pub(super) fn avx512(line: &[u8], wanted: usize, _: Shape, columns: &mut Columns) -> bool {
    let able = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && has_avx2();
    if able {
        // SAFETY: the features of `index_avx512` were just detected.
        unsafe { index_avx512(line, wanted, columns) }
    }
    able
}

/// With AVX2.
#[inline(always)]
pub(super) fn avx2(line: &[u8], wanted: usize, shape: Shape, columns: &mut Columns) -> bool {
    let able = has_avx2();
    if able {
        // SAFETY: the features of `index_avx2` were just detected.
        unsafe { index_avx2(line, wanted, shape, columns) }
    }
    able
}

/// Each answer is cached by the standard library: a load and a test.
#[inline(always)]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("pclmulqdq")
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,pclmulqdq")]
fn index_avx2(line: &[u8], wanted: usize, shape: Shape, columns: &mut Columns) {
    super::index::<Avx2>(line, wanted, shape, columns);
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,pclmulqdq,avx512f,avx512bw,avx512vbmi2")]
fn index_avx512(line: &[u8], wanted: usize, columns: &mut Columns) {
    super::index::<Avx512>(line, wanted, &[], columns);
}

/// A bit for each byte that is one of these.
#[inline(always)]
pub(super) fn one_of<const N: usize>(bytes: &[u8; 16], wanted: [u8; N]) -> u32 {
    // SAFETY: every x86-64 has SSE2; the load is an unaligned one of the whole array.
    unsafe {
        let block = _mm_loadu_si128(bytes.as_ptr().cast());
        let equal = wanted.map(|byte| _mm_cmpeq_epi8(block, _mm_set1_epi8(byte.cast_signed())));
        let any = equal.into_iter().fold(_mm_setzero_si128(), |any, equal| _mm_or_si128(any, equal));
        _mm_movemask_epi8(any).cast_unsigned()
    }
}

/// A bit for each byte that is the same in both.
#[inline(always)]
pub(super) fn equal(a: &[u8; 16], b: &[u8; 16]) -> u32 {
    // SAFETY: every x86-64 has SSE2; the loads are unaligned ones of the whole arrays.
    unsafe {
        let (a, b) = (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast()));
        _mm_movemask_epi8(_mm_cmpeq_epi8(a, b)).cast_unsigned()
    }
}

/// Copies the bytes whose bits are set, side by side. Returns false if the processor has not what it takes, and nothing was done.
#[inline(always)]
pub(super) fn keep(bytes: &[u8; 64], kept: u64, room: &mut [u8; 64]) -> bool {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vbmi2") {
        // SAFETY: the features of `keep_avx512` were just detected.
        unsafe { keep_avx512(bytes, kept, room) }
        return true;
    }
    let able = is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("popcnt");
    if able {
        // SAFETY: the features of `keep_ssse3` were just detected.
        unsafe { keep_ssse3(bytes, kept, room) }
    }
    able
}

/// Which of eight bytes are kept, by their bits.
static KEPT: [[u8; 8]; 256] = {
    let (mut kept, mut bits) = ([[0; 8]; 256], 0);
    while bits < 256 {
        let (mut i, mut end) = (0, 0);
        while i < 8 {
            if bits >> i & 1 == 1 {
                kept[bits][end] = i as u8;
                end += 1;
            }
            i += 1;
        }
        bits += 1;
    }
    kept
};

#[target_feature(enable = "ssse3,popcnt")]
fn keep_ssse3(bytes: &[u8; 64], kept: u64, room: &mut [u8; 64]) {
    let mut end = 0;
    for (eight, kept) in bytes.as_chunks::<8>().0.iter().zip(kept.to_le_bytes()) {
        // So far no more than eight of each eight: there is room for eight more.
        let Some(room) = room.get_mut(end..).and_then(|room| room.first_chunk_mut::<8>()) else { return };
        // SAFETY: loads and store are unaligned ones of the whole arrays.
        unsafe {
            let order = _mm_loadl_epi64(KEPT[usize::from(kept)].as_ptr().cast());
            let eight = _mm_loadl_epi64(eight.as_ptr().cast());
            _mm_storel_epi64(room.as_mut_ptr().cast(), _mm_shuffle_epi8(eight, order));
        }
        end += kept.count_ones() as usize;
    }
}

#[target_feature(enable = "avx512f,avx512vbmi2")]
fn keep_avx512(bytes: &[u8; 64], kept: u64, room: &mut [u8; 64]) {
    // SAFETY: the load and the store are unaligned ones of the whole arrays.
    unsafe {
        let block = _mm512_loadu_si512(bytes.as_ptr().cast());
        _mm512_storeu_si512(room.as_mut_ptr().cast(), _mm512_maskz_compress_epi8(kept, block));
    }
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

    #[inline(always)]
    fn positions(slots: &mut [u32], base: u32, bits: u64) {
        super::positions(slots, base, bits);
    }
}

/// Only [`index_avx512`] uses it; its methods are inlined into that function and take on its features.
struct Avx512;

/// The numbers 0 to 63.
const NUMBERS: [u8; 64] = {
    let (mut numbers, mut i) = ([0; 64], 0);
    while i < 64 {
        numbers[i] = i as u8;
        i += 1;
    }
    numbers
};

impl Block for Avx512 {
    #[inline(always)]
    fn equal(bytes: &[u8; 64], byte: u8) -> u64 {
        // SAFETY: the caller runs with AVX-512BW; the load is an unaligned one of the whole array.
        unsafe {
            let block = _mm512_loadu_si512(bytes.as_ptr().cast());
            _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte.cast_signed()))
        }
    }

    #[inline(always)]
    fn running_xor(bits: u64) -> u64 {
        Avx2::running_xor(bits)
    }

    #[inline(always)]
    fn positions(slots: &mut [u32], base: u32, bits: u64) {
        let Some(first) = slots.first_chunk_mut::<16>() else { return super::positions(slots, base, bits) };
        // SAFETY: the caller runs with AVX-512F and VBMI2; the load is of 64 bytes, the store of 16 slots that are there.
        // The numbers of the bits that are set move together at the bottom: sixteen of them are positions.
        unsafe {
            let numbers = _mm512_loadu_si512(NUMBERS.as_ptr().cast());
            let set = _mm512_maskz_compress_epi8(bits, numbers);
            let low = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(set));
            let positions = _mm512_add_epi32(low, _mm512_set1_epi32(base.cast_signed()));
            _mm512_storeu_si512(first.as_mut_ptr().cast(), positions);
        }
        if bits.count_ones() > 16 {
            super::positions(slots, base, bits);
        }
    }
}
