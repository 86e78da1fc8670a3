//! The corpora of the fuzz targets, and every input that once failed, hold what the targets assert.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../fuzz/checks.rs"]
mod checks;

use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let mut count = 0;
    for kind in ["corpus", "regressions"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz")
            .join(kind)
            .join(target);
        let Ok(files) = std::fs::read_dir(&directory) else {
            continue;
        };
        for file in files {
            check(&std::fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
    }
    assert!(count > 0, "no inputs for {target}");
}

#[test]
fn frames() {
    replay("frames", checks::frames);
}

#[test]
fn envelopes() {
    replay("envelope", checks::envelope);
}

#[test]
fn replies() {
    replay("replies", checks::replies);
}
