//! Whether items of three values make up an amount: in next to no time, however many there are.
//!
//! # The idea
//! Numbers of items that make up the amount are the points of a lattice in a plane: one of them and two vectors, of
//! numbers that are worth nothing together, lead to all others. The stocks, and limits for the number of all items,
//! cut a polygon out of that plane. The question is whether a point of the lattice lies in it.
//!
//! Say that a vector is short if it leads from one side of the polygon to the other but in part, whichever way. With
//! the two shortest vectors the lattice is a pile of lines along the shorter one, the other leads from line to line. If
//! the polygon is wide, its middle line holds a point or one of its neighbours does; if it is narrow, there are few
//! lines to look at (the flatness theorem). So it takes some lines, whatever the numbers are.
//!
//! Lengths, and which lines there may be, are reckoned in floating point with room for its errors: that only says where
//! to look. Whether a point is in the polygon is said by whole numbers.

use std::cell::Cell;

use arrayvec::ArrayVec;

use super::divisor::{gcd, inverse, multiply};
use super::{OutOfWork, Work};

/// Values, at most, and amounts.
const MOST_VALUE: u64 = 1 << 16;
const MOST_AMOUNT: u64 = 1 << 40;
/// Steps of a search that take about as long as a polygon.
const POLYGON_STEPS: u64 = 16;
/// What the sides of a polygon are moved out by, so that no point is lost.
const MARGIN: f64 = 0.25;

/// Numbers of items of the three values, and of all together.
type Vector = [i64; 4];

/// The plane of all numbers of items of three values that are worth as much.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    values: [i64; 3],
    /// Common divisor of all three values, and of the first two.
    divisor: u64,
    of_two: u64,
    /// Inverse of the third value over the divisor, and of the first over that of two.
    third: u64,
    first: u64,
    /// Vectors that are worth nothing, those that were short last: the next polygon is much the same, as a rule.
    vectors: Cell<[Vector; 2]>,
}

impl Plane {
    /// `None` if the values are too large.
    pub(super) fn new(values: [u64; 3]) -> Option<Self> {
        let [a, b, c] = values;
        if values.iter().any(|value| !(1..=MOST_VALUE).contains(value)) {
            return None;
        }
        let of_two = gcd(a, b);
        let divisor = gcd(of_two, c);
        let (apart, step) = (b / of_two, of_two / divisor);
        let first = inverse(a / of_two, apart);
        // So many of the third, and of the others what takes that back.
        let back = c / divisor;
        let x = multiply(apart - back % apart, first, apart) as i64;
        let y = -((back * of_two) as i64 + a as i64 * x) / b as i64;
        let (own, other) = (apart as i64, -((a / of_two) as i64));
        Some(Self {
            values: values.map(|value| value as i64),
            divisor,
            of_two,
            third: inverse(back, step),
            first,
            vectors: Cell::new([
                [own, other, 0, own + other],
                [x, y, step as i64, x + y + step as i64],
            ]),
        })
    }

    /// Whether numbers of items up to `most` are worth the amount, `items` of them at least and at most; `None` if the
    /// amount is too large to say.
    pub(super) fn has(
        &self,
        amount: u64,
        most: [u64; 3],
        items: (u64, u64),
        work: &mut Work,
    ) -> Result<Option<bool>, OutOfWork> {
        if amount > MOST_AMOUNT {
            return Ok(None);
        }
        if !amount.is_multiple_of(self.divisor) {
            return Ok(Some(false));
        }
        work.steps(POLYGON_STEPS)?;
        let [a, b, c] = self.values;
        let limit = |most: u64, value: i64| most.min(amount / value as u64) as i64;
        let most = [limit(most[0], a), limit(most[1], b), limit(most[2], c)];
        let all = most.iter().sum::<i64>();
        let items = (
            items.0.min(2 * MOST_AMOUNT) as i64,
            items.1.min(all as u64) as i64,
        );
        let sides = [(0, most[0]), (0, most[1]), (0, most[2]), items];
        if items.0 > items.1 {
            return Ok(Some(false));
        }
        let polygon = self.polygon(amount, &sides);
        let Some(widths) = widths(&polygon) else {
            return Ok(Some(false));
        };
        let (short, long) = reduced(self.vectors.get(), widths);
        self.vectors.set([short, long]);
        let point = self.point(amount);
        // How many of the long vector lead to a corner from the point.
        let [u, v] = [short[0] as f64, short[1] as f64];
        let across = u * long[1] as f64 - v * long[0] as f64;
        let lines = polygon
            .iter()
            .map(|[x, y, ..]| (u * (y - point[1] as f64) - v * (x - point[0] as f64)) / across);
        let (from, to) = lines.fold((f64::MAX, f64::MIN), |(from, to), line| {
            (line.min(from), line.max(to))
        });
        let (from, to) = ((from - MARGIN).ceil() as i64, (to + MARGIN).floor() as i64);
        // From the middle out.
        let middle = from + (to - from) / 2;
        for away in 0..=to - from {
            let line = match away % 2 {
                0 => middle - away / 2,
                _ => middle + away / 2 + 1,
            };
            work.step()?;
            if line >= from && line <= to && on_line(&sides, point, short, long, line) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    /// A point of the lattice.
    fn point(&self, amount: u64) -> Vector {
        let [a, b, c] = self.values;
        let step = self.of_two / self.divisor;
        let z = multiply(amount / self.divisor % step, self.third, step) as i64;
        let rest = amount as i64 - c * z;
        let apart = b / self.of_two as i64;
        let class = (rest / self.of_two as i64).rem_euclid(apart) as u64;
        let x = multiply(class, self.first, apart as u64) as i64;
        let y = (rest - a * x) / b;
        [x, y, z, x + y + z]
    }

    /// The corners of the polygon.
    fn polygon(&self, amount: u64, sides: &[(i64, i64); 4]) -> Corners {
        let [a, b, c] = self.values.map(|value| value as f64);
        let amount = amount as f64;
        let low = |side: usize| sides[side].0 as f64 - MARGIN;
        let high = |side: usize| sides[side].1 as f64 + MARGIN;
        let corner = |x: f64, y: f64| {
            let z = (amount - a * x - b * y) / c;
            [x, y, z, x + y + z]
        };
        let mut corners = Corners::new();
        for (x, y) in [
            (low(0), low(1)),
            (high(0), low(1)),
            (high(0), high(1)),
            (low(0), high(1)),
        ] {
            corners.push(corner(x, y));
        }
        for side in [2, 3] {
            cut(&mut corners, side, 1.0, low(side));
            cut(&mut corners, side, -1.0, -high(side));
        }
        corners
    }
}

/// Corners of a polygon with eight sides at most.
type Corners = ArrayVec<[f64; 4], 12>;

/// Leave of a polygon where a coordinate times `sign` is `least` at least.
fn cut(corners: &mut Corners, coordinate: usize, sign: f64, least: f64) {
    let over = |corner: &[f64; 4]| corner[coordinate] * sign - least;
    if corners.iter().all(|corner| over(corner) >= 0.0) {
        return;
    }
    let whole = corners.clone();
    corners.clear();
    let Some(mut before) = whole.last() else {
        return;
    };
    for corner in &whole {
        let (here, there) = (over(corner), over(before));
        if (here >= 0.0) != (there >= 0.0) {
            let part = there / (there - here);
            corners.push(std::array::from_fn(|at| {
                before[at] + part * (corner[at] - before[at])
            }));
        }
        if here >= 0.0 {
            corners.push(*corner);
        }
        before = corner;
    }
}

/// How wide a polygon is along each coordinate; `None` if nothing is left of it.
fn widths(corners: &Corners) -> Option<[f64; 4]> {
    let first = corners.first()?;
    let (mut low, mut high) = (*first, *first);
    for corner in corners {
        for at in 0..4 {
            low[at] = low[at].min(corner[at]);
            high[at] = high[at].max(corner[at]);
        }
    }
    Some(std::array::from_fn(|at| (high[at] - low[at]).max(MARGIN)))
}

/// Two vectors that are the shortest, nearly: the shorter one first.
fn reduced([mut short, mut long]: [Vector; 2], widths: [f64; 4]) -> (Vector, Vector) {
    let weights = widths.map(|width| 1.0 / (width * width));
    let product = |one: &Vector, other: &Vector| -> f64 {
        (0..4)
            .map(|at| weights[at] * (one[at] as f64) * (other[at] as f64))
            .sum()
    };
    let (mut of_short, mut of_long) = (product(&short, &short), product(&long, &long));
    loop {
        if of_long < of_short {
            (short, long) = (long, short);
            (of_short, of_long) = (of_long, of_short);
        }
        let times = nearest(product(&short, &long) / of_short);
        let next: Vector = std::array::from_fn(|at| long[at] - times * short[at]);
        let of_next = product(&next, &next);
        if of_next >= of_long {
            return (short, long);
        }
        (long, of_long) = (next, of_next);
    }
}

/// The nearest whole number; of two the one away from 0.
fn nearest(number: f64) -> i64 {
    (number + 0.5f64.copysign(number)) as i64
}

/// Whether a line has a point between all sides.
fn on_line(sides: &[(i64, i64); 4], point: Vector, short: Vector, long: Vector, line: i64) -> bool {
    let from: Vector = std::array::from_fn(|at| point[at] + line * long[at]);
    let mut least = f64::MIN;
    for at in 0..4 {
        let (low, high) = sides[at];
        let side = match short[at] {
            0 if from[at] < low || from[at] > high => return false,
            0 => continue,
            1.. => low,
            _ => high,
        };
        least = least.max((side - from[at]) as f64 / short[at] as f64);
    }
    // The first that no lower side forbids is one of these.
    let near = least.ceil() as i64;
    (near - 1..=near + 1).any(|times| {
        (0..4).all(|at| {
            let (low, high) = sides[at];
            (low..=high).contains(&(from[at] + times * short[at]))
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By trying all numbers of two of the values.
    fn by_trying(values: [u64; 3], amount: u64, most: [u64; 3], items: (u64, u64)) -> bool {
        let [a, b, c] = values;
        (0..=most[0]).any(|x| {
            (0..=most[1]).any(|y| {
                amount.checked_sub(a * x + b * y).is_some_and(|rest| {
                    let z = rest / c;
                    rest % c == 0 && z <= most[2] && (items.0..=items.1).contains(&(x + y + z))
                })
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_polygon_says_what_trying_all_says(
            values in prop::array::uniform3(1u64..80),
            times in prop::array::uniform3(1u64..9),
            most in prop::array::uniform3(0u64..40),
            (share, over) in (0u64..=100, 0u64..4),
            (least, more) in (0u64..60, prop::option::of(0u64..12)),
        ) {
            let values = [values[0] * times[0], values[1] * times[1], values[2] * times[2]];
            let all: u64 = values.iter().zip(most).map(|(value, most)| value * most).sum();
            let amount = all * share / 100 + over;
            let items = match more {
                Some(more) => (least, least + more),
                None => (0, u64::MAX),
            };
            let plane = Plane::new(values).unwrap();
            let work = &mut Work::new(1000);
            let said = plane.has(amount, most, items, work).unwrap();
            prop_assert_eq!(said, Some(by_trying(values, amount, most, items)));
        }
    }
}
