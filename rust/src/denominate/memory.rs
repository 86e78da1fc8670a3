//! What the search has proved already: for a pile and a rest, the least number of items.
//!
//! One slot for each hash, the newest proof stays: forgetting costs time, never the answer.

/// Proofs of the search.
pub struct Memory {
    slots: Vec<Slot>,
    asked: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    rest: u64,
    level: u64,
    least: u64,
}

const EMPTY: Slot = Slot {
    rest: 0,
    level: u64::MAX,
    least: 0,
};
/// Questions before the first slots are laid out: short searches have none.
const FIRST: u32 = 64;
const LARGEST: usize = 1 << 18;

impl Memory {
    /// Begins to remember when the search gets long.
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            asked: 0,
        }
    }

    fn place(&self, level: usize, rest: u64) -> usize {
        let hash = (rest ^ ((level as u64) << 58)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 20) as usize & (self.slots.len() - 1)
    }

    /// Least number of items for `rest` from `level` on, as far as proved; 0 if nothing is known.
    pub fn least(&mut self, level: usize, rest: u64) -> u64 {
        if self.slots.is_empty() {
            return 0;
        }
        let slot = &self.slots[self.place(level, rest)];
        if slot.level == level as u64 && slot.rest == rest {
            slot.least
        } else {
            0
        }
    }

    /// Note that `rest` takes at least `least` items from `level` on.
    pub fn note(&mut self, level: usize, rest: u64, least: u64) {
        self.asked += 1;
        if self.slots.is_empty() {
            if self.asked < FIRST {
                return;
            }
            self.slots = vec![EMPTY; 1 << 8];
        } else if self.asked as usize > self.slots.len() && self.slots.len() < LARGEST {
            self.grow();
        }
        let place = self.place(level, rest);
        self.slots[place] = Slot {
            rest,
            level: level as u64,
            least,
        };
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY; self.slots.len() * 4];
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot.level != u64::MAX {
                let place = self.place(slot.level as usize, slot.rest);
                self.slots[place] = slot;
            }
        }
    }
}
