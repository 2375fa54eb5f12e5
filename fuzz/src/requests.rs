//! Commands out of what clients send. Where pieces end makes no difference; an error is for good; and what this parser
//! and another reader of the protocol both know, they read alike.

use super::bytes::{pieces, tail};
use quorate::resp::limits::{ProtocolError, Refusal};
use quorate::resp::reply::write_command;
use quorate::resp::{Limits, Parser, Step};
use redis_protocol::resp2::{self, types::OwnedFrame};

/// What came out, in order.
#[derive(Clone, Debug, PartialEq)]
enum Out {
    Command(Vec<Vec<u8>>),
    Refused(Refusal),
    Failed(ProtocolError),
}

/// Feeds the pieces one after the other, as a connection does.
fn feed<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Out> {
    let mut parser = Parser::new(limits);
    let (mut buffer, mut out) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let consumed = match parser.next(&buffer) {
                Ok(Step::Request(request)) => {
                    assert!(!request.is_empty(), "an empty command is none");
                    out.push(Out::Command(request.iter().map(<[u8]>::to_vec).collect()));
                    request.consumed()
                }
                Ok(Step::Refused { consumed, refusal }) => {
                    out.push(Out::Refused(refusal));
                    consumed
                }
                Ok(Step::More { consumed }) => {
                    buffer.drain(..consumed);
                    break;
                }
                Err(error) => {
                    let again = parser.next(b"*1\r\n$4\r\nPING\r\n");
                    assert!(matches!(again, Err(same) if same == error), "an error is for good");
                    out.push(Out::Failed(error));
                    return out;
                }
            };
            buffer.drain(..consumed);
        }
    }
    out
}

/// Both readers on the same bytes, from one command to the next.
fn compare(mut bytes: &[u8]) {
    loop {
        let mut parser = Parser::new(Limits::DEFAULT);
        let (ours, consumed) = match parser.next(bytes) {
            Ok(Step::Request(request)) => {
                let words: Vec<Vec<u8>> = request.iter().map(<[u8]>::to_vec).collect();
                (Some(words), request.consumed())
            }
            Ok(Step::Refused { consumed, .. }) => (None, consumed),
            Ok(Step::More { .. }) | Err(_) => (None, 0),
        };
        let theirs = resp2::decode::decode(bytes).ok().flatten();
        let theirs = theirs.and_then(|(frame, length)| Some((words(frame)?, length)));
        // What is in the one form in which it is written must be read by both.
        if let Some(words) = ours.as_ref().filter(|words| is_written(words, &bytes[..consumed])) {
            assert_eq!(theirs.as_ref(), Some(&(words.clone(), consumed)), "the other reads it too");
        }
        if let Some((words, length)) = theirs.filter(|(words, at)| is_written(words, &bytes[..*at]))
        {
            assert_eq!((ours, consumed), (Some(words), length), "what the other reads, we do");
        }
        if consumed == 0 {
            return;
        }
        bytes = &bytes[consumed..];
    }
}

fn words(frame: OwnedFrame) -> Option<Vec<Vec<u8>>> {
    let word = |frame| if let OwnedFrame::BulkString(word) = frame { Some(word) } else { None };
    let OwnedFrame::Array(words) = frame else { return None };
    words.into_iter().map(word).collect::<Option<Vec<_>>>().filter(|words| !words.is_empty())
}

fn is_written(words: &[Vec<u8>], bytes: &[u8]) -> bool {
    let mut written = Vec::new();
    write_command(&mut written, words);
    written == bytes
}

/// The last four bytes of the input choose limits and pieces; the rest is what the client sends.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, lengths @ ..]) = tail(input);
    let limits = match choice % 4 {
        0 => Limits::DEFAULT,
        1 => Limits::DEFAULT.with_bulk_bytes(8),
        2 => Limits::BEFORE_AUTH,
        _ => Limits::DEFAULT.with_bulk_bytes(200),
    };
    let whole = feed(limits, [bytes]);
    assert_eq!(feed(limits, bytes.chunks(1)), whole, "byte by byte");
    assert_eq!(feed(limits, pieces(bytes, lengths)), whole, "in pieces");
    compare(bytes);
    whole.iter().any(|out| matches!(out, Out::Command(_)))
}
