//! All three mixes against trying all sets of items, on small cases.
//!
//!     cargo test --release --test denominate_mixes -- --ignored     # all 4 million of them

use std::cmp::Ordering;

use xfs4iot_core::denominate::{
    Currency, Failure, Mix, Request, SCALE, Unit, WORK_LIMIT, Work, denominate,
};

const EUR: Currency = Currency(*b"EUR");
const VALUES: [u64; 6] = [1, 2, 3, 4, 5, 10];
const COUNTS: [u64; 6] = [0, 1, 2, 3, 6, 9];

/// Units, values and counts, of which none is listed twice in another order of the same kind.
type Held = Vec<(u64, u64)>;

/// A share of what a unit holds.
fn compare((a, whole_a): (u64, u64), (b, whole_b): (u64, u64)) -> Ordering {
    (a * whole_b).cmp(&(b * whole_a))
}

/// All sets of items for an amount, unit by unit.
fn all(held: &[(u64, u64)], amount: u64) -> Vec<Vec<u64>> {
    let Some((&(value, count), rest)) = held.split_first() else {
        return if amount == 0 { vec![vec![]] } else { vec![] };
    };
    let mut found = Vec::new();
    for taken in 0..=count.min(amount / value) {
        for mut set in all(rest, amount - taken * value) {
            set.insert(0, taken);
            found.push(set);
        }
    }
    found
}

/// Fewer items, then more of the larger values: less is better.
fn tie(held: &[(u64, u64)], a: &[u64], b: &[u64]) -> Ordering {
    let by_value = |set: &[u64]| {
        let mut values: Vec<u64> = held.iter().map(|(value, _)| *value).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values.dedup();
        let items = |value: &u64| -> u64 {
            let of = held.iter().zip(set).filter(|((v, _), _)| v == value);
            of.map(|(_, taken)| taken).sum()
        };
        values.iter().map(items).collect::<Vec<u64>>()
    };
    let items = |set: &[u64]| set.iter().sum::<u64>();
    items(a)
        .cmp(&items(b))
        .then_with(|| by_value(b).cmp(&by_value(a)))
}

/// The largest share that a unit gives.
fn largest(held: &[(u64, u64)], set: &[u64]) -> (u64, u64) {
    let shares = held.iter().zip(set).filter(|(_, taken)| **taken > 0);
    shares
        .map(|((_, count), taken)| (*taken, *count))
        .max_by(|a, b| compare(*a, *b))
        .unwrap_or((0, 1))
}

/// The smallest share of a unit that could give more within the largest share; above all if none could.
fn smallest(held: &[(u64, u64)], set: &[u64], amount: u64, most: (u64, u64)) -> (u64, u64) {
    let able = held
        .iter()
        .zip(set)
        .filter(|((value, count), taken)| *value <= amount && **taken < count * most.0 / most.1);
    able.map(|((_, count), taken)| (*taken, *count))
        .min_by(|a, b| compare(*a, *b))
        .unwrap_or((2, 1))
}

/// How two sets compare by a mix: less is better.
fn by_mix(
    mix: Mix,
    held: &[(u64, u64)],
    amount: u64,
    most: (u64, u64),
    a: &[u64],
    b: &[u64],
) -> Ordering {
    let giving = |set: &[u64]| set.iter().filter(|taken| **taken > 0).count();
    match mix {
        Mix::EqualEmptying => compare(largest(held, a), largest(held, b)).then_with(|| {
            let least = |set| smallest(held, set, amount, most);
            compare(least(b), least(a))
        }),
        Mix::MaxCashUnits => giving(b).cmp(&giving(a)),
        _ => Ordering::Equal,
    }
    .then_with(|| tie(held, a, b))
}

fn units(held: &[(u64, u64)]) -> Vec<Unit> {
    let unit = |&(value, count): &(u64, u64)| Unit {
        currency: EUR,
        value: value * SCALE as u64,
        count,
        minimum: 0,
        maximum: u64::MAX,
    };
    held.iter().map(unit).collect()
}

/// Compare every mix with trying all.
fn check(held: &[(u64, u64)], amount: u64, max_items: Option<u64>) {
    let every = all(held, amount);
    let allowed = |set: &&Vec<u64>| max_items.is_none_or(|most| set.iter().sum::<u64>() <= most);
    let sets: Vec<&Vec<u64>> = every.iter().filter(allowed).collect();
    let most = sets
        .iter()
        .map(|set| largest(held, set))
        .min_by(|a, b| compare(*a, *b));
    for mix in [Mix::MinimumBills, Mix::EqualEmptying, Mix::MaxCashUnits] {
        let units = units(held);
        let amounts = [(EUR, u128::from(amount) * SCALE)];
        let request = Request {
            amounts: &amounts,
            units: &units,
            ready: &[],
            mix,
            max_items,
        };
        let mut counts = vec![0; units.len()];
        let outcome = denominate(&request, &mut counts, &mut Work::new(WORK_LIMIT));
        let shown = format!(
            "{amount} from {held:?}, {mix:?}, at most {max_items:?}: {outcome:?} {counts:?}"
        );
        let Some(most) = most else {
            match outcome {
                Err(Failure::NotDispensable(_)) => assert!(every.is_empty(), "{shown}"),
                Err(Failure::TooManyItems(need)) => {
                    let least = every.iter().map(|set| set.iter().sum::<u64>()).min();
                    assert_eq!(least, Some(need), "{shown}");
                }
                _ => panic!("{shown}"),
            }
            continue;
        };
        assert_eq!(outcome, Ok(counts.iter().sum()), "{shown}");
        assert!(sets.contains(&&counts), "{shown}");
        for set in &sets {
            let order = by_mix(mix, held, amount, most, &counts, set);
            assert_ne!(order, Ordering::Greater, "{shown}, {set:?} is better");
        }
    }
}

/// Every case of three units, with and without a limit of items, of which every `part` is taken.
fn small_cases(part: usize) {
    let kinds: Vec<(u64, u64)> = VALUES
        .iter()
        .flat_map(|value| COUNTS.map(|count| (*value, count)))
        .collect();
    let mut number = 0;
    for &a in &kinds {
        for &b in &kinds {
            for &c in &kinds {
                let held: Held = vec![a, b, c];
                let total: u64 = held.iter().map(|(value, count)| value * count).sum();
                for amount in 1..=total {
                    number += 1;
                    if number % part == 0 {
                        check(&held, amount, None);
                        check(&held, amount, Some(amount % 7));
                    }
                }
            }
        }
    }
}

/// What an amount is answered, and in how many steps.
fn answered(units: &[Unit], amount: u64, mix: Mix, limit: u64) -> (Result<u64, Failure>, u64) {
    let amounts = [(EUR, u128::from(amount) * SCALE)];
    let request = Request {
        amounts: &amounts,
        units,
        ready: &[],
        mix,
        max_items: None,
    };
    let work = &mut Work::new(limit);
    let outcome = denominate(&request, &mut vec![0; units.len()], work);
    (outcome, limit - work.left())
}

#[test]
fn small_cases_are_solved_as_by_trying_all() {
    // A prime, so that all values, counts and amounts meet.
    small_cases(101);
}

#[test]
#[ignore = "takes minutes; in release"]
fn all_small_cases_are_solved_as_by_trying_all() {
    small_cases(1);
}

#[test]
fn no_value_is_so_large_that_memory_does_not_suffice() {
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 16) % below
    };
    for digits in 6..13 {
        let ten = 10u64.pow(digits);
        let held: Held = (0..39).map(|_| (ten + next(ten), 900)).collect();
        let amount: u64 = 1 + held.iter().map(|(value, _)| value * next(900)).sum::<u64>();
        let units = units(&held);
        for mix in [Mix::MinimumBills, Mix::EqualEmptying, Mix::MaxCashUnits] {
            // That they are answered at all is what is looked at.
            let _ = answered(&units, amount, mix, 200_000);
        }
    }
}

#[test]
fn what_once_took_long_ends_far_below_the_limit() {
    let tens = |place: u64| {
        (
            10 * (20 + place * place * 7919 % 271),
            20 + place * 37 % 180,
        )
    };
    let mut scarce_ones: Held = (1..63).map(tens).collect();
    scarce_ones.push((1, 156));
    let cases: [(u64, Held); 4] = [
        (
            4_999_925,
            vec![(2003, 67_846), (2998, 90_905), (1008, 54_089)],
        ),
        (
            9_228_455,
            vec![
                (1998, 2508),
                (997, 144),
                (2999, 1752),
                (1998, 2753),
                (2998, 1690),
                (2999, 1380),
            ],
        ),
        (
            6_731_431,
            vec![
                (1, 1800),
                (1160, 1102),
                (2700, 1172),
                (1900, 639),
                (1520, 2692),
            ],
        ),
        (3_953_185, scarce_ones),
    ];
    for (amount, held) in cases {
        let units = units(&held);
        for mix in [Mix::MinimumBills, Mix::EqualEmptying, Mix::MaxCashUnits] {
            let (outcome, steps) = answered(&units, amount, mix, WORK_LIMIT);
            let shown = format!("{amount} from {held:?}, {mix:?}: {outcome:?}, {steps} steps");
            assert!(outcome.is_ok() && steps < WORK_LIMIT / 5, "{shown}");
        }
    }
}

/// Cases of `denominate_many` that took longest before the numbers of one pile were looked at, and the steps that they
/// may take.
#[test]
fn one_odd_value_among_round_ones_takes_few_steps() {
    let round = |place: u64| (10 * (11 + place * place * 7919 % 281), 3 + place * 37 % 190);
    let tens: Held = (1..62).map(round).collect();
    for (odd, amount) in [((1, 891), 49_633), ((1, 2103), 1_415_681), ((5, 7), 36_605)] {
        let mut held = tens.clone();
        held.push(odd);
        let (outcome, steps) = answered(&units(&held), amount, Mix::MinimumBills, WORK_LIMIT);
        let shown = format!("{amount} from {held:?}: {outcome:?}, {steps} steps");
        assert!(outcome.is_ok() && steps < 2_000, "{shown}");
    }
}

#[test]
fn a_unit_that_can_give_nothing_changes_nothing() {
    // The even share, rounded down, is no item of any unit: the smallest share is looked for above it.
    check(&[(2, 6), (1, 6), (4, 2)], 4, None);
    check(&[(2, 6), (1, 6)], 4, None);
}
