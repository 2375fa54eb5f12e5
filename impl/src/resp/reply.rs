//! Answers, written into bytes that the caller owns, in the version of the protocol that the client speaks.
//!
//! What RESP2 has no word for is written in the words that Redis uses for it there: a map is a flat array, a
//! set and a push are arrays, a double, a big number and a verbatim text are strings, a boolean is 0 or 1.
//!
//! A collection is a header with a count and then its elements, written one after the other by the caller;
//! nothing is collected first. That the count is right is the caller's promise.

use super::Protocol;
use protocol::kv::number::{INTEGER_BYTES, format_i64};

/// Writes answers to the end of a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The version that it writes.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// A short text, such as `OK`. It can't hold line ends; they become spaces.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// An error: a code in capitals, a space, and what a person should know. Whatever an error quotes, line
    /// ends become spaces, so that it can't be taken for two answers.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', text.as_ref());
    }

    /// Whole answers that were written before, in the same version.
    pub fn raw(&mut self, answers: &[u8]) {
        self.out.extend_from_slice(answers);
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        self.lengthened(b'$', &[bytes.as_ref()]);
    }

    /// The absence of a value.
    pub fn null(&mut self) {
        self.either(b"$-1\r\n", b"_\r\n");
    }

    /// The absence of an array, such as the answer of an EXEC that was not carried out.
    pub fn null_array(&mut self) {
        self.either(b"*-1\r\n", b"_\r\n");
    }

    /// The header of an array; `length` elements follow.
    pub fn array(&mut self, length: usize) {
        self.header(b'*', length);
    }

    /// The header of a map; `pairs` keys follow, each with its value.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', pairs * 2),
            Protocol::Resp3 => self.header(b'%', pairs),
        }
    }

    /// The header of a set; `length` elements follow.
    pub fn set(&mut self, length: usize) {
        self.newer(b'*', b'~', length);
    }

    /// The header of a message that nobody asked for; `length` elements follow, the first names its kind.
    pub fn push(&mut self, length: usize) {
        self.newer(b'*', b'>', length);
    }

    /// A float with as few digits as tell it from its neighbours; also `inf`, `-inf` and `nan`.
    pub fn double(&mut self, value: f64) {
        let magnitude = value.abs();
        let text = if value.is_nan() {
            "nan".to_string()
        } else if value.is_infinite() || magnitude == 0.0 || (1e-5..1e17).contains(&magnitude) {
            value.to_string()
        } else {
            format!("{value:e}")
        };
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// Yes or no.
    pub fn boolean(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Resp2, _) => self.integer(i64::from(value)),
            (Protocol::Resp3, true) => self.out.extend_from_slice(b"#t\r\n"),
            (Protocol::Resp3, false) => self.out.extend_from_slice(b"#f\r\n"),
        }
    }

    /// A text to be shown as it is; `format` is `txt` or `mkd`.
    pub fn verbatim(&mut self, format: [u8; 3], text: impl AsRef<[u8]>) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.lengthened(b'=', &[&format, b":", text.as_ref()]),
        }
    }

    /// A whole number of any size, in decimal digits with a minus if need be.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    fn either(&mut self, resp2: &[u8], resp3: &[u8]) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => resp2,
            Protocol::Resp3 => resp3,
        });
    }

    fn newer(&mut self, resp2: u8, resp3: u8, length: usize) {
        self.header(if self.protocol == Protocol::Resp2 { resp2 } else { resp3 }, length);
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        self.out.push(mark);
        let shown = |&byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte };
        self.out.extend(text.iter().map(shown));
        self.out.extend_from_slice(b"\r\n");
    }

    fn header(&mut self, mark: u8, length: usize) {
        self.number(mark, i64::try_from(length).expect("a length in memory fits"));
    }

    fn number(&mut self, mark: u8, value: i64) {
        if let Ok(digit @ 0..=9) = u8::try_from(value) {
            self.out.extend_from_slice(&[mark, b'0' + digit, b'\r', b'\n']);
            return;
        }
        self.out.push(mark);
        self.out.extend_from_slice(format_i64(value, &mut [0; INTEGER_BYTES]));
        self.out.extend_from_slice(b"\r\n");
    }

    fn lengthened(&mut self, mark: u8, parts: &[&[u8]]) {
        self.header(mark, parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.out.extend_from_slice(part);
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Appends a command as clients send it: an array of strings.
pub fn write_command<A: AsRef<[u8]>>(out: &mut Vec<u8>, arguments: &[A]) {
    let mut writer = Writer::new(out, Protocol::Resp2);
    writer.array(arguments.len());
    for argument in arguments {
        writer.bulk(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes in both versions.
    #[track_caller]
    fn writes(answer: impl Fn(&mut Writer<'_>), resp2: &str, resp3: &str) {
        for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
            let mut out = Vec::new();
            answer(&mut Writer::new(&mut out, protocol));
            let text = String::from_utf8(out).expect("the answers are texts");
            assert_eq!(text.replace("\r\n", " "), format!("{expected} "), "{protocol:?}");
        }
    }

    #[test]
    fn what_both_versions_have() {
        writes(|writer| writer.simple("PONG"), "+PONG", "+PONG");
        writes(|writer| writer.ok(), "+OK", "+OK");
        writes(|writer| writer.error("ERR no"), "-ERR no", "-ERR no");
        writes(|writer| writer.integer(-42), ":-42", ":-42");
        writes(|writer| writer.integer(i64::MIN), ":-9223372036854775808", ":-9223372036854775808");
        writes(|writer| writer.bulk("hello"), "$5 hello", "$5 hello");
        writes(|writer| writer.bulk(""), "$0 ", "$0 ");
        writes(|writer| writer.array(0), "*0", "*0");
        writes(|writer| writer.array(12), "*12", "*12");
    }

    #[test]
    fn what_the_third_adds() {
        writes(|writer| writer.null(), "$-1", "_");
        writes(|writer| writer.null_array(), "*-1", "_");
        writes(|writer| writer.map(2), "*4", "%2");
        writes(|writer| writer.set(3), "*3", "~3");
        writes(|writer| writer.push(2), "*2", ">2");
        writes(|writer| writer.boolean(true), ":1", "#t");
        writes(|writer| writer.boolean(false), ":0", "#f");
        writes(|writer| writer.verbatim(*b"txt", "some"), "$4 some", "=8 txt:some");
        writes(
            |writer| writer.big_number("-12345678901234567890"),
            "$21 -12345678901234567890",
            "(-12345678901234567890",
        );
    }

    #[test]
    fn doubles() {
        writes(|writer| writer.double(1.5), "$3 1.5", ",1.5");
        writes(|writer| writer.double(10.0), "$2 10", ",10");
        writes(|writer| writer.double(-0.0), "$2 -0", ",-0");
        writes(|writer| writer.double(1e300), "$5 1e300", ",1e300");
        writes(|writer| writer.double(f64::INFINITY), "$3 inf", ",inf");
        writes(|writer| writer.double(f64::NEG_INFINITY), "$4 -inf", ",-inf");
        writes(|writer| writer.double(f64::NAN), "$3 nan", ",nan");
    }

    /// A key in an error must not be able to forge an answer.
    #[test]
    fn a_line_stays_one_line() {
        let text = "ERR a\r\n+OK\nb\rc";
        writes(|writer| writer.error(text), "-ERR a  +OK b c", "-ERR a  +OK b c");
        writes(|writer| writer.simple("a\r\nb"), "+a  b", "+a  b");
    }
}
