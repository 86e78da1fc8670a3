//! Solves random cases by the million, and counts what does not end in time.
//!
//!     cargo run --release --example denominate_many [CASES [SEED [UNITS [MIX]]]]
//!     cargo run --release --example denominate_many FILE      the cases of a file, as they are printed
//!
//! Units hold what cash units hold: values up to 3,000, from none to some thousands of items, or as many
//! as there are coins; up to 64 of them. Amounts are anything up to all the cash.
//!
//! A case that is not quick is solved four times, and the quickest of them holds; of processor time where that
//! can be read, for what else a machine does is no matter of the solver. A number that stands for all answers tells
//! whether another solver has the same ones. Cases are printed as
//! `rust/tests/denominate_worst.txt` has them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
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
/// Cases that are shown for each mix, if no more are late.
const SHOWN: usize = 6;
/// What is late, and what may be.
const LATE: Duration = Duration::from_millis(1);
const PERHAPS: Duration = Duration::from_micros(400);

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

/// One way to solve a case.
struct Solved {
    took: Duration,
    steps: u64,
    outcome: Result<u64, Failure>,
    counts: Vec<u64>,
}

fn solve(held: &[(u64, u64)], amount: u64, mix: Mix, now: fn() -> Duration) -> Solved {
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
        ready: &[],
        mix,
        max_items: None,
    };
    let mut counts = vec![0; units.len()];
    let mut work = Work::new(WORK_LIMIT);
    let began = now();
    let outcome = denominate(&request, &mut counts, &mut work);
    Solved {
        took: now() - began,
        steps: WORK_LIMIT - work.left(),
        outcome,
        counts,
    }
}

/// Time since some moment.
fn time() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

/// Processor time of this thread, where there is a clock for it.
fn processor_time() -> Duration {
    #[cfg(unix)]
    {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a timespec that outlives the call.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        if failed == 0 {
            return Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
        }
    }
    time()
}

/// A case as `rust/tests/denominate_worst.txt` has it.
fn line(name: &str, held: &[(u64, u64)], amount: u64, solved: &Solved) -> String {
    let items = match solved.outcome {
        Ok(items) => items.to_string(),
        Err(Failure::WorkLimit) => "LIMIT".to_owned(),
        Err(_) => "none".to_owned(),
    };
    let units: Vec<String> = held
        .iter()
        .map(|(value, count)| format!("{value}x{count}"))
        .collect();
    let steps = solved.steps;
    format!("{name} {amount} {items} {steps} {}", units.join(","))
}

/// Solve a case, several times if it is not quick.
fn measured(held: &[(u64, u64)], amount: u64, mix: Mix) -> Solved {
    let mut solved = solve(held, amount, mix, time);
    if solved.took > PERHAPS {
        let again = (0..4).map(|_| solve(held, amount, mix, processor_time).took);
        solved.took = again.min().unwrap_or(solved.took);
    }
    solved
}

/// Solve the cases of a file, and print what they take now.
fn again(text: &str) {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    for case in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = case.split(' ').collect();
        let [name, amount, _, _, units] = words[..] else {
            panic!("mix, amount, items, steps, units: {case}");
        };
        let held: Vec<(u64, u64)> = units
            .split(',')
            .map(|unit| unit.split_once('x').expect("a value x items"))
            .map(|(value, count)| (number(value), number(count)))
            .collect();
        let mix = MIXES.iter().find(|(known, _)| *known == name);
        let solved = measured(&held, number(amount), mix.expect("a mix").1);
        println!("# {:?}", solved.took);
        println!("{}", line(name, &held, number(amount), &solved));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(path) = arguments.first()
        && let Ok(text) = std::fs::read_to_string(path)
    {
        return again(&text);
    }
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
    let mut worst: [Vec<(Duration, String)>; 3] = Default::default();
    let (mut limits, mut late) = ([0u64; 3], [0u64; 3]);
    let mut answers = [
        DefaultHasher::new(),
        DefaultHasher::new(),
        DefaultHasher::new(),
    ];
    let (mut all, mut most) = ([Duration::ZERO; 3], [0u64; 3]);
    for _ in 0..cases {
        let (held, amount) = draw(&mut random, units);
        for (place, (name, mix)) in MIXES.iter().enumerate() {
            if only.is_some_and(|only| only != name) {
                continue;
            }
            let solved = measured(&held, amount, *mix);
            let took = solved.took;
            // What failed has no counts.
            let items = solved.outcome.ok();
            (items, items.map(|_| &solved.counts)).hash(&mut answers[place]);
            limits[place] += u64::from(solved.outcome == Err(Failure::WorkLimit));
            late[place] += u64::from(took > LATE);
            all[place] += took;
            most[place] = most[place].max(solved.steps);
            let list = &mut worst[place];
            if took > LATE || list.len() < SHOWN || list.last().is_some_and(|last| last.0 < took) {
                list.push((took, line(name, &held, amount, &solved)));
                list.sort_by_key(|one| std::cmp::Reverse(one.0));
                list.truncate(SHOWN.max(late[place] as usize));
            }
        }
    }
    for (place, (name, _)) in MIXES.iter().enumerate() {
        println!(
            "# {name}: {cases} cases, {} at the limit, {} above {LATE:?}, mean {:?}, {} steps at most, answers {:016x}",
            limits[place],
            late[place],
            all[place].div_f64(cases.max(1) as f64),
            most[place],
            answers[place].finish()
        );
        for (took, case) in &worst[place] {
            println!("# {took:?}\n{case}");
        }
    }
}
