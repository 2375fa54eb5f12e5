//! A connection in steady state parses, resolves and answers without allocating.

use counting::{Counting, allocations};
use quorate::commands::resolve;
use quorate::resp::reply::write_command;
use quorate::resp::{Limits, Parser, Protocol, Step, Writer};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Carries out what the bytes say, as far as the protocol goes: every command is answered with its last
/// argument. The bytes arrive in pieces.
fn serve(parser: &mut Parser, bytes: &[u8], piece: usize, out: &mut Vec<u8>) -> usize {
    let (mut start, mut end, mut commands) = (0, 0, 0);
    while end < bytes.len() {
        end = (end + piece).min(bytes.len());
        loop {
            match parser.next(&bytes[start..end]) {
                Ok(Step::Request(request)) => {
                    let row = resolve(&request).expect("the commands are right");
                    let slot = row.slot(&request).expect("the keys lie in one slot");
                    let last = request.get(request.len() - 1).expect("a command has a name");
                    let mut writer = Writer::new(out, Protocol::Resp3);
                    writer.bulk(last);
                    writer.integer(slot.map_or(-1, i64::from));
                    start += request.consumed();
                    commands += 1;
                }
                Ok(Step::More { consumed }) => {
                    start += consumed;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    commands
}

#[test]
fn a_connection_allocates_nothing_per_command() {
    let mut bytes = Vec::new();
    for _ in 0..100 {
        write_command(&mut bytes, &["SET", "{key}:1", "value", "EX", "100"]);
        write_command(
            &mut bytes,
            &["once", "{key}:1", "7", "1", "ACK", "0", "mset", "{key}:2", "v"],
        );
        bytes.extend_from_slice(b"client setname 'a name'\r\n");
        write_command(&mut bytes, &["mget", "{key}:1", "{key}:2"]);
    }
    let mut parser = Parser::new(Limits::DEFAULT);
    let mut out = Vec::new();
    // The first round makes room for the answers and the offsets.
    assert_eq!(serve(&mut parser, &bytes, 10_000, &mut out), 400);
    for piece in [1, 7, 1000] {
        out.clear();
        let before = allocations();
        assert_eq!(serve(&mut parser, &bytes, piece, &mut out), 400);
        assert_eq!(allocations() - before, 0, "in pieces of {piece} bytes");
    }
}

/// A header may claim what it likes: memory is taken for what has arrived.
#[test]
fn claims_cost_nothing() {
    let mut parser = Parser::new(Limits::DEFAULT);
    let before = allocations();
    for bytes in [&b"*1048576\r\n"[..], b"*1048576\r\n$8388608\r\n"] {
        assert!(matches!(parser.next(bytes), Ok(Step::More { consumed: 0 })));
    }
    assert_eq!(allocations() - before, 0);
}
