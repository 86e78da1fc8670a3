//! What a cell of a table tells of the items that its piles give besides one of each unit.
//!
//! Mostly the least number of them. Where there are few, a bit for each number that can be: then a
//! table can be over what they are worth more than as many of the smallest value, which is far less.

use super::wide::take_up;

/// What is known of further items.
pub(super) trait Cell: Copy {
    /// Whether each number has a bit.
    const NUMBERS: bool;
    /// Numbers that a cell can tell are below this.
    const END: u64;
    /// Nothing can be.
    const NONE: Self;
    /// No items can be.
    const NO_ITEMS: Self;

    /// With so many items more, fewer than [`Self::END`].
    fn more(self, items: u64) -> Self;

    /// What either of two tells.
    fn either(self, other: Self) -> Self;

    /// Whether so many, which are the fewest of all, can be.
    fn has(self, items: u64) -> bool;
}

/// The least number of items.
#[derive(Clone, Copy)]
pub(super) struct Least<N>(N);

/// A bit for each number of items.
#[derive(Clone, Copy)]
pub(super) struct Numbers<B>(B);

macro_rules! least {
    ($number:ty) => {
        impl Cell for Least<$number> {
            const NUMBERS: bool = false;
            const END: u64 = <$number>::MAX as u64;
            const NONE: Self = Self(<$number>::MAX);
            const NO_ITEMS: Self = Self(0);

            #[inline]
            fn more(self, items: u64) -> Self {
                Self(self.0.saturating_add(items as $number))
            }

            #[inline]
            fn either(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }

            #[inline]
            fn has(self, items: u64) -> bool {
                self.0 as u64 == items && items < Self::END
            }
        }
    };
}

macro_rules! numbers {
    ($bits:ty) => {
        impl Cell for Numbers<$bits> {
            const NUMBERS: bool = true;
            const END: u64 = <$bits>::BITS as u64;
            const NONE: Self = Self(0);
            const NO_ITEMS: Self = Self(1);

            #[inline]
            fn more(self, items: u64) -> Self {
                Self(self.0 << items)
            }

            #[inline]
            fn either(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            #[inline]
            fn has(self, items: u64) -> bool {
                items < Self::END && self.0 >> items & 1 == 1
            }
        }
    };
}

// Of these there are vector instructions on every machine: the least of bytes, and of signed words.
least!(u8);
least!(i16);
numbers!(u8);
numbers!(u16);
numbers!(u32);
numbers!(u64);

/// What each cell, or the one that is so far before it with so many items more, tells.
pub(super) fn merge<C: Cell>(cells: &mut [C], from: &[C], offset: isize, more: u64) {
    let (ahead, back) = (offset.max(0) as usize, (-offset).max(0) as usize);
    if ahead >= cells.len() || back >= from.len() {
        return;
    }
    take_up(&mut cells[ahead..], &from[back..], |cell, from| {
        *cell = cell.either(from.more(more));
    });
}
