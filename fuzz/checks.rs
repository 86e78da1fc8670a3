//! What must hold for any bytes: the bodies of the fuzz targets, which `cargo test` runs over
//! the corpora and over every input that once failed.

use xfs4iot_core::envelope::{MAX_NAME, read_command, read_message};
use xfs4iot_core::frame::{Item, Receiver};
use xfs4iot_core::reply::{Address, acknowledge, close, completion, event, ping, pong};

const MAX_MESSAGE: usize = 4096;

/// Every item a receiver gives, when the stream is cut where `cuts` says.
fn items(stream: &[u8], cuts: &[u8]) -> Vec<String> {
    let mut receiver = Receiver::new(MAX_MESSAGE);
    let mut found = Vec::new();
    let mut rest = stream;
    for cut in cuts.iter().map(|&cut| usize::from(cut)).chain([usize::MAX]) {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        rest = after;
        let taken: Result<(), ()> = receiver.receive(piece, |item| {
            found.push(match item {
                Item::Text(text) => {
                    assert!(text.len() <= MAX_MESSAGE);
                    let _ = read_command(text);
                    format!("text {text}")
                }
                other => format!("{other:?}"),
            });
            Ok(())
        });
        assert!(taken.is_ok());
        assert!(receiver.pending() <= MAX_MESSAGE + 125 + 14);
    }
    found
}

/// Frames: however a stream is cut, the same items come; nothing follows the end; memory is bounded.
///
/// The first byte says how many of the next give the cuts.
pub fn frames(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else {
        return;
    };
    let (cuts, stream) = rest.split_at(usize::from(count % 16).min(rest.len()));
    let whole = items(stream, &[]);
    assert_eq!(whole, items(stream, cuts));
    assert_eq!(whole, items(stream, &vec![1; stream.len()]));
    let end = whole
        .iter()
        .position(|item| item.starts_with("Violation") || item.starts_with("Close"));
    assert!(end.is_none_or(|at| at + 1 == whole.len()));
}

/// The envelope: what is taken is JSON as `serde_json` reads it, and its header says what was noted.
pub fn envelope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let known: Result<serde_json::Value, _> = serde_json::from_str(text);
    let command = read_command(text);
    if let Ok(command) = &command {
        assert!(command.request_id > 0);
        assert!(!command.name.is_empty() && command.name.len() <= MAX_NAME);
    }
    match (&command, &known) {
        (Ok(command), Ok(value)) => {
            assert_eq!(value["header"]["name"], command.name.as_ref());
            assert_eq!(value["header"]["requestId"], command.request_id);
            let payload: Option<serde_json::Value> = command
                .payload
                .map(|payload| serde_json::from_str(payload).expect("a payload is JSON"));
            assert_eq!(payload.unwrap_or_default(), value["payload"]);
        }
        // JSON allows numbers that serde_json cannot hold.
        (Ok(_), Err(error)) => assert!(error.to_string().contains("out of range"), "{error}"),
        (Err(refusal), _) => {
            assert!(!refusal.reason.is_empty() && refusal.reason.len() < 1000);
            assert!(refusal.request_id >= 0);
        }
    }
    if let (Ok(message), Ok(value)) = (read_message(text), known) {
        assert_eq!(value["header"]["name"], message.name.as_ref());
    }
}

/// Replies: whatever name, version, description and payload they are made of, they are read back.
///
/// The parts are separated by zero bytes.
pub fn replies(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(5, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (name, version, code, description, payload) = (part(), part(), part(), part(), part());
    let address = Address {
        name,
        request_id: Some(i64::from(u32::MAX)),
        version: (!version.is_empty()).then_some(version),
    };
    let mut buffer = Vec::new();
    for kind in 0..3 {
        let payload = (!payload.is_empty()).then_some(payload.as_bytes());
        let built = match kind {
            0 => Ok(acknowledge(
                &mut buffer,
                address,
                Some(code),
                Some(description),
            )),
            1 => completion(
                &mut buffer,
                address,
                (!code.is_empty()).then_some(code),
                Some(description),
                payload,
            ),
            _ => event(&mut buffer, address, payload, "unsolicited"),
        };
        let Ok(built) = built else {
            continue;
        };
        let bytes = built.parts().concat();
        assert_eq!(bytes.len(), built.len());
        let start = match bytes.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        let text = std::str::from_utf8(bytes.get(start..).unwrap_or_default()).expect("text");
        // A payload is passed on as it is given; only without one is the whole ours.
        if kind == 0 || payload.is_none() {
            let value: serde_json::Value = serde_json::from_str(text).expect("a reply is JSON");
            assert_eq!(value["header"]["name"], name);
        }
    }
    for control in [
        ping(data),
        pong(data),
        close(u16::from(data.first().copied().unwrap_or(0)) * 20, text),
    ] {
        assert!(control.is_none_or(|control| control.len() <= 2 + 125));
    }
}
