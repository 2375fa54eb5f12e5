//! Answers: what is written can be read, in pieces of any size; what another reader reads, this one reads so.

#[path = "support/other_reader.rs"]
mod other_reader;

use other_reader::{from_resp2, from_resp3, same};
use proptest::prelude::*;
use quorate::resp::frame::{DecodeError, DecodeLimits};
use quorate::resp::{Decoder, Frame, Protocol, Writer};
use redis_protocol::{resp2, resp3};

fn write(frames: &[Frame], protocol: Protocol) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, protocol);
    frames.iter().for_each(|frame| frame.write(&mut writer));
    out
}

/// All answers in some bytes, and how it ended.
fn decode<'a>(
    limits: DecodeLimits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Frame>, Result<bool, DecodeError>) {
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
    (frames, Ok(decoder.is_empty()))
}

/// The one answer in the bytes.
#[track_caller]
fn one(bytes: &[u8]) -> Frame {
    let (mut frames, end) = decode(DecodeLimits::default(), [bytes]);
    assert_eq!(end, Ok(true), "{}", bytes.escape_ascii());
    assert_eq!(frames.len(), 1, "{}", bytes.escape_ascii());
    frames.remove(0)
}

fn bulk(text: &str) -> Frame {
    Frame::Bulk(text.as_bytes().to_vec())
}

#[test]
fn every_type() {
    for (bytes, frame) in [
        ("+OK\r\n", Frame::Simple(b"OK".to_vec())),
        ("-ERR no\r\n", Frame::Error(b"ERR no".to_vec())),
        ("!6\r\nERR\r\nx\r\n", Frame::Error(b"ERR\r\nx".to_vec())),
        (":-42\r\n", Frame::Integer(-42)),
        ("$2\r\n\r\n\r\n", bulk("\r\n")),
        ("$-1\r\n", Frame::Null),
        ("_\r\n", Frame::Null),
        ("*-1\r\n", Frame::NullArray),
        ("*0\r\n", Frame::Array(vec![])),
        (
            "*2\r\n:1\r\n*1\r\n_\r\n",
            Frame::Array(vec![Frame::Integer(1), Frame::Array(vec![Frame::Null])]),
        ),
        ("%1\r\n$1\r\na\r\n#t\r\n", Frame::Map(vec![(bulk("a"), Frame::Boolean(true))])),
        ("~1\r\n#f\r\n", Frame::Set(vec![Frame::Boolean(false)])),
        (">1\r\n+x\r\n", Frame::Push(vec![Frame::Simple(b"x".to_vec())])),
        (",1.5\r\n", Frame::Double(1.5)),
        (",-inf\r\n", Frame::Double(f64::NEG_INFINITY)),
        (",1e300\r\n", Frame::Double(1e300)),
        ("=8\r\ntxt:some\r\n", Frame::Verbatim(*b"txt", b"some".to_vec())),
        ("(-12345678901234567890\r\n", Frame::BigNumber("-12345678901234567890".into())),
        ("|1\r\n+ttl\r\n:1\r\n:7\r\n", Frame::Integer(7)),
        ("*1\r\n|1\r\n+ttl\r\n*1\r\n:1\r\n:7\r\n", Frame::Array(vec![Frame::Integer(7)])),
        ("|0\r\n:7\r\n", Frame::Integer(7)),
    ] {
        assert_eq!(one(bytes.as_bytes()), frame, "{bytes:?}");
    }
    assert!(matches!(one(b",nan\r\n"), Frame::Double(value) if value.is_nan()));
}

#[test]
fn what_is_wrong_is_said() {
    for (bytes, text) in [
        (
            "HTTP/1.1 200 OK\r\n",
            "an answer begins with byte 0x48, which names no type: is this a port that speaks the Redis protocol?",
        ),
        (":1x\r\n", "an answer of type ':' says \"1x\", which is no integer"),
        ("#y\r\n", "an answer of type '#' says \"y\", which is no boolean"),
        ("_x\r\n", "an answer of type '_' says \"x\", which is no null"),
        (",1,5\r\n", "an answer of type ',' says \"1,5\", which is no number"),
        ("(1.5\r\n", "an answer of type '(' says \"1.5\", which is no whole number"),
        ("$-2\r\n", "an answer of type '$' says \"-2\", which is no length"),
        ("%-1\r\n", "an answer of type '%' says \"-1\", which is no length"),
        ("=2\r\nab\r\n", "an answer of type '=' says \"ab\", which is no format and text"),
        ("+a\n", "a line of an answer does not end with CR LF"),
        ("+a\rb\r\n", "a line of an answer does not end with CR LF"),
        (
            "$1\r\nab\r\n",
            "a string in an answer is not followed by CR LF where its length says that it ends",
        ),
        ("$?\r\n", "an answer streams a value without its length, which is not supported"),
        ("$536870912\r\n", "an answer is larger than 536870912 bytes; raise the limit to read it"),
        (
            "*999999999999\r\n",
            "an answer is larger than 536870912 bytes; raise the limit to read it",
        ),
    ] {
        let (frames, end) = decode(DecodeLimits::default(), [bytes.as_bytes()]);
        assert_eq!((frames, end.map_err(|error| error.to_string())), (vec![], Err(text.into())));
    }
    let long = [b"+".as_slice(), &[b'a'; 70_000]].concat();
    assert_eq!(decode(DecodeLimits::default(), [&long[..]]).1, Err(DecodeError::LineTooLong));
    let foreign = vec![b'H'; 70_000];
    for pieces in [1, 70_000] {
        let (_, end) = decode(DecodeLimits::default(), foreign.chunks(pieces));
        assert_eq!(end, Err(DecodeError::UnknownType(b'H')), "in pieces of {pieces}");
    }
}

#[test]
fn depth_and_size_are_limited() {
    let limits = DecodeLimits { depth: 3, bytes: 100 };
    assert_eq!(decode(limits, [&b"*1\r\n*1\r\n*1\r\n:1\r\n"[..]]).1, Ok(true));
    assert_eq!(decode(limits, [&b"*1\r\n*1\r\n*1\r\n*1\r\n"[..]]).1, Err(DecodeError::TooDeep(3)));
    let answer = |length: usize| format!("${length}\r\n{}\r\n", "x".repeat(length)).into_bytes();
    let (frames, end) = decode(limits, [&answer(90)[..], &answer(90)]);
    assert_eq!((frames.len(), end), (2, Ok(true)), "the limit is for one answer");
    assert_eq!(decode(limits, [&answer(101)[..]]).1, Err(DecodeError::TooLarge(100)));
    assert_eq!(
        decode(limits, [&b"*30\r\n"[..], &b"+aaaaaaa\r\n".repeat(30)]).1,
        Err(DecodeError::TooLarge(100))
    );
}

#[test]
fn a_million_elements_in_small_pieces() {
    let mut bytes = b"*1000000\r\n".to_vec();
    bytes.extend(b":1\r\n".repeat(1_000_000));
    let (frames, end) = decode(DecodeLimits::default(), bytes.chunks(3));
    assert_eq!(end, Ok(true));
    assert!(matches!(&frames[..], [Frame::Array(items)] if items.len() == 1_000_000));
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    "[ -~]{0,20}".prop_map(String::into_bytes)
}

/// An answer that is no collection.
fn leaf() -> impl Strategy<Value = Frame> {
    prop_oneof![
        text().prop_map(Frame::Simple),
        text().prop_map(Frame::Error),
        any::<i64>().prop_map(Frame::Integer),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Frame::Bulk),
        Just(Frame::Null),
        any::<f64>().prop_map(Frame::Double),
        any::<bool>().prop_map(Frame::Boolean),
        text().prop_map(|text| Frame::Verbatim(*b"txt", text)),
        "-?[0-9]{1,40}".prop_map(Frame::BigNumber),
    ]
}

/// Any answer. Keys of maps and elements of sets are no collections, for the other
/// reader knows none such.
fn frame() -> impl Strategy<Value = Frame> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..6);
        let pairs = prop::collection::vec((leaf(), inner.clone()), 0..4);
        prop_oneof![
            items().prop_map(Frame::Array),
            prop::collection::vec(leaf(), 0..4).prop_map(Frame::Set),
            items().prop_map(Frame::Push),
            pairs.prop_map(Frame::Map),
        ]
    })
}

/// What is left of an answer in the words of RESP2.
fn in_resp2(frame: &Frame) -> Frame {
    let all = |items: &[Frame]| Frame::Array(items.iter().map(in_resp2).collect());
    match frame {
        Frame::Set(items) | Frame::Push(items) | Frame::Array(items) => all(items),
        Frame::Map(pairs) => {
            let flat = pairs.iter().flat_map(|(key, value)| [in_resp2(key), in_resp2(value)]);
            Frame::Array(flat.collect())
        }
        Frame::Boolean(value) => Frame::Integer(i64::from(*value)),
        Frame::Verbatim(_, text) => Frame::Bulk(text.clone()),
        Frame::BigNumber(digits) => bulk(digits),
        Frame::Double(_) => {
            let Frame::Bulk(text) = one(&write(std::slice::from_ref(frame), Protocol::Resp2))
            else {
                panic!("a double is a string");
            };
            Frame::Bulk(text)
        }
        other => other.clone(),
    }
}

fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        frame().prop_map(|frame| write(&[frame], Protocol::Resp3)),
        frame().prop_map(|frame| write(&[frame], Protocol::Resp2)),
        "[-+:$*_%~>,#=(!|][-+]?[0-9tf?.]{0,3}\r\n".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat())
}

/// A failure prints its input, which becomes a test of its own.
fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn answers_come_back(frames in prop::collection::vec(frame(), 0..6), length in 1..60_usize) {
        let bytes = write(&frames, Protocol::Resp3);
        let (found, end) = decode(DecodeLimits::default(), bytes.chunks(length));
        prop_assert_eq!((&found, end), (&frames, Ok(true)));
        let older: Vec<_> = frames.iter().map(in_resp2).collect();
        let bytes = write(&frames, Protocol::Resp2);
        let (found, end) = decode(DecodeLimits::default(), bytes.chunks(length));
        prop_assert_eq!((&found, end), (&older, Ok(true)));
    }

    #[test]
    fn pieces_make_no_difference(bytes in nearly(), length in 1..20_usize) {
        let limits = DecodeLimits { depth: 5, bytes: 1000 };
        let (whole, end) = decode(limits, [&bytes[..]]);
        let (bytewise, byte_end) = decode(limits, bytes.chunks(length));
        // As text, for one that is no number equals nothing.
        prop_assert_eq!(format!("{whole:?}"), format!("{bytewise:?}"));
        prop_assert_eq!(end, byte_end);
    }

    /// Where both readers accept bytes, they read the same answer from as many of them.
    #[test]
    fn the_other_reader_agrees(bytes in nearly()) {
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        let ours = decoder.next_frame();
        let mut again = Decoder::default();
        if let Ok(Some((theirs, length))) = resp2::decode::decode(&bytes)
            && let Ok(Some(ours)) = &ours
        {
            prop_assert!(same(ours, &from_resp2(theirs.clone())), "{:?} {:?}", ours, theirs);
            again.feed(&bytes[..length]);
            prop_assert!(again.next_frame().is_ok_and(|frame| frame.is_some()) && again.is_empty());
        }
        let mut again = Decoder::default();
        if let Ok(Some((theirs, length))) = resp3::decode::complete::decode(&bytes)
            && let Ok(Some(ours)) = &ours
        {
            if let Some(theirs) = from_resp3(theirs) {
                prop_assert!(same(ours, &theirs), "{:?} {:?}", ours, theirs);
            }
            again.feed(&bytes[..length]);
            prop_assert!(again.next_frame().is_ok_and(|frame| frame.is_some()) && again.is_empty());
        }
    }

    /// What is written, the other reader accepts.
    #[test]
    fn the_other_reader_reads_what_is_written(frame in frame()) {
        let bytes = write(std::slice::from_ref(&frame), Protocol::Resp2);
        let theirs = resp2::decode::decode(&bytes);
        if let Ok(Some((theirs, length))) = theirs {
            prop_assert_eq!(length, bytes.len());
            prop_assert!(same(&from_resp2(theirs), &in_resp2(&frame)));
        } else {
            prop_assert!(false, "{:?} {:?}", theirs, frame);
        }
        let bytes = write(std::slice::from_ref(&frame), Protocol::Resp3);
        let theirs = resp3::decode::complete::decode(&bytes);
        if let Ok(Some((theirs, length))) = theirs {
            prop_assert_eq!(length, bytes.len());
            prop_assert!(from_resp3(theirs).is_none_or(|theirs| same(&theirs, &frame)));
        } else {
            prop_assert!(false, "{:?} {:?}", theirs, frame);
        }
    }
}
