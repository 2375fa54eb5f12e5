//! Answers as people read them: numbered, indented and quoted on a terminal, as redis-cli does, and plain elsewhere.

use quorate::resp::Frame;
use std::fmt::Write;

/// For people.
pub fn pretty(frame: &Frame) -> String {
    let mut text = String::new();
    write(frame, 0, &mut text);
    text.push('\n');
    text
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text.push('"');
    text
}

fn write(frame: &Frame, indent: usize, text: &mut String) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = match frame {
        Frame::Simple(bytes) | Frame::Verbatim(_, bytes) => lossy(bytes).trim_end().to_owned(),
        Frame::Error(bytes) => format!("(error) {}", lossy(bytes)),
        Frame::Integer(number) => format!("(integer) {number}"),
        Frame::Bulk(bytes) => quoted(bytes),
        Frame::Null | Frame::NullArray => "(nil)".into(),
        Frame::Double(number) => format!("(double) {number}"),
        Frame::Boolean(yes) => format!("({yes})"),
        Frame::BigNumber(digits) => digits.clone(),
        Frame::Array(items) => return list(items, ')', "(empty array)", indent, text),
        Frame::Push(items) => return list(items, ')', "(empty push)", indent, text),
        Frame::Set(items) => return list(items, '~', "(empty set)", indent, text),
        Frame::Map(pairs) => return map(pairs, indent, text),
    };
    text.push_str(&line);
}

/// The number in front of an element, and how far what follows it is indented.
fn number(place: usize, count: usize, mark: char, indent: usize, text: &mut String) -> usize {
    let digits = count.to_string().len();
    if place > 0 {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', indent));
    }
    write!(text, "{:>digits$}{mark} ", place + 1).expect("writing to a string cannot fail");
    indent + digits + 2
}

fn list(items: &[Frame], mark: char, empty: &str, indent: usize, text: &mut String) {
    if items.is_empty() {
        text.push_str(empty);
    }
    for (place, item) in items.iter().enumerate() {
        let deeper = number(place, items.len(), mark, indent, text);
        write(item, deeper, text);
    }
}

fn map(pairs: &[(Frame, Frame)], indent: usize, text: &mut String) {
    if pairs.is_empty() {
        text.push_str("(empty map)");
    }
    for (place, (key, value)) in pairs.iter().enumerate() {
        let deeper = number(place, pairs.len(), '#', indent, text);
        write(key, deeper, text);
        text.push_str(" => ");
        write(value, deeper + 3, text);
    }
}

/// For programs: the bytes as they are, an element a line.
pub fn plain(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    write_plain(frame, &mut out);
    out
}

fn write_plain(frame: &Frame, out: &mut Vec<u8>) {
    let all = |items: &[Frame], out: &mut Vec<u8>| {
        items.iter().for_each(|item| write_plain(item, out));
    };
    match frame {
        Frame::Simple(bytes)
        | Frame::Error(bytes)
        | Frame::Bulk(bytes)
        | Frame::Verbatim(_, bytes) => out.extend_from_slice(bytes),
        Frame::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Frame::Double(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Frame::Boolean(yes) => out.extend_from_slice(yes.to_string().as_bytes()),
        Frame::BigNumber(digits) => out.extend_from_slice(digits.as_bytes()),
        Frame::Null | Frame::NullArray => {}
        Frame::Array(items) | Frame::Set(items) | Frame::Push(items) => return all(items, out),
        Frame::Map(pairs) => {
            return pairs.iter().for_each(|(key, value)| {
                write_plain(key, out);
                write_plain(value, out);
            });
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Frame {
        Frame::Bulk(text.into())
    }

    #[test]
    fn for_people() {
        let nested =
            Frame::Array(vec![bulk("a"), Frame::Array(vec![Frame::Integer(1), Frame::Null])]);
        assert_eq!(pretty(&nested), "1) \"a\"\n2) 1) (integer) 1\n   2) (nil)\n");
        assert_eq!(pretty(&bulk("a\"\n\u{1}")), "\"a\\\"\\n\\x01\"\n");
        assert_eq!(pretty(&Frame::Error(b"ERR no".to_vec())), "(error) ERR no\n");
        let map = Frame::Map(vec![(bulk("k"), Frame::Boolean(true))]);
        assert_eq!(pretty(&map), "1# \"k\" => (true)\n");
        let ten = Frame::Array((0..10).map(Frame::Integer).collect());
        assert!(pretty(&ten).starts_with(" 1) (integer) 0\n"), "numbers are in line");
        assert_eq!(pretty(&Frame::Array(Vec::new())), "(empty array)\n");
    }

    #[test]
    fn for_programs() {
        let nested = Frame::Array(vec![bulk("a"), Frame::Integer(-1), Frame::Null]);
        assert_eq!(plain(&nested), b"a\n-1\n\n");
    }
}
