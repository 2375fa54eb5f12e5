//! Numbers as text, by Redis's rules: integers of 64 bits and decimal fractions, read and written alike on every
//! platform. What parses the wire and what adds to values must agree on which texts are numbers, so both do it here.

use super::{Bytes, Fault};
use alloc::string::{String, ToString};
use core::fmt;

/// The longest text of a 64-bit integer: `-9223372036854775808`.
pub const INTEGER_BYTES: usize = 20;

/// The one text of a 64-bit integer: no plus, no space, no leading zero, no `-0`. Anything else is `None`.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        // Nineteen digits can't overflow the sum below.
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value = 0_u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Writes an integer as text into the end of `buffer`, and returns that end.
#[inline]
pub fn format_i64(value: i64, buffer: &mut [u8; INTEGER_BYTES]) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

/// A decimal number with 17 digits behind the point, as many as Redis prints, and exact.
///
/// Redis adds in the platform's widest float, whose last digits differ from one to the next: replicas must not.
/// What is longer than 17 digits behind the point is rounded, half away from zero. The range is
/// ±1.7 × 10^21, and beyond it is a fault; Redis goes on with ever fewer digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decimal(i128);

/// Digits behind the point.
const SCALE: i64 = 17;
/// 1 in units of the last digit.
const ONE: i128 = 10i128.pow(SCALE as u32);
/// Longer texts are no numbers; Redis has a bound too.
const MAX_TEXT: usize = 256;

impl Decimal {
    /// This number in units of 10^-17.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// So many units of 10^-17.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// Reads digits with sign, point and decimal exponent. No spaces, no hexadecimal digits.
    ///
    /// # Errors
    /// [`Fault::NotANumber`], [`Fault::NotFinite`] for the words, [`Fault::NumberTooLarge`] beyond the range.
    pub fn parse(text: &[u8]) -> Result<Self, Fault> {
        if text.len() > MAX_TEXT {
            return Err(Fault::NotANumber);
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Err(Fault::NotFinite);
        }
        let at = text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'e'));
        let (digits, exponent) = match at {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
        let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or(&[]));
        let known = || whole.iter().chain(fraction);
        if known().next().is_none() || !known().all(u8::is_ascii_digit) {
            return Err(Fault::NotANumber);
        }
        // The place of the first digit, counted in units: 0 is the last digit that is kept.
        let first = whole.len() as i64 - 1 + exponent + SCALE;
        let mut units: i128 = 0;
        for (place, &digit) in (0..=first).rev().zip(known()) {
            let digit = i128::from(digit - b'0');
            if digit > 0 {
                let value = power(place).and_then(|power| power.checked_mul(digit));
                units = value.and_then(|value| units.checked_add(value)).ok_or(TOO_LARGE)?;
            }
        }
        // The first digit that is not kept decides.
        let dropped = usize::try_from(first + 1).ok().and_then(|index| known().nth(index));
        if dropped.is_some_and(|&digit| digit >= b'5') {
            units = units.checked_add(1).ok_or(TOO_LARGE)?;
        }
        Ok(Self(if negative { -units } else { units }))
    }

    /// The sum.
    ///
    /// # Errors
    /// [`Fault::NumberTooLarge`].
    pub fn plus(self, other: Self) -> Result<Self, Fault> {
        self.0.checked_add(other.0).filter(|sum| *sum != i128::MIN).map(Self).ok_or(TOO_LARGE)
    }
}

const TOO_LARGE: Fault = Fault::NumberTooLarge;

fn power(exponent: i64) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// An exponent; one beyond all bounds stays so.
fn exponent(text: &[u8]) -> Result<i64, Fault> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::NotANumber);
    }
    let add = |sum: i64, digit: &u8| (sum * 10 + i64::from(digit - b'0')).min(100_000);
    let size = digits.iter().fold(0, add);
    Ok(if negative { -size } else { size })
}

/// Without zeros at the end, and without a point if nothing is behind it.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (one, units) = (ONE.unsigned_abs(), self.0.unsigned_abs());
        write!(f, "{sign}{}", units / one)?;
        let fraction = units % one;
        if fraction == 0 {
            return Ok(());
        }
        let digits: String = (one + fraction).to_string();
        write!(f, ".{}", digits[1..].trim_end_matches('0'))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Decimal> for Bytes {
    fn from(number: Decimal) -> Self {
        Self::from(number.to_string().as_str())
    }
}

/// An integer in its one text.
pub(super) fn integer(text: &[u8]) -> Result<i64, Fault> {
    parse_i64(text).ok_or(Fault::NotAnInteger)
}
