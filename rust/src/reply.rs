//! What a service sends: acknowledges, events and completions as finished WebSocket frames.
//!
//! A reply is built front to back in one buffer: room for the longest frame header, then the
//! JSON up to the payload. The payload, which may be large, is not copied into it; the parts
//! are joined once, by the caller, in memory of the final size.

use crate::json::plain_length;

/// Longest payload of a control frame.
pub const MAX_CONTROL: usize = 125;

/// Longest header of a frame without a mask.
const MAX_HEADER: usize = 10;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A frame in parts: `head`, `body`, `tail` follow each other on the wire.
#[derive(Debug)]
pub struct Reply<'a> {
    buffer: &'a [u8],
    body: &'a [u8],
    tail: &'static [u8],
}

impl Reply<'_> {
    /// Bytes of the frame.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.body.len() + self.tail.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts, in order.
    pub fn parts(&self) -> [&[u8]; 3] {
        [self.buffer, self.body, self.tail]
    }
}

/// The payload that was given is not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnObject;

/// What stands in the header of each message.
#[derive(Debug, Clone, Copy)]
pub struct Address<'a> {
    /// The message's name.
    pub name: &'a str,
    /// The request id; None only in unsolicited events.
    pub request_id: Option<i64>,
    /// The message's version; None for the envelope of 2021-1.
    pub version: Option<&'a str>,
}

/// Acknowledge a command: accepted without `status`, else refused with it.
///
/// Only the envelope of 2021-1 has a place for a description.
pub fn acknowledge<'a>(
    buffer: &'a mut Vec<u8>,
    address: Address<'_>,
    status: Option<&str>,
    error_description: Option<&str>,
) -> Reply<'a> {
    begin(buffer, address, "acknowledge");
    if address.version.is_none() {
        buffer.extend_from_slice(b"},\"payload\":{\"status\":");
        string(buffer, status.unwrap_or("ok"));
        property(buffer, b",\"errorDescription\":", error_description);
    } else {
        property(buffer, b",\"status\":", status);
    }
    finish(buffer, b"", b"}}")
}

/// Complete a command; `payload` is the text of a JSON object.
///
/// Without a code it succeeded: only the envelope of 2021-1 says so in a word.
///
/// # Errors
/// `NotAnObject` if the payload is not one.
pub fn completion<'a>(
    buffer: &'a mut Vec<u8>,
    address: Address<'_>,
    code: Option<&str>,
    error_description: Option<&str>,
    payload: Option<&'a [u8]>,
) -> Result<Reply<'a>, NotAnObject> {
    let payload = payload.map(object).transpose()?;
    begin(buffer, address, "completion");
    let legacy = address.version.is_none();
    if legacy {
        buffer.extend_from_slice(b"},\"payload\":{\"completionCode\":");
        string(buffer, code.unwrap_or("success"));
    } else {
        property(buffer, b",\"completionCode\":", code);
    }
    property(buffer, b",\"errorDescription\":", error_description);
    Ok(match (payload, legacy) {
        (None, _) => finish(buffer, b"", b"}}"),
        (Some(payload), false) => {
            buffer.extend_from_slice(b"},\"payload\":");
            finish(buffer, payload, b"}")
        }
        (Some(payload), true) => {
            // Its properties join those of the envelope: from behind its brace to its end.
            let properties = payload.get(1..).unwrap_or_default().trim_ascii_start();
            if properties.len() > 1 {
                buffer.push(b',');
            }
            finish(buffer, properties, b"}")
        }
    })
}

/// Report an event: of the command with the request id, or, without one, unsolicited.
///
/// `unsolicited` is the type that the latter has on the wire.
///
/// # Errors
/// `NotAnObject` if the payload is not one.
pub fn event<'a>(
    buffer: &'a mut Vec<u8>,
    address: Address<'_>,
    payload: Option<&'a [u8]>,
    unsolicited: &str,
) -> Result<Reply<'a>, NotAnObject> {
    let payload = payload.map(object).transpose()?;
    begin(
        buffer,
        address,
        if address.request_id.is_some() {
            "event"
        } else {
            unsolicited
        },
    );
    Ok(match payload {
        None => finish(buffer, b"", b"}}"),
        Some(payload) => {
            buffer.extend_from_slice(b"},\"payload\":");
            finish(buffer, payload, b"}")
        }
    })
}

/// A ping; None if the payload is longer than a control frame may carry.
pub fn ping(payload: &[u8]) -> Option<Vec<u8>> {
    control(PING, payload)
}

/// A pong; None if the payload is longer than a control frame may carry.
pub fn pong(payload: &[u8]) -> Option<Vec<u8>> {
    control(PONG, payload)
}

/// A close, its reason cut to what a control frame carries; None if the code must not be sent.
pub fn close(code: u16, reason: &str) -> Option<Vec<u8>> {
    if !may_send_close(code) {
        return None;
    }
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    control(CLOSE, &payload)
}

/// Whether a close frame may carry `code` (RFC 6455, 7.4, and its registry).
pub fn may_send_close(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn control(first: u8, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(payload.len())
        .ok()
        .filter(|&length| usize::from(length) <= MAX_CONTROL)?;
    let mut frame = vec![first, length];
    frame.extend_from_slice(payload);
    Some(frame)
}

/// The payload without space around it, if it looks like an object; its writer vouches for the rest.
fn object(payload: &[u8]) -> Result<&[u8], NotAnObject> {
    let payload = payload.trim_ascii();
    if payload.len() >= 2 && payload.first() == Some(&b'{') && payload.last() == Some(&b'}') {
        Ok(payload)
    } else {
        Err(NotAnObject)
    }
}

/// Empty the buffer and write everything that all headers share.
#[inline]
fn begin(buffer: &mut Vec<u8>, address: Address<'_>, kind: &str) {
    buffer.clear();
    buffer.extend_from_slice(&[0; MAX_HEADER]);
    buffer.extend_from_slice(b"{\"header\":{\"name\":");
    string(buffer, address.name);
    if let Some(request_id) = address.request_id {
        buffer.extend_from_slice(b",\"requestId\":");
        buffer.extend_from_slice(itoa::Buffer::new().format(request_id).as_bytes());
    }
    buffer.extend_from_slice(b",\"type\":\"");
    buffer.extend_from_slice(kind.as_bytes());
    buffer.push(b'"');
    property(buffer, b",\"version\":", address.version);
}

/// Put the frame's header in front, now that the length is known.
#[inline]
fn finish<'a>(buffer: &'a mut [u8], body: &'a [u8], tail: &'static [u8]) -> Reply<'a> {
    let length = buffer.len() - MAX_HEADER + body.len() + tail.len();
    let mut header = [0; MAX_HEADER];
    let (short, extended): (u8, &[u8]) = match length {
        0..=125 => (length as u8, &[]),
        126..=0xFFFF => (126, &(length as u16).to_be_bytes()),
        _ => (127, &(length as u64).to_be_bytes()),
    };
    let start = MAX_HEADER - 2 - extended.len();
    let written = [TEXT, short].into_iter().chain(extended.iter().copied());
    for (place, byte) in header.iter_mut().skip(start).zip(written) {
        *place = byte;
    }
    for (place, byte) in buffer.iter_mut().zip(header) {
        *place = byte;
    }
    Reply {
        buffer: buffer.get(start..).unwrap_or_default(),
        body,
        tail,
    }
}

#[inline]
fn property(buffer: &mut Vec<u8>, key: &'static [u8], value: Option<&str>) {
    if let Some(value) = value {
        buffer.extend_from_slice(key);
        string(buffer, value);
    }
}

/// Write a JSON string.
#[inline]
fn string(buffer: &mut Vec<u8>, text: &str) {
    buffer.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest
            .split_at_checked(plain_length(rest))
            .unwrap_or((rest, &[]));
        buffer.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else {
            break;
        };
        escape(buffer, byte);
        rest = behind;
    }
    buffer.push(b'"');
}

#[cold]
fn escape(buffer: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digit = |value: u8| {
                if value < 10 {
                    b'0' + value
                } else {
                    b'a' + value - 10
                }
            };
            buffer.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                digit(byte >> 4),
                digit(byte & 0xF),
            ]);
            return;
        }
    };
    buffer.extend_from_slice(&[b'\\', short]);
}
