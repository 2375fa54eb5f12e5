//! Answers as clients read them, in both versions of the protocol.
//!
//! A [`Decoder`] takes bytes in pieces of any size and gives whole answers. It keeps the collections that are
//! not complete on a stack, so no byte is looked at twice because the rest was late, and nesting costs no
//! call depth. What an answer claims to hold is limited and never allocated for. RESP3's attributes say
//! something *about* the answer behind them, for those who ask; they are read and dropped. Its streamed
//! strings and collections, whose length is not told first, no server sends; they are refused.

use super::reply::Writer;
use protocol::kv::number::parse_i64;
use std::mem;
use thiserror::Error;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A short text, such as `OK`.
    Simple(Vec<u8>),
    /// An error with its code; RESP3's long errors too.
    Error(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// A string of any bytes.
    Bulk(Vec<u8>),
    /// The absence of a value.
    Null,
    /// RESP2's absence of an array; RESP3 has one null for all.
    NullArray,
    /// Elements in order.
    Array(Vec<Frame>),
    /// Keys with their values, as they came.
    Map(Vec<(Frame, Frame)>),
    /// Elements without an order.
    Set(Vec<Frame>),
    /// A message that is no answer.
    Push(Vec<Frame>),
    /// A float.
    Double(f64),
    /// Yes or no.
    Boolean(bool),
    /// A text to be shown as it is, and its format: `txt` or `mkd`.
    Verbatim([u8; 3], Vec<u8>),
    /// A whole number of any size, in digits.
    BigNumber(String),
}

impl Frame {
    /// Writes the answer as a server would.
    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Simple(text) => writer.simple(&String::from_utf8_lossy(text)),
            Self::Error(text) => writer.error(text),
            Self::Integer(value) => writer.integer(*value),
            Self::Bulk(bytes) => writer.bulk(bytes),
            Self::Null => writer.null(),
            Self::NullArray => writer.null_array(),
            Self::Array(items) => Self::write_all(items, writer, Writer::array),
            Self::Set(items) => Self::write_all(items, writer, Writer::set),
            Self::Push(items) => Self::write_all(items, writer, Writer::push),
            Self::Map(pairs) => {
                writer.map(pairs.len());
                for (key, value) in pairs {
                    key.write(writer);
                    value.write(writer);
                }
            }
            Self::Double(value) => writer.double(*value),
            Self::Boolean(value) => writer.boolean(*value),
            Self::Verbatim(format, text) => writer.verbatim(*format, text),
            Self::BigNumber(digits) => writer.big_number(digits),
        }
    }

    fn write_all<'a>(items: &[Self], writer: &mut Writer<'a>, header: fn(&mut Writer<'a>, usize)) {
        header(writer, items.len());
        for item in items {
            item.write(writer);
        }
    }
}

/// How large an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Collections within each other.
    pub depth: usize,
    /// Bytes of one answer with all its headers. An element takes some ten times its bytes in memory if all
    /// are as short as they can be.
    pub bytes: usize,
}

impl Default for DecodeLimits {
    /// 32 deep, 512 MiB.
    fn default() -> Self {
        Self { depth: 32, bytes: 512 * 1024 * 1024 }
    }
}

/// Bytes that are no answer. Where the next would begin can't be known: close the connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// No type of either version begins so.
    #[error(
        "an answer begins with byte 0x{0:02x}, which names no type: is this a port that speaks the Redis protocol?"
    )]
    UnknownType(u8),
    /// The line does not fit its type.
    #[error("an answer of type '{mark}' says {text:?}, which is no {expected}")]
    Malformed {
        /// The type.
        mark: char,
        /// What the type asks for.
        expected: &'static str,
        /// What stands there, shortened.
        text: String,
    },
    /// A carriage return or a line feed stands alone.
    #[error("a line of an answer does not end with CR LF")]
    LineEnd,
    /// A string does not end where its length says.
    #[error("a string in an answer is not followed by CR LF where its length says that it ends")]
    MissingLineEnd,
    /// A line that does not end.
    #[error("a line of an answer is longer than {LINE_BYTES} bytes")]
    LineTooLong,
    /// Collections within each other beyond the limit.
    #[error("an answer nests collections more than {0} deep; raise the limit to read it")]
    TooDeep(usize),
    /// More bytes than the limit.
    #[error("an answer is larger than {0} bytes; raise the limit to read it")]
    TooLarge(usize),
    /// A string or collection whose length is not told first.
    #[error("an answer streams a value without its length, which is not supported")]
    Streamed,
}

/// The longest line, in bytes.
const LINE_BYTES: usize = 64 * 1024;

/// Elements for which room is made on the word of a header.
const TRUSTED: usize = 16;

/// A collection whose elements are not all there.
#[derive(Debug)]
struct Open {
    mark: u8,
    missing: usize,
    items: Vec<Frame>,
}

/// Reads answers.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: DecodeLimits,
    buffer: Vec<u8>,
    /// What lies before it is decoded.
    start: usize,
    /// So many bytes behind `start` are known to hold no line feed.
    scanned: usize,
    /// Bytes of the present answer that are decoded.
    used: usize,
    /// A string whose header is decoded: its type and its length.
    string: Option<(u8, usize)>,
    open: Vec<Open>,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: DecodeLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether all bytes have been given out as answers: closing the connection now loses nothing.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len() && self.string.is_none() && self.open.is_empty()
    }

    /// The next whole answer, or `None` until more bytes are fed.
    ///
    /// # Errors
    /// What [`DecodeError`] says; the same at every later call.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.decode().inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn decode(&mut self) -> Result<Option<Frame>, DecodeError> {
        loop {
            let frame = match self.string {
                Some((mark, length)) => self.string(mark, length)?,
                None => match self.line()? {
                    Some((mark, from, to)) => {
                        let Some(frame) = self.typed(mark, from, to)? else { continue };
                        Some(frame)
                    }
                    None => None,
                },
            };
            let Some(frame) = frame else { return Ok(None) };
            if let Some(whole) = self.place(frame) {
                self.used = 0;
                return Ok(Some(whole));
            }
        }
    }

    /// Puts a frame where it belongs. Returns it, or the collection that it completes, if that is an answer.
    fn place(&mut self, mut frame: Frame) -> Option<Frame> {
        while let Some(open) = self.open.last_mut() {
            open.items.push(frame);
            open.missing -= 1;
            if open.missing > 0 {
                return None;
            }
            let Open { mark, items, .. } = self.open.pop()?;
            frame = collection(mark, items)?;
        }
        Some(frame)
    }

    /// The next line: its type, and where its text lies in the buffer.
    fn line(&mut self) -> Result<Option<(u8, usize, usize)>, DecodeError> {
        let rest = &self.buffer[self.start..];
        let end = rest[self.scanned..].iter().position(|&byte| byte == b'\n');
        let known = end.map_or(rest.len(), |at| self.scanned + at + 1);
        // First, for it is known from the first byte: what is said must not depend on how much has come.
        if let Some(&first) = rest.first()
            && !b"+-:$*_%~>,#=(!|".contains(&first)
        {
            return Err(DecodeError::UnknownType(first));
        }
        if known > LINE_BYTES {
            return Err(DecodeError::LineTooLong);
        }
        if end.is_none() {
            self.scanned = known;
            return Ok(None);
        }
        let (mark, text) = match &rest[..known] {
            [mark, text @ .., b'\r', b'\n'] if !text.contains(&b'\r') => (*mark, text.len()),
            _ => return Err(DecodeError::LineEnd),
        };
        let from = self.start + 1;
        self.scanned = 0;
        self.start += known;
        self.count(known, 0)?;
        Ok(Some((mark, from, from + text)))
    }

    /// Counts bytes of the present answer, and compares them and what is announced with the limit.
    fn count(&mut self, decoded: usize, announced: usize) -> Result<(), DecodeError> {
        self.used += decoded;
        if self.used.saturating_add(announced) > self.limits.bytes {
            return Err(DecodeError::TooLarge(self.limits.bytes));
        }
        Ok(())
    }

    /// What a line means: a frame, or the beginning of one.
    fn typed(&mut self, mark: u8, from: usize, to: usize) -> Result<Option<Frame>, DecodeError> {
        let text = &self.buffer[from..to];
        let wrong = |expected| malformed(mark, expected, text);
        Ok(Some(match mark {
            b'+' => Frame::Simple(text.to_vec()),
            b'-' => Frame::Error(text.to_vec()),
            b':' => Frame::Integer(parse_i64(text).ok_or_else(|| wrong("integer"))?),
            b',' => Frame::Double(parse_double(text).ok_or_else(|| wrong("number"))?),
            b'(' => Frame::BigNumber(parse_digits(text).ok_or_else(|| wrong("whole number"))?),
            b'#' if text == b"t" => Frame::Boolean(true),
            b'#' if text == b"f" => Frame::Boolean(false),
            b'#' => return Err(wrong("boolean")),
            b'_' if text.is_empty() => Frame::Null,
            b'_' => return Err(wrong("null")),
            _ if text == b"?" => return Err(DecodeError::Streamed),
            b'$' if text == b"-1" => Frame::Null,
            b'*' if text == b"-1" => Frame::NullArray,
            _ => {
                let length = parse_i64(text).and_then(|length| usize::try_from(length).ok());
                let length = length.ok_or_else(|| wrong("length"))?;
                return self.begin(mark, length);
            }
        }))
    }

    /// The header of a string or a collection.
    fn begin(&mut self, mark: u8, length: usize) -> Result<Option<Frame>, DecodeError> {
        if matches!(mark, b'$' | b'!' | b'=') {
            self.count(0, length)?;
            self.string = Some((mark, length));
            return Ok(None);
        }
        let missing = length.saturating_mul(if matches!(mark, b'%' | b'|') { 2 } else { 1 });
        // No element has less than three bytes.
        self.count(0, missing.saturating_mul(3))?;
        if missing == 0 {
            return Ok(collection(mark, Vec::new()));
        }
        if self.open.len() == self.limits.depth {
            return Err(DecodeError::TooDeep(self.limits.depth));
        }
        let items = Vec::with_capacity(missing.min(TRUSTED));
        self.open.push(Open { mark, missing, items });
        Ok(None)
    }

    /// A string behind its header, when all of it is there.
    fn string(&mut self, mark: u8, length: usize) -> Result<Option<Frame>, DecodeError> {
        let rest = &self.buffer[self.start..];
        let Some((bytes, line_end)) = rest.get(..length + 2).map(|rest| rest.split_at(length))
        else {
            return Ok(None);
        };
        if line_end != b"\r\n" {
            return Err(DecodeError::MissingLineEnd);
        }
        let frame = match (mark, bytes) {
            (b'$', _) => Frame::Bulk(bytes.to_vec()),
            (b'!', _) => Frame::Error(bytes.to_vec()),
            (_, [a, b, c, b':', text @ ..]) => Frame::Verbatim([*a, *b, *c], text.to_vec()),
            _ => return Err(malformed(mark, "format and text", bytes)),
        };
        self.string = None;
        self.start += length + 2;
        self.count(length + 2, 0)?;
        Ok(Some(frame))
    }
}

fn malformed(mark: u8, expected: &'static str, text: &[u8]) -> DecodeError {
    let text = String::from_utf8_lossy(&text[..text.len().min(64)]).into_owned();
    DecodeError::Malformed { mark: char::from(mark), expected, text }
}

/// The collection of all its elements; `None` for attributes, which are dropped.
fn collection(mark: u8, items: Vec<Frame>) -> Option<Frame> {
    match mark {
        b'*' => Some(Frame::Array(items)),
        b'~' => Some(Frame::Set(items)),
        b'>' => Some(Frame::Push(items)),
        b'%' => {
            let take = |pair: &mut [Frame]| {
                let [key, value] = pair else { return None };
                Some((mem::replace(key, Frame::Null), mem::replace(value, Frame::Null)))
            };
            let mut items = items;
            Some(Frame::Map(items.chunks_mut(2).filter_map(take).collect()))
        }
        _ => None,
    }
}

fn parse_double(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" => return Some(f64::INFINITY),
        b"-inf" => return Some(f64::NEG_INFINITY),
        b"nan" | b"-nan" => return Some(f64::NAN),
        _ => {}
    }
    let numeric = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let numeric = text.iter().all(numeric).then(|| str::from_utf8(text).ok()).flatten()?;
    numeric.parse().ok()
}

fn parse_digits(text: &[u8]) -> Option<String> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let whole = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    whole.then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}
