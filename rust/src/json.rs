//! A strict RFC 8259 scanner: it checks syntax and finds where values lie, and builds nothing.
//!
//! A service needs four or five words of a message and must know that the rest is JSON; the
//! payload is decoded later, once, by whoever knows its type. So values are stepped over, not
//! read: one loop with the open containers as bits of a `u128`, no recursion and no memory.
//! Long strings (base64 pictures) are the bulk of large messages; they are searched in blocks
//! that compile to vector instructions, short ones by sixteen bytes at a time.
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
    /// Something else than an object, or the end of the text; so with all of these.
    ExpectedObject,
    /// No value.
    ExpectedValue,
    /// No name of a property.
    ExpectedName,
    /// No colon behind a property's name.
    ExpectedColon,
    /// No end of a string.
    ExpectedQuote,
    /// Neither another property nor the end of the object.
    ExpectedCommaOrBrace,
    /// Neither another value nor the end of the array.
    ExpectedCommaOrBracket,
    /// A control character in a string that is not escaped.
    Control,
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

impl Fault {
    /// What is wrong, in words, and whether they call for what was found instead.
    fn text(self) -> (&'static str, bool) {
        match self {
            Fault::ExpectedObject => ("an object is expected", true),
            Fault::ExpectedValue => ("a value is expected", true),
            Fault::ExpectedName => ("a property's name is expected", true),
            Fault::ExpectedColon => ("':' is expected", true),
            Fault::ExpectedQuote => ("the end of a string is expected", true),
            Fault::ExpectedCommaOrBrace => ("',' or '}' is expected", true),
            Fault::ExpectedCommaOrBracket => ("',' or ']' is expected", true),
            Fault::Control => ("a control character in a string must be escaped", true),
            Fault::Escape => ("there is no such escape", false),
            Fault::Surrogate => ("this is half of a surrogate pair", false),
            Fault::Number => ("this is no number", false),
            Fault::Word => ("only true, false and null are words", false),
            Fault::Depth => ("too many levels are open, at most 128 may be", false),
            Fault::Trailing => ("nothing may follow the message's object", true),
            Fault::ByteOrderMark => ("a byte order mark is not allowed", false),
        }
    }
}

/// A fault and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// Offset in bytes from the beginning of the text.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
    /// The byte there; None at the end of the text.
    pub found: Option<u8>,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, wants_found) = self.fault.text();
        f.write_str(text)?;
        match self.found {
            _ if !wants_found => {}
            None => f.write_str(", but the text ends")?,
            Some(found @ b'!'..=b'~') => write!(f, ", found {}", char::from(found))?,
            Some(found) => write!(f, ", found 0x{found:02x}")?,
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
    /// An object.
    Object,
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
            Value::Object => "an object",
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
    #[inline]
    pub fn read(self) -> Cow<'a, str> {
        if self.escaped {
            Cow::Owned(unescape(self.text))
        } else {
            Cow::Borrowed(self.text)
        }
    }

    /// The string as it stands there; None if it has escapes.
    #[inline]
    pub fn plain(self) -> Option<&'a str> {
        (!self.escaped).then_some(self.text)
    }
}

/// Replace the escapes of a string whose syntax has been checked.
#[cold]
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

/// Whether a text, whose syntax has been checked, has more members and elements than `most`, at all levels
/// together. What is decoded takes a hundred times the memory of a short value's text: it must be known before.
pub fn has_more_values(text: &[u8], most: usize) -> bool {
    let (mut at, mut values, mut opened) = (0, 0, false);
    while let Some(&byte) = text.get(at) {
        at += 1;
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        }
        // The first value in a container has no comma in front of it.
        values += usize::from(opened && !matches!(byte, b'}' | b']'));
        opened = matches!(byte, b'{' | b'[');
        values += usize::from(byte == b',');
        if values > most {
            return true;
        }
        if byte == b'"' {
            at = behind_string(text, at);
        }
    }
    false
}

/// Whether a text, whose syntax has been checked, may have a number that is long, or has an exponent: of
/// so many digits in a row. Numbers in strings are none.
pub fn may_have_extremes(text: &[u8], digits: usize) -> bool {
    let (mut at, mut run) = (0, 0);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'0'..=b'9' => {
                run += 1;
                if run >= digits {
                    return true;
                }
                continue;
            }
            b'e' | b'E' if run > 0 => return true,
            b'"' => at = behind_string(text, at),
            _ => {}
        }
        run = 0;
    }
    false
}

/// Where a string ends of which `at` is past the quote.
fn behind_string(text: &[u8], mut at: usize) -> usize {
    loop {
        at += plain_length(text.get(at..).unwrap_or_default());
        if text.get(at) != Some(&b'\\') {
            return at + 1;
        }
        at += 2;
    }
}

/// Bytes that are looked at together, and how many of them make a block of a long string.
const CHUNK: usize = 16;
const BLOCK: usize = 64;

/// Length of the longest beginning without a quote, a backslash or a control character.
#[inline]
pub fn plain_length(text: &[u8]) -> usize {
    let mut at = 0;
    let mut chunks = 0;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<CHUNK>()) {
        if let Some(special) = first_special(chunk) {
            return at + special;
        }
        at += CHUNK;
        chunks += 1;
        if chunks == 4 {
            at += plain_blocks(text.get(at..).unwrap_or_default());
            chunks = 0;
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

/// Strings up to this length are looked at byte by byte first.
const SHORT: usize = 12;

/// `is_plain` as a table.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_plain(byte as u8);
        byte += 1;
    }
    table
};

/// Where the first quote, backslash or control character is.
#[cfg(target_arch = "x86_64")]
#[inline]
fn first_special(chunk: &[u8; CHUNK]) -> Option<usize> {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };
    #[target_feature(enable = "sse2")]
    fn mask(value: u128) -> i32 {
        let bytes = _mm_set_epi64x((value >> 64) as i64, value as i64);
        let highest_control = _mm_set1_epi8(0x1F);
        let control = _mm_cmpeq_epi8(_mm_max_epu8(bytes, highest_control), highest_control);
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x22));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x5C));
        _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)))
    }
    // SAFETY: `mask` asks for nothing but SSE2, which is part of x86-64.
    let special = unsafe { mask(u128::from_le_bytes(*chunk)) };
    (special != 0).then_some(special.trailing_zeros() as usize)
}

/// Where the first quote, backslash or control character is.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn first_special(chunk: &[u8; CHUNK]) -> Option<usize> {
    const ONES: u128 = u128::MAX / 255;
    const HIGH: u128 = ONES * 0x80;
    let bytes = u128::from_le_bytes(*chunk);
    // The high bit of each byte that is 0, exact up to the lowest one, which is all that is asked.
    let zeros = |bytes: u128| bytes.wrapping_sub(ONES) & !bytes & HIGH;
    let control = bytes.wrapping_sub(ONES * 0x20) & !bytes & HIGH;
    let special = control | zeros(bytes ^ (ONES * 0x22)) | zeros(bytes ^ (ONES * 0x5C));
    (special != 0).then_some((special.trailing_zeros() / 8) as usize)
}

/// A place in a text. It is small and copied freely, so that the loops keep it in registers.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What `Cursor::peek` finds at the end of the text; it begins nothing.
const END: u8 = 0;

impl Cursor<'_> {
    /// The byte here, or `END`.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(END)
    }

    /// Step over space; the byte behind it, or `END`.
    #[inline(always)]
    fn token(&mut self) -> u8 {
        loop {
            let byte = self.peek();
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
    }

    /// Step over a string, at whose quote the cursor stands; whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Fault> {
        let start = self.at + 1;
        // Most keys and words are short, and known to the processor's branch prediction; it
        // runs ahead of a loop over bytes, but must wait for the outcome of a vector's search.
        if let Some(short) = self
            .bytes
            .get(start..)
            .and_then(|rest| rest.first_chunk::<SHORT>())
        {
            for (length, &byte) in short.iter().enumerate() {
                if !PLAIN[usize::from(byte)] {
                    if byte != b'"' {
                        break;
                    }
                    self.at = start + length + 1;
                    return Ok(false);
                }
            }
        }
        let (at, read) = long_string(Cursor { at: start, ..*self });
        self.at = at;
        read
    }

    /// The same for a string that is likely to be a word or a name: it is searched in one go.
    #[inline(always)]
    fn name(&mut self) -> Result<bool, Fault> {
        let start = self.at + 1;
        let chunk = |at| {
            let rest: Option<&[u8]> = self.bytes.get(at..);
            rest.and_then(|rest| rest.first_chunk::<CHUNK>())
        };
        for at in [start, start + CHUNK] {
            match chunk(at).map(first_special) {
                Some(None) => {}
                Some(Some(length)) if self.bytes.get(at + length) == Some(&b'"') => {
                    self.at = at + length + 1;
                    return Ok(false);
                }
                _ => break,
            }
        }
        let (at, read) = long_string(Cursor { at: start, ..*self });
        self.at = at;
        read
    }

    /// Step over an escape, at whose backslash the cursor stands.
    fn escape(&mut self) -> Result<(), Fault> {
        let low_half =
            |digits: &[u8]| hex(digits).is_some_and(|low| (0xDC00..0xE000).contains(&low));
        self.at += match self.bytes.get(self.at + 1..).unwrap_or_default() {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', digits @ ..] => match hex(digits) {
                None => return Err(Fault::Escape),
                Some(0xD800..0xDC00) => match digits.get(4..) {
                    Some([b'\\', b'u', low @ ..]) if low_half(low) => 12,
                    _ => return Err(Fault::Surrogate),
                },
                Some(0xDC00..0xE000) => return Err(Fault::Surrogate),
                Some(_) => 6,
            },
            _ => return Err(Fault::Escape),
        };
        Ok(())
    }

    /// Step over a number, at whose first character the cursor stands.
    #[inline(always)]
    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += usize::from(self.peek() == b'-');
        let zero = self.peek() == b'0';
        let whole = self.digits();
        let mut good = whole > 0 && !(zero && whole > 1);
        if self.peek() == b'.' {
            self.at += 1;
            good &= self.digits() > 0;
        }
        if self.peek() | 0x20 == b'e' {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            good &= self.digits() > 0;
        }
        if good {
            return Ok(());
        }
        self.at = start;
        Err(Fault::Number)
    }

    #[inline(always)]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }

    /// Step over `true`, `false` or `null`, whose first letter is `token`.
    #[inline(always)]
    fn word(&mut self, token: u8) -> Result<(), Fault> {
        let word: &[u8] = match token {
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return Err(Fault::ExpectedValue),
        };
        if self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            self.at += word.len();
            Ok(())
        } else {
            Err(Fault::Word)
        }
    }

    /// Step over a key, at which the cursor should stand, and its colon; its end and whether it has escapes.
    #[inline(always)]
    fn key(&mut self) -> Result<(usize, bool), Fault> {
        if self.peek() != b'"' {
            return Err(Fault::ExpectedName);
        }
        let escaped = self.string()?;
        let end = self.at - 1;
        if self.token() != b':' {
            return Err(Fault::ExpectedColon);
        }
        self.at += 1;
        Ok((end, escaped))
    }

    /// Step over an object or array, at whose bracket the cursor stands.
    #[inline(always)]
    fn container(&mut self, outside: u32) -> Result<(), Fault> {
        // One bit per open container, the innermost lowest: 1 is an object.
        let mut kinds: u128 = 0;
        let mut open: u32 = 0;
        let mut token = self.peek();
        loop {
            match token {
                b'"' => drop(self.string()?),
                b'-' | b'0'..=b'9' => self.number()?,
                b'{' | b'[' => {
                    if outside + open >= MAX_DEPTH {
                        return Err(Fault::Depth);
                    }
                    self.at += 1;
                    let inner = self.token();
                    // In ASCII the closing bracket of each kind is two behind the opening one.
                    if inner == token + 2 {
                        self.at += 1;
                    } else {
                        let is_object = token == b'{';
                        open += 1;
                        kinds = kinds << 1 | u128::from(is_object);
                        token = if is_object {
                            self.key_and_token()?
                        } else {
                            inner
                        };
                        continue;
                    }
                }
                _ => self.word(token)?,
            }
            token = loop {
                if open == 0 {
                    return Ok(());
                }
                let in_object = kinds & 1 == 1;
                match self.token() {
                    b',' => {
                        self.at += 1;
                        let next = self.token();
                        break if in_object {
                            self.key_and_token()?
                        } else {
                            next
                        };
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ if in_object => return Err(Fault::ExpectedCommaOrBrace),
                    _ => return Err(Fault::ExpectedCommaOrBracket),
                }
                self.at += 1;
                open -= 1;
                kinds >>= 1;
            };
        }
    }

    #[inline(always)]
    fn key_and_token(&mut self) -> Result<u8, Fault> {
        self.key()?;
        Ok(self.token())
    }
}

/// Step over a string of which the cursor is past the quote; where that ends, and whether it has escapes.
fn long_string(mut cursor: Cursor<'_>) -> (usize, Result<bool, Fault>) {
    let mut escaped = false;
    let read = loop {
        cursor.at += plain_length(cursor.bytes.get(cursor.at..).unwrap_or_default());
        match cursor.peek() {
            b'"' => {
                cursor.at += 1;
                break Ok(escaped);
            }
            b'\\' => {
                escaped = true;
                if let Err(fault) = cursor.escape() {
                    break Err(fault);
                }
            }
            _ if cursor.at >= cursor.bytes.len() => break Err(Fault::ExpectedQuote),
            _ => break Err(Fault::Control),
        }
    };
    (cursor.at, read)
}

/// Step over the container at which the cursor stands; where that ends.
fn container(mut cursor: Cursor<'_>, outside: u32) -> (usize, Result<(), Fault>) {
    let read = cursor.container(outside);
    (cursor.at, read)
}

/// A text that is read property by property.
pub struct Scanner<'a> {
    text: &'a str,
    cursor: Cursor<'a>,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `text`.
    #[inline]
    pub fn new(text: &'a str) -> Self {
        Scanner {
            text,
            cursor: Cursor {
                bytes: text.as_bytes(),
                at: 0,
            },
        }
    }

    /// Go to the text's object.
    #[inline]
    pub fn begin(&mut self) -> Result<(), Fault> {
        if self.text.starts_with('\u{feff}') {
            return Err(Fault::ByteOrderMark);
        }
        if self.is_at_object() {
            Ok(())
        } else {
            Err(Fault::ExpectedObject)
        }
    }

    /// Behind the object: nothing may follow.
    #[inline]
    pub fn finish(&mut self) -> Result<(), Fault> {
        self.cursor.token();
        if self.cursor.at < self.text.len() {
            Err(Fault::Trailing)
        } else {
            Ok(())
        }
    }

    /// What `fault` means, which was found just now.
    #[cold]
    pub fn error(&self, fault: Fault) -> SyntaxError {
        let at = self.cursor.at;
        SyntaxError {
            at,
            fault,
            found: self.text.as_bytes().get(at).copied(),
        }
    }

    /// Whether the next value is an object; the scanner then stands at its brace.
    #[inline]
    pub fn is_at_object(&mut self) -> bool {
        self.cursor.token() == b'{'
    }

    /// Enter the object at which the scanner stands; whether a property follows.
    ///
    /// Its key and its value must be stepped over before the next property is asked for. Every
    /// property is handed over, in the order of the text, duplicates too.
    #[inline(always)]
    pub fn first_property(&mut self) -> Result<bool, Fault> {
        self.cursor.at += 1;
        if self.cursor.token() == b'}' {
            self.cursor.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether another property follows; if not, the object's end is stepped over.
    #[inline(always)]
    pub fn next_property(&mut self) -> Result<bool, Fault> {
        let token = self.cursor.token();
        self.cursor.at += 1;
        match token {
            b',' => {
                self.cursor.token();
                Ok(true)
            }
            b'}' => Ok(false),
            _ => {
                self.cursor.at -= 1;
                Err(Fault::ExpectedCommaOrBrace)
            }
        }
    }

    /// Step over the next key if it is `key` with its quotes and colon, as most who write JSON
    /// write it: a comparison of a word or two instead of a search. If not, `key` reads it.
    #[inline(always)]
    pub fn is_at_key(&mut self, key: &'static [u8]) -> bool {
        let rest = self.cursor.bytes.get(self.cursor.at..).unwrap_or_default();
        let found = rest.starts_with(key);
        if found {
            self.cursor.at += key.len();
        }
        found
    }

    /// The next key, however it is written.
    #[inline(always)]
    pub fn key(&mut self) -> Result<Raw<'a>, Fault> {
        let start = self.cursor.at + 1;
        let (end, escaped) = self.cursor.key()?;
        Ok(Raw {
            text: self.text.get(start..end).unwrap_or_default(),
            escaped,
        })
    }

    /// Step over the next value; `depth` containers are open around it.
    #[inline(always)]
    pub fn value(&mut self, depth: u32) -> Result<Value<'a>, Fault> {
        let token = self.cursor.token();
        let start = self.cursor.at;
        Ok(match token {
            b'"' => {
                let escaped = self.cursor.name()?;
                Value::String(Raw {
                    text: self
                        .text
                        .get(start + 1..self.cursor.at - 1)
                        .unwrap_or_default(),
                    escaped,
                })
            }
            b'-' | b'0'..=b'9' => {
                self.cursor.number()?;
                Value::Number(self.since(start))
            }
            b'{' | b'[' => {
                let (at, read) = container(self.cursor, depth);
                self.cursor.at = at;
                read?;
                if token == b'{' {
                    Value::Object
                } else {
                    Value::Array
                }
            }
            _ => {
                self.cursor.word(token)?;
                if token == b'n' {
                    Value::Null
                } else {
                    Value::Boolean
                }
            }
        })
    }

    /// Where the next value begins.
    #[inline]
    pub fn next_at(&mut self) -> usize {
        self.cursor.token();
        self.cursor.at
    }

    /// The text from `start` to here; both lie beside ASCII characters, so it is never cut short.
    #[inline]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.cursor.at).unwrap_or_default()
    }
}
