//! A server that is recorded, and whose trace has no more room.

use super::disk::{all_there, is_honest, one_as, shell};
use super::tools::{One, again, connect, dir, refused_as, request};
use crate::support::process::{Folder, wait_for};
use std::io::{Read, Write};

/// A limit on the length of files, which works without root. The log's segments and the snapshots stay below it, for
/// a few keys are written over and over; the trace does not.
#[test]
fn a_full_trace_ends_the_server_and_loses_nothing() {
    let folder = Folder::new();
    let trace = folder.path().join("trace");
    let server = format!(
        "{} server --dir {} --record {} --listen 127.0.0.1:0 --snapshot-bytes 160000 2>{}",
        env!("CARGO_BIN_EXE_quorate"),
        dir(&folder).display(),
        trace.display(),
        folder.path().join("d.log").display()
    );
    // 512 or 1,024 bytes a block, as the shell likes.
    let mut one = one_as(folder, shell(&format!("trap '' XFSZ; ulimit -f 1000; exec {server}")));
    let mut socket = connect(one.node.plain);
    let mut instead = String::new();
    let mut acknowledged = 0;
    while instead.is_empty() {
        assert!(acknowledged < 10_000, "the trace is never full");
        let key = format!("k{}", acknowledged % 4);
        let value = [b'v'; 9_000];
        let written = socket.write_all(&request(&[b"SET", key.as_bytes(), &value]));
        let mut reply = [0; 5];
        match written.and_then(|()| socket.read_exact(&mut reply)) {
            Ok(()) if &reply == b"+OK\r\n" => acknowledged += 1,
            Ok(()) => {
                instead = String::from_utf8_lossy(&reply).into_owned();
                let _ = socket.read_to_string(&mut instead);
            }
            Err(error) => instead = error.to_string(),
        }
    }
    println!("{acknowledged} writes, then {instead:?}");
    is_honest(&instead);
    one.wait_for_log("the trace can't go on, and so the server can't");
    one.wait_for_log("life-00000001.trace: File too large");
    one.wait_for_log("quorate: can't write ");
    one.wait_for_log("Make room there, or leave out --record");
    assert_eq!(one.node.end().code(), Some(1), "it says that it did not end well");
    let One { node, folder } = one;
    drop(node);
    // Without it, as it was told.
    let node = again(&folder, &[]);
    all_there(&node, acknowledged.min(4));
    drop(node);
    // And with it, where there is room: the torn end of the first life is no obstacle.
    let trace = trace.to_string_lossy().into_owned();
    drop(again(&folder, &["--record", &trace]));
    let lives = quorate::trace::lives(trace.as_ref()).expect("they are all there");
    assert_eq!(lives.len(), 2);
}

/// A folder that can't be written, at the start.
#[test]
fn a_trace_that_can_not_be_begun_is_said() {
    let one = super::tools::one(&[]);
    let One { node, folder } = one;
    drop(node);
    let place = folder.path().join("no-folder");
    std::fs::write(&place, "a file").unwrap();
    let place = place.to_string_lossy().into_owned();
    let message = refused_as(&dir(&folder), &["--listen", "127.0.0.1:0", "--record", &place]);
    assert!(message.starts_with("quorate: can't make the folder "), "{message}");
    assert!(message.ends_with("Make room there, or leave out --record"), "{message}");
    let node = again(&folder, &[]);
    wait_for("the value", || {
        (super::tools::talk(node.plain, b"GET ready\r\n") == "$1\r\n1\r\n").then_some(())
    });
}
