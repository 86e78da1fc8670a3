//! Denomination: which items from which units make up amounts of money.
//!
//! Money is a whole number of the smallest unit ([`SCALE`] to one of the currency); nothing here
//! is floating point, and nothing overflows: sums that can exceed 64 bits are formed in 128.
//!
//! Units of one currency and value form a pile ([`cash`]); the mixes decide on items of each pile
//! and [`share`] then on the units of a pile:
//!
//! * `minimumBills` ([`fewest`]): the fewest items; of several such sets the one with most items of
//!   the largest value, then of the next.
//! * `equalEmptying` ([`equal_emptying`]): the share of its items that a unit gives is as even as
//!   can be.
//! * `maxCashUnits` ([`max_cash_units`]): the most units give something; then the fewest items.
//! * a house's own table ([`table`]): the first row for the amount that the units can pay.
//!
//! What most clients ask for most of the time is read from their words and answered in them by
//! [`everyday`].
//!
//! Every search counts its steps and ends with [`Failure::WorkLimit`] when they are used up: an
//! answer of its own, never a wrong "not dispensable".

#[cfg(test)]
mod by_trying;
pub mod cash;
mod cell;
mod congruent;
mod divisor;
pub mod equal_emptying;
pub mod everyday;
mod exchange;
mod few_piles;
pub mod fewest;
mod lattice;
pub mod max_cash_units;
mod memory;
pub mod nearest;
mod net_sets;
mod number;
mod outright;
mod payable;
pub mod pile;
mod plain;
pub mod ready;
mod remainder_table;
mod remainders;
mod residues;
mod search;
pub mod share;
mod source;
mod sums;
mod swaps;
pub mod table;
mod two_pivots;
mod unit_tables;
mod verdict;
pub mod wide;

use cash::{Cash, Grouped};
use pile::UNBOUNDED;
use ready::Ready;
use table::Row;

/// Units that take part in one denomination, at most.
pub const MAX_UNITS: usize = 64;
/// Smallest units of money in one of a currency: five decimals.
pub const SCALE: u128 = 100_000;
/// Steps that a denomination may take unless the caller says otherwise; some 10 ns each, 50 at most.
pub const WORK_LIMIT: u64 = 2_000_000;

/// A currency: its three letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(pub [u8; 3]);

impl Currency {
    /// The letters as text.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

/// What a unit holds and may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Currency of its items.
    pub currency: Currency,
    /// Value of one item in smallest units; above 0.
    pub value: u64,
    /// Items that it holds.
    pub count: u64,
    /// Items that must come from it, if its currency is asked for.
    pub minimum: u64,
    /// Items that may come from it.
    pub maximum: u64,
}

/// How to choose among the sets of items that make up an amount.
#[derive(Clone, Copy, Debug)]
pub enum Mix<'a> {
    /// Fewest items.
    MinimumBills,
    /// Units emptied evenly.
    EqualEmptying,
    /// Most units involved, then fewest items.
    MaxCashUnits,
    /// Rows of a table.
    Table(&'a [Row]),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Amounts in smallest units, each currency once.
    pub amounts: &'a [(Currency, u128)],
    /// The units; [`MAX_UNITS`] at most.
    pub units: &'a [Unit],
    /// Currencies of which these units, but for the items that must come from them, were grouped before.
    pub ready: &'a [Ready],
    /// The mix.
    pub mix: Mix<'a>,
    /// Items altogether, at most.
    pub max_items: Option<u64>,
}

impl Request<'_> {
    /// The units of a currency, as the mixes see them.
    fn cash<'g>(
        &'g self,
        currency: Currency,
        amount: u128,
        grouped: &'g mut Grouped,
    ) -> Result<Cash<'g>, Failure> {
        let ready = self.ready.iter().find(|one| one.currency() == currency);
        if let Some(cash) = ready.and_then(|ready| ready.cash(amount, self.units)) {
            return Ok(cash);
        }
        let contained = ready.and_then(|ready| ready.contain(amount, self.units, grouped));
        match contained {
            Some((amount, measure)) => Ok(grouped.cash(currency, amount, measure)),
            None => grouped.gather(currency, amount, self.units),
        }
    }
}

/// Why there is no denomination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No set of items makes up the amount of this currency.
    NotDispensable(Currency),
    /// No unit has this currency.
    InvalidCurrency(Currency),
    /// The items that must be contained are worth more than the amount.
    ContainedAboveAmount(Currency),
    /// A unit must give more items than it may.
    MinimumAboveMaximum(usize),
    /// It takes this many items at least.
    TooManyItems(u64),
    /// The table has no row for the amount of this currency.
    AmountNotInMixTable(Currency),
    /// The amount of this currency is worth more than [`UNBOUNDED`] of what the values have in common.
    TooLarge(Currency),
    /// The search was ended before it was complete.
    WorkLimit,
    /// More units than [`MAX_UNITS`].
    TooManyUnits,
}

/// The steps of a search are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfWork;

impl From<OutOfWork> for Failure {
    fn from(_: OutOfWork) -> Self {
        Failure::WorkLimit
    }
}

/// Steps that a search may still take.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    left: u64,
}

impl Work {
    /// With so many steps.
    pub fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Steps left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Try with so many of the steps; `None` if they did not do, and some are left for another way.
    pub fn within<T>(
        &mut self,
        steps: u64,
        attempt: impl FnOnce(&mut Work) -> Result<T, OutOfWork>,
    ) -> Result<Option<T>, OutOfWork> {
        let steps = steps.min(self.left);
        let mut some = Work::new(steps);
        let outcome = attempt(&mut some);
        self.left -= steps - some.left;
        match outcome {
            Ok(outcome) => Ok(Some(outcome)),
            Err(OutOfWork) if self.left == 0 => Err(OutOfWork),
            Err(OutOfWork) => Ok(None),
        }
    }

    /// Take one step.
    #[inline]
    pub fn step(&mut self) -> Result<(), OutOfWork> {
        self.steps(1)
    }

    /// Take several steps at once.
    #[inline]
    pub fn steps(&mut self, steps: u64) -> Result<(), OutOfWork> {
        if self.left < steps {
            self.left = 0;
            return Err(OutOfWork);
        }
        self.left -= steps;
        Ok(())
    }
}

/// Items for the amounts asked for; gives their number, and sets `counts`, those of each unit.
///
/// With several currencies and a limit of items, each currency in the order given takes the best
/// of its mix that leaves the later ones the fewest items that they need.
pub fn denominate(request: &Request, counts: &mut [u64], work: &mut Work) -> Result<u64, Failure> {
    if request.units.len() > MAX_UNITS {
        return Err(Failure::TooManyUnits);
    }
    counts.fill(0);
    let limit = request.max_items.unwrap_or(UNBOUNDED).min(UNBOUNDED);
    let wanted = || {
        request
            .amounts
            .iter()
            .filter(|(currency, amount)| *amount > 0 || holds_back(request.units, *currency))
    };
    let mut grouped = Grouped::none();
    let mut left = limit;
    if request.max_items.is_none() || request.amounts.len() == 1 {
        for &(currency, amount) in wanted() {
            let cash = request.cash(currency, amount, &mut grouped)?;
            left -= mixed(&cash, request.mix, left, counts, work)?;
        }
        return Ok(limit - left);
    }
    let mut needs = Vec::with_capacity(request.amounts.len());
    for &(currency, amount) in wanted() {
        let cash = request.cash(currency, amount, &mut grouped)?;
        needs.push(match request.mix {
            Mix::Table(rows) => table::fewest(&cash, rows)?,
            _ => cash.need(work)?,
        });
    }
    let mut needed = needs
        .iter()
        .fold(0u64, |sum, need| sum.saturating_add(*need));
    if needed > limit {
        return Err(Failure::TooManyItems(needed));
    }
    for (&(currency, amount), need) in wanted().zip(needs) {
        needed -= need;
        let cash = request.cash(currency, amount, &mut grouped)?;
        left -= mixed(&cash, request.mix, left - needed, counts, work)?;
    }
    Ok(limit - left)
}

fn holds_back(units: &[Unit], currency: Currency) -> bool {
    units
        .iter()
        .any(|unit| unit.currency == currency && unit.minimum > 0)
}

/// Items of one currency by its mix, at most `budget`; gives their number.
fn mixed(
    cash: &Cash,
    mix: Mix,
    budget: u64,
    result: &mut [u64],
    work: &mut Work,
) -> Result<u64, Failure> {
    match mix {
        Mix::MinimumBills => cash.minimum_bills(budget, result, work),
        Mix::EqualEmptying => equal_emptying::solve(cash, budget, result, work),
        Mix::MaxCashUnits => max_cash_units::solve(cash, budget, result, work),
        Mix::Table(rows) => table::solve(cash, rows, budget, result),
    }
}
