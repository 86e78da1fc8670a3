//! The mix `maxCashUnits`: the most units give something; then the fewest items, of several such
//! sets the one with most items of the largest value, then of the next.
//!
//! Every unit that takes part gives one item at least, which leaves a search for the fewest items
//! for the rest. So the question is which units to leave out: none if that pays, else one, else
//! two, and so on, every choice of that many being tried; of units of one value those with the
//! least to give are left out first, since it is only together that they matter. The smallest
//! values that fit into the amount bound from below how many units must be left out.

use super::cash::{Cash, Source, Sources};
use super::fewest::UNBOUNDED;
use super::{Failure, MAX_UNITS, OutOfWork, Work};

/// Items by this mix, at most `budget`; gives their number.
pub fn solve(
    cash: &Cash,
    budget: u64,
    result: &mut [u64],
    work: &mut Work,
) -> Result<u64, Failure> {
    let need = cash.need(work)?;
    if need > budget {
        return Err(Failure::TooManyItems(need));
    }
    let mut choice = Choice::new(cash, budget, work);
    let free = choice.free.iter().sum::<usize>();
    for left_out in choice.least_left_out()..=free {
        choice.try_all(0, left_out)?;
        if let Some((items, sources, counts)) = choice.best.take() {
            cash.hand_out(&sources, &counts, result);
            return Ok(items);
        }
    }
    Err(Failure::NotDispensable(cash.currency))
}

struct Choice<'a> {
    cash: &'a Cash,
    budget: u64,
    work: &'a mut Work,
    /// Units of each pile that need not give anything.
    free: Vec<usize>,
    /// Units of each pile that are left out.
    out: Vec<usize>,
    best: Option<(u64, Sources, [u64; MAX_UNITS])>,
}

impl<'a> Choice<'a> {
    fn new(cash: &'a Cash, budget: u64, work: &'a mut Work) -> Self {
        let free: Vec<usize> = cash
            .piles()
            .map(|pile| pile.iter().filter(|source| source.low == 0).count())
            .collect();
        let out = vec![0; free.len()];
        Self {
            cash,
            budget,
            work,
            free,
            out,
            best: None,
        }
    }

    /// Units that cannot all take part, for want of amount or of items.
    fn least_left_out(&self) -> usize {
        let (mut rest, mut items) = (u128::from(self.cash.amount), self.budget);
        for source in &self.cash.sources {
            rest = rest
                .saturating_sub(u128::from(source.low) * u128::from(self.cash.values[source.pile]));
            items = items.saturating_sub(source.low);
        }
        let mut taking_part = 0;
        for (value, free) in self.cash.values.iter().zip(&self.free).rev() {
            let fitting = (rest / u128::from(*value)).min(*free as u128);
            rest -= fitting * u128::from(*value);
            taking_part += fitting as usize;
        }
        let taking_part = taking_part.min(usize::try_from(items).unwrap_or(usize::MAX));
        self.free.iter().sum::<usize>() - taking_part
    }

    /// Try every choice of `left_out` units among the piles from `pile` on.
    fn try_all(&mut self, pile: usize, left_out: usize) -> Result<(), OutOfWork> {
        self.work.step()?;
        if pile == self.free.len() {
            return self.try_one();
        }
        let later: usize = self.free[pile + 1..].iter().sum();
        for out in left_out.saturating_sub(later)..=left_out.min(self.free[pile]) {
            self.out[pile] = out;
            self.try_all(pile + 1, left_out - out)?;
        }
        Ok(())
    }

    fn try_one(&mut self) -> Result<(), OutOfWork> {
        let mut sources = self.cash.sources.clone();
        for pile in sources.chunk_by_mut(|a, b| a.pile == b.pile) {
            let out = self.out[pile[0].pile];
            let mut free: Vec<&mut Source> =
                pile.iter_mut().filter(|source| source.low == 0).collect();
            // Stable, so that of equal ones the later is left out first.
            free.sort_by_key(|source| std::cmp::Reverse(source.high));
            let kept = free.len() - out;
            for (place, source) in free.into_iter().enumerate() {
                if place < kept {
                    source.low = 1
                } else {
                    source.high = 0
                }
            }
        }
        let budget = self
            .best
            .as_ref()
            .map_or(self.budget, |(items, ..)| *items)
            .min(UNBOUNDED);
        let mut counts = [0; MAX_UNITS];
        if let Some(items) =
            self.cash
                .fewest(&sources, self.cash.amount, budget, &mut counts, self.work)?
            && self
                .best
                .as_ref()
                .is_none_or(|(least, _, best)| items < *least || counts > *best)
        {
            self.best = Some((items, sources, counts));
        }
        Ok(())
    }
}
