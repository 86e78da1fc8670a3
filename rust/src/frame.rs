//! WebSocket frames (RFC 6455) of a server, without I/O.
//!
//! The receiver keeps no raw input. What arrives is consumed at once: header bytes into a
//! small buffer until the header is complete, payload bytes unmasked straight onto the
//! message that is being put together, control payloads into a buffer of their own, so that
//! a ping may stand between two fragments. Hence one path serves frames that arrive whole,
//! byte by byte, or many in one read; and everything that RFC 6455 lets one refuse early
//! (a reserved bit, a length over the limit, broken UTF-8) is refused with the byte that
//! shows it, before the rest has been received or stored.

use crate::reply::{self, MAX_CONTROL};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Longest header of a frame: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;

/// What a buffer may keep between messages; a large message's memory is given back.
const KEPT: usize = 4096;

/// Payload is unmasked and checked in blocks that stay in the processor's nearest cache.
const BLOCK: usize = 16 * 1024;

/// The close code for "no code was given" (RFC 6455, 7.1.5).
pub const NO_CODE: u16 = 1005;

/// What a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A ping, to be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The client closes the connection; nothing follows. `NO_CODE` if it gave none.
    Close(u16, &'a str),
    /// The client broke RFC 6455 or a limit; nothing follows.
    Violation(Violation),
}

/// Ways to break RFC 6455 or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A reserved bit is set though no extension was agreed.
    ReservedBits,
    /// The opcode has no meaning.
    ReservedOpcode(u8),
    /// The frame is not masked.
    Unmasked,
    /// A control frame in fragments.
    FragmentedControl,
    /// A control frame longer than `MAX_CONTROL`.
    LongControl,
    /// A length that is not written in its shortest form, or is over 2^63 - 1.
    Length,
    /// A continuation of nothing.
    NothingToContinue,
    /// A new message while one is unfinished.
    Unfinished,
    /// A close frame with one byte.
    ShortClose,
    /// A close code that must not be sent.
    CloseCode(u16),
    /// A close reason that is not UTF-8.
    CloseReason,
    /// A binary message.
    Binary,
    /// A text that is not UTF-8; the offset is that of the message.
    Utf8(usize),
    /// A message over the limit.
    TooBig(usize),
}

impl Violation {
    /// The close code that answers it.
    pub fn code(self) -> u16 {
        match self {
            Violation::Binary => 1003,
            Violation::Utf8(_) | Violation::CloseReason => 1007,
            Violation::TooBig(_) => 1009,
            _ => 1002,
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Violation::ReservedBits => {
                f.write_str("a reserved bit is set, but no extension was agreed")
            }
            Violation::ReservedOpcode(opcode) => write!(f, "opcode {opcode} is reserved"),
            Violation::Unmasked => f.write_str("a client must mask its frames"),
            Violation::FragmentedControl => f.write_str("a control frame must not be fragmented"),
            Violation::LongControl => {
                write!(f, "a control frame carries at most {MAX_CONTROL} bytes")
            }
            Violation::Length => f.write_str("the length of a frame must be in its shortest form"),
            Violation::NothingToContinue => {
                f.write_str("a continuation without a message to continue")
            }
            Violation::Unfinished => f.write_str("a new message before the last one was finished"),
            Violation::ShortClose => f.write_str("a close frame with one byte; a code takes two"),
            Violation::CloseCode(code) => write!(f, "close code {code} must not be sent"),
            Violation::CloseReason => f.write_str("the reason of a close frame is not UTF-8"),
            Violation::Binary => f.write_str("a binary message; XFS4IoT sends text"),
            Violation::Utf8(at) => write!(f, "the message is not UTF-8 at byte {at}"),
            Violation::TooBig(limit) => write!(f, "the message is larger than {limit} bytes"),
        }
    }
}

/// A frame whose header is known and whose payload is arriving.
#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: u8,
    last: bool,
    /// The mask, turned so that its first byte belongs to the next byte of payload.
    mask: [u8; 4],
    missing: usize,
}

/// The client's bytes in, whole messages out.
#[derive(Debug)]
pub struct Receiver {
    max_message: usize,
    header: [u8; MAX_HEADER],
    header_length: usize,
    frame: Option<Frame>,
    /// A text message has begun, and this much of it is here.
    in_message: bool,
    message: Vec<u8>,
    /// How much of the message is known to be UTF-8.
    checked: usize,
    control: Vec<u8>,
    ended: bool,
}

impl Receiver {
    /// A receiver of messages of up to `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Receiver {
            max_message,
            header: [0; MAX_HEADER],
            header_length: 0,
            frame: None,
            in_message: false,
            message: Vec::new(),
            checked: 0,
            control: Vec::new(),
            ended: false,
        }
    }

    /// Bytes that wait for the rest of their frame or message.
    pub fn pending(&self) -> usize {
        self.header_length + self.message.len() + self.control.len()
    }

    /// Whether a close or a violation was seen: what comes now is ignored.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Take what arrived and hand over every item that is complete, in order.
    ///
    /// An error of `take` ends the receiver, for the items behind it are lost.
    pub fn receive<E>(
        &mut self,
        mut data: &[u8],
        mut take: impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut result = Ok(());
        while !self.ended {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match self.read_header(&mut data) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(violation) => {
                        self.end();
                        result = take(Item::Violation(violation));
                        break;
                    }
                },
            };
            match self.read_payload(frame, &mut data) {
                Ok(true) => result = self.hand_over(frame, &mut take),
                Ok(false) => break,
                Err(violation) => {
                    self.end();
                    result = take(Item::Violation(violation));
                }
            }
            if result.is_err() {
                self.end();
            }
        }
        if self.message.is_empty() && self.message.capacity() > KEPT {
            self.message = Vec::new();
        }
        result
    }

    /// Read a frame's header; None if it is not complete.
    #[inline]
    fn read_header(&mut self, data: &mut &[u8]) -> Result<Option<Frame>, Violation> {
        if self.header_length == 0 {
            // Most headers arrive in one piece and need no buffer.
            if let Some((frame, length)) = self.parse_header(data)? {
                *data = data.get(length..).unwrap_or_default();
                self.begin(frame);
                return Ok(Some(frame));
            }
        }
        // Byte by byte, so that no byte of the payload is taken along.
        while let Some((&byte, rest)) = data.split_first() {
            let Some(free) = self.header.get_mut(self.header_length) else {
                break;
            };
            *free = byte;
            self.header_length += 1;
            *data = rest;
            let header = self.header;
            if let Some((frame, _)) =
                self.parse_header(header.get(..self.header_length).unwrap_or_default())?
            {
                self.header_length = 0;
                self.begin(frame);
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn begin(&mut self, frame: Frame) {
        self.in_message |= frame.opcode == TEXT;
        self.frame = Some(frame);
    }

    /// The header at the beginning of `data` with its length, as far as it can be judged.
    #[inline]
    fn parse_header(&self, data: &[u8]) -> Result<Option<(Frame, usize)>, Violation> {
        let Some(&first) = data.first() else {
            return Ok(None);
        };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0F);
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let control = opcode >= CLOSE;
        match opcode {
            TEXT if self.in_message => return Err(Violation::Unfinished),
            CONTINUATION if !self.in_message => return Err(Violation::NothingToContinue),
            BINARY if self.in_message => return Err(Violation::Unfinished),
            BINARY => return Err(Violation::Binary),
            TEXT | CONTINUATION => {}
            CLOSE | PING | PONG if last => {}
            CLOSE | PING | PONG => return Err(Violation::FragmentedControl),
            _ => return Err(Violation::ReservedOpcode(opcode)),
        }
        let Some(&second) = data.get(1) else {
            return Ok(None);
        };
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & 0x7F;
        if control && usize::from(short) > MAX_CONTROL {
            return Err(Violation::LongControl);
        }
        let rest = data.get(2..).unwrap_or_default();
        let (length, after) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(&bytes) => (u64::from(u16::from_be_bytes(bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(&bytes) => (u64::from_be_bytes(bytes), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let least = match short {
            126 => 126,
            127 => 0x1_0000,
            _ => 0,
        };
        if length < least || length > i64::MAX as u64 {
            return Err(Violation::Length);
        }
        let missing = usize::try_from(length).unwrap_or(usize::MAX);
        if !control && missing > self.max_message.saturating_sub(self.message.len()) {
            return Err(Violation::TooBig(self.max_message));
        }
        let Some(&mask) = rest.get(after..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Ok(None);
        };
        Ok(Some((
            Frame {
                opcode,
                last,
                mask,
                missing,
            },
            2 + after + 4,
        )))
    }

    /// Take as much of the frame's payload as there is; true when it is complete.
    #[inline]
    fn read_payload(&mut self, mut frame: Frame, data: &mut &[u8]) -> Result<bool, Violation> {
        let (mut here, rest) = data.split_at_checked(frame.missing).unwrap_or((data, &[]));
        *data = rest;
        frame.missing -= here.len();
        let control = frame.opcode >= CLOSE;
        let whole = frame.last && frame.missing == 0;
        while !here.is_empty() {
            let (block, behind) = here.split_at_checked(BLOCK).unwrap_or((here, &[]));
            here = behind;
            let into = if control {
                &mut self.control
            } else {
                &mut self.message
            };
            let start = into.len();
            into.extend_from_slice(block);
            unmask(into.get_mut(start..).unwrap_or_default(), frame.mask);
            frame.mask.rotate_left(block.len() % 4);
            // A message that is complete is checked as a whole, when it is handed over.
            let complete = whole && behind.is_empty() && self.checked == 0;
            if !control && !complete {
                self.check_utf8()?;
            }
        }
        self.frame = (frame.missing > 0).then_some(frame);
        Ok(frame.missing == 0)
    }

    /// Check what has come of a text as far as it can be; the last character may be cut.
    fn check_utf8(&mut self) -> Result<(), Violation> {
        let unchecked = self.message.get(self.checked..).unwrap_or_default();
        match simdutf8::compat::from_utf8(unchecked) {
            Ok(_) => self.checked = self.message.len(),
            Err(error) => {
                self.checked += error.valid_up_to();
                if error.error_len().is_some() {
                    return Err(Violation::Utf8(self.checked));
                }
            }
        }
        Ok(())
    }

    /// Hand over what the complete `frame` completes, if anything.
    #[inline]
    fn hand_over<E>(
        &mut self,
        frame: Frame,
        take: &mut impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if frame.opcode < CLOSE {
            if !frame.last {
                return Ok(());
            }
            let result = match simdutf8::basic::from_utf8(&self.message) {
                Ok(text) => take(Item::Text(text)),
                Err(_) => {
                    let at = std::str::from_utf8(&self.message)
                        .map_or_else(|error| error.valid_up_to(), str::len);
                    self.ended = true;
                    take(Item::Violation(Violation::Utf8(at)))
                }
            };
            self.message.clear();
            self.checked = 0;
            self.in_message = false;
            return result;
        }
        let result = match frame.opcode {
            PING => take(Item::Ping(&self.control)),
            PONG => take(Item::Pong(&self.control)),
            _ => {
                self.ended = true;
                take(close(&self.control))
            }
        };
        self.control.clear();
        if self.ended {
            self.end();
        }
        result
    }

    /// Nothing more is taken or kept.
    fn end(&mut self) {
        *self = Receiver {
            ended: true,
            ..Receiver::new(self.max_message)
        };
    }
}

/// Read the payload of a close frame.
fn close(payload: &[u8]) -> Item<'_> {
    match payload {
        [] => Item::Close(NO_CODE, ""),
        [_] => Item::Violation(Violation::ShortClose),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !reply::may_send_close(code) {
                return Item::Violation(Violation::CloseCode(code));
            }
            match std::str::from_utf8(reason) {
                Ok(reason) => Item::Close(code, reason),
                Err(_) => Item::Violation(Violation::CloseReason),
            }
        }
    }
}

/// Mask or unmask `payload`, whose first byte belongs to the first byte of `mask`.
#[inline]
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}
