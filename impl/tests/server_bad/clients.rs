//! Bytes that no client should send.

use super::tools::{connect, is_closed, one, request};
use std::io::{Read, Write};

#[test]
fn half_a_command_and_a_closed_connection_leave_nothing() {
    let one = one(&[]);
    let before = one.memory();
    for half in
        ["*2\r\n$3\r\nGE", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc", "SET half", "*", ""]
    {
        for _ in 0..20 {
            connect(one.node.plain).write_all(half.as_bytes()).unwrap();
        }
    }
    assert_eq!(one.talk(b"DBSIZE\r\n"), ":1\r\n");
    one.still_works();
    assert!(one.memory() < before + (64 << 20), "{before} became {}", one.memory());
}

/// What is wrong is said, and then the connection is closed: where the next command begins can't be known.
#[test]
fn bytes_that_are_no_protocol_are_told_so_and_closed() {
    let one = one(&[]);
    let long = [b'a'; 70_000];
    let cases: [(&[u8], &str); 9] = [
        (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1073741824\r\n", "invalid bulk length"),
        (b"*1\r\n$-5\r\n", "invalid bulk length"),
        (b"*2000000\r\n$3\r\nDEL\r\n$1\r\na\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n:3\r\n", "expected '$', got ':'"),
        (b"*1\r\n$4\r\nPINGPONG\r\n", "expected CRLF at the end of a bulk string"),
        (b"GET \"abc\r\n", "unbalanced quotes in request"),
        (&long, "too big inline request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 'a TLS hello\r\n", "unbalanced quotes"),
    ];
    for (bytes, text) in cases {
        let mut socket = connect(one.node.plain);
        socket.write_all(bytes).unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with(&format!("-ERR Protocol error: {text}")), "{reply}");
    }
    // A page in a browser, which somebody else has written.
    let mut socket = connect(one.node.plain);
    socket.write_all(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n").unwrap();
    assert!(is_closed(&mut socket));
    assert_eq!(one.talk(b"EXISTS k\r\n"), ":0\r\n");
    one.still_works();
}

#[test]
fn inline_garbage_is_an_unknown_command() {
    let one = one(&[]);
    let mut bytes: Vec<u8> = (128..=255).collect();
    bytes.extend(b" \x00\x01\r\n");
    let reply = one.talk(&bytes);
    assert!(reply.starts_with("-ERR unknown command '"), "{reply}");
    assert!(reply.contains("', with args beginning with: '"), "{reply}");
    one.still_works();
}

/// The memory that a length claims is not taken before the bytes come.
#[test]
fn claims_take_no_memory() {
    let one = one(&[]);
    let before = one.memory();
    let claims: [&[u8]; 3] = [
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nabc",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\nabc",
        b"*1048576\r\n$3\r\nDEL\r\n",
    ];
    let mut sockets = Vec::new();
    for number in 0..300 {
        let mut socket = connect(one.node.plain);
        socket.write_all(claims[number % 3]).unwrap();
        sockets.push(socket);
    }
    one.still_works();
    assert!(one.memory() < before + (64 << 20), "{before} became {}", one.memory());
}

/// The largest number of arguments is taken, one more is not.
#[test]
fn a_million_arguments_are_taken() {
    let one = one(&[]);
    let mut bytes = b"*1048576\r\n$6\r\nEXISTS\r\n".to_vec();
    bytes.extend(b"$5\r\nready\r\n".repeat(1_048_575));
    assert_eq!(one.talk(&bytes), ":1048575\r\n");
    let one_more = b"*1048577\r\n$6\r\nEXISTS\r\n";
    assert_eq!(one.talk(one_more), "-ERR Protocol error: invalid multibulk length\r\n");
}

#[test]
fn keys_and_values_are_any_bytes() {
    let one = one(&[]);
    let all: Vec<u8> = (0..=255).collect();
    for key in [&all[..], b"", b"\0", b"\r\n", b"{", b"}{", b"{}x", b"*3\r\n"] {
        assert_eq!(one.talk(&request(&[b"SET", key, &all[..]])), "+OK\r\n", "{key:?}");
        let mut socket = connect(one.node.plain);
        socket.write_all(&request(&[b"GET", key])).unwrap();
        let mut reply = [0; 6 + 256 + 2];
        socket.read_exact(&mut reply).unwrap();
        assert_eq!(reply[6..262], all[..], "{key:?}");
    }
}

/// 8 MiB are taken, one byte more is refused, and the connection goes on.
#[test]
fn a_value_may_have_8_mib_and_no_byte_more() {
    let one = one(&[]);
    let value = vec![b'x'; (8 << 20) + 1];
    assert_eq!(one.talk(&request(&[b"SET", b"k", &value[1..]])), "+OK\r\n");
    let mut socket = connect(one.node.plain);
    socket.write_all(&request(&[b"SET", b"k", &value])).unwrap();
    socket.write_all(b"STRLEN k\r\nAPPEND k x\r\nSTRLEN k\r\n").unwrap();
    let expected = "-ERR string exceeds maximum allowed size (proto-max-bulk-len): 8388609 bytes, and this server \
        takes 8388608\r\n:8388608\r\n-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n:8388608\r\n";
    let mut reply = vec![0; expected.len()];
    socket.read_exact(&mut reply).unwrap();
    assert_eq!(String::from_utf8_lossy(&reply), expected);
}

fn once(client: u64, seq: u64, command: &str) -> Vec<u8> {
    format!("ONCE k {client} {seq} {command}\r\n").into_bytes()
}

fn client_id() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (now.as_millis() as u64) << 16
}

#[test]
fn a_seq_is_for_one_command() {
    let one = one(&[]);
    let client = client_id();
    assert_eq!(one.talk(&once(client, 1, "APPEND k a")), ":1\r\n");
    assert_eq!(one.talk(&once(client, 1, "APPEND k a")), ":1\r\n", "again, and not executed again");
    let reply = one.talk(&once(client, 1, "APPEND k b"));
    assert!(
        reply.starts_with(
            "-SEQREUSED this client has used this number for another command: not executed"
        ),
        "{reply}"
    );
    assert_eq!(one.talk(&once(client, 2, "APPEND k b")), ":2\r\n");
    let reply = one.talk(&once(client, 1, "APPEND k a"));
    assert!(reply.starts_with("-ACKNOWLEDGED "), "{reply}");
    let reply = one.talk(&once(client + (3_600_000 << 16), 1, "APPEND k a"));
    assert!(reply.starts_with("-CLIENTAHEAD the time in this client id is far ahead"), "{reply}");
    assert_eq!(one.talk(b"GET k\r\n"), "$2\r\nab\r\n");
}

/// A slot keeps the records of 4,096 clients. Whoever comes back behind that is told, and nothing is executed twice.
#[test]
fn an_expired_record_is_told_and_nothing_is_executed() {
    let one = one(&[]);
    let first = client_id();
    assert_eq!(one.talk(&once(first, 1, "APPEND k first")), ":5\r\n");
    let mut socket = connect(one.node.plain);
    let crowd: Vec<u8> = (1..=4_200).flat_map(|more| once(first + more, 1, "STRLEN k")).collect();
    let crowd = String::from_utf8(crowd).unwrap().replace("STRLEN k", "SETNX k x");
    let mut writer = socket.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(crowd.as_bytes()));
    let mut replies = vec![0; 4 * 4_200];
    socket.read_exact(&mut replies).unwrap();
    writing.join().unwrap().unwrap();
    let reply = one.talk(&once(first, 1, "APPEND k first"));
    assert!(
        reply.starts_with(
            "-SESSIONEXPIRED this client was away too long, and what it has done is forgotten"
        ),
        "{reply}"
    );
    assert_eq!(one.talk(b"GET k\r\n"), "$5\r\nfirst\r\n");
}
