//! What arrives in whatever pieces gives the same messages; nothing that arrives panics; what is
//! taken for JSON is JSON.

#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use xfs4iot_core::envelope::{Status, read_command, read_message};
use xfs4iot_core::frame::{Item, Receiver, unmask};
use xfs4iot_core::json::{has_more_values, may_have_extremes};
use xfs4iot_core::reply::{Address, acknowledge, completion, event};

const MASK: [u8; 4] = [0x12, 0x9A, 0x00, 0xFF];

fn frame(payload: &[u8], first: u8) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=65535 => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    let mut masked = payload.to_vec();
    unmask(&mut masked, MASK);
    out.extend(masked);
    out
}

fn items(stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut receiver = Receiver::new(1 << 16);
    let mut found = Vec::new();
    let mut rest = stream;
    for cut in cuts.iter().chain([&usize::MAX]) {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        rest = after;
        let taken: Result<(), ()> = receiver.receive(piece, |item| {
            found.push(match item {
                Item::Text(text) => format!("text {text}"),
                other => format!("{other:?}"),
            });
            Ok(())
        });
        taken.unwrap();
    }
    found
}

/// A message in fragments, with a ping between each two of them.
fn fragmented(text: &str, pieces: usize) -> Vec<u8> {
    let bytes = text.as_bytes();
    let size = (bytes.len() / pieces).max(1);
    let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
    let mut out = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let last = if index + 1 == chunks.len() { 0x80 } else { 0 };
        out.extend(frame(chunk, last | u8::from(index == 0)));
        out.extend(frame(b"?", 0x89));
    }
    out
}

proptest! {
    #[test]
    fn any_split_gives_the_messages_of_the_whole(
        texts in prop::collection::vec("\\PC{1,200}", 1..5),
        pieces in 1usize..6,
        cuts in prop::collection::vec(0usize..40, 0..60),
    ) {
        let stream: Vec<u8> = texts.iter().flat_map(|text| fragmented(text, pieces)).collect();
        let whole = items(&stream, &[]);
        prop_assert_eq!(&items(&stream, &cuts), &whole);
        let messages: Vec<String> = whole.iter().filter(|item| item.starts_with("text ")).cloned().collect();
        let sent: Vec<String> = texts.iter().map(|text| format!("text {text}")).collect();
        prop_assert_eq!(messages, sent);
    }

    #[test]
    fn no_bytes_panic_and_nothing_follows_a_violation(
        stream in prop::collection::vec(any::<u8>(), 0..400),
        cuts in prop::collection::vec(0usize..20, 0..40),
    ) {
        let found = items(&stream, &cuts);
        prop_assert_eq!(&found, &items(&stream, &[]));
        let ends = found.iter().position(|item| item.starts_with("Violation") || item.starts_with("Close"));
        prop_assert!(ends.is_none_or(|at| at + 1 == found.len()));
    }

    #[test]
    fn a_text_message_is_utf8_exactly_where_the_standard_library_says_so(
        payload in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let found = items(&frame(&payload, 0x81), &[]);
        let is_text = found.first().is_some_and(|item| item.starts_with("text "));
        prop_assert_eq!(is_text, std::str::from_utf8(&payload).is_ok());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,300}|[\\[\\]{}\",:0-9eE.+\\\\u \\-tfn]{0,80}") {
        let _ = read_command(&text);
        let _ = read_message(&text);
    }

    #[test]
    fn what_is_taken_for_json_is_json(
        payload in "[\\[\\]{}\",:0-9eE.+\\\\u\\-tfnrulase ]{0,40}",
    ) {
        let header = r#"{"type":"command","name":"A.B","requestId":1,"version":"1.0"}"#;
        let text = format!(r#"{{"header":{header},"payload":{payload}}}"#);
        let known: Result<serde_json::Value, _> = serde_json::from_str(&text);
        match (read_command(&text), known) {
            (Ok(command), Ok(value)) => {
                let ours: Option<serde_json::Value> =
                    command.payload.map(|payload| serde_json::from_str(payload).unwrap());
                prop_assert_eq!(ours.unwrap_or_default(), value["payload"].clone());
            }
            // serde_json refuses numbers beyond f64, which JSON allows.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{text}: {error}"),
            (Err(refusal), Ok(value)) => {
                prop_assert!(!value["payload"].is_object() && !value["payload"].is_null(), "{text}: {refusal:?}");
            }
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn a_reply_is_read_back_as_it_was_built(
        name in "[A-Za-z.\"\\\\é]{1,30}",
        request_id in 1i64..,
        old in any::<bool>(),
        description in prop::option::of("\\PC{0,40}"),
    ) {
        let version = (!old).then_some("2.0");
        let address = Address { name: &name, request_id: Some(request_id), version };
        let mut buffer = Vec::new();
        for built in ["acknowledge", "completion", "event"] {
            let reply = match built {
                "acknowledge" => acknowledge(&mut buffer, address, Some("invalidMessage"), description.as_deref()),
                "completion" => {
                    completion(&mut buffer, address, Some("timeOut"), description.as_deref(), Some(b"{\"a\":1}")).unwrap()
                }
                _ => event(&mut buffer, address, Some(b"{\"a\":1}"), "unsolicited").unwrap(),
            };
            let bytes: Vec<u8> = reply.parts().concat();
            let start = if bytes[1] < 126 { 2 } else { 4 };
            let text = std::str::from_utf8(&bytes[start..]).unwrap();
            let message = read_message(text).unwrap();
            prop_assert_eq!(message.kind.as_ref(), built);
            prop_assert_eq!(message.name.as_ref(), name.as_str());
            prop_assert_eq!(message.request_id, Some(request_id));
            if built == "completion" {
                prop_assert_eq!(message.completion_code.as_deref(), Some("timeOut"));
                prop_assert_eq!(message.error_description.as_deref(), description.as_deref());
                let payload: serde_json::Value = serde_json::from_str(message.payload.unwrap()).unwrap();
                prop_assert_eq!(&payload["a"], 1);
            }
        }
    }
}

#[test]
fn a_request_id_that_is_no_positive_integer_is_refused_as_such() {
    for bad in [
        "0",
        "-1",
        "1.5",
        "\"1\"",
        "null",
        "9223372036854775808",
        "1e2",
    ] {
        let text = format!(r#"{{"header":{{"type":"command","name":"A.B","requestId":{bad}}}}}"#);
        let refusal = read_command(&text).unwrap_err();
        assert_eq!(refusal.status, Status::InvalidRequestId, "{bad}");
        assert_eq!(refusal.name, "A.B");
    }
}

/// Any JSON, and how many members and elements it has.
fn counted() -> impl Strategy<Value = (String, usize)> {
    let text = r#"[a-z,\[{}" \\\\]{0,20}"#.prop_map(|text: String| format!("{text:?}"));
    let plain = prop_oneof![
        text,
        Just("-1.5e3".to_owned()),
        Just("null".to_owned()),
        Just("{ }".to_owned()),
        Just("[\n]".to_owned())
    ];
    plain
        .prop_map(|text| (text, 0))
        .prop_recursive(4, 64, 8, |inner| {
            let of_object = prop::collection::vec(inner.clone(), 1..8);
            let of_array = prop::collection::vec(inner, 1..8);
            let sum = |parts: &[(String, usize)]| {
                parts.len() + parts.iter().map(|(_, count)| count).sum::<usize>()
            };
            prop_oneof![
                of_object.prop_map(move |parts| {
                    let members: Vec<String> = parts
                        .iter()
                        .map(|(value, _)| format!("\"a,[\" : {value}"))
                        .collect();
                    (format!("{{ {} }}", members.join(" , ")), sum(&parts))
                }),
                of_array.prop_map(move |parts| {
                    let elements: Vec<&str> = parts.iter().map(|(value, _)| &**value).collect();
                    (format!("[{}]", elements.join(",")), sum(&parts))
                }),
            ]
        })
}

proptest! {
    #[test]
    fn members_and_elements_are_counted((text, count) in counted()) {
        prop_assert!(!has_more_values(text.as_bytes(), count), "{text}");
        if count > 0 {
            prop_assert!(has_more_values(text.as_bytes(), count - 1), "{text}");
        }
    }

    #[test]
    fn numbers_are_found_and_strings_are_none(
        before in "[a-z0-9e\\[{,]{0,30}",
        digits in "[1-9][0-9]{0,30}",
        tail in prop_oneof![Just(""), Just(".5"), Just("e5"), Just("E-5"), Just(".25e+7")],
    ) {
        let text = format!("{{\"{before}\": [{before:?}, -{digits}{tail}, \"{digits}e9\"]}}");
        let extreme = digits.len() >= 19 || tail.contains(['e', 'E']);
        prop_assert_eq!(may_have_extremes(text.as_bytes(), 19), extreme, "{}", text);
    }

    #[test]
    fn counting_ends_for_whatever_it_is_given(text in any::<Vec<u8>>()) {
        has_more_values(&text, usize::MAX);
        may_have_extremes(&text, 19);
    }
}
