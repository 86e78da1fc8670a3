//! Amounts that no items make up because of what they leave when divided: found in no time.
//!
//! The most plentiful piles have a common divisor, such as 10 or 5. What an amount leaves when
//! divided by it must come from the other piles, and of those there are few items. Which remainders
//! they can have is one word of bits, so "8,008 from plenty of 100, 50 and 20, one 5 and one 2" is
//! refused without a search.

use super::divisor::{common_divisor, gcd};
use super::pile::Pile;

/// Divisors that are looked at, at most: the bits of a word.
const LARGEST: u64 = u64::BITS as u64;

/// Whether the remainder of the amount is one that the piles cannot have.
pub(super) fn forbid(amount: u64, piles: &[Pile]) -> bool {
    let common = common_divisor(piles);
    if !amount.is_multiple_of(common) {
        return true;
    }
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
        let mut left = pile.count.min(amount / pile.value).min(divisor - 1);
        let mut part = 1;
        while left > 0 {
            part = part.min(left);
            left -= part;
            let by = part * residue % divisor;
            if by > 0 {
                reached |= turned(reached, by);
            }
            part *= 2;
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
