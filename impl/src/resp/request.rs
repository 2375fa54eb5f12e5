//! Commands as clients send them, found in a buffer that the caller owns.
//!
//! The caller appends what arrives to its buffer and calls [`Parser::next`] with all bytes that were not
//! consumed yet, until it says [`Step::More`]. A parser remembers how far it has come in a command, so that
//! the work is linear in the bytes however small the pieces are: a header is searched from where the last
//! search ended, a value is not looked at until it is whole. Per command nothing is allocated; the arguments
//! are offsets in a list that is used again.
//!
//! Departures from Redis, all of them stricter: lines end with CR LF everywhere (Redis skips whatever two
//! bytes follow a value), and an inline command over the limit is refused even if it arrived at once.
//! One is kinder. Redis closes the connection at a value over its limit, while the client is still writing:
//! the client then sees a reset instead of the reason, and may send it all again. Here a command that is too
//! large is read past without being kept, and refused by an ordinary error ([`Step::Refused`]).

use super::inline;
use super::limits::{Limits, ProtocolError, Refusal, SKIPPED_BYTES};
use crate::commands::Arguments;
use protocol::kv::number::parse_i64;

/// The longest inline command and the longest header, in bytes without the line feed.
const LINE_BYTES: usize = 64 * 1024;

/// Offsets and bytes for which a parser keeps room between commands.
const KEPT: usize = 1024;

/// What stands at the beginning of the bytes.
#[derive(Debug)]
pub enum Step<'a> {
    /// A command. Drop [`Request::consumed`] bytes before the next call.
    Request(Request<'a>),
    /// The end of a command that is too large. Drop the bytes, answer with the refusal, go on.
    Refused {
        /// How many bytes to drop.
        consumed: usize,
        /// Why.
        refusal: Refusal,
    },
    /// No whole command. Drop the bytes, which are done with, and call again when more have been appended.
    More {
        /// How many bytes to drop; often none.
        consumed: usize,
    },
}

/// Where an argument lies, in bytes from the beginning of its command.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    length: u32,
}

/// A whole command: its name and its arguments, as slices of the caller's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    consumed: usize,
}

impl<'a> Request<'a> {
    /// How many bytes of the input it took, with what was skipped before it.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// How many arguments there are, the name included; at least one.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Never: an empty command is skipped.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at a place; the name is at 0.
    pub fn get(&self, place: usize) -> Option<&'a [u8]> {
        self.spans.get(place).map(|&span| slice(self.bytes, span))
    }

    /// Name and arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |&span| slice(bytes, span))
    }
}

fn slice(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.start as usize..][..span.length as usize]
}

impl Arguments for Request<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn argument(&self, place: usize) -> &[u8] {
        slice(self.bytes, self.spans[place])
    }
}

/// Where in a command the parser is.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Before it.
    Start,
    /// Before an argument's header.
    Header,
    /// Behind the header of an argument of so many bytes.
    Bulk { bytes: usize },
}

/// What a call has come to.
enum Found {
    More,
    Multibulk,
    Inline,
    TooLarge(Refusal),
}

/// Finds commands in bytes, in pieces of any size.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    phase: Phase,
    /// The beginning of the present command in the input.
    start: usize,
    /// What lies before it is parsed.
    position: usize,
    /// So many bytes of the present line are known to hold no line feed.
    scanned: usize,
    /// Arguments that are still to come.
    missing: usize,
    spans: Vec<Span>,
    /// The arguments of an inline command without their quotes.
    text: Vec<u8>,
    /// Why the present command will be refused; its bytes are dropped as they come.
    refusal: Option<Refusal>,
    failed: Option<ProtocolError>,
}

impl Parser {
    /// A parser at the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Start,
            start: 0,
            position: 0,
            scanned: 0,
            missing: 0,
            spans: Vec::new(),
            text: Vec::new(),
            refusal: None,
            failed: None,
        }
    }

    /// Puts other limits in force, from the next header on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The next command. `input` begins with the first byte that was not consumed, and holds at least the
    /// bytes that it held at the last call.
    ///
    /// # Errors
    /// What [`ProtocolError`] says; the same at every later call.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<Step<'a>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let found = self.advance(input).inspect_err(|&error| self.failed = Some(error))?;
        let (start, consumed) = (self.start, self.position);
        if let Found::More = found {
            self.position -= start;
            self.start = 0;
            return Ok(Step::More { consumed: start });
        }
        (self.start, self.position) = (0, 0);
        let bytes = match found {
            Found::TooLarge(refusal) => return Ok(Step::Refused { consumed, refusal }),
            Found::Inline => &self.text[..],
            _ => &input[start..consumed],
        };
        Ok(Step::Request(Request { bytes, spans: &self.spans, consumed }))
    }

    fn advance(&mut self, input: &[u8]) -> Result<Found, ProtocolError> {
        loop {
            match self.phase {
                Phase::Start => {
                    self.start = self.position;
                    let found = match input.get(self.position) {
                        None => Some(Found::More),
                        Some(b'*') => self.begin(input)?,
                        Some(_) => self.inline(input)?,
                    };
                    if let Some(found) = found {
                        return Ok(found);
                    }
                }
                Phase::Header => {
                    if self.take_whole(input) {
                        self.phase = Phase::Start;
                        return Ok(Found::Multibulk);
                    }
                    match input.get(self.position) {
                        None => return Ok(Found::More),
                        Some(b'$') => {}
                        Some(&other) => return Err(ProtocolError::ExpectedBulk(other)),
                    }
                    let Some(length) = self.header(input, &BULK)? else { return Ok(Found::More) };
                    self.measure(length)?;
                }
                Phase::Bulk { bytes } => {
                    let bytes = self.skip(input, bytes);
                    let end = self.position + bytes + 2;
                    let Some(line_end) = input.get(end - 2..end) else { return Ok(Found::More) };
                    if line_end != b"\r\n" {
                        return Err(ProtocolError::MissingLineEnd);
                    }
                    if self.refusal.is_none() {
                        let start = (self.position - self.start) as u32;
                        self.spans.push(Span { start, length: bytes as u32 });
                    }
                    self.position = end;
                    self.missing -= 1;
                    if self.missing == 0 {
                        self.phase = Phase::Start;
                        return Ok(self.refusal.take().map_or(Found::Multibulk, Found::TooLarge));
                    }
                    self.phase = Phase::Header;
                }
            }
        }
    }

    /// The line that says how many arguments come. `None` if it promises none: then nothing was said.
    fn begin(&mut self, input: &[u8]) -> Result<Option<Found>, ProtocolError> {
        let Some(count) = self.header(input, &COUNT)? else { return Ok(Some(Found::More)) };
        let count = usize::try_from(count).unwrap_or(0);
        if count > self.limits.arguments {
            return Err(if self.limits.trusted {
                ProtocolError::InvalidMultibulkLength
            } else {
                ProtocolError::UnauthenticatedMultibulkLength
            });
        }
        self.missing = count;
        if count > 0 {
            self.forget();
            self.phase = Phase::Header;
        }
        Ok(None)
    }

    /// Forgets the last command, and gives back the room if it was an unusual one.
    fn forget(&mut self) {
        self.spans.clear();
        self.text.clear();
        self.spans.shrink_to(KEPT);
        self.text.shrink_to(KEPT);
    }

    /// Takes arguments that are whole and ordinary, which is nearly all. Whether these were the last ones;
    /// otherwise the next one is for the way that knows every case.
    fn take_whole(&mut self, input: &[u8]) -> bool {
        if self.refusal.is_some() || self.scanned > 0 {
            return false;
        }
        let limits = self.limits;
        while let Some([b'$', line @ ..]) = input.get(self.position..)
            && let Some((bytes, header)) = short_number(line)
            && bytes as usize <= limits.bulk_bytes
            && let begin = self.position + 1 + header
            && let end = begin + bytes as usize
            && end + 2 - self.start <= limits.request_bytes
            && input.get(end..end + 2) == Some(b"\r\n")
        {
            let start = (begin - self.start) as u32;
            self.spans.push(Span { start, length: bytes as u32 });
            self.position = end + 2;
            self.missing -= 1;
            if self.missing == 0 {
                return true;
            }
        }
        false
    }

    /// Compares an argument's length with the limits.
    fn measure(&mut self, length: i64) -> Result<(), ProtocolError> {
        let limits = self.limits;
        let bytes = usize::try_from(length).map_err(|_| ProtocolError::InvalidBulkLength)?;
        if bytes > SKIPPED_BYTES {
            return Err(ProtocolError::InvalidBulkLength);
        }
        if !limits.trusted && bytes > limits.bulk_bytes {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        if self.refusal.is_none() {
            if bytes > limits.bulk_bytes {
                self.refusal = Some(Refusal::Bulk { bytes, limit: limits.bulk_bytes });
            } else if self.position - self.start + bytes + 2 > limits.request_bytes {
                self.refusal = Some(Refusal::Request { limit: limits.request_bytes });
            }
        }
        self.phase = Phase::Bulk { bytes };
        Ok(())
    }

    /// In a command that will be refused, what is there of an argument is done with. Returns what is left.
    fn skip(&mut self, input: &[u8], bytes: usize) -> usize {
        if self.refusal.is_none() {
            return bytes;
        }
        let there = bytes.min(input.len() - self.position);
        self.position += there;
        self.start = self.position;
        self.phase = Phase::Bulk { bytes: bytes - there };
        bytes - there
    }

    /// The number in the line at the position, whose first byte says what it counts; `None` if the line is
    /// not whole.
    fn header(&mut self, input: &[u8], kind: &Header) -> Result<Option<i64>, ProtocolError> {
        let line = &input[self.position + 1..];
        if self.scanned == 0
            && let Some((value, length)) = short_number(line)
        {
            self.position += 1 + length;
            return Ok(Some(value));
        }
        self.long_header(line, kind)
    }

    /// The same for a line that is not whole, or wrong, or only unusual.
    #[cold]
    fn long_header(&mut self, line: &[u8], kind: &Header) -> Result<Option<i64>, ProtocolError> {
        let Some(end) = self.line_end(line).map_err(|TooLong| kind.too_long)? else {
            return Ok(None);
        };
        let number = line[..end].strip_suffix(b"\r").and_then(parse_i64).ok_or(kind.invalid)?;
        self.position += 1 + end + 1;
        Ok(Some(number))
    }

    /// Where the line ends that `rest` begins with; `None` if that is not known yet.
    fn line_end(&mut self, rest: &[u8]) -> Result<Option<usize>, TooLong> {
        let found = rest[self.scanned..].iter().position(|&byte| byte == b'\n');
        let (known, end) = match found {
            Some(at) => (self.scanned + at, Some(self.scanned + at)),
            None => (rest.len(), None),
        };
        if known > LINE_BYTES {
            return Err(TooLong);
        }
        self.scanned = if end.is_some() { 0 } else { known };
        Ok(end)
    }

    /// A command as a person types it. `None` if the line is empty.
    fn inline(&mut self, input: &[u8]) -> Result<Option<Found>, ProtocolError> {
        let rest = &input[self.position..];
        let end = self.line_end(rest).map_err(|TooLong| ProtocolError::TooBigInline)?;
        let Some(end) = end else { return Ok(Some(Found::More)) };
        self.forget();
        let (text, spans) = (&mut self.text, &mut self.spans);
        let mut push = |start: usize, end: usize| {
            spans.push(Span { start: start as u32, length: (end - start) as u32 });
        };
        inline::split(&rest[..end], text, &mut push)?;
        self.position += end + 1;
        let limits = self.limits;
        let longest = self.spans.iter().map(|span| span.length as usize).max();
        if !limits.trusted && self.spans.len() > limits.arguments {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        Ok(match longest {
            None => None,
            Some(bytes) if bytes <= limits.bulk_bytes => Some(Found::Inline),
            Some(_) if !limits.trusted => return Err(ProtocolError::UnauthenticatedBulkLength),
            Some(bytes) => Some(Found::TooLarge(Refusal::Bulk { bytes, limit: limits.bulk_bytes })),
        })
    }
}

/// A line over the limit.
struct TooLong;

/// What to say of a header that is wrong.
struct Header {
    too_long: ProtocolError,
    invalid: ProtocolError,
}

const COUNT: Header = Header {
    too_long: ProtocolError::TooBigMultibulkCount,
    invalid: ProtocolError::InvalidMultibulkLength,
};

const BULK: Header =
    Header { too_long: ProtocolError::TooBigBulkCount, invalid: ProtocolError::InvalidBulkLength };

/// The number in a line of at most eight digits, and the length of the line with its end. `None` leaves
/// everything else, wrong or only long, to the slower way.
fn short_number(line: &[u8]) -> Option<(i64, usize)> {
    let mut value = 0;
    for (place, &byte) in line.iter().take(9).enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'\r' if place > 0 && line.get(place + 1) == Some(&b'\n') => {
                let canonical = place == 1 || line[0] != b'0';
                return canonical.then_some((value, place + 2));
            }
            _ => return None,
        }
    }
    None
}
