//! Passes over the cells of a table, in vectors as wide as the machine has them.
//!
//! Every table is made by one loop, many times: each cell takes up what another says. All x86-64 machines have
//! vectors of 16 bytes for it, and none that tell the lesser of two numbers of 32 bits; nearly all that are in use
//! have AVX2, with 32 bytes and that as well. So the loop is there twice, made of the same lines, and which of them is
//! taken is asked of the machine. Answers and steps are the same.

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU8, Ordering};

/// Which vectors are taken: not asked yet, those that all have, or those of AVX2, which the machine has.
#[cfg(target_arch = "x86_64")]
static VECTORS: AtomicU8 = AtomicU8::new(UNKNOWN);
#[cfg(target_arch = "x86_64")]
const UNKNOWN: u8 = 0;
#[cfg(target_arch = "x86_64")]
const PLAIN: u8 = 1;
#[cfg(target_arch = "x86_64")]
const AVX2: u8 = 2;

/// Have all threads do with what every machine of this kind has, or no longer: for counts that are to be the same
/// everywhere, and to compare the two.
pub fn plainly(plain: bool) {
    #[cfg(target_arch = "x86_64")]
    VECTORS.store(if plain { PLAIN } else { UNKNOWN }, Ordering::Relaxed);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = plain;
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx2() -> bool {
    #[cold]
    fn ask() -> u8 {
        let vectors = match is_x86_feature_detected!("avx2") {
            true => AVX2,
            false => PLAIN,
        };
        VECTORS.store(vectors, Ordering::Relaxed);
        vectors
    }
    let known = VECTORS.load(Ordering::Relaxed);
    AVX2 == if known == UNKNOWN { ask() } else { known }
}

/// Have each cell take up what the one at its place in `from` says.
#[inline(always)]
pub(super) fn take_up<C: Copy>(cells: &mut [C], from: &[C], take: impl Fn(&mut C, C)) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the machine has AVX2, which is all that is asked of it.
        return unsafe { with_avx2(cells, from, take) };
    }
    pass(cells, from, take);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<C: Copy>(cells: &mut [C], from: &[C], take: impl Fn(&mut C, C)) {
    pass(cells, from, take);
}

#[inline(always)]
fn pass<C: Copy>(cells: &mut [C], from: &[C], take: impl Fn(&mut C, C)) {
    for (cell, from) in cells.iter_mut().zip(from) {
        take(cell, *from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What each machine has says what all have.
    fn same<C: Copy + Eq + std::fmt::Debug>(cells: &[C], from: &[C], take: impl Fn(&mut C, C)) {
        let (mut wide, mut plain) = (cells.to_vec(), cells.to_vec());
        take_up(&mut wide, from, &take);
        pass(&mut plain, from, &take);
        assert_eq!(wide, plain);
    }

    proptest! {
        #[test]
        fn wide_vectors_say_what_plain_ones_say(
            cells in prop::collection::vec(any::<u64>(), 0..200),
            from in prop::collection::vec(any::<u64>(), 0..200),
            more in 0u32..8,
        ) {
            fn as_other<C>(cells: &[u64], cell: fn(u64) -> C) -> Vec<C> {
                cells.iter().map(|from| cell(*from)).collect()
            }
            let sum = |number: u64| (number >> 34) as i32;
            same(&as_other(&cells, sum), &as_other(&from, sum), |cell, from| {
                *cell = (*cell).min(from + more as i32);
            });
            let net = |number: u64| number as i16;
            same(&as_other(&cells, net), &as_other(&from, net), |cell, from| {
                *cell = (*cell).min(from.saturating_add(more as i16));
            });
            same(&cells, &from, |cell, from| *cell |= from << more);
            let byte = |number: u64| number as u8;
            same(&as_other(&cells, byte), &as_other(&from, byte), |cell, from| {
                *cell = (*cell).min(from.saturating_add(more as u8));
            });
        }
    }
}
