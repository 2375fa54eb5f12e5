//! INCR and INCRBYFLOAT: which texts are numbers, and what their sums look like.

use super::{Bench, bulk, cases, fault};
use proptest::prelude::*;
use protocol::kv::number::{INTEGER_BYTES, format_i64, parse_i64};
use protocol::kv::{Deadline, Decimal, Fault, Reply, StringOp};

fn by(by: i64) -> StringOp {
    StringOp::IncrBy { by }
}

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

#[test]
fn incr_counts_from_zero_and_keeps_the_deadline() {
    let mut b = Bench::new();
    assert_eq!(b.string("k", by(1)), Reply::Int(1));
    assert_eq!(b.string("k", by(17_179_869_184)), Reply::Int(17_179_869_185));
    assert_eq!(b.string("k", by(-17_179_869_186)), Reply::Int(-1));
    assert_eq!(b.get("k"), bulk("-1"));
    b.put_until("k", "5", Deadline::In(1_000));
    assert_eq!(b.string("k", by(1)), Reply::Int(6));
    assert_eq!(b.left_ms("k"), Reply::Int(1_000));
}

#[test]
fn incr_takes_only_the_shortest_form() {
    let mut b = Bench::new();
    let wrong = [
        "",
        " 11",
        "11 ",
        " 11 ",
        "+1",
        "-",
        "-0",
        "00",
        "01",
        "-01",
        "1.0",
        "1e3",
        "0x1",
        "1\0",
        "a",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999999999999999999999",
    ];
    for text in wrong {
        b.put("k", text);
        assert_eq!(b.string("k", by(1)), fault(Fault::NotAnInteger), "{text:?}");
        assert_eq!(b.get("k"), bulk(text), "nothing was written");
    }
    for (text, sum) in [("0", 1), ("-1", 0), ("9", 10), ("-9223372036854775808", i64::MIN + 1)] {
        b.put("k", text);
        assert_eq!(b.string("k", by(1)), Reply::Int(sum));
    }
}

#[test]
fn incr_refuses_to_overflow() {
    let mut b = Bench::new();
    for (text, more) in [("9223372036854775807", 1), ("-9223372036854775808", -1), ("-1", i64::MIN)]
    {
        b.put("k", text);
        assert_eq!(b.string("k", by(more)), fault(Fault::Overflow));
        assert_eq!(b.get("k"), bulk(text));
    }
    b.put("k", "-1");
    assert_eq!(b.string("k", by(i64::MAX)), Reply::Int(i64::MAX - 1));
}

#[test]
fn incrbyfloat_adds_as_on_paper() {
    let mut b = Bench::new();
    let mut add = |old: Option<&str>, more: &str| {
        if let Some(old) = old {
            b.put("k", old);
        }
        let sum = b.string("k", StringOp::IncrByFloat { by: decimal(more) });
        assert_eq!(b.get("k"), sum);
        sum
    };
    assert_eq!(add(None, "1"), bulk("1"));
    assert_eq!(add(None, "0.25"), bulk("1.25"));
    assert_eq!(add(Some("1.5"), "1.5"), bulk("3"));
    assert_eq!(add(Some("17179869184"), "1.5"), bulk("17179869185.5"));
    assert_eq!(add(Some("17179869184"), "17179869184"), bulk("34359738368"));
    assert_eq!(add(Some("5.0e3"), "2.0e2"), bulk("5200"));
    assert_eq!(add(Some("1"), "-1.1"), bulk("-0.1"));
    assert_eq!(add(Some("0.1"), "0.2"), bulk("0.3"), "binary fractions would not");
    assert_eq!(add(Some("10.50"), "0.1"), bulk("10.6"));
    assert_eq!(add(Some("0.024390243902439025"), "-0.024390243902439025"), bulk("0"));
    assert_eq!(add(Some("-0"), "0"), bulk("0"), "no negative zero");
}

#[test]
fn incrbyfloat_takes_no_words_and_no_spaces() {
    let mut b = Bench::new();
    for text in ["", " 11", "11 ", ".", "-", "+", "e5", "1e", "1e+", "1.2.3", "nan", "0x10", "1\0"]
    {
        b.put("k", text);
        let reply = b.string("k", StringOp::IncrByFloat { by: decimal("1") });
        assert_eq!(reply, fault(Fault::NotANumber), "{text:?}");
        assert_eq!(b.get("k"), bulk(text));
    }
    for text in ["inf", "+inf", "-INF", "Infinity"] {
        assert_eq!(Decimal::parse(text.as_bytes()), Err(Fault::NotFinite));
    }
    let long = "1".repeat(300);
    assert_eq!(Decimal::parse(long.as_bytes()), Err(Fault::NotANumber));
}

#[test]
fn decimals_have_a_range_and_are_rounded_behind_17_digits() {
    for (text, shown) in [
        ("1e-17", "0.00000000000000001"),
        ("5e-18", "0.00000000000000001"),
        ("-5e-18", "-0.00000000000000001"),
        ("4e-18", "0"),
        ("4.9999e-18", "0"),
        ("1e-100000000000000000000", "0"),
        ("0e100000000000000000000", "0"),
        ("0.123456789012345675", "0.12345678901234568"),
        ("0.999999999999999999", "1"),
        ("1700000000000000000000", "1700000000000000000000"),
        ("1.7E+21", "1700000000000000000000"),
        ("00012.500", "12.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+3", "3"),
    ] {
        assert_eq!(decimal(text).to_string(), shown, "{text}");
    }
    for text in ["1e22", "-1e22", "1702000000000000000000", "1e99999", "99999999999999999999999999"]
    {
        assert_eq!(Decimal::parse(text.as_bytes()), Err(Fault::NumberTooLarge), "{text}");
    }
    let most = Decimal::from_units(i128::MAX);
    assert_eq!(most.plus(decimal("1e-17")), Err(Fault::NumberTooLarge));
    assert_eq!(Decimal::from_units(-i128::MAX).plus(decimal("-1e-17")), Err(Fault::NumberTooLarge));
}

proptest! {
    #![proptest_config(cases(2048))]

    #[test]
    fn a_decimal_is_read_as_it_is_written(units in prop_oneof![-i128::MAX..=i128::MAX, -1000i128..1000]) {
        let number = Decimal::from_units(units);
        prop_assert_eq!(Decimal::parse(number.to_string().as_bytes()), Ok(number));
    }

    #[test]
    fn any_bytes_are_a_decimal_or_a_fault(text in "[-+]?[0-9]{0,30}[.]?[0-9]{0,30}(e[-+]?[0-9]{0,4})?") {
        if let Ok(number) = Decimal::parse(text.as_bytes()) {
            let float: f64 = text.parse().expect("what is a decimal is a float");
            let back: f64 = number.to_string().parse().expect("and so is its text");
            prop_assert!((float - back).abs() <= 1e-14 * float.abs().max(1e-3), "{} {}", float, back);
        }
    }

    #[test]
    fn an_integer_is_what_prints_as_its_text(text in "[-+ ]?0?[0-9]{0,20}") {
        let mut b = Bench::new();
        b.put("k", &text);
        let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
        let expected = number.map_or(fault(Fault::NotAnInteger), Reply::Int);
        prop_assert_eq!(b.string("k", by(0)), expected);
    }

    #[test]
    fn every_integer_comes_back(value in any::<i64>()) {
        let mut buffer = [0; INTEGER_BYTES];
        let text = format_i64(value, &mut buffer);
        let expected = value.to_string();
        prop_assert_eq!(text, expected.as_bytes());
        prop_assert_eq!(parse_i64(text), Some(value));
    }
}
