//! What the parser makes of what clients send: each command, each error, each limit, in one piece and in the
//! smallest pieces.

use proptest::prelude::*;
use quorate::resp::limits::{ProtocolError, Refusal};
use quorate::resp::reply::write_command;
use quorate::resp::{Limits, Parser, Step};
use redis_protocol::resp2::{self, types::OwnedFrame};

/// What came out of some bytes, in order.
#[derive(Clone, Debug, PartialEq)]
enum Out {
    Command(Vec<Vec<u8>>),
    Refused(Refusal),
    Failed(ProtocolError),
}

/// Feeds the pieces one after the other, as a connection does. Returns what came out and the most bytes that
/// had to be kept.
fn feed<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Out>, usize) {
    let mut parser = Parser::new(limits);
    let (mut buffer, mut start, mut kept) = (Vec::new(), 0, 0);
    let mut out = Vec::new();
    for piece in pieces {
        if start > buffer.len() / 2 {
            buffer.drain(..start);
            start = 0;
        }
        buffer.extend_from_slice(piece);
        loop {
            match parser.next(&buffer[start..]) {
                Ok(Step::Request(request)) => {
                    out.push(Out::Command(request.iter().map(<[u8]>::to_vec).collect()));
                    start += request.consumed();
                }
                Ok(Step::Refused { consumed, refusal }) => {
                    out.push(Out::Refused(refusal));
                    start += consumed;
                }
                Ok(Step::More { consumed }) => {
                    start += consumed;
                    break;
                }
                Err(error) => {
                    let again = parser.next(b"*1\r\n$4\r\nPING\r\n");
                    assert!(matches!(again, Err(same) if same == error), "an error is for good");
                    out.push(Out::Failed(error));
                    return (out, kept);
                }
            }
        }
        kept = kept.max(buffer.len() - start);
    }
    (out, kept)
}

/// What comes out in one piece, which is what comes out byte by byte.
fn parse_within(limits: Limits, bytes: &[u8]) -> Vec<Out> {
    let (whole, _) = feed(limits, [bytes]);
    let (bytewise, _) = feed(limits, bytes.chunks(1));
    assert_eq!(whole, bytewise, "{}", bytes[..bytes.len().min(200)].escape_ascii());
    whole
}

fn parse(bytes: &[u8]) -> Vec<Out> {
    parse_within(Limits::DEFAULT, bytes)
}

fn command(words: &[&str]) -> Out {
    Out::Command(words.iter().map(|word| word.as_bytes().to_vec()).collect())
}

/// The text with which some bytes fail, and that nothing came out before.
#[track_caller]
fn fails(limits: Limits, bytes: &[u8], text: &str) {
    match &parse_within(limits, bytes)[..] {
        [Out::Failed(error)] => assert_eq!(error.to_string(), text),
        other => panic!("{} gives {other:?}", bytes[..bytes.len().min(200)].escape_ascii()),
    }
}

#[test]
fn commands_come_out_in_order() {
    let set = command(&["SET", "key", ""]);
    let ping = command(&["PING"]);
    let bytes = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\nPING\r\nping\n";
    assert_eq!(parse(bytes), [set, ping.clone(), ping, command(&["ping"])]);
}

#[test]
fn values_are_any_bytes() {
    let value: Vec<u8> = (0..=255).chain(*b"\r\n$1\r\n*1\r\n").collect();
    let mut bytes = Vec::new();
    write_command(&mut bytes, &[b"SET", &value[..]]);
    assert_eq!(parse(&bytes), [Out::Command(vec![b"SET".to_vec(), value])]);
}

#[test]
fn what_says_nothing_is_skipped() {
    assert_eq!(parse(b"\r\n\n \t\r\n*-1\r\n*0\r\n*-5\r\nPING\r\n\r\n*0\r\n"), [command(&["PING"])]);
    let bytes = b"\r\n*-1\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(feed(Limits::DEFAULT, [first, second]).0, [command(&["GET", "k"])]);
    }
    let (out, kept) = feed(Limits::DEFAULT, std::iter::repeat_n(&b"\r\n*-1\r\n"[..], 1000));
    assert_eq!((out, kept), (vec![], 0), "and not kept");
}

#[test]
fn inline_commands_have_quotes() {
    let bytes = b"SET \"a b\" 'c\\'d'\r\nECHO \"\\x41\\n\"\r\n\"\" x\r\n";
    let expected =
        [command(&["SET", "a b", "c'd"]), command(&["ECHO", "A\n"]), command(&["", "x"])];
    assert_eq!(parse(bytes), expected);
    for bytes in [&b"ECHO \"a\r\n"[..], b"ECHO 'a\r\n", b"ECHO \"a\"b\r\n"] {
        let text = "ERR Protocol error: unbalanced quotes in request";
        fails(Limits::DEFAULT, bytes, text);
    }
}

#[test]
fn counts_are_strict() {
    let text = "ERR Protocol error: invalid multibulk length";
    for count in [
        "x",
        "",
        "+1",
        "01",
        "-0",
        "-",
        "1 ",
        " 1",
        "1\r",
        "1048577",
        "2147483648",
        "9223372036854775808",
        "1\rX",
    ] {
        fails(Limits::DEFAULT, format!("*{count}\r\n$4\r\nPING\r\n").as_bytes(), text);
    }
    fails(Limits::DEFAULT, b"*1\n$4\r\nPING\r\n", text);
    assert_eq!(parse(b"*1048576\r\n"), []);
    let long = [b"*".as_slice(), &[b'1'; 65_537]].concat();
    fails(Limits::DEFAULT, &long, "ERR Protocol error: too big mbulk count string");
}

#[test]
fn lengths_are_strict() {
    let text = "ERR Protocol error: invalid bulk length";
    for length in ["x", "", "+4", "04", "-1", "-0", "4 ", "536870913", "9223372036854775808"] {
        fails(Limits::DEFAULT, format!("*1\r\n${length}\r\nPING\r\n").as_bytes(), text);
    }
    let long = [b"*1\r\n$".as_slice(), &[b'1'; 65_537]].concat();
    fails(Limits::DEFAULT, &long, "ERR Protocol error: too big bulk count string");
}

#[test]
fn an_argument_is_a_bulk_string() {
    for (bytes, got) in [
        (&b"*1\r\n:4\r\n"[..], ':'),
        (b"*1\r\n\r\n$4\r\n", ' '),
        (b"*1\r\n\x80", '?'),
        (b"*1\r\nx", 'x'),
    ] {
        fails(Limits::DEFAULT, bytes, &format!("ERR Protocol error: expected '$', got '{got}'"));
    }
    for bytes in [&b"*1\r\n$4\r\nPINGxx"[..], b"*1\r\n$3\r\nPING\r\n", b"*1\r\n$4\r\nPING\n\r"] {
        fails(
            Limits::DEFAULT,
            bytes,
            "ERR Protocol error: expected CRLF at the end of a bulk string",
        );
    }
}

#[test]
fn inline_commands_have_an_end() {
    let text = "ERR Protocol error: too big inline request";
    fails(Limits::DEFAULT, &[b'a'; 65_537], text);
    fails(Limits::DEFAULT, &[&[b'a'; 65_537][..], b"\n"].concat(), text);
    assert_eq!(parse(&[b'a'; 65_536]), []);
    let most = "a".repeat(65_536);
    assert_eq!(parse(format!("{most}\n").as_bytes()), [command(&[&most])]);
}

#[test]
fn little_is_taken_before_auth() {
    let limits = Limits::BEFORE_AUTH;
    let count = "ERR Protocol error: unauthenticated multibulk length";
    let length = "ERR Protocol error: unauthenticated bulk length";
    fails(limits, b"*11\r\n", count);
    fails(limits, b"a b c d e f g h i j k\r\n", count);
    fails(limits, b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", length);
    fails(limits, format!("AUTH {}\r\n", "a".repeat(16_385)).as_bytes(), length);
    fails(limits, b"*1048577\r\n", count);
    fails(limits, b"*x\r\n", "ERR Protocol error: invalid multibulk length");
    fails(limits, b"*1\r\n$-1\r\n", "ERR Protocol error: invalid bulk length");
    let password = "p".repeat(16_384);
    let mut bytes = Vec::new();
    write_command(&mut bytes, &["AUTH", &password]);
    assert_eq!(parse_within(limits, &bytes), [command(&["AUTH", &password])]);
}

#[test]
fn limits_change_between_commands() {
    let mut bytes = Vec::new();
    write_command(&mut bytes, &["AUTH", "secret"]);
    let (first, value) = (bytes.len(), "v".repeat(20_000));
    write_command(&mut bytes, &["SET", "k", &value]);
    let mut parser = Parser::new(Limits::BEFORE_AUTH);
    assert!(
        matches!(parser.next(&bytes), Ok(Step::Request(request)) if request.consumed() == first)
    );
    parser.set_limits(Limits::DEFAULT);
    assert!(
        matches!(parser.next(&bytes[first..]), Ok(Step::Request(request)) if request.len() == 3)
    );
}

/// The client that wrote a value over the limit reads why, and goes on.
#[test]
fn what_is_too_large_is_refused_and_not_kept() {
    let limits = Limits::DEFAULT.with_bulk_bytes(1000);
    let value = "v".repeat(100_000);
    let mut bytes = Vec::new();
    write_command(&mut bytes, &["SET", "k", &value, "EX", "1"]);
    write_command(&mut bytes, &["PING"]);
    let refusal = Refusal::Bulk { bytes: 100_000, limit: 1000 };
    assert_eq!(parse_within(limits, &bytes), [Out::Refused(refusal), command(&["PING"])]);
    let (_, kept) = feed(limits, bytes.chunks(100));
    assert!(kept < 200, "{kept} bytes were kept");
    assert_eq!(
        refusal.to_string(),
        "ERR string exceeds maximum allowed size (proto-max-bulk-len): 100000 bytes, \
         and this server takes 1000"
    );
    fails(limits, b"*1\r\n$536870913\r\n", "ERR Protocol error: invalid bulk length");
    let line = format!("SET k {value:.2000}\r\nPING\r\n");
    let refusal = Refusal::Bulk { bytes: 2000, limit: 1000 };
    assert_eq!(parse_within(limits, line.as_bytes()), [Out::Refused(refusal), command(&["PING"])]);
}

#[test]
fn a_command_of_many_large_values_is_refused_too() {
    let value = vec![b'v'; 8 * 1024 * 1024];
    let mut bytes = Vec::new();
    write_command(&mut bytes, &[&value[..]; 9]);
    write_command(&mut bytes, &["PING"]);
    let (out, kept) = feed(Limits::DEFAULT, bytes.chunks(1 << 16));
    let refusal = Refusal::Request { limit: 64 * 1024 * 1024 };
    assert_eq!(out, [Out::Refused(refusal), command(&["PING"])]);
    assert!(kept <= 64 * 1024 * 1024 + (1 << 16), "{kept} bytes were kept");
    assert_eq!(feed(Limits::DEFAULT, [&bytes[..]]).0, out);
    assert_eq!(
        refusal.to_string(),
        "ERR command exceeds maximum allowed size: this server takes 67108864 bytes"
    );
}

/// If each piece made the parser begin again, this would be some 10^12 steps.
#[test]
fn a_million_arguments_in_small_pieces() {
    let mut bytes = Vec::new();
    write_command(&mut bytes, &vec!["x"; 1_048_576]);
    let (out, _) = feed(Limits::DEFAULT, bytes.chunks(3));
    assert!(matches!(&out[..], [Out::Command(words)] if words.len() == 1_048_576));
}

/// The same for one long value and one long line, a byte at a time.
#[test]
fn a_long_value_in_single_bytes() {
    let mut parser = Parser::new(Limits::DEFAULT);
    let mut bytes = Vec::new();
    write_command(&mut bytes, &["SET", "k", &"v".repeat(4_000_000)]);
    for end in 0..bytes.len() {
        assert!(matches!(parser.next(&bytes[..end]), Ok(Step::More { consumed: 0 })));
    }
    assert!(matches!(parser.next(&bytes), Ok(Step::Request(request)) if request.len() == 3));
}

/// Bytes between anything and a command: what is near the protocol finds more than what is far from it.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"*2\r\n".to_vec()),
        Just(b"$3\r\n".to_vec()),
        Just(b"abc\r\n".to_vec()),
        Just(b"GET 'a' \"\\x00\"\r\n".to_vec()),
        "[*$][-+]?[0-9]{1,20}\r\n".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

/// The bytes in pieces of these lengths, again and again.
fn pieces<'a>(bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        let (piece, behind) = rest.split_at_checked(*lengths.next()?).unwrap_or((rest, &[]));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A failure prints its input, which becomes a test of its own.
fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn commands_come_back(
        commands in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8), 0..8),
        lengths in prop::collection::vec(1..50_usize, 1..20),
    ) {
        let mut bytes = Vec::new();
        commands.iter().for_each(|command| write_command(&mut bytes, command));
        let (out, _) = feed(Limits::DEFAULT, pieces(&bytes, &lengths));
        prop_assert_eq!(out, commands.into_iter().map(Out::Command).collect::<Vec<_>>());
    }

    #[test]
    fn pieces_make_no_difference(
        bytes in nearly(),
        lengths in prop::collection::vec(1..20_usize, 1..10),
        bulk_bytes in prop_oneof![Just(2_usize), Just(1000)],
    ) {
        for limits in [Limits::DEFAULT.with_bulk_bytes(bulk_bytes), Limits::BEFORE_AUTH] {
            let whole = parse_within(limits, &bytes);
            prop_assert_eq!(feed(limits, pieces(&bytes, &lengths)).0, whole);
        }
    }

    /// A command is an answer of one kind: an array of strings. Where another reader of answers and the
    /// parser both accept the first bytes, they find the same strings in as many of them.
    #[test]
    fn the_other_reader_agrees(
        command in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 1..6),
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        behind in nearly(),
    ) {
        let mut bytes = Vec::new();
        write_command(&mut bytes, &command);
        if let Some((place, byte)) = change {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.extend(behind);
        let mut parser = Parser::new(Limits::DEFAULT);
        let ours = parser.next(&bytes);
        let theirs = resp2::decode::decode(&bytes);
        if let (Ok(Step::Request(ours)), Ok(Some((OwnedFrame::Array(theirs), length)))) = (&ours, theirs) {
            let strings = |frame| match frame {
                OwnedFrame::BulkString(bytes) => Some(bytes),
                _ => None,
            };
            let theirs: Option<Vec<_>> = theirs.into_iter().map(strings).collect();
            // An empty command says nothing, and ours is the one behind it.
            prop_assume!(theirs.as_ref().is_none_or(|theirs| !theirs.is_empty()));
            prop_assert_eq!(theirs, Some(ours.iter().map(<[u8]>::to_vec).collect()));
            prop_assert_eq!(ours.consumed(), length);
        } else {
            prop_assert!(change.is_some(), "an unchanged command is accepted by both: {:?}", ours);
        }
    }

    #[test]
    fn quoted_bytes_come_back(arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6)) {
        let quoted = |argument: &Vec<u8>| {
            let bytes: String = argument.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("\"{bytes}\"")
        };
        let line = arguments.iter().map(quoted).collect::<Vec<_>>().join(" ") + "\r\n";
        prop_assert_eq!(parse(line.as_bytes()), [Out::Command(arguments)]);
    }
}
