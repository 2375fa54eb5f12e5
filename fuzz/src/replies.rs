//! Answers out of bytes, for clients. Where pieces end makes no difference; what is written again is read again; where
//! another reader accepts bytes too, it reads the same; and no answer harms a client that understands it in its way.

use super::bytes::{pieces, tail};
use super::other_reader::{from_resp2, from_resp3, same};
use protocol::kv::{Command, Deadline, KeyOp, Op, StringOp, When};
use quorate::client::{Address, wire};
use quorate::resp::frame::{DecodeError, DecodeLimits};
use quorate::resp::{Decoder, Frame, Protocol, Writer};
use redis_protocol::{resp2, resp3};

type Decoded = (Vec<Frame>, Result<(), DecodeError>);

fn decode<'a>(limits: DecodeLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new(limits);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    decoder.feed(b"+OK\r\n");
                    assert_eq!(decoder.next_frame(), Err(error.clone()), "an error is for good");
                    return (frames, Err(error));
                }
            }
        }
    }
    (frames, Ok(()))
}

fn is_same(left: &Decoded, right: &Decoded) -> bool {
    let frames = left.0.len() == right.0.len();
    frames
        && left.1 == right.1
        && left.0.iter().zip(&right.0).all(|(left, right)| same(left, right))
}

/// What is left of an answer when it was written: a line has no line ends.
fn as_written(frame: &Frame) -> Frame {
    let line = |text: &[u8]| {
        text.iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte }).collect()
    };
    let all = |items: &[Frame]| items.iter().map(as_written).collect();
    match frame {
        Frame::Simple(text) => Frame::Simple(line(String::from_utf8_lossy(text).as_bytes())),
        Frame::Error(text) => Frame::Error(line(text)),
        Frame::Array(items) => Frame::Array(all(items)),
        Frame::Set(items) => Frame::Set(all(items)),
        Frame::Push(items) => Frame::Push(all(items)),
        Frame::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| (as_written(key), as_written(value)));
            Frame::Map(pairs.collect())
        }
        other => other.clone(),
    }
}

fn there_and_back(frame: &Frame) {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut bytes = Vec::new();
        frame.write(&mut Writer::new(&mut bytes, protocol));
        let (again, end) = decode(DecodeLimits::default(), [&bytes[..]]);
        let [again] = again.as_slice() else { panic!("one answer became {again:?}, {end:?}") };
        assert!(end.is_ok());
        if protocol == Protocol::Resp3 {
            assert!(same(again, &as_written(frame)), "{frame:?} became {again:?}");
        }
    }
}

/// Where both readers accept bytes, they read the same answer from as many of them.
fn compare(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        let frame = decoder.next_frame().ok().flatten();
        frame.map(|frame| (frame, decoder.is_empty()))
    };
    let Some((ours, _)) = read(bytes) else { return };
    if let Ok(Some((theirs, length))) = resp2::decode::decode(bytes) {
        let theirs = from_resp2(theirs);
        assert!(same(&ours, &theirs), "{ours:?} is {theirs:?} to the other");
        assert!(read(&bytes[..length]).is_some_and(|(_, whole)| whole), "of as many bytes");
    }
    if let Ok(Some((theirs, length))) = resp3::decode::complete::decode(bytes) {
        if let Some(theirs) = from_resp3(theirs) {
            assert!(same(&ours, &theirs), "{ours:?} is {theirs:?} to the other");
        }
        assert!(read(&bytes[..length]).is_some_and(|(_, whole)| whole), "of as many bytes");
    }
}

/// A clerk's commands, of which an answer may be.
fn commands() -> [Command; 6] {
    let lease = StringOp::Set {
        value: "v".into(),
        when: When::Missing,
        deadline: Deadline::In(5),
        get: false,
    };
    let ops = [
        Op::Get,
        Op::Put { value: "v".into(), expected: 3 },
        Op::Append { value: "v".into() },
        Op::String(StringOp::IncrBy { by: 1 }),
        Op::String(lease),
        Op::Key(KeyOp::Delete { when: When::Always }),
    ];
    ops.map(|op| Command { key: "k".into(), op, once: None })
}

fn address(text: &str) {
    if let Ok(address) = text.parse::<Address>() {
        let again = address.to_string().parse::<Address>();
        assert!(again.is_ok_and(|again| again == address), "{text:?} is {address:?}");
    }
}

fn clients_live(frame: &Frame) {
    for command in commands() {
        let _ = wire::read(&command, frame.clone());
    }
    if let Frame::Error(text) | Frame::Simple(text) = frame {
        let text = String::from_utf8_lossy(text);
        let _ = wire::error(&text, true);
        text.split(' ').for_each(address);
    }
}

/// The last four bytes of the input choose limits and pieces; the rest is what a server sends.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, lengths @ ..]) = tail(input);
    let limits = match choice % 2 {
        0 => DecodeLimits::default(),
        _ => DecodeLimits { depth: 5, bytes: 300 },
    };
    let whole = decode(limits, [bytes]);
    let bytewise = decode(limits, bytes.chunks(1));
    assert!(is_same(&bytewise, &whole), "{bytewise:?} byte by byte, {whole:?} at once");
    let parted = decode(limits, pieces(bytes, lengths));
    assert!(is_same(&parted, &whole), "{parted:?} in pieces, {whole:?} at once");
    compare(bytes);
    whole.0.iter().for_each(there_and_back);
    whole.0.iter().for_each(clients_live);
    !whole.0.is_empty()
}
