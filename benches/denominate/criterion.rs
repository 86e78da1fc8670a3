//! The solver alone, without Python: `cargo bench --bench denominate`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

mod cases;

fn named_cases(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("denominate");
    for (place, case) in cases::all().iter().enumerate() {
        assert!(!case.name.is_empty());
        group.bench_function(format!("{place:02}"), |bencher| {
            bencher.iter(|| black_box(black_box(case).solve(false)))
        });
    }
    group.finish();
}

criterion_group!(benches, named_cases);
criterion_main!(benches);
