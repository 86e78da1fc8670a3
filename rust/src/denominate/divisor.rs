//! Greatest common divisors.

/// Greatest common divisor; `gcd(0, b)` is `b`.
pub fn gcd(a: u64, b: u64) -> u64 {
    let (large, small) = (a.max(b), a.min(b));
    if small == 0 {
        return large;
    }
    // Values of money are often multiples of each other, or nearly.
    let (mut a, mut b) = (small, large % small);
    if b == 0 {
        return a;
    }
    let shift = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    loop {
        b >>= b.trailing_zeros();
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        b -= a;
        if b == 0 {
            return a << shift;
        }
    }
}

/// What all values are multiples of; 0 if there are none.
pub(super) fn common_divisor(values: impl IntoIterator<Item = u64>) -> u64 {
    let mut common = 0;
    for value in values {
        common = gcd(common, value);
        if common == 1 {
            break;
        }
    }
    common
}
