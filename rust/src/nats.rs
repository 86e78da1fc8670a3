//! What a server of NATS sends, read without I/O: messages whole, everything else line by line.

/// A message may not be larger, whatever the server claims.
const LARGEST: usize = 64 * 1024 * 1024;

/// Fields of the longest head of a message: subject, subscription, reply, and two sizes.
const MOST_FIELDS: usize = 5;

/// One thing that a server has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A message to one of this connection's subscriptions.
    Message {
        /// Where it was published.
        subject: &'a [u8],
        /// The number by which this connection has subscribed.
        subscription: u64,
        /// Where an answer is awaited; empty without.
        reply: &'a [u8],
        /// Its headers as they are sent; empty without.
        head: &'a [u8],
        /// What it says.
        body: &'a [u8],
    },
    /// A line that is no message.
    Line(&'a [u8]),
}

/// What no server of NATS sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Hand over all that is whole at the beginning of `data`, in order.
///
/// Returns how many bytes that was, and how many there must be behind them for more; 0 if that is not known.
pub fn read<E: From<Malformed>>(
    data: &[u8],
    mut take: impl FnMut(Said<'_>) -> Result<(), E>,
) -> Result<(usize, usize), E> {
    let mut done = 0;
    loop {
        let here = data.get(done..).unwrap_or_default();
        let Some(end) = line_end(here) else {
            return Ok((done, 0));
        };
        let line = here.get(..end).unwrap_or_default();
        // Nothing else that a server says begins with these two letters.
        if !matches!(line.first(), Some(b'M' | b'H')) {
            take(Said::Line(line))?;
            done += end + 2;
            continue;
        }
        let head = Head::of(line)?;
        let body = end + 2;
        let Some(payload) = here.get(body..body + head.size) else {
            return Ok((done, body + head.size + 2));
        };
        if here.len() < body + head.size + 2 {
            return Ok((done, body + head.size + 2));
        }
        let Some((headers, payload)) = payload.split_at_checked(head.headers) else {
            return Err(Malformed("a message whose headers are longer than itself").into());
        };
        take(Said::Message {
            subject: head.subject,
            subscription: head.subscription,
            reply: head.reply,
            head: headers,
            body: payload,
        })?;
        done += body + head.size + 2;
    }
}

/// Where the first line ends.
fn line_end(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + data.get(from..)?.iter().position(|&byte| byte == b'\r')?;
        if *data.get(at + 1)? == b'\n' {
            return Some(at);
        }
        from = at + 1;
    }
}

struct Head<'a> {
    subject: &'a [u8],
    subscription: u64,
    reply: &'a [u8],
    headers: usize,
    size: usize,
}

impl<'a> Head<'a> {
    /// `MSG subject subscription [reply] size`, `HMSG subject subscription [reply] headers size`.
    fn of(line: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields: [&[u8]; MOST_FIELDS] = [&[]; MOST_FIELDS];
        let mut parts = line.split(|&byte| byte == b' ');
        let kind = parts.next().unwrap_or_default();
        let mut count = 0;
        for part in parts {
            let Some(field) = fields.get_mut(count) else {
                return Err(Malformed("a message with too many fields"));
            };
            *field = part;
            count += 1;
        }
        let [subject, subscription, third, fourth, fifth] = fields;
        let (reply, headers, size) = match (kind, count) {
            (b"MSG", 3) => (&[][..], &b"0"[..], third),
            (b"MSG", 4) => (third, &b"0"[..], fourth),
            (b"HMSG", 4) => (&[][..], third, fourth),
            (b"HMSG", 5) => (third, fourth, fifth),
            _ => return Err(Malformed("a message with other fields than NATS has")),
        };
        let head = Head {
            subject,
            subscription: number(subscription)?,
            reply,
            headers: size_of(headers)?,
            size: size_of(size)?,
        };
        if head.size > LARGEST {
            return Err(Malformed("a message that is too large"));
        }
        Ok(head)
    }
}

fn number(digits: &[u8]) -> Result<u64, Malformed> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(Malformed("a number that is none"))
}

fn size_of(digits: &[u8]) -> Result<usize, Malformed> {
    usize::try_from(number(digits)?).map_err(|_| Malformed("a message that is too large"))
}
