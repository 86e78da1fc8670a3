//! Where the time of framing goes, without Python: `cargo bench --bench framing`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use xfs4iot_core::envelope::{read_command, read_message};
use xfs4iot_core::frame::{Receiver, unmask};
use xfs4iot_core::reply::{Address, acknowledge, completion};

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A command of about `size` bytes: many small values, as most payloads are.
fn small_values(size: usize) -> String {
    let mut units = String::new();
    while units.len() + 130 < size {
        let separator = if units.is_empty() { "" } else { "," };
        units += &format!(
            r#"{separator}"u{}":{{"count":12,"value":20.5,"currency":"EUR","status":null}}"#,
            units.len()
        );
    }
    command(&format!("{{{units}}}"))
}

/// A command of about `size` bytes: one long string.
fn picture(size: usize) -> String {
    command(&format!(r#"{{"image":"{}"}}"#, "QUJD".repeat(size / 4)))
}

fn command(payload: &str) -> String {
    format!(
        r#"{{"header":{{"type":"command","name":"CashDispenser.Dispense","requestId":4711,"version":"2.0"}},"payload":{payload}}}"#
    )
}

fn frame(text: &str) -> Vec<u8> {
    let mut payload = text.as_bytes().to_vec();
    unmask(&mut payload, MASK);
    let mut frame = vec![0x81];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            frame.push(0xFE);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0xFF);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload);
    frame
}

fn receive(criterion: &mut Criterion) {
    let texts = [
        ("200 B", small_values(200)),
        ("2 KB", small_values(2048)),
        ("2 MB picture", picture(2_000_000)),
        ("2 MB small values", small_values(2_000_000)),
    ];
    for (size, text) in &texts {
        let mut group = criterion.benchmark_group(*size);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let frame = frame(text);
        let mut receiver = Receiver::new(4_000_000);
        group.bench_function("receive", |bencher| {
            bencher.iter(|| {
                receiver.receive(black_box(&frame), |item| {
                    black_box(item);
                    Ok::<(), ()>(())
                })
            });
        });
        group.bench_function("command", |bencher| {
            bencher.iter(|| drop(black_box(read_command(black_box(text)))))
        });
        group.bench_function("message", |bencher| {
            bencher.iter(|| drop(black_box(read_message(black_box(text)))))
        });
    }
}

fn reply(criterion: &mut Criterion) {
    let address = Address {
        name: "CashDispenser.Dispense",
        request_id: Some(4711),
        version: Some("2.0"),
    };
    let mut buffer = Vec::new();
    let mut group = criterion.benchmark_group("reply");
    group.bench_function("acknowledge", |bencher| {
        bencher.iter(|| acknowledge(&mut buffer, black_box(address), None, None).len());
    });
    let payload = br#"{"values":{"unit1":3,"unit2":1},"denomination":{"currencies":{"EUR":70}}}"#;
    group.bench_function("completion", |bencher| {
        bencher.iter(|| {
            let reply = completion(&mut buffer, black_box(address), None, None, Some(payload));
            reply.map(|reply| reply.len())
        });
    });
}

criterion_group!(benches, receive, reply);
criterion_main!(benches);
