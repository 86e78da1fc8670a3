//! The fewest items that make up an amount exactly: the one question that every mix rests on.
//!
//! # The problem
//! Piles of items, one pile for each value, largest value first: `value[0] > value[1] > …`, with
//! `count[i]` items each. Wanted: `x[i] <= count[i]` with `Σ x[i]·value[i] = amount` and `Σ x[i]`
//! least; of several such, the one with most items of the largest value, then of the next.
//!
//! # The ways
//! Each of them is exact, and each has a limit of steps after which the next one begins; the first ones begin with
//! few steps, and have more when the others have had theirs:
//!
//! * [`super::plain`]: largest value first, a few steps. Everyday amounts need no more.
//! * [`super::residues`]: a word of bits that shows of many amounts that nothing makes them up.
//! * [`super::congruent`]: where one pile's number of items is known but for multiples, those numbers.
//! * [`super::number`]: exactly as many items as there must be at least, then one more, and so on:
//!   for many values and for values that are near to each other.
//! * [`super::few_piles`]: of three or four piles all numbers of items at once, by a lattice; of five to seven with
//!   those of some piles tried.
//! * [`super::two_pivots`]: where a pile's stock is in the way of its being exchanged for others, each number of its items.
//! * [`super::search`]: depth first with all that is known of such problems.
//! * [`super::exchange::by_remainders`]: the least cost for each remainder by one value. As wide as that value, it
//!   needs no luck, either, but for a pile whose stock is in the way.
//! * [`super::outright`] and [`super::exchange`]: tables, which need no luck.
//!
//! # Worst case
//! In [`super::search`], with `v` the largest value divided by the common divisor and `n` piles,
//! dominance leaves every pile either within `v` items of being used up or with a rest below `v²`. So
//! at most `(n + 1)·v²` different rests reach a pile, whatever the amount and the stocks. That is few
//! for money (`v` is 100 for notes of 5 to 500), but not for many values that are close to each
//! other. So the searches get some hundred steps, and then tables take over:
//!
//! * [`super::outright`] for small amounts and for those near to all the cash: words of bits, or
//!   cells, for every sum up to the smaller of the amount and what it leaves;
//! * [`super::exchange`] for all others: for every sum up to a roof that follows from the values
//!   alone, `(2·V + 2)·w` with `V` the largest value and `w` the largest difference of two, and is
//!   mostly not reached: twice `V` is the rule.
//!
//! So time is bounded by a polynomial in the number of units and the size of the values, whatever
//! amounts, stocks and limits are. With values below some thousands that is below a millisecond in all random cases
//! that are known; nearest to it come a dozen or two of piles with a few items each, and five to eight of which the
//! pivot's stock and the next one's are in the way.
//! With values of six digits and more that have nothing in common the problem is as hard as a
//! knapsack's, and the tables would be too large. Then the search goes on until it is
//! complete or the limit of work ends it, which is said as what it is.

use arrayvec::ArrayVec;

use super::congruent;
use super::divisor::common_divisor;
use super::exchange::{self, Effort};
use super::payable::{self, FEW_WORDS, MANY_WORDS};
use super::pile::{Pile, Usable};
use super::plain;
use super::search::{self, Level};
use super::verdict::Verdict;
use super::{OutOfWork, Work, few_piles, number, outright, residues, two_pivots};

/// Steps of the first ways, each.
const FIRST_STEPS: u64 = 64;
/// Steps of the search by number, before it is known which numbers are too few.
const NUMBER_STEPS: u64 = 256;
/// Steps of it once the number is known, as a rule.
const MORE_NUMBER_STEPS: u64 = 4096;
/// Steps in which the numbers of a pile are tried that a divisor of the others leaves.
const FEW_CONGRUENT_STEPS: u64 = 1 << 9;
const CONGRUENT_STEPS: u64 = 1 << 14;
/// Cells of a table for exchanges that cost little.
const NEARBY_CELLS: usize = 1 << 13;
/// Steps of the search with all its means, before exchanges are tried.
const SOME_STEPS: u64 = 512;
/// Numbers of items that are tried of few piles, and with the number of all given; and steps that are taken with them.
const FEW_NUMBERS: u64 = 1 << 8;
const FEW_A_NUMBER: u64 = 1 << 6;
const FEW_PILES_STEPS: u64 = 1 << 13;
/// Of so many piles numbers of the pivot are tried whose stock is in the way, and in so many steps: of five piles, of
/// which lattices have nearly the answer, and of more.
const EIGHT_PILES: usize = 8;
const FEW_TWO_PIVOTS_STEPS: u64 = 1 << 13;
const TWO_PIVOTS_STEPS: u64 = 1 << 16;
/// Of so many piles lattices have the answer at once, and of so many nearly so.
const FOUR_PILES: usize = 4;
const FIVE_PILES: usize = 5;
const FIVE_PILES_STEPS: u64 = 3 << 14;
/// Steps of it before larger tables are.
const MORE_STEPS: u64 = 4096;
/// Steps of exchanges before larger tables are, and before the largest.
const FEW_EXCHANGE_STEPS: u64 = 1 << 11;
const EXCHANGE_STEPS: u64 = 1 << 15;
const MORE_EXCHANGE_STEPS: u64 = 1 << 17;
/// Cells of a table of sums that are gone over before exchanges are tried, before numbers of a pivot are, and after:
/// some 5, 50 and 150 µs with the vectors that most machines have, twice as much without; and what is left to do.
const FEW_CELLS: usize = 1 << 17;
const SOME_CELLS: usize = 1 << 20;
const MORE_CELLS: usize = 3 << 20;
const MANY_CELLS: usize = 1 << 25;

/// The fewest items for an amount, at most `budget` of them.
///
/// `counts[i]` becomes the number of items from `piles[i]`; the piles are in falling order of
/// value, each value once, and at most `N`: laying out room for the most would cost more than most
/// searches. `None`: there is no such set of items.
pub fn fewest<const N: usize>(
    amount: u64,
    piles: &[Pile],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    debug_assert!(piles.windows(2).all(|pair| pair[0].value > pair[1].value));
    if amount == 0 {
        counts.fill(0);
        return Ok(Some(0));
    }
    let mut levels = [plain::Level::NONE; N];
    let levels = &mut levels[..piles.len()];
    plain::Level::lay_out(piles, levels);
    by_levels::<N>(amount, levels, budget, counts, work)
}

/// The same of piles that were laid out before; the amount is above 0.
pub(super) fn by_levels<const N: usize>(
    amount: u64,
    levels: &[plain::Level],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    match plain::fewest(amount, levels, budget, counts) {
        Ok(items) => Ok(items),
        Err(OutOfWork) => usable::<N>(amount, levels, budget, counts, work),
    }
}

/// The fewest items from those piles that can give something.
fn usable<const N: usize>(
    amount: u64,
    levels: &[plain::Level],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    let usable = Usable::<N>::new(amount, levels.iter().map(|level| level.pile()));
    let mut found = [0; N];
    let found = &mut found[..usable.piles.len()];
    let outcome = structured::<N>(amount, &usable.piles, budget, found, work)?;
    usable.set(found, counts);
    Ok(outcome)
}

/// By what is known of the values; together the piles are worth the amount at least.
fn structured<const N: usize>(
    amount: u64,
    piles: &[Pile],
    budget: u64,
    counts: &mut [u64],
    work: &mut Work,
) -> Result<Option<u64>, OutOfWork> {
    let divisor = common_divisor(piles.iter().map(|pile| pile.value));
    if !amount.is_multiple_of(divisor) || residues::forbid(amount, piles, divisor) {
        return Ok(None);
    }
    let held: ArrayVec<(u64, u64), N> = piles.iter().map(|pile| (pile.value, pile.count)).collect();
    let congruent = congruent::find(amount, &held, divisor);
    let numbered = |steps, counts: &mut [u64], work: &mut Work| match congruent {
        Some(pile) => work.within(steps, |work| {
            congruent::fewest::<N>(amount, piles, pile, budget, counts, work)
        }),
        None => Ok(None),
    };
    let sure = congruent.is_some_and(|pile| pile.sure(piles[pile.place].count));
    if sure && let Some(outcome) = numbered(u64::MAX, counts, work)? {
        return Ok(outcome);
    }
    if let Some(outcome) = numbered(FIRST_STEPS, counts, work)? {
        return Ok(outcome);
    }
    let mut range = (0, budget);
    let found = work.within(FIRST_STEPS, |work| {
        number::fewest::<N>(amount, piles, range, counts, work)
    })?;
    if let Some(outcome) = found.and_then(Verdict::decided) {
        return Ok(outcome);
    }
    if let Some(outcome) = numbered(FEW_CONGRUENT_STEPS, counts, work)? {
        return Ok(outcome);
    }
    let rest = amount / divisor;
    // One more than fits, so that a pile which could pay all but a remainder can be the pivot.
    let pairs: ArrayVec<(u64, u64), N> = piles
        .iter()
        .map(|pile| {
            (
                pile.value / divisor,
                pile.count.min(amount / pile.value + 1),
            )
        })
        .collect();
    let (found, floor) = exchange::nearby(rest, &pairs, budget, NEARBY_CELLS, counts, work)?;
    if let Some(outcome) = found.decided() {
        return Ok(outcome);
    }
    range.0 = floor;
    let found = work.within(NUMBER_STEPS, |work| {
        number::fewest::<N>(amount, piles, range, counts, work)
    })?;
    if let Some(outcome) = found.and_then(Verdict::decided) {
        return Ok(outcome);
    }

    if piles.len() <= FOUR_PILES {
        let found = work.within(NUMBER_STEPS, |work| {
            few_piles::fewest(rest, &pairs, range, counts, work)
        })?;
        if let Some(outcome) = found.and_then(Verdict::decided) {
            return Ok(outcome);
        }
    }
    let mut levels = [Level::NONE; N];
    let levels = search::levels(rest, piles, divisor, &mut levels);
    let found = work.within(SOME_STEPS, |work| {
        search::fewest(rest, levels, budget, counts, work)
    })?;
    if let Some(outcome) = found {
        return Ok(outcome);
    }
    let found = outright::fewest(rest, &pairs, budget, FEW_CELLS, counts, work)?;
    if let Some(outcome) = found.decided() {
        return Ok(outcome);
    }
    let found = work.within(FEW_EXCHANGE_STEPS, |work| {
        exchange::fewest(rest, &pairs, budget, Effort::Some, counts, work)
    })?;
    if let Some(outcome) = found.and_then(Verdict::decided) {
        return Ok(outcome);
    }
    let (found, floor) = exchange::by_remainders(rest, &pairs, budget, counts, work)?;
    if let Some(outcome) = found.decided() {
        return Ok(outcome);
    }
    range.0 = range.0.max(floor);
    // Of an ample pile remainders show what nothing makes up.
    if payable::payable(rest, pairs.iter().copied(), 0, work)? == Some(false) {
        return Ok(None);
    }
    let found = outright::fewest(rest, &pairs, budget, SOME_CELLS, counts, work)?;
    if let Some(outcome) = found.decided() {
        return Ok(outcome);
    }
    if piles.len() <= EIGHT_PILES {
        let steps = match piles.len() {
            ..=FIVE_PILES => FEW_TWO_PIVOTS_STEPS,
            _ => TWO_PIVOTS_STEPS,
        };
        let found = work.within(steps, |work| {
            two_pivots::fewest(rest, &pairs, budget, counts, work)
        })?;
        if let Some(outcome) = found.and_then(Verdict::decided) {
            return Ok(outcome);
        }
    }
    if few_piles::tried(&pairs) < FEW_NUMBERS
        && few_piles::payable(rest, &pairs, work)? == Some(false)
    {
        return Ok(None);
    }
    // With the number of items given, one pile less is tried.
    let (_, larger) = pairs.split_last().unwrap_or((&(0, 0), &[]));
    let steps = match piles.len() {
        ..=FIVE_PILES => FIVE_PILES_STEPS,
        _ if few_piles::tried(larger) < FEW_A_NUMBER => FIVE_PILES_STEPS,
        _ => FEW_PILES_STEPS,
    };
    let found = work.within(steps, |work| {
        few_piles::fewest(rest, &pairs, range, counts, work)
    })?;
    if let Some(outcome) = found.and_then(Verdict::decided) {
        return Ok(outcome);
    }
    let found = outright::fewest(rest, &pairs, budget, MORE_CELLS, counts, work)?;
    if let Some(outcome) = found.decided() {
        return Ok(outcome);
    }
    if let Some(outcome) = numbered(CONGRUENT_STEPS, counts, work)? {
        return Ok(outcome);
    }
    let found = work.within(EXCHANGE_STEPS, |work| {
        exchange::fewest(rest, &pairs, budget, Effort::Some, counts, work)
    })?;
    if let Some(outcome) = found.and_then(Verdict::decided) {
        return Ok(outcome);
    }
    let found = work.within(MORE_STEPS, |work| {
        search::fewest(rest, levels, budget, counts, work)
    })?;
    if let Some(outcome) = found {
        return Ok(outcome);
    }
    let found = work.within(MORE_NUMBER_STEPS, |work| {
        number::fewest::<N>(amount, piles, range, counts, work)
    })?;
    if let Some(outcome) = found.and_then(Verdict::decided) {
        return Ok(outcome);
    }
    if payable::payable(rest, pairs.iter().copied(), FEW_WORDS, work)? == Some(false) {
        return Ok(None);
    }
    let found = work.within(MORE_EXCHANGE_STEPS, |work| {
        exchange::fewest(rest, &pairs, budget, Effort::All, counts, work)
    })?;
    if let Some(outcome) = found.and_then(Verdict::decided) {
        return Ok(outcome);
    }
    if payable::payable(rest, pairs.iter().copied(), MANY_WORDS, work)? == Some(false) {
        return Ok(None);
    }
    let found = outright::fewest(rest, &pairs, budget, MANY_CELLS, counts, work)?;
    if let Some(outcome) = found.decided() {
        return Ok(outcome);
    }
    let found = exchange::fewest(rest, &pairs, budget, Effort::All, counts, work)?;
    match found.decided() {
        Some(outcome) => Ok(outcome),
        None => search::fewest(rest, levels, budget, counts, work),
    }
}
