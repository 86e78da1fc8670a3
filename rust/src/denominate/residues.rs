//! Amounts that no items make up because of what they leave when divided: found in no time.
//!
//! The most plentiful piles have a common divisor, such as 10 or 5. What an amount leaves when
//! divided by it must come from the other piles, and of those there are few items. Which remainders
//! they can have is one word of bits, so "8,008 from plenty of 100, 50 and 20, one 5 and one 2" is
//! refused without a search.

use super::divisor::gcd;
use super::pile::{Pile, parts};

/// Divisors that are looked at, at most: the bits of a word.
const LARGEST: u64 = u64::BITS as u64;

/// Whether the remainder of the amount is one that the piles cannot have.
///
/// All values, and the amount, are multiples of `common`.
pub(super) fn forbid(amount: u64, piles: &[Pile], common: u64) -> bool {
    let divisor = plentiful(common, piles);
    if divisor <= 1 {
        return false;
    }
    let all = u64::MAX >> (LARGEST - divisor);
    let turned = |bits: u64, by: u64| (bits << by | bits >> (divisor - by)) & all;
    let mut reached = 1u64;
    for pile in piles {
        let residue = pile.value / common % divisor;
        if residue == 0 {
            continue;
        }
        let count = pile.count.min(amount / pile.value).min(divisor - 1);
        for part in parts(count) {
            let by = part * residue % divisor;
            if by > 0 {
                reached |= turned(reached, by);
            }
        }
    }
    reached >> (amount / common % divisor) & 1 == 0
}

/// The common divisor of the piles with most items, over that of all; of as few of them as bring it
/// down to [`LARGEST`].
fn plentiful(common: u64, piles: &[Pile]) -> u64 {
    let mut divisor = 0;
    loop {
        let next = piles
            .iter()
            .filter(|pile| divisor == 0 || !pile.value.is_multiple_of(divisor))
            .max_by_key(|pile| pile.count);
        let Some(next) = next else {
            break;
        };
        divisor = gcd(divisor, next.value);
        if divisor / common <= LARGEST {
            break;
        }
    }
    divisor / common
}
