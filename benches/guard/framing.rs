//! The work of framing, counted by `framing.py`: runs one case as often as it is told.
//!
//!     framing_guard CASE TIMES

use std::hint::black_box;

use xfs4iot_core::envelope::{read_command, read_message};
use xfs4iot_core::frame::{Item, Receiver, unmask};
use xfs4iot_core::reply::{Address, acknowledge, completion, event};

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const ADDRESS: Address<'_> = Address {
    name: "CashDispenser.Dispense",
    request_id: Some(4711),
    version: Some("2.0"),
};
const RESULT: &[u8] =
    br#"{"values":{"unit1":3,"unit2":1},"denomination":{"currencies":{"EUR":70}}}"#;

fn command(payload: &str) -> String {
    format!(
        r#"{{"header":{{"type":"command","name":"CashDispenser.Dispense","requestId":4711,"version":"2.0","timeout":30000}},"payload":{payload}}}"#
    )
}

fn units(count: usize) -> String {
    let unit = |number| {
        format!(r#""unit{number}":{{"count":12,"value":20.5,"currency":"EUR","status":null}}"#)
    };
    command(&format!(
        "{{{}}}",
        (0..count).map(unit).collect::<Vec<_>>().join(",")
    ))
}

fn picture() -> String {
    command(&format!(r#"{{"image":"{}"}}"#, "QUJD".repeat(4096)))
}

/// Masked frames of the text, in `pieces` fragments.
fn frames(text: &str, pieces: usize) -> Vec<u8> {
    let size = text.len().div_ceil(pieces);
    let mut out = Vec::new();
    for (index, piece) in text.as_bytes().chunks(size).enumerate() {
        let last = if (index + 1) * size >= text.len() {
            0x80
        } else {
            0
        };
        out.push(last | u8::from(index == 0));
        match piece.len() {
            length @ 0..=125 => out.push(0x80 | length as u8),
            length => {
                out.push(0xFE);
                out.extend((length as u16).to_be_bytes());
            }
        }
        out.extend(MASK);
        let mut payload = piece.to_vec();
        unmask(&mut payload, MASK);
        out.extend(payload);
    }
    out
}

/// Receive in reads of `read` bytes and read the envelope of every message.
fn receive(data: &[u8], read: usize, times: usize) {
    let mut receiver = Receiver::new(1 << 21);
    for _ in 0..times {
        for piece in black_box(data).chunks(read) {
            let taken: Result<(), ()> = receiver.receive(piece, |item| {
                if let Item::Text(text) = item {
                    drop(black_box(read_command(text)));
                }
                Ok(())
            });
            let _ = black_box(taken);
        }
    }
}

fn repeat(times: usize, mut run: impl FnMut()) {
    (0..times).for_each(|_| run());
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().unwrap_or_default();
    let times = arguments
        .next()
        .and_then(|times| times.parse().ok())
        .unwrap_or(0);
    let mut buffer = Vec::new();
    let whole = usize::MAX;
    match case.as_str() {
        "receive small" => receive(&frames(&units(1), 1), whole, times),
        "receive 2 KB" => receive(&frames(&units(28), 1), whole, times),
        "receive picture" => receive(&frames(&picture(), 1), whole, times),
        "receive fragments" => receive(&frames(&units(4), 5), whole, times),
        "receive byte by byte" => receive(&frames(&units(1), 1), 1, times),
        "receive 32 at once" => receive(&frames(&units(1), 1).repeat(32), whole, times),
        "refuse" => receive(&frames(&units(1).replace("4711", "0"), 1), whole, times),
        "read message" => {
            let text = units(4);
            repeat(times, || drop(black_box(read_message(black_box(&text)))));
        }
        "acknowledge" => repeat(times, || {
            black_box(acknowledge(&mut buffer, black_box(ADDRESS), None, None).len());
        }),
        "completion" => repeat(times, || {
            let reply = completion(&mut buffer, black_box(ADDRESS), None, None, Some(RESULT));
            black_box(reply.map(|reply| reply.len()).ok());
        }),
        "event" => repeat(times, || {
            black_box(
                event(&mut buffer, black_box(ADDRESS), Some(RESULT), "unsolicited")
                    .map(|reply| reply.len())
                    .ok(),
            );
        }),
        other => {
            eprintln!("no such case: {other:?}");
            std::process::exit(2);
        }
    }
}
