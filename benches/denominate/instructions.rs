//! Solves every case once, each in a call that callgrind can tell apart.

mod cases;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measured_denomination(case: &cases::Case) -> usize {
    case.solve().map_or(0, |counts| counts.len())
}

fn main() {
    for case in cases::all() {
        std::hint::black_box(measured_denomination(std::hint::black_box(&case)));
        println!("{}", case.name);
    }
}
