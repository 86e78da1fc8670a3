//! One end of a fleet's virtual session: numbers, acknowledges, sends again and gives up, without I/O.
//!
//! It is told what arrived and what time it is, and says what to send. What it promises is said in
//! `xfs4iot.fleet.link`.

use std::collections::VecDeque;

/// Bytes that may be on their way and unconsumed, in each direction.
pub const WINDOW: usize = 1024 * 1024;
/// Bytes of one message at most.
pub const CHUNK: usize = 128 * 1024;
/// Seconds after which an end says that it is there.
pub const BEAT_SECONDS: f64 = 4.0;
/// Seconds of silence that end a link.
pub const PATIENCE: f64 = 12.0;
/// How long the broker may say that nobody is at the other end: it may be on its way to another node.
pub const ABSENT_SECONDS: f64 = 6.0;
/// Seconds after which nothing is wanted any more that was on its way.
pub const TTL: f64 = 10.0;

const RESEND_SECONDS: f64 = 1.0;
const ACK_EVERY: u64 = 16;
const ACK_BYTES: usize = WINDOW / 4;
/// Kind, number, what is acknowledged, age.
pub const HEAD: usize = 21;
/// Of messages that are sent again: so often at most, however often they are asked for.
const AGAIN_SECONDS: f64 = 0.2;
/// Pieces that are shorter are put together, so that many of them take no more room than few.
const SHORT: usize = 4096;
const REASON_BYTES: usize = 120;

/// Data that ends with a WebSocket frame.
pub const DATA: u8 = 4;
/// Data that ends within one.
pub const PART: u8 = 5;
/// Nothing more comes.
pub const CLOSE: u8 = 6;
/// This end is there, has sent so much and used so much.
pub const BEAT: u8 = 7;
/// The same, and it wants what comes behind.
pub const AGAIN: u8 = 8;
/// There is no such link any more.
pub const RESET: u8 = 9;

/// What arrived is no message of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

#[derive(Debug)]
struct Kept {
    kind: u8,
    number: u64,
    age: u32,
    data: Vec<u8>,
}

/// One piece that has arrived.
#[derive(Debug)]
struct Arrived {
    number: u64,
    data: Vec<u8>,
    whole: bool,
}

/// One end of a virtual session.
#[derive(Debug)]
pub struct Link {
    began: f64,
    heard: f64,
    sent_at: f64,
    progress: f64,
    asked: Option<f64>,
    resent: Option<f64>,
    absent: Option<f64>,
    next: u64,
    ring: VecDeque<Kept>,
    ring_bytes: usize,
    received: u64,
    consumed: u64,
    told: u64,
    uncounted: usize,
    arrived: VecDeque<Arrived>,
    arrived_bytes: usize,
    closing: bool,
    closed: bool,
    out: Vec<Vec<u8>>,
    /// Why it is over; None as long as it is not.
    pub ended: Option<String>,
}

impl Link {
    /// One that begins now.
    pub fn new(now: f64) -> Self {
        Link {
            began: now,
            heard: now,
            sent_at: now,
            progress: now,
            asked: None,
            resent: None,
            absent: None,
            next: 1,
            ring: VecDeque::new(),
            ring_bytes: 0,
            received: 0,
            consumed: 0,
            told: 0,
            uncounted: 0,
            arrived: VecDeque::new(),
            arrived_bytes: 0,
            closing: false,
            closed: false,
            out: Vec::new(),
            ended: None,
        }
    }

    /// How many bytes `send` takes.
    pub fn room(&self) -> usize {
        if self.closing || self.ended.is_some() {
            0
        } else {
            WINDOW.saturating_sub(self.ring_bytes)
        }
    }

    /// How many messages the other end has not consumed.
    pub fn unacknowledged(&self) -> usize {
        self.ring.len()
    }

    /// Number of the last that has arrived in order.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the other end has said that nothing more comes.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Whether something has arrived that was not taken.
    pub fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Whether both ends have said all, and both know it.
    pub fn finished(&self) -> bool {
        self.closed && self.closing && self.ring.is_empty()
    }

    /// What is to be sent, in order.
    pub fn take_out(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.out)
    }

    /// Whether there is something to be sent.
    pub fn has_out(&self) -> bool {
        !self.out.is_empty()
    }

    /// Send as much of `data` as there is room for; how much that is.
    pub fn send(&mut self, data: &[u8], now: f64, whole: bool) -> usize {
        let taken = data.get(..self.room()).unwrap_or(data);
        let mut rest = data.len();
        for chunk in taken.chunks(CHUNK) {
            rest -= chunk.len();
            let kind = if whole && rest == 0 { DATA } else { PART };
            self.number(kind, chunk, now);
        }
        taken.len()
    }

    /// Say that nothing more comes, behind all that was sent.
    pub fn close(&mut self, now: f64, reason: &[u8]) {
        if !self.closing && self.ended.is_none() {
            self.number(CLOSE, reason.get(..REASON_BYTES).unwrap_or(reason), now);
            self.closing = true;
        }
    }

    fn number(&mut self, kind: u8, data: &[u8], now: f64) {
        if self.ring.is_empty() {
            self.progress = now;
        }
        let (number, age) = (self.next, self.age(now));
        self.next += 1;
        self.ring_bytes += data.len();
        self.emit(kind, number, age, data, now);
        self.ring.push_back(Kept {
            kind,
            number,
            age,
            data: data.to_vec(),
        });
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn age(&self, now: f64) -> u32 {
        // Rounds towards zero, and holds at the ends: 49 days.
        ((now - self.began) * 1000.0) as u32
    }

    fn emit(&mut self, kind: u8, number: u64, age: u32, data: &[u8], now: f64) {
        self.told = self.consumed;
        self.uncounted = 0;
        self.sent_at = now;
        let mut message = Vec::with_capacity(HEAD + data.len());
        message.push(kind);
        message.extend_from_slice(&number.to_be_bytes());
        message.extend_from_slice(&self.consumed.to_be_bytes());
        message.extend_from_slice(&age.to_be_bytes());
        message.extend_from_slice(data);
        self.out.push(message);
    }

    /// Take note that all up to this number has been used, so that the other end may send more.
    pub fn consumed(&mut self, number: u64, now: f64) {
        // Acknowledged with the next answer, as a rule; by itself only where there is none for long.
        self.consumed = self.consumed.max(number);
        if self.consumed - self.told >= ACK_EVERY || self.uncounted >= ACK_BYTES {
            self.beat(now, BEAT);
        }
    }

    fn beat(&mut self, now: f64, kind: u8) {
        let number = if kind == BEAT {
            self.next - 1
        } else {
            self.received
        };
        self.emit(kind, number, self.age(now), &[], now);
    }

    /// Take what has arrived; what follows from it is to be taken and sent.
    pub fn receive(&mut self, message: &[u8], now: f64) -> Result<(), Malformed> {
        if self.ended.is_some() {
            return Ok(());
        }
        let short = || Malformed(format!("it has {} bytes", message.len()));
        let (head, data) = message.split_at_checked(HEAD).ok_or_else(short)?;
        let kind = *head.first().ok_or_else(short)?;
        if !(1..=RESET).contains(&kind) {
            return Err(Malformed(format!("there is no kind {kind}")));
        }
        let number = eight(head, 1).ok_or_else(short)?;
        let acknowledged = eight(head, 9).ok_or_else(short)?;
        let age = head
            .get(17..)
            .and_then(|rest| rest.first_chunk())
            .map(|bytes| u32::from_be_bytes(*bytes))
            .ok_or_else(short)?;
        self.heard = now;
        self.absent = None;
        self.acknowledge(acknowledged, now);
        match kind {
            DATA | PART | CLOSE => self.arrive(kind, number, age, data, now),
            BEAT => {
                if number > self.received {
                    self.ask(now);
                }
            }
            AGAIN => {
                if number >= self.next {
                    self.end("the other end has more than was sent");
                } else {
                    self.again(number, now);
                }
            }
            RESET if data.is_empty() => self.end("the other end does not know the link"),
            RESET => self.end(&String::from_utf8_lossy(data)),
            _ => self.end("an opening is out of place"),
        }
        Ok(())
    }

    fn end(&mut self, why: &str) {
        self.ended.get_or_insert_with(|| why.to_owned());
    }

    fn acknowledge(&mut self, number: u64, now: f64) {
        if number >= self.next {
            return self.end("the other end has used more than was sent");
        }
        while let Some(first) = self.ring.front() {
            if first.number > number {
                break;
            }
            self.ring_bytes -= first.data.len();
            self.ring.pop_front();
            self.progress = now;
        }
    }

    fn arrive(&mut self, kind: u8, number: u64, age: u32, data: &[u8], now: f64) {
        if number <= self.received {
            return;
        }
        if number > self.received + 1 {
            return self.ask(now);
        }
        let late = (f64::from(self.age(now)) - f64::from(age)) / 1000.0;
        if late > TTL && kind != CLOSE {
            return self.end(&format!("a message came {late:.1} s late"));
        }
        if self.arrived_bytes + data.len() > WINDOW {
            return self.end("the other end sends more than there is room for");
        }
        self.received = number;
        self.asked = None;
        if kind == CLOSE {
            self.closed = true;
            return self.consumed(number, now);
        }
        self.uncounted += data.len();
        self.arrived_bytes += data.len();
        let whole = kind == DATA;
        match self.arrived.back_mut() {
            Some(last) if last.data.len() < SHORT => {
                last.data.extend_from_slice(data);
                (last.number, last.whole) = (number, whole);
            }
            // Of nothing there is nothing to hand on.
            None if data.is_empty() => self.consumed(number, now),
            _ => self.arrived.push_back(Arrived {
                number,
                data: data.to_vec(),
                whole,
            }),
        }
    }

    /// What has arrived, in one piece of at most so many bytes and one more message; None if nothing has.
    ///
    /// The number to tell to `consumed`, the data, and whether a WebSocket frame ends with it.
    pub fn take(&mut self, most: usize) -> Option<(u64, Vec<u8>, bool)> {
        let Arrived {
            mut number,
            mut data,
            mut whole,
        } = self.arrived.pop_front()?;
        while data.len() < most {
            let Some(more) = self.arrived.pop_front() else {
                break;
            };
            data.extend_from_slice(&more.data);
            (number, whole) = (more.number, more.whole);
        }
        self.arrived_bytes -= data.len();
        Some((number, data, whole))
    }

    /// Ask for what is missing, not oftener than it can come.
    fn ask(&mut self, now: f64) {
        if self.asked.is_none_or(|asked| now - asked > RESEND_SECONDS) {
            self.asked = Some(now);
            self.beat(now, AGAIN);
        }
    }

    fn again(&mut self, received: u64, now: f64) {
        // Few bytes ask for many: whoever asks without end must not have the broker carry them without end.
        if self
            .resent
            .is_some_and(|resent| now - resent < AGAIN_SECONDS)
        {
            return;
        }
        let ring = std::mem::take(&mut self.ring);
        for one in ring.iter().filter(|one| one.number > received) {
            self.resent = Some(now);
            self.emit(one.kind, one.number, one.age, &one.data, now);
        }
        self.ring = ring;
    }

    /// Take note that the broker knows nobody at the other end just now.
    pub fn nobody(&mut self, now: f64) {
        self.absent.get_or_insert(now);
    }

    /// Tell the other end where both stand: the way between them was broken.
    pub fn resume(&mut self, now: f64) {
        self.asked = Some(now);
        self.beat(now, BEAT);
        self.beat(now, AGAIN);
    }

    /// Let time pass: acknowledge, beat, ask, give up.
    pub fn tick(&mut self, now: f64) {
        if self.ended.is_some() {
            return;
        }
        if now - self.heard > PATIENCE {
            self.end(&format!("nothing was heard for {:.0} s", now - self.heard));
        } else if self
            .absent
            .is_some_and(|absent| now - absent > ABSENT_SECONDS)
        {
            self.end("the other end is not connected any more");
        } else if now - self.sent_at > BEAT_SECONDS
            || self.consumed != self.told
            // It may have been the last one that was lost, which nobody can miss: say what was sent.
            || (!self.ring.is_empty()
                && now - self.progress > RESEND_SECONDS
                && now - self.sent_at > RESEND_SECONDS)
        {
            self.beat(now, BEAT);
        }
    }
}

fn eight(head: &[u8], at: usize) -> Option<u64> {
    let bytes = head.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}
