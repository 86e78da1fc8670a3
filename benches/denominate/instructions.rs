//! Solves one case as often as it is told, for `benches/guard/instructions.py` to count.
//!
//!     denominate_guard CASE TIMES     without arguments: the names of the cases

mod cases;

/// What follows the name of a case if the units are read before.
const BEFORE: &str = "; units read before";

fn main() {
    // Counts are the same on every machine of a kind.
    xfs4iot_core::denominate::wide::plainly(true);
    let mut arguments = std::env::args().skip(1);
    let Some(wanted) = arguments.next() else {
        for case in cases::all() {
            println!("{0}\n{0}{BEFORE}", case.name);
        }
        return;
    };
    let times: usize = arguments
        .next()
        .and_then(|times| times.parse().ok())
        .unwrap_or(0);
    let name = wanted.strip_suffix(BEFORE);
    let (name, before) = (name.unwrap_or(&wanted), name.is_some());
    for case in cases::all().iter().filter(|case| case.name == name) {
        for _ in 0..times {
            std::hint::black_box(std::hint::black_box(case).solve(before).is_ok());
        }
    }
}
