//! Greatest common divisors, and reckoning with what numbers leave when divided.

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

/// `a·b` modulo `modulus`.
pub(super) fn multiply(a: u64, b: u64, modulus: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product % modulus,
        None => (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64,
    }
}

/// Inverse of `a` modulo `modulus`, to which it is prime.
pub(super) fn inverse(a: u64, modulus: u64) -> u64 {
    let (mut r, mut next_r) = (i128::from(modulus), i128::from(a % modulus));
    let (mut t, mut next_t) = (0i128, 1i128);
    while next_r != 0 {
        let quotient = r / next_r;
        (r, next_r) = (next_r, r - quotient * next_r);
        (t, next_t) = (next_t, t - quotient * next_t);
    }
    t.rem_euclid(i128::from(modulus)) as u64
}
