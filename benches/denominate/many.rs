//! Solves random cases by the million, and counts what does not end in time.
//!
//!     cargo run --release --example denominate_many [CASES [SEED [UNITS [MIX]]]]
//!
//! Units hold what cash units hold: values up to 3,000, from none to some thousands of items, or as many
//! as there are coins; up to 64 of them. Amounts are anything up to all the cash.

use std::time::{Duration, Instant};

use xfs4iot_core::denominate::{
    Currency, Failure, Mix, Request, SCALE, Unit, WORK_LIMIT, Work, denominate,
};

const EUR: Currency = Currency(*b"EUR");
const MIXES: [(&str, Mix); 3] = [
    ("minimumBills", Mix::MinimumBills),
    ("equalEmptying", Mix::EqualEmptying),
    ("maxCashUnits", Mix::MaxCashUnits),
];
/// Cases that are shown for each mix.
const SHOWN: usize = 6;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

fn draw(random: &mut Random, units: Option<u64>) -> (Vec<(u64, u64)>, u64) {
    let n = units.unwrap_or_else(|| {
        let most = random.pick(&[4, 8, 12, 24, 64]);
        random.range(1, most)
    });
    let least = random.pick(&[1, 1, 1, 100, 900, 1900]);
    let most = random.pick(&[least + 100, 1000, 3000, 3000]).max(least);
    let step = random.pick(&[1, 1, 1, 5, 10]);
    let stock = random.pick(&[3, 20, 200, 3000, 3000, 100_000]);
    let held: Vec<(u64, u64)> = (0..n)
        .map(|_| {
            let value = (random.range(least, most) / step * step).max(1);
            (value, random.range(0, stock))
        })
        .collect();
    let total = held
        .iter()
        .map(|(value, count)| value * count)
        .sum::<u64>()
        .max(1);
    let amount = match random.range(0, 5) {
        0 | 1 => random.range(1, total),
        2 => random.range(1, total.min(50_000)),
        3 => total - random.range(0, (total - 1).min(3000)),
        4 => total - random.range(0, (total - 1).min(200_000)),
        _ => {
            let taken = held
                .iter()
                .map(|(value, count)| value * random.range(0, *count));
            taken.sum::<u64>().max(1)
        }
    };
    (held, amount)
}

fn solve(held: &[(u64, u64)], amount: u64, mix: Mix) -> (Duration, u64, bool) {
    let units: Vec<Unit> = held
        .iter()
        .map(|&(value, count)| Unit {
            currency: EUR,
            value: value * SCALE as u64,
            count,
            minimum: 0,
            maximum: u64::MAX,
        })
        .collect();
    let request = Request {
        amounts: &[(EUR, u128::from(amount) * SCALE)],
        units: &units,
        mix,
        max_items: None,
    };
    let mut counts = vec![0; units.len()];
    let mut work = Work::new(WORK_LIMIT);
    let began = Instant::now();
    let outcome = denominate(&request, &mut counts, &mut work);
    let took = began.elapsed();
    (
        took,
        WORK_LIMIT - work.left(),
        outcome == Err(Failure::WorkLimit),
    )
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| {
        arguments
            .get(place)
            .and_then(|text| text.parse::<u64>().ok())
    };
    let cases = number(0).unwrap_or(100_000);
    let mut random = Random(
        number(1)
            .unwrap_or(1)
            .max(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15),
    );
    let units = number(2).filter(|units| *units > 0);
    let only = arguments.get(3);
    let mut worst: [Vec<(Duration, u64, bool, String)>; 3] = Default::default();
    let (mut limits, mut late, mut later) = ([0u64; 3], [0u64; 3], [0u64; 3]);
    for _ in 0..cases {
        let (held, amount) = draw(&mut random, units);
        for (place, (name, mix)) in MIXES.iter().enumerate() {
            if only.is_some_and(|only| only != name) {
                continue;
            }
            let (mut took, steps, limit) = solve(&held, amount, *mix);
            if took > Duration::from_millis(1) && !limit {
                // Once more: the first time may have been interrupted.
                took = took.min(solve(&held, amount, *mix).0);
            }
            limits[place] += u64::from(limit);
            late[place] += u64::from(took > Duration::from_millis(1));
            later[place] += u64::from(took > Duration::from_millis(10));
            let list = &mut worst[place];
            if list.len() < SHOWN || list.last().is_some_and(|last| last.0 < took) {
                list.push((took, steps, limit, format!("{amount} from {held:?}")));
                list.sort_by_key(|one| std::cmp::Reverse(one.0));
                list.truncate(SHOWN);
            }
        }
    }
    for (place, (name, _)) in MIXES.iter().enumerate() {
        println!(
            "{name}: {cases} cases, {} at the limit, {} above 1 ms, {} above 10 ms",
            limits[place], late[place], later[place]
        );
        for (took, steps, limit, case) in &worst[place] {
            let mark = if *limit { " LIMIT" } else { "" };
            println!("  {took:?} {steps} steps{mark}: {case:.300}");
        }
    }
}
