//! The everyday request for a denomination: read straight from its text, and its answer written.
//!
//! Everyday is an amount of one currency, a mix, and perhaps items that must be contained; written
//! plainly, with nothing beside it. Whatever else a request may say, and whatever is wrong with it, is for
//! others to read, who can say so: here it is None, and nothing is decided by that.

use arrayvec::ArrayVec;

use super::ready::Ready;
use super::{Currency, MAX_UNITS, Mix, Request, SCALE, Unit, Work, denominate};
use crate::json::{Scanner, Value};

/// Steps that the answer to an everyday request may take: some ten microseconds.
pub const STEPS: u64 = 1024;

/// Digits before the point that an amount may have: all that a device can hold has fewer.
const WHOLE_DIGITS: usize = 14;
/// Decimals that money has.
const DECIMALS: usize = 5;
/// Digits that a number of items may have.
const COUNT_DIGITS: usize = 15;

/// Where things stand in a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `request.denomination.service` with `currencies`, `mix` and `partial`; `result`.
    Grouped,
    /// `denomination` with `currencies` and `values`, `mix` beside it; no `result` (2021-1).
    Flat,
}

impl Layout {
    /// The objects, one within the other, that lead to the amounts.
    fn way(self) -> &'static [&'static str] {
        match self {
            Layout::Grouped => &["request", "denomination", "service"],
            Layout::Flat => &["denomination"],
        }
    }

    fn role(self, depth: usize, key: &str) -> Option<Role> {
        match (self, depth, key) {
            (Layout::Grouped, 3, "currencies") | (Layout::Flat, 1, "currencies") => {
                Some(Role::Amounts)
            }
            (Layout::Grouped, 3, "partial") | (Layout::Flat, 1, "values") => Some(Role::Partial),
            (Layout::Grouped, 3, "mix") | (Layout::Flat, 0, "mix") => Some(Role::Mix),
            // Part of the envelope, which has been read.
            (Layout::Flat, 0, "timeout") => Some(Role::Envelope),
            _ => None,
        }
    }

    fn around(self) -> (&'static str, &'static str) {
        match self {
            Layout::Grouped => ("{\"result\":{\"currencies\":{\"", "}}}"),
            Layout::Flat => ("{\"currencies\":{\"", "}}"),
        }
    }
}

enum Role {
    Amounts,
    Partial,
    Mix,
    Envelope,
}

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    amount: Option<(&'a str, u64)>,
    mix: Option<&'a str>,
    partial: Option<ArrayVec<(&'a str, u64), MAX_UNITS>>,
    passed: usize,
}

impl<'a> Asked<'a> {
    /// Read a request; None if it is not an everyday one.
    pub fn read(text: &'a str, layout: Layout) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        let mut asked = Self::default();
        scanner.begin().ok()?;
        asked.object(&mut scanner, layout, 0)?;
        scanner.finish().ok()?;
        Some(asked)
    }

    fn object(&mut self, scanner: &mut Scanner<'a>, layout: Layout, depth: usize) -> Option<()> {
        let mut more = scanner.first_property().ok()?;
        while more {
            let key = scanner.key().ok()?.plain()?;
            if layout.way().get(depth) == Some(&key) {
                // Said twice, the later one holds; that is not everyday.
                if self.passed != depth || !scanner.is_at_object() {
                    return None;
                }
                self.passed += 1;
                self.object(scanner, layout, depth + 1)?;
            } else {
                match layout.role(depth, key)? {
                    Role::Amounts => self.amounts(scanner)?,
                    Role::Partial => self.partial(scanner)?,
                    Role::Envelope => drop(scanner.value(1).ok()?),
                    Role::Mix => {
                        let Value::String(mix) = scanner.value(1).ok()? else {
                            return None;
                        };
                        if self.mix.replace(mix.plain()?).is_some() {
                            return None;
                        }
                    }
                }
            }
            more = scanner.next_property().ok()?;
        }
        Some(())
    }

    fn amounts(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        if self.amount.is_some() {
            return None;
        }
        each_number(scanner, |currency, number| {
            let amount = (currency, smallest_units(number)?);
            self.amount.replace(amount).is_none().then_some(())
        })
    }

    fn partial(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        let mut counts = ArrayVec::new();
        each_number(scanner, |unit, number| {
            if counts.iter().any(|(known, _)| *known == unit) {
                return None;
            }
            counts.try_push((unit, whole(number, COUNT_DIGITS)?)).ok()
        })?;
        self.partial.replace(counts).is_none().then_some(())
    }
}

/// Take every property of the object that follows; all are to be numbers.
fn each_number<'a>(
    scanner: &mut Scanner<'a>,
    mut each: impl FnMut(&'a str, &'a str) -> Option<()>,
) -> Option<()> {
    if !scanner.is_at_object() {
        return None;
    }
    let mut more = scanner.first_property().ok()?;
    while more {
        let key = scanner.key().ok()?.plain()?;
        let Value::Number(number) = scanner.value(1).ok()? else {
            return None;
        };
        each(key, number)?;
        more = scanner.next_property().ok()?;
    }
    Some(())
}

fn whole(digits: &str, most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    digits.bytes().try_fold(0, |sum: u64, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u64::from(byte - b'0'))
    })
}

/// An amount in smallest units, from its digits.
fn smallest_units(number: &str) -> Option<u64> {
    let (before, behind) = number.split_once('.').unwrap_or((number, "0"));
    let scaled = whole(behind, DECIMALS)? * 10u64.pow((DECIMALS - behind.len()) as u32);
    whole(before, WHOLE_DIGITS)?
        .checked_mul(SCALE as u64)?
        .checked_add(scaled)
}

/// What units can give, and by which mixes they may be asked.
#[derive(Debug)]
pub struct Stock<M> {
    /// The units, at most [`MAX_UNITS`].
    units: Vec<Unit>,
    ready: Vec<Ready>,
    /// Their names, which need no escapes in JSON.
    pub names: Vec<String>,
    /// The mixes, by name.
    pub mixes: Vec<(String, M)>,
}

impl<M> Stock<M> {
    /// Of these units, which nothing can be asked of by name yet.
    pub fn new(units: Vec<Unit>) -> Self {
        Self {
            ready: Ready::all(&units),
            units,
            names: Vec::new(),
            mixes: Vec::new(),
        }
    }

    /// The units.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// What of them is grouped already.
    pub fn ready(&self) -> &[Ready] {
        &self.ready
    }

    /// Write the answer to a request; None if there is something else to say of it.
    pub fn answer<'m>(
        &'m self,
        text: &str,
        layout: Layout,
        max_items: Option<u64>,
        mix: impl FnOnce(&'m M) -> Mix<'m>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let asked = Asked::read(text, layout)?;
        let (currency, amount) = asked.amount.filter(|(_, amount)| *amount > 0)?;
        let wanted = asked.mix?;
        let (_, chosen) = self.mixes.iter().find(|(name, _)| name == wanted)?;
        let of = Currency(currency.as_bytes().try_into().ok()?);
        let amounts = [(of, u128::from(amount))];
        let partial = asked.partial.unwrap_or_default();
        let with_partial;
        let units = if partial.is_empty() {
            &self.units[..]
        } else {
            with_partial = self.with_partial(of, &partial)?;
            &with_partial[..]
        };
        let mut counts = [0; MAX_UNITS];
        let counts = counts.get_mut(..units.len())?;
        let request = Request {
            amounts: &amounts,
            units,
            ready: &self.ready,
            mix: mix(chosen),
            max_items,
        };
        denominate(&request, counts, &mut Work::new(STEPS)).ok()?;
        self.write(layout, currency, amount, counts, out);
        Some(())
    }

    /// The units with the items that must come from them; None if some are not of the currency.
    fn with_partial(
        &self,
        currency: Currency,
        partial: &[(&str, u64)],
    ) -> Option<ArrayVec<Unit, MAX_UNITS>> {
        let mut units = ArrayVec::new();
        units.try_extend_from_slice(&self.units).ok()?;
        for &(name, count) in partial.iter().filter(|(_, count)| *count > 0) {
            let at = self.names.iter().position(|known| known == name)?;
            let unit = units.get_mut(at)?;
            if unit.currency != currency {
                return None;
            }
            unit.minimum = count;
        }
        Some(units)
    }

    fn write(
        &self,
        layout: Layout,
        currency: &str,
        amount: u64,
        counts: &[u64],
        out: &mut Vec<u8>,
    ) {
        let mut digits = itoa::Buffer::new();
        let (before, behind) = layout.around();
        let scale = SCALE as u64;
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(currency.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(digits.format(amount / scale).as_bytes());
        if !amount.is_multiple_of(scale) {
            let decimals = format!(".{:05}", amount % scale);
            out.extend_from_slice(decimals.trim_end_matches('0').as_bytes());
        }
        out.extend_from_slice(b"},\"values\":");
        let mut separator = b'{';
        for (name, count) in self
            .names
            .iter()
            .zip(counts)
            .filter(|(_, count)| **count > 0)
        {
            out.extend_from_slice(&[separator, b'"']);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(digits.format(*count).as_bytes());
            separator = b',';
        }
        out.extend_from_slice(behind.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock() -> Stock<()> {
        let unit = |value: u64, count| Unit {
            currency: Currency(*b"EUR"),
            value: value * SCALE as u64,
            count,
            minimum: 0,
            maximum: u64::MAX,
        };
        let dollars = Unit {
            currency: Currency(*b"USD"),
            ..unit(50, 1)
        };
        let mut stock = Stock::new(vec![unit(50, 10), unit(20, 10), unit(10, 0), dollars]);
        stock.names = ["unitA", "unitB", "unitC", "unitX"]
            .map(str::to_owned)
            .to_vec();
        stock.mixes.push(("mix1".to_owned(), ()));
        stock
    }

    fn answer(text: &str, layout: Layout) -> Option<String> {
        let (stock, mut out) = (stock(), Vec::new());
        stock.answer(text, layout, Some(20), |()| Mix::MinimumBills, &mut out)?;
        String::from_utf8(out).ok()
    }

    fn grouped(service: &str) -> Option<String> {
        answer(
            &format!(r#"{{"request":{{"denomination":{{"service":{service}}}}}}}"#),
            Layout::Grouped,
        )
    }

    #[test]
    fn everyday_requests_are_answered() {
        let both = r#"{"result":{"currencies":{"EUR":90},"values":{"unitA":1,"unitB":2}}}"#;
        for service in [
            r#"{"currencies":{"EUR":90},"mix":"mix1"}"#,
            r#"{ "mix" : "mix1" , "currencies" : { "EUR" : 90.00 } }"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{"unitB":1,"unitC":0}}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{"unitX":0}}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{}}"#,
        ] {
            assert_eq!(grouped(service).as_deref(), Some(both), "{service}");
        }
        let flat = r#"{"denomination":{"currencies":{"EUR":40},"values":{"unitB":1}},"mix":"mix1","timeout":5}"#;
        let answered = answer(flat, Layout::Flat);
        let expected = r#"{"currencies":{"EUR":40},"values":{"unitB":2}}"#;
        assert_eq!(answered.as_deref(), Some(expected));
    }

    #[test]
    fn all_else_is_left_to_others() {
        for service in [
            r#"{}"#,
            r#"{"currencies":{"EUR":90}}"#,
            r#"{"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix2"}"#,
            r#"{"currencies":{"EUR":90},"mix":1}"#,
            r#"{"currencies":{"EUR":90},"mix":null}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","mix":"mix1"}"#,
            r#"{"currencies":{"EUR":90},"currencies":{"EUR":90},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":90},"currencies":{},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":90,"EUR":90},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":90,"USD":0},"mix":"mix1"}"#,
            r#"{"currencies":{"EURO":90},"mix":"mix1"}"#,
            r#"{"currencies":{"USD":90},"mix":"mix1"}"#,
            r#"{"currencies":{"\u0045UR":90},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":"90"},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":9e1},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":-90},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":0},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":90.000001},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":999999999999999},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":95},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":690},"mix":"mix1"}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{"unitB":11}}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{"unitB":-1}}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{"unitD":1}}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{"unitB":1,"unitB":2}}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":{"unitX":1}}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","partial":null}"#,
            r#"{"currencies":{"EUR":90},"mix":"mix1","cashBox":{}}"#,
            r#"[]"#,
        ] {
            assert_eq!(grouped(service), None, "{service}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"request":null}"#,
            r#"{"request":{"denomination":{"service":{"currencies":{"EUR":90},"mix":"mix1"}},"tellerID":1}}"#,
            r#"{"request":{"denomination":{"service":{"currencies":{"EUR":90},"mix":"mix1"},"service":{}}}}"#,
            r#"{"request":{"denomination":{"service":{"currencies":{"EUR":90},"mix":"mix1"}}}} "#,
        ] {
            assert_eq!(
                answer(text, Layout::Grouped).is_some(),
                text.ends_with(' '),
                "{text}"
            );
        }
    }
}
