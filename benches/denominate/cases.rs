//! The named cases of `cases.json`, for the Rust benches.

use serde_json::Value;
use xfs4iot_core::denominate::ready::Ready;
use xfs4iot_core::denominate::{
    Currency, Failure, MAX_UNITS, Mix, Request, SCALE, Unit, WORK_LIMIT, Work, denominate,
};

/// One denomination, ready to be solved.
pub struct Case {
    /// What it is about.
    pub name: String,
    amounts: Vec<(Currency, u128)>,
    units: Vec<Unit>,
    ready: Vec<Ready>,
    max_items: Option<u64>,
}

impl Case {
    /// Solve it, from nothing but the units or with what is read of them before.
    pub fn solve(&self, before: bool) -> Result<u64, Failure> {
        let request = Request {
            amounts: &self.amounts,
            units: &self.units,
            ready: if before { &self.ready } else { &[] },
            mix: Mix::MinimumBills,
            max_items: self.max_items,
        };
        let mut counts = [0; MAX_UNITS];
        let counts = &mut counts[..self.units.len()];
        denominate(&request, counts, &mut Work::new(WORK_LIMIT))
    }
}

fn currency(text: &Value) -> Currency {
    let letters = text.as_str().expect("a currency is text").as_bytes();
    Currency(letters.try_into().expect("a currency has three letters"))
}

fn money(value: &Value) -> u64 {
    value.as_u64().expect("whole money") * SCALE as u64
}

/// All cases, in the order of the file.
pub fn all() -> Vec<Case> {
    let file: Value = serde_json::from_str(include_str!("cases.json")).expect("cases.json is JSON");
    let cases = file.as_array().expect("cases.json is a list");
    cases
        .iter()
        .map(|case| {
            let units: Vec<Unit> = case["units"]
                .as_array()
                .expect("units")
                .iter()
                .enumerate()
                .map(|(place, unit)| Unit {
                    currency: currency(&unit[0]),
                    value: money(&unit[1]),
                    count: unit[2].as_u64().expect("a count"),
                    minimum: case["partial"][place.to_string()].as_u64().unwrap_or(0),
                    maximum: u64::MAX,
                })
                .collect();
            Case {
                name: case["name"].as_str().expect("a case has a name").to_owned(),
                amounts: case["amounts"]
                    .as_object()
                    .expect("amounts by currency")
                    .iter()
                    .map(|(name, amount)| {
                        (
                            currency(&Value::from(name.as_str())),
                            u128::from(money(amount)),
                        )
                    })
                    .collect(),
                ready: Ready::all(&units),
                units,
                max_items: case["max_items"].as_u64(),
            }
        })
        .collect()
}
