//! A strict RFC 8259 scanner: it checks syntax and finds where values lie, and builds nothing.
//!
//! A service needs four or five words of a message and must know that the rest is JSON; the
//! payload is decoded later, once, by whoever knows its type. So values are stepped over, not
//! read: one loop with the open containers as bits of a `u128`, no recursion and no memory.
//! Long strings (base64 pictures) are the bulk of large messages; they are searched in blocks
//! that compile to vector instructions, short ones by words of eight bytes.
//!
//! Stricter than the grammar in two points, because what is read must become text elsewhere:
//! an escaped surrogate without its partner is refused, and so is nesting beyond `MAX_DEPTH`.

use std::borrow::Cow;
use std::fmt;

/// Containers that may be open at once, the message itself being the first.
pub const MAX_DEPTH: u32 = 128;

/// What was wrong with a text that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The text stops where more must follow.
    Ended(&'static str),
    /// Something else stands where this was expected.
    Expected(&'static str, u8),
    /// A control character in a string that is not escaped.
    Control(u8),
    /// A backslash that begins no escape.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// A number such as `01`, `1.` or `-`.
    Number,
    /// A word other than `true`, `false` and `null`.
    Word,
    /// More containers are open than `MAX_DEPTH`.
    Depth,
    /// Something follows the value.
    Trailing,
    /// The text begins with a byte order mark.
    ByteOrderMark,
}

/// A fault and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// Offset in bytes from the beginning of the text.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Ended(expected) => write!(f, "the text ends where {expected} is expected")?,
            Fault::Expected(expected, found) => {
                write!(f, "{expected} is expected, found ")?;
                match found {
                    b'!'..=b'~' => write!(f, "{}", char::from(found))?,
                    _ => write!(f, "0x{found:02x}")?,
                }
            }
            Fault::Control(byte) => write!(
                f,
                "control character 0x{byte:02x} in a string must be escaped"
            )?,
            Fault::Escape => f.write_str("no such escape")?,
            Fault::Surrogate => f.write_str("half of a surrogate pair")?,
            Fault::Number => f.write_str("malformed number")?,
            Fault::Word => f.write_str("only true, false and null are words")?,
            Fault::Depth => write!(f, "nested deeper than {MAX_DEPTH}")?,
            Fault::Trailing => f.write_str("something follows the message's object")?,
            Fault::ByteOrderMark => f.write_str("a byte order mark is not allowed")?,
        }
        write!(f, " at byte {}", self.at)
    }
}

/// A value as it lies in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string: what is between the quotes.
    String(Raw<'a>),
    /// A number as written.
    Number(&'a str),
    /// An object, from brace to brace.
    Object(&'a str),
    /// An array.
    Array,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
}

impl Value<'_> {
    /// The kind of the value, for messages to people.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "a string",
            Value::Number(_) => "a number",
            Value::Object(_) => "an object",
            Value::Array => "an array",
            Value::Boolean => "a boolean",
            Value::Null => "null",
        }
    }
}

/// What lies between the quotes of a string whose syntax is known to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    text: &'a str,
    escaped: bool,
}

impl<'a> Raw<'a> {
    /// The string that it stands for.
    pub fn read(self) -> Cow<'a, str> {
        if self.escaped {
            Cow::Owned(unescape(self.text))
        } else {
            Cow::Borrowed(self.text)
        }
    }

    /// The string as the key of a property; escapes in keys are legal, though nobody writes them.
    #[inline]
    fn with_key<R>(self, take: impl FnOnce(&str) -> R) -> R {
        if self.escaped {
            take(&unescape(self.text))
        } else {
            take(self.text)
        }
    }
}

/// Replace the escapes of a string whose syntax has been checked.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut characters = after.chars();
        let replaced = match characters.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = hex(characters.as_str().as_bytes());
                characters = after.get(5..).unwrap_or_default().chars();
                let code = match high {
                    Some(high @ 0xD800..0xDC00) => {
                        let low = after.as_bytes().get(7..).and_then(hex).unwrap_or_default();
                        characters = after.get(11..).unwrap_or_default().chars();
                        0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF)
                    }
                    code => code.unwrap_or_default(),
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(same) => same,
            None => break,
        };
        out.push(replaced);
        rest = characters.as_str();
    }
    out.push_str(rest);
    out
}

/// The number that the first four bytes spell in hexadecimal.
fn hex(text: &[u8]) -> Option<u32> {
    let digits = text.first_chunk::<4>()?;
    digits.iter().try_fold(0, |sum, &digit| {
        Some(sum * 16 + char::from(digit).to_digit(16)?)
    })
}

const BLOCK: usize = 32;

/// Length of the longest beginning without a quote, a backslash or a control character.
#[inline]
pub fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut at = 0;
    let mut words = 0;
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        // Exact up to and including the lowest match, which is all that is asked of it.
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = control | has_zero(word ^ (ONES * 0x22)) | has_zero(word ^ (ONES * 0x5C));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
        words += 1;
        if words == 8 {
            at += plain_blocks(text.get(at..).unwrap_or_default());
            words = 0;
        }
    }
    let tail = text.get(at..).unwrap_or_default();
    at + tail
        .iter()
        .position(|&byte| !is_plain(byte))
        .unwrap_or(tail.len())
}

/// Bytes in whole blocks at the beginning that hold nothing but plain characters.
fn plain_blocks(text: &[u8]) -> usize {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let plain = |block: &[u8; BLOCK]| {
        block
            .iter()
            .fold(0, |special, &byte| special | u8::from(!is_plain(byte)))
            == 0
    };
    blocks.iter().take_while(|block| plain(block)).count() * BLOCK
}

#[inline]
const fn is_plain(byte: u8) -> bool {
    (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
}

/// A position in a text, moving on as values are stepped over.
pub struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Scanner {
            text,
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    /// Step over the one object of the text; `property` gets each key and the scanner before its value.
    ///
    /// `property` must step over that value. Duplicate keys are all handed over, in their order.
    pub fn document(
        &mut self,
        property: impl FnMut(&str, &mut Self) -> Result<(), SyntaxError>,
    ) -> Result<(), SyntaxError> {
        if self.bytes.starts_with("\u{feff}".as_bytes()) {
            return Err(SyntaxError {
                at: 0,
                fault: Fault::ByteOrderMark,
            });
        }
        self.space();
        if self.peek() != Some(b'{') {
            return Err(self.expected("an object"));
        }
        self.properties(property)?;
        self.space();
        if self.at < self.bytes.len() {
            Err(self.fault(Fault::Trailing))
        } else {
            Ok(())
        }
    }

    /// The next value, if it is not an object; None, and no step, if it is.
    #[inline]
    pub fn unless_object(&mut self, depth: u32) -> Result<Option<Value<'a>>, SyntaxError> {
        self.space();
        if self.peek() == Some(b'{') {
            Ok(None)
        } else {
            self.value(depth).map(Some)
        }
    }

    /// Step over an object at whose brace the scanner stands, as in `document`.
    #[inline]
    pub fn properties(
        &mut self,
        mut property: impl FnMut(&str, &mut Self) -> Result<(), SyntaxError>,
    ) -> Result<&'a str, SyntaxError> {
        let start = self.at;
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(self.since(start));
        }
        loop {
            let key = self.key()?;
            key.with_key(|key| property(key, self))?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return Ok(self.since(start));
                }
                _ => return Err(self.expected("',' or '}'")),
            }
        }
    }

    /// Step over the next value; `depth` containers are open around it.
    #[inline]
    pub fn value(&mut self, depth: u32) -> Result<Value<'a>, SyntaxError> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(Value::Number(self.since(start)))
            }
            Some(b'{') => {
                self.container(depth)?;
                Ok(Value::Object(self.since(start)))
            }
            Some(b'[') => {
                self.container(depth)?;
                Ok(Value::Array)
            }
            Some(b't') => self.word(b"true", Value::Boolean),
            Some(b'f') => self.word(b"false", Value::Boolean),
            Some(b'n') => self.word(b"null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    /// Step over an object or array, at whose bracket the scanner stands.
    fn container(&mut self, outside: u32) -> Result<(), SyntaxError> {
        // One bit per open container, the innermost lowest: 1 is an object.
        let mut kinds: u128 = 0;
        let mut open: u32 = 0;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(bracket @ (b'{' | b'[')) => {
                    if outside + open >= MAX_DEPTH {
                        return Err(self.fault(Fault::Depth));
                    }
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(bracket + 2) {
                        self.at += 1;
                    } else {
                        open += 1;
                        kinds = kinds << 1 | u128::from(bracket == b'{');
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true", ())?,
                Some(b'f') => self.word(b"false", ())?,
                Some(b'n') => self.word(b"null", ())?,
                _ => return Err(self.expected("a value")),
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                self.space();
                let in_object = kinds & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        if in_object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if in_object => {}
                    Some(b']') if !in_object => {}
                    _ => {
                        return Err(self.expected(if in_object {
                            "',' or '}'"
                        } else {
                            "',' or ']'"
                        }));
                    }
                }
                self.at += 1;
                open -= 1;
                kinds >>= 1;
            }
        }
    }

    /// Step over a key, its colon and the space behind it.
    #[inline]
    fn key(&mut self) -> Result<Raw<'a>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a property's name"));
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.expected("':'"));
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    /// Step over a string, at whose quote the scanner stands.
    #[inline]
    fn string(&mut self) -> Result<Raw<'a>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_length(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let text = self.since(start);
                    self.at += 1;
                    return Ok(Raw { text, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(control) => return Err(self.fault(Fault::Control(control))),
                None => return Err(self.expected("'\"'")),
            }
        }
    }

    /// Step over an escape, at whose backslash the scanner stands.
    fn escape(&mut self) -> Result<(), SyntaxError> {
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        let (fault, step) = match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => (None, 2),
            [b'u', digits @ ..] => match hex(digits) {
                None => (Some(Fault::Escape), 0),
                Some(0xDC00..0xE000) => (Some(Fault::Surrogate), 0),
                Some(0xD800..0xDC00) => match digits.get(4..) {
                    Some([b'\\', b'u', low @ ..])
                        if hex(low).is_some_and(|low| (0xDC00..0xE000).contains(&low)) =>
                    {
                        (None, 12)
                    }
                    _ => (Some(Fault::Surrogate), 0),
                },
                Some(_) => (None, 6),
            },
            _ => (Some(Fault::Escape), 0),
        };
        self.at += step;
        fault.map_or(Ok(()), |fault| Err(self.fault(fault)))
    }

    /// Step over a number, at whose first character the scanner stands.
    #[inline]
    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let whole = self.digits();
        let mut good = whole > 0 && !(zero && whole > 1);
        if self.peek() == Some(b'.') {
            self.at += 1;
            good &= self.digits() > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            good &= self.digits() > 0;
        }
        if good {
            Ok(())
        } else {
            Err(SyntaxError {
                at: start,
                fault: Fault::Number,
            })
        }
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    #[inline]
    fn word<T>(&mut self, word: &'static [u8], value: T) -> Result<T, SyntaxError> {
        if self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.fault(Fault::Word))
        }
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Where the next value begins.
    #[inline]
    pub fn next_at(&mut self) -> usize {
        self.space();
        self.at
    }

    /// The text from `start` to here; both lie beside ASCII characters, so it is never cut short.
    #[inline]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn fault(&self, fault: Fault) -> SyntaxError {
        SyntaxError { at: self.at, fault }
    }

    fn expected(&self, expected: &'static str) -> SyntaxError {
        self.fault(match self.peek() {
            None => Fault::Ended(expected),
            Some(found) => Fault::Expected(expected, found),
        })
    }
}
