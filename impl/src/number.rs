//! Redis' ways with numbers: which texts are integers and floats, and how numbers are written.
//!
//! The rules decide what a replicated command does, so they must give the same bytes on every server. They
//! read nothing but their arguments, and need `core` and `alloc` alone.

use core::fmt::{self, Write};

/// The longest text of a 64-bit integer: `-9223372036854775808`.
pub const INTEGER_BYTES: usize = 20;

/// Longer texts are no floats; Redis draws the line at the same place.
const FLOAT_BYTES: usize = 5 * 1024;

/// Digits behind the point in exact addition.
const DECIMALS: u32 = 17;

/// The one text of a 64-bit integer: no plus, no space, no leading zero, no `-0`. Anything else is `None`.
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

/// Why a float can't be had. The text is what a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatError {
    /// The text is not a number, or not a finite one.
    Invalid,
    /// The sum is beyond the largest float.
    Infinite,
}

impl fmt::Display for FloatError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Invalid => "ERR value is not a valid float",
            Self::Infinite => "ERR increment would produce NaN or Infinity",
        })
    }
}

impl core::error::Error for FloatError {}

/// A finite float: a decimal number, with or without a sign, a point and an exponent.
///
/// # Errors
/// [`FloatError::Invalid`] for anything else, such as spaces around it, `nan`, `inf`, or what rounds to it.
pub fn parse_float(text: &[u8]) -> Result<f64, FloatError> {
    let numeric = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if text.len() > FLOAT_BYTES || !text.iter().all(numeric) {
        return Err(FloatError::Invalid);
    }
    let text = core::str::from_utf8(text).map_err(|_| FloatError::Invalid)?;
    let value: f64 = text.parse().map_err(|_| FloatError::Invalid)?;
    if value.is_finite() { Ok(value) } else { Err(FloatError::Invalid) }
}

/// Writes a finite float without an exponent, with as few digits as tell it from its neighbours (at most 17
/// significant ones), without trailing zeros and without a minus before zero.
///
/// # Errors
/// [`FloatError::Infinite`] if it is infinite or no number.
pub fn format_float(value: f64) -> Result<String, FloatError> {
    if !value.is_finite() {
        return Err(FloatError::Infinite);
    }
    let mut text = String::new();
    // Adding zero makes a negative zero positive and changes nothing else.
    write!(text, "{}", value + 0.0).expect("writing to a string cannot fail");
    Ok(text)
}

/// INCRBYFLOAT: the sum of two texts of floats as text, in the form of [`format_float`].
///
/// Redis adds in 80-bit floats and prints 17 decimals, so that 0.1 and 0.2 make 0.3, which 64-bit floats would
/// not give. Not every processor has 80 bits; here numbers of at most 17 decimals and 20 digits before the
/// point are added exactly, as decimals, which gives what Redis means. Others are added as 64-bit floats.
///
/// # Errors
/// [`FloatError::Invalid`] if one of them is no finite float, [`FloatError::Infinite`] if the sum is none.
pub fn add_floats(value: &[u8], increment: &[u8]) -> Result<String, FloatError> {
    let sum = parse_float(value)? + parse_float(increment)?;
    let exact = || parse_decimal(value)?.checked_add(parse_decimal(increment)?);
    exact().map_or_else(|| format_float(sum), |sum| Ok(format_decimal(sum)))
}

/// A number that [`parse_float`] accepts, in units of the last decimal, if it is a whole number of them and
/// not too large.
fn parse_decimal(text: &[u8]) -> Option<i128> {
    let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (number, exponent) = match exponent_at {
        Some(at) => (&text[..at], core::str::from_utf8(&text[at + 1..]).ok()?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (mut units, mut decimals, mut point) = (0_i128, 0_i32, false);
    for &byte in number {
        match byte {
            b'.' => point = true,
            b'0'..=b'9' => {
                units = units.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                decimals += i32::from(point);
            }
            _ => {}
        }
    }
    if units == 0 {
        return Some(0);
    }
    let shift = exponent.checked_sub(decimals)?.checked_add(DECIMALS as i32)?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    let units = if shift >= 0 {
        units.checked_mul(power)?
    } else if units % power == 0 {
        units / power
    } else {
        return None;
    };
    Some(if number.first() == Some(&b'-') { -units } else { units })
}

fn format_decimal(units: i128) -> String {
    let one = 10_u128.pow(DECIMALS);
    let sign = if units < 0 { "-" } else { "" };
    let (whole, rest) = (units.unsigned_abs() / one, units.unsigned_abs() % one);
    let mut text = String::new();
    write!(text, "{sign}{whole}.{rest:017}").expect("writing to a string cannot fail");
    let digits = text.trim_end_matches('0').trim_end_matches('.').len();
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_integer_has_one_text() {
        for (text, value) in [
            ("0", 0),
            ("-1", -1),
            ("10", 10),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "-01",
            "00",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "1e3",
            "1\0",
            "١",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "18446744073709551617",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn floats_are_finite_decimal_numbers() {
        for (text, value) in [
            ("1", 1.0),
            ("+1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-1.5e-3", -0.0015),
            ("1E2", 100.0),
        ] {
            assert_eq!(parse_float(text.as_bytes()), Ok(value), "{text}");
        }
        for text in [
            "", " 1", "1 ", "nan", "inf", "-inf", "infinity", "1e999", "1,5", "0x10", "1e", ".",
            "é",
        ] {
            assert_eq!(parse_float(text.as_bytes()), Err(FloatError::Invalid), "{text}");
        }
        assert_eq!(parse_float(&[b'0'; FLOAT_BYTES + 1]), Err(FloatError::Invalid));
        assert_eq!(FloatError::Invalid.to_string(), "ERR value is not a valid float");
    }

    #[test]
    fn floats_are_written_without_exponent() {
        for (value, text) in [
            (3.0, "3"),
            (0.1, "0.1"),
            (-0.0, "0"),
            (1e21, "1000000000000000000000"),
            (1.5e-7, "0.00000015"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(format_float(value).as_deref(), Ok(text));
        }
        assert_eq!(format_float(f64::NAN), Err(FloatError::Infinite));
        assert_eq!(format_float(f64::NEG_INFINITY), Err(FloatError::Infinite));
    }

    #[test]
    fn sums_are_what_a_person_expects() {
        for (value, increment, sum) in [
            ("0.1", "0.2", "0.3"),
            ("10.5", "0.1", "10.6"),
            ("10.6", "-5", "5.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "-3.0", "0"),
            ("1", "-1.5", "-0.5"),
            ("1e20", "0.5", "100000000000000000000.5"),
            ("1e22", "1", "10000000000000000000000"),
            ("0", "1e-17", "0.00000000000000001"),
            ("1e300", "0", &("1".to_string() + &"0".repeat(300))),
            ("1e-300", "1", "1"),
        ] {
            let found = add_floats(value.as_bytes(), increment.as_bytes());
            assert_eq!(found.as_deref(), Ok(sum), "{value} + {increment}");
        }
        assert_eq!(add_floats(b"a", b"1"), Err(FloatError::Invalid));
        assert_eq!(add_floats(b"1", b"nan"), Err(FloatError::Invalid));
        let largest = b"179769313486231570000e288";
        assert_eq!(add_floats(largest, largest), Err(FloatError::Infinite));
    }

    proptest! {
        #[test]
        fn every_integer_comes_back(value in any::<i64>()) {
            let mut buffer = [0; INTEGER_BYTES];
            let text = format_i64(value, &mut buffer);
            let expected = value.to_string();
            prop_assert_eq!(text, expected.as_bytes());
            prop_assert_eq!(parse_i64(text), Some(value));
        }

        #[test]
        fn a_text_is_refused_or_the_one_of_its_value(text in "[-+]?[0-9]{0,20}[ .]?") {
            let expected = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), expected);
        }

        #[test]
        fn sums_are_floats_again(left in "[-+]?[0-9]{0,25}\\.?[0-9]{0,20}(e-?[0-9]{1,3})?",
                                 right in "[-+]?[0-9]{0,25}\\.?[0-9]{0,20}(e-?[0-9]{1,3})?") {
            if let Ok(sum) = add_floats(left.as_bytes(), right.as_bytes()) {
                let value = parse_float(sum.as_bytes()).expect("a sum is a float");
                let parse = |text: &str| parse_float(text.as_bytes()).expect("it was added");
                let parts = parse(&left) + parse(&right);
                let most = parse(&left).abs().max(parts.abs());
                prop_assert!((value - parts).abs() <= most * 1e-15, "{} {} {}", left, right, sum);
                prop_assert!(!sum.contains('e'));
            }
        }

        #[test]
        fn every_finite_float_comes_back(value in any::<f64>()) {
            if let Ok(text) = format_float(value) {
                prop_assert_eq!(parse_float(text.as_bytes()), Ok(value));
            }
        }
    }
}
