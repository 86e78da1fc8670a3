//! The envelope of XFS4IoT: what the header of a message says, and where its payload lies.
//!
//! A message is stepped over once; on the way the properties of its header are noted where
//! they lie, and of a payload those that the envelope of 2021-1 keeps there. Only then are
//! they judged, so that their order does not matter, the last of several equal keys counts
//! (as every JSON library in the field has it), and of a message that is refused as much is
//! known as could be read: its answer can carry its name and request id.

use std::borrow::Cow;

use crate::json::{Fault, Scanner, SyntaxError, Value};

/// Longest name of a message that is taken, in bytes; the standard's longest has 50.
pub const MAX_NAME: usize = 256;

/// Longest version that is taken, in bytes.
const MAX_VERSION: usize = 16;

/// The reason of a refusal quotes no more than this many characters of the message.
const MAX_QUOTE: usize = 40;

/// The status that an acknowledge refuses with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is no message, or its header is not usable.
    InvalidMessage,
    /// The request id is not a positive integer.
    InvalidRequestId,
}

impl Status {
    /// As the standard writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::InvalidMessage => "invalidMessage",
            Status::InvalidRequestId => "invalidRequestID",
        }
    }
}

/// A message that is not accepted, with what could be read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// How to refuse it.
    pub status: Status,
    /// What was wrong, where, and what to do.
    pub reason: String,
    /// Its name; empty if that could not be read.
    pub name: Cow<'a, str>,
    /// Its request id; 0 if that could not be read.
    pub request_id: i64,
    /// Its version, if it has one.
    pub version: Option<Cow<'a, str>>,
}

/// A command, ready to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'a> {
    /// Its name, such as `Common.Status`.
    pub name: Cow<'a, str>,
    /// Its request id, positive.
    pub request_id: i64,
    /// Its version; None in the envelope of 2021-1.
    pub version: Option<Cow<'a, str>>,
    /// Milliseconds after which the client gives it up; 0 for never.
    pub timeout: i64,
    /// Its payload as it stands; None if that is absent or null.
    pub payload: Option<&'a str>,
}

/// Any message as a client receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type, such as `completion`.
    pub kind: Cow<'a, str>,
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its request id; None in an unsolicited event.
    pub request_id: Option<i64>,
    /// Its version; None in the envelope of 2021-1.
    pub version: Option<Cow<'a, str>>,
    /// Milliseconds; only commands have it.
    pub timeout: i64,
    /// Why it was refused; None if it was not.
    pub status: Option<Cow<'a, str>>,
    /// How a command ended; None if it does not say.
    pub completion_code: Option<Cow<'a, str>>,
    /// What a person may want to know.
    pub error_description: Option<Cow<'a, str>>,
    /// Its payload as it stands; None if that is absent or null.
    pub payload: Option<&'a str>,
}

/// Read what a client sent to a service.
///
/// # Errors
/// The refusal with which it is to be answered.
pub fn read_command(text: &str) -> Result<Command<'_>, Refusal<'_>> {
    let mut noted = Noted::default();
    let read = noted.read(text);
    let version = noted.version();
    let legacy = noted.header.version.is_none();
    let name = noted.name();
    let request_id = noted.request_id();
    let timeout = noted.timeout(legacy);
    let problem = match read {
        Err(error) => Some(not_json(error)),
        Ok(()) => noted.header_problem().or_else(|| match noted.kind() {
            Ok(kind) if kind == "command" => None,
            Ok(kind) => Some(format!(
                "header.type is {}; a client sends commands only",
                quote(&kind)
            )),
            Err(problem) => Some(problem),
        }),
    };
    match (problem, name, version, timeout, request_id) {
        (None, Ok(name), Ok(version), Ok(timeout), Ok(request_id)) => Ok(Command {
            name,
            request_id,
            version,
            timeout,
            payload: noted.payload,
        }),
        (problem, name, version, timeout, request_id) => {
            let mut reasons = [
                problem,
                name.as_ref().err().cloned(),
                version.as_ref().err().cloned(),
                timeout.err(),
            ]
            .into_iter()
            .flatten();
            let (status, reason) = match reasons.next() {
                Some(reason) => (Status::InvalidMessage, reason),
                None => (
                    Status::InvalidRequestId,
                    request_id.as_ref().err().cloned().unwrap_or_default(),
                ),
            };
            Err(Refusal {
                status,
                reason,
                name: name.unwrap_or_default(),
                request_id: request_id.unwrap_or_default(),
                version: version.unwrap_or_default(),
            })
        }
    }
}

/// Read what a service sent to a client; of any type, in either envelope.
///
/// # Errors
/// What is wrong with it.
pub fn read_message(text: &str) -> Result<Message<'_>, String> {
    let mut noted = Noted::default();
    noted.read(text).map_err(not_json)?;
    if let Some(problem) = noted.header_problem() {
        return Err(problem);
    }
    let legacy = noted.header.version.is_none();
    let results = if legacy {
        &noted.results_in_payload
    } else {
        &noted.header.results
    };
    let place = if legacy { "payload" } else { "header" };
    Ok(Message {
        kind: noted.kind()?,
        name: noted.name()?,
        request_id: if absent(noted.header.request_id) {
            None
        } else {
            Some(noted.request_id()?)
        },
        version: noted.version()?,
        timeout: noted.timeout(legacy)?,
        status: word(results.status, place, "status")?.filter(|status| status != "ok"),
        completion_code: word(results.completion_code, place, "completionCode")?,
        error_description: word(results.error_description, place, "errorDescription")?,
        payload: noted.payload,
    })
}

/// The properties that 2021-1 keeps in the payload and later versions in the header.
#[derive(Default)]
struct Results<'a> {
    timeout: Option<Value<'a>>,
    status: Option<Value<'a>>,
    completion_code: Option<Value<'a>>,
    error_description: Option<Value<'a>>,
}

impl<'a> Results<'a> {
    #[inline(always)]
    fn place(&mut self, key: &str) -> Option<&mut Option<Value<'a>>> {
        Some(match key {
            "timeout" => &mut self.timeout,
            "status" => &mut self.status,
            "completionCode" => &mut self.completion_code,
            "errorDescription" => &mut self.error_description,
            _ => return None,
        })
    }
}

#[derive(Default)]
struct Header<'a> {
    kind: Option<Value<'a>>,
    name: Option<Value<'a>>,
    request_id: Option<Value<'a>>,
    version: Option<Value<'a>>,
    results: Results<'a>,
}

impl<'a> Header<'a> {
    /// Where the value of the next property belongs, whose key is stepped over.
    #[inline(always)]
    fn next_place(
        &mut self,
        scanner: &mut Scanner<'a>,
    ) -> Result<Option<&mut Option<Value<'a>>>, Fault> {
        Ok(Some(if scanner.is_at_key(b"\"type\":") {
            &mut self.kind
        } else if scanner.is_at_key(b"\"name\":") {
            &mut self.name
        } else if scanner.is_at_key(b"\"requestId\":") {
            &mut self.request_id
        } else if scanner.is_at_key(b"\"version\":") {
            &mut self.version
        } else {
            match &*scanner.key()?.read() {
                "type" => &mut self.kind,
                "name" => &mut self.name,
                "requestId" => &mut self.request_id,
                "version" => &mut self.version,
                other => return Ok(self.results.place(other)),
            }
        }))
    }
}

/// What a property of the message is.
enum Part {
    Header,
    Payload,
    Other,
}

impl Part {
    /// What the next property is, whose key is stepped over.
    #[inline(always)]
    fn next(scanner: &mut Scanner<'_>) -> Result<Self, Fault> {
        Ok(if scanner.is_at_key(b"\"header\":") {
            Part::Header
        } else if scanner.is_at_key(b"\"payload\":") {
            Part::Payload
        } else {
            match &*scanner.key()?.read() {
                "header" => Part::Header,
                "payload" => Part::Payload,
                _ => Part::Other,
            }
        })
    }
}

/// A message's envelope as it was noted, not judged yet.
#[derive(Default)]
struct Noted<'a> {
    header: Header<'a>,
    /// What stands for a header that is no object.
    no_header: Option<&'static str>,
    has_header: bool,
    results_in_payload: Results<'a>,
    has_payload: bool,
    payload: Option<&'a str>,
}

impl<'a> Noted<'a> {
    /// Step over `text`; with an error, what came before it is noted.
    #[inline(always)]
    fn read(&mut self, text: &'a str) -> Result<(), SyntaxError> {
        let mut scanner = Scanner::new(text);
        self.read_message(&mut scanner)
            .map_err(|fault| scanner.error(fault))
    }

    #[inline(always)]
    fn read_message(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        scanner.begin()?;
        let mut more = scanner.first_property()?;
        while more {
            match Part::next(scanner)? {
                Part::Header => self.read_header(scanner)?,
                Part::Payload => self.read_payload(scanner)?,
                Part::Other => drop(scanner.value(1)?),
            }
            more = scanner.next_property()?;
        }
        scanner.finish()
    }

    #[inline(always)]
    fn read_header(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if self.has_header {
            self.header = Header::default();
            self.no_header = None;
        }
        self.has_header = true;
        if !scanner.is_at_object() {
            self.no_header = Some(scanner.value(1)?.kind());
            return Ok(());
        }
        let mut more = scanner.first_property()?;
        while more {
            let place = self.header.next_place(scanner)?;
            let value = scanner.value(2)?;
            if let Some(place) = place {
                *place = Some(value);
            }
            more = scanner.next_property()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn read_payload(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if self.has_payload {
            self.results_in_payload = Results::default();
        }
        self.has_payload = true;
        let start = scanner.next_at();
        if scanner.is_at_object() {
            let mut more = scanner.first_property()?;
            while more {
                let name = scanner.key()?;
                let value = scanner.value(2)?;
                if let Some(place) = self.results_in_payload.place(&name.read()) {
                    *place = Some(value);
                }
                more = scanner.next_property()?;
            }
        } else if scanner.value(1)? == Value::Null {
            self.payload = None;
            return Ok(());
        }
        self.payload = Some(scanner.since(start));
        Ok(())
    }

    fn header_problem(&self) -> Option<String> {
        const WANTED: &str =
            r#"a message is {"header": {"type": ..., "name": ..., ...}, "payload": {...}}"#;
        match self.no_header {
            Some(kind) => Some(format!("header is {kind}, not an object; {WANTED}")),
            None if !self.has_header => Some(format!("header is missing; {WANTED}")),
            None => None,
        }
    }

    fn kind(&self) -> Result<Cow<'a, str>, String> {
        match self.header.kind {
            Some(Value::String(kind)) => Ok(kind.read()),
            other => Err(wrong("header.type", other, "a string such as \"command\"")),
        }
    }

    #[inline]
    fn name(&self) -> Result<Cow<'a, str>, String> {
        match self.header.name {
            Some(Value::String(name)) => match name.read() {
                name if name.is_empty() => {
                    Err("header.name is empty; it names the message".to_owned())
                }
                name if name.len() > MAX_NAME => Err(format!(
                    "header.name has {} bytes; at most {MAX_NAME} are taken",
                    name.len()
                )),
                name => Ok(name),
            },
            other => Err(wrong(
                "header.name",
                other,
                "a string such as \"Common.Status\"",
            )),
        }
    }

    #[inline]
    fn version(&self) -> Result<Option<Cow<'a, str>>, String> {
        match self.header.version {
            None => Ok(None),
            Some(Value::String(version)) => {
                let version = version.read();
                if is_version(&version) {
                    Ok(Some(version))
                } else {
                    Err(format!(
                        "header.version is {}; it must be \"major.minor\"",
                        quote(&version)
                    ))
                }
            }
            other => Err(wrong("header.version", other, "a string \"major.minor\"")),
        }
    }

    #[inline]
    fn request_id(&self) -> Result<i64, String> {
        const WANTED: &str = "a positive integer that no open command of this connection has";
        match self.header.request_id {
            Some(Value::Number(number)) => match number.parse() {
                Ok(id @ 1..=i64::MAX) => Ok(id),
                _ => Err(format!(
                    "header.requestId is {}; it must be {WANTED}",
                    shortened(number)
                )),
            },
            other => Err(wrong("header.requestId", other, WANTED)),
        }
    }

    #[inline]
    fn timeout(&self, legacy: bool) -> Result<i64, String> {
        let (property, value) = if legacy {
            ("payload.timeout", self.results_in_payload.timeout)
        } else {
            ("header.timeout", self.header.results.timeout)
        };
        const WANTED: &str = "an integer of milliseconds, 0 for none";
        match value {
            None | Some(Value::Null) => Ok(0),
            Some(Value::Number(number)) => match number.parse() {
                Ok(timeout @ 0..=i64::MAX) => Ok(timeout),
                _ => Err(format!(
                    "{property} is {}; it must be {WANTED}",
                    shortened(number)
                )),
            },
            other => Err(wrong(property, other, WANTED)),
        }
    }
}

fn absent(value: Option<Value<'_>>) -> bool {
    matches!(value, None | Some(Value::Null))
}

/// A string property that may be absent or null.
fn word<'a>(
    value: Option<Value<'a>>,
    place: &str,
    property: &str,
) -> Result<Option<Cow<'a, str>>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) => Ok(Some(word.read())),
        other => Err(wrong(&format!("{place}.{property}"), other, "a string")),
    }
}

#[inline]
fn is_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_VERSION
        && text
            .split_once('.')
            .is_some_and(|(major, minor)| digits(major) && digits(minor))
}

#[cold]
fn not_json(error: SyntaxError) -> String {
    format!("not a JSON object: {error}")
}

#[cold]
fn wrong(property: &str, value: Option<Value<'_>>, wanted: &str) -> String {
    match value {
        None => format!("{property} is missing; it must be {wanted}"),
        Some(value) => format!("{property} is {}; it must be {wanted}", value.kind()),
    }
}

/// A string of the message in quotes, escaped and cut short.
fn quote(text: &str) -> String {
    format!("{:?}", shortened(text))
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_QUOTE) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}
