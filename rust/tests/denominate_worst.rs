//! What took the solver longest of millions of random realistic cases, guarded by the steps that it takes.
//!
//! Steps do not depend on the machine, nor does an answer: each is found with the vectors that this one has, and with
//! those that all have. A change that brings a case above its number says what it gains elsewhere,
//! and writes the new number into `denominate_worst.txt`; one that brings many down writes those.

use xfs4iot_core::denominate::wide::plainly;
use xfs4iot_core::denominate::{
    Currency, Failure, Mix, Request, SCALE, Unit, WORK_LIMIT, Work, denominate,
};

const EUR: Currency = Currency(*b"EUR");
const CASES: &str = include_str!("denominate_worst.txt");

struct Case {
    mix: Mix<'static>,
    amount: u128,
    items: Option<u64>,
    steps: u64,
    units: Vec<Unit>,
}

impl Case {
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let [mix, amount, items, steps, units] = words[..] else {
            panic!("five words: {line}");
        };
        let unit = |text: &str| {
            let (value, count) = text.split_once('x').expect("a value x items");
            Unit {
                currency: EUR,
                value: number(value) * SCALE as u64,
                count: number(count),
                minimum: 0,
                maximum: u64::MAX,
            }
        };
        Self {
            mix: match mix {
                "minimumBills" => Mix::MinimumBills,
                "equalEmptying" => Mix::EqualEmptying,
                "maxCashUnits" => Mix::MaxCashUnits,
                _ => panic!("a mix: {line}"),
            },
            amount: u128::from(number(amount)) * SCALE,
            items: (items != "none").then(|| number(items)),
            steps: number(steps),
            units: units.split(',').map(unit).collect(),
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[test]
fn the_slowest_cases_take_no_more_steps_than_they_did() {
    let lines = CASES.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let case = Case::read(line);
        let request = Request {
            amounts: &[(EUR, case.amount)],
            units: &case.units,
            ready: &[],
            mix: case.mix,
            max_items: None,
        };
        let solve = |plain| {
            plainly(plain);
            let mut work = Work::new(WORK_LIMIT);
            let mut counts = vec![0; case.units.len()];
            let outcome = denominate(&request, &mut counts, &mut work);
            (outcome, counts, WORK_LIMIT - work.left())
        };
        let (outcome, counts, steps) = solve(false);
        assert_eq!(
            solve(true),
            (outcome, counts, steps),
            "without vectors of this machine's own: {line}"
        );
        let expected = case.items.ok_or(Failure::NotDispensable(EUR));
        assert_eq!(outcome, expected, "{line}");
        // A little above, for what may be changed without a thought.
        assert!(
            steps <= case.steps + case.steps / 10 + 64,
            "{steps} steps: {line}"
        );
    }
}
