//! Looks for denominations that take long: random families, then hill climbing on steps.
//!
//!     cargo run --release --example denominate_adversary [SECONDS [SEED [MIX]]]
//!
//! Steps do not depend on how busy the machine is, so they are climbed on; the times of the worst
//! cases are printed with them. A case is printed as `denominate` is called for it.

use std::time::{Duration, Instant};

use xfs4iot_core::denominate::{
    Currency, Failure, Mix, Request, SCALE, Unit, WORK_LIMIT, Work, denominate,
};

const EUR: Currency = Currency(*b"EUR");
/// Changes of a case that are tried before another is drawn.
const CLIMB: u32 = 150;

/// Random numbers: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From `low` to `high`, both included.
    fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

#[derive(Clone, Debug)]
struct Case {
    family: &'static str,
    held: Vec<(u64, u64)>,
    amount: u64,
    max_items: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Cost {
    steps: u64,
    time: Duration,
    outcome: &'static str,
}

impl Case {
    fn draw(random: &mut Random) -> Case {
        const MONEY: [u64; 9] = [1, 2, 5, 10, 20, 50, 100, 200, 500];
        let stocks: &[u64] = random.pick(&[
            &[1, 2, 3][..],
            &[0, 1, 2, 7, 100, 3000],
            &[2000, 2500, 3000],
            &[1_000_000_000],
        ]);
        let (family, values): (_, Vec<u64>) = match random.range(0, 7) {
            0 => (
                "money",
                (0..random.range(2, 12))
                    .map(|_| random.pick(&MONEY))
                    .collect(),
            ),
            1 => {
                let least = random.range(50, 2000);
                let wide = random.pick(&[8, 30, 100]);
                let n = random.range(3, 24);
                (
                    "nearly equal",
                    (0..n).map(|_| least + random.range(0, wide)).collect(),
                )
            }
            2 => ("64 units", (0..64).map(|_| random.range(1, 3000)).collect()),
            3 => (
                "below 1000",
                (0..random.range(3, 12))
                    .map(|_| random.range(1, 1000))
                    .collect(),
            ),
            4 => (
                "below 100",
                (0..random.range(3, 30))
                    .map(|_| random.range(1, 100))
                    .collect(),
            ),
            5 => {
                let mut values = vec![500, 200, 100, 50, 20];
                values.extend((0..random.range(1, 4)).map(|_| random.range(1, 19)));
                ("notes and odd coins", values)
            }
            6 => {
                let least = random.range(900, 1100);
                (
                    "64 nearly equal",
                    (0..64)
                        .map(|place| least + 2 * place + random.range(0, 1))
                        .collect(),
                )
            }
            _ => {
                let ten = 10u64.pow(random.range(3, 6) as u32);
                (
                    "long values",
                    (0..random.range(3, 8))
                        .map(|_| random.range(ten, 10 * ten))
                        .collect(),
                )
            }
        };
        let held: Vec<(u64, u64)> = values
            .into_iter()
            .map(|value| (value, random.pick(stocks)))
            .collect();
        let mut case = Case {
            family,
            held,
            amount: 1,
            max_items: None,
        };
        case.draw_amount(random);
        case
    }

    fn total(&self) -> u64 {
        self.held.iter().map(|(value, count)| value * count).sum()
    }

    fn draw_amount(&mut self, random: &mut Random) {
        let total = self.total().max(1);
        self.amount = match random.range(0, 3) {
            0 => random.range(1, total),
            1 => random.range(1, total.min(40_000)),
            2 => total
                .saturating_sub(random.range(0, total.min(2000)))
                .max(1),
            _ => self
                .held
                .iter()
                .map(|(value, count)| value * random.range(0, *count))
                .sum::<u64>()
                .max(1),
        };
    }

    fn change(&self, random: &mut Random) -> Case {
        let mut case = self.clone();
        for _ in 0..random.range(1, 3) {
            let place = random.range(0, case.held.len() as u64 - 1) as usize;
            match random.range(0, 7) {
                0 => case.held[place].0 += random.range(1, 5),
                1 => {
                    case.held[place].0 =
                        case.held[place].0.saturating_sub(random.range(1, 5)).max(1)
                }
                2 => case.held[place].1 = random.pick(&[0, 1, 2, 3, 7, 50, 2000]),
                3 => case.draw_amount(random),
                4 => case.amount += random.range(1, 10),
                5 => case.amount = case.amount.saturating_sub(random.range(1, 10)).max(1),
                6 if case.held.len() < 64 => {
                    let (value, count) = case.held[place];
                    case.held.push((value + random.range(1, 9), count));
                }
                _ => {
                    let most = random.range(1, 1 + case.amount / 20);
                    case.max_items = random.pick(&[None, Some(most)]);
                }
            }
        }
        case
    }

    fn cost(&self, mix: Mix) -> Cost {
        let units: Vec<Unit> = self
            .held
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
            amounts: &[(EUR, u128::from(self.amount) * SCALE)],
            units: &units,
            ready: &[],
            mix,
            max_items: self.max_items,
        };
        let mut work = Work::new(WORK_LIMIT);
        let began = Instant::now();
        let mut counts = vec![0; units.len()];
        let outcome = denominate(&request, &mut counts, &mut work);
        Cost {
            steps: WORK_LIMIT - work.left(),
            time: began.elapsed(),
            outcome: match outcome {
                Ok(_) => "paid",
                Err(Failure::WorkLimit) => "WORK LIMIT",
                Err(_) => "not dispensable",
            },
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, or: u64| {
        arguments
            .get(place)
            .and_then(|text| text.parse().ok())
            .unwrap_or(or)
    };
    let (seconds, mut random) = (number(0, 20), Random(number(1, 1).max(1) * 0x9e37_79b9));
    let mix = match arguments.get(2).map(String::as_str) {
        Some("equalEmptying") => Mix::EqualEmptying,
        Some("maxCashUnits") => Mix::MaxCashUnits,
        _ => Mix::MinimumBills,
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut worst: Vec<(Cost, Case)> = Vec::new();
    let (mut tried, mut over) = (0u64, [0u64; 3]);
    while Instant::now() < end {
        let mut best = Case::draw(&mut random);
        let mut cost = best.cost(mix);
        let mut without = 0;
        while without < CLIMB && Instant::now() < end {
            let case = best.change(&mut random);
            let found = case.cost(mix);
            tried += 1;
            for (count, micros) in over.iter_mut().zip([100, 1000, 10_000]) {
                *count += u64::from(found.time > Duration::from_micros(micros));
            }
            if found.steps > cost.steps {
                (best, cost, without) = (case, found, 0);
            } else {
                without += 1;
            }
        }
        // Once more: the first time may have been interrupted.
        let again = best.cost(mix);
        cost.time = cost.time.min(again.time);
        worst.push((cost, best));
    }
    worst.sort_by_key(|(cost, _)| std::cmp::Reverse(cost.steps));
    println!(
        "{tried} cases, {} climbs; above 0.1 ms, 1 ms, 10 ms: {over:?}",
        worst.len()
    );
    let mut shown: Vec<&str> = Vec::new();
    for (cost, case) in &worst {
        if shown
            .iter()
            .filter(|family| **family == case.family)
            .count()
            < 2
        {
            shown.push(case.family);
            println!(
                "{:?} {} steps, {}: {:?}",
                cost.time, cost.steps, cost.outcome, case
            );
        }
    }
}
