//! Counts WebSocket frames (RFC 6455, section 5.2) in a stream, looking at their heads alone.

/// Longest head without its mask: two bytes, and eight of length.
const LONGEST: usize = 10;

/// How far a stream has been counted.
#[derive(Debug, Default)]
pub struct FrameCounter {
    head: [u8; LONGEST],
    known: usize,
    /// Bytes that belong to the frame whose head is known; its mask is among them.
    rest: u64,
}

impl FrameCounter {
    /// How many frames begin in the next piece, wherever it was cut.
    pub fn feed(&mut self, mut data: &[u8]) -> usize {
        let mut count = 0;
        loop {
            if self.rest > 0 {
                let step =
                    usize::try_from(self.rest).map_or(data.len(), |rest| rest.min(data.len()));
                data = data.get(step..).unwrap_or_default();
                self.rest -= step as u64;
            }
            let Some((&byte, behind)) = data.split_first() else {
                return count;
            };
            count += usize::from(self.known == 0);
            if let Some(free) = self.head.get_mut(self.known) {
                *free = byte;
            }
            self.known += 1;
            data = behind;
            if let Some(rest) = self.length() {
                self.rest = rest;
                self.known = 0;
            }
        }
    }

    /// What comes behind the head; None if that is not known yet.
    fn length(&self) -> Option<u64> {
        let head = self.head.get(..self.known)?;
        let second = *head.get(1)?;
        let length = match second & 0x7F {
            126 => u16::from_be_bytes(*head.get(2..)?.first_chunk()?).into(),
            127 => u64::from_be_bytes(*head.get(2..)?.first_chunk()?),
            short => short.into(),
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        Some(length.saturating_add(mask))
    }
}
