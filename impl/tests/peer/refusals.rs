//! Who is not of the cluster is refused, and both sides learn why.

use crate::raw::{self, Hello};
use crate::world::{Folder, Plan, Server, listener, pair, quick, secret};
use protocol::NodeId;
use quorate::peer::{Error, Limits, Options, Peers, Secret, bind};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// Two servers of which each knows the other; `change` makes 1 a wrong one.
fn strangers(change: impl FnOnce(Plan) -> Plan) -> (Server, Server) {
    let (a, b) = (listener(), listener());
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let b = change(Plan::new(1, &[(0, at_a)])).start(b);
    (Plan::new(0, &[(1, at_b)]).start(a), b)
}

/// Both dial, so each learns it twice: as the one who is refused, and as the one who refuses.
#[track_caller]
fn expect_reasons(server: &Server, told: &str, seen: &str) {
    server.until("the reason as one who is refused", |stats| {
        stats.peers[0].trouble.as_ref().filter(|text| text.contains(told)).cloned()
    });
    server.until("the reason as one who refuses", |stats| {
        stats.last_refused.as_ref().filter(|text| text.contains(seen)).cloned()
    });
    assert!(!server.peers.is_up(server.peers.stats().peers[0].node));
    assert!(server.mail.try_recv().is_err(), "nothing is told of a peer that was refused");
}

#[test]
fn another_cluster_is_refused() {
    let (a, b) = strangers(|plan| Plan { cluster: 9, ..plan });
    for server in [&a, &b] {
        expect_reasons(server, "it belongs to another cluster", "it belongs to another cluster");
    }
    let seen = a.peers.stats().last_refused.unwrap();
    assert!(seen.contains("node 1 of cluster 00000000000000000000000000000009"), "{seen}");
}

#[test]
fn another_secret_is_refused() {
    let other = Secret::new(b"another secret, as long");
    let (a, b) = strangers(|plan| Plan { secret: other, ..plan });
    for server in [&a, &b] {
        expect_reasons(server, "its secret is another one", "its secret is another one");
    }
}

#[test]
fn a_missing_secret_is_refused() {
    let (a, b) = strangers(|plan| Plan { secret: None, ..plan });
    expect_reasons(
        &a,
        "it has no secret, and this server has",
        "it has no secret, and this server has",
    );
    expect_reasons(&b, "it asks for a secret", "it has a secret, and this server has none");
}

#[test]
fn without_any_secret_peers_on_loopback_meet() {
    let (a, b) = (listener(), listener());
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let b = Plan { secret: None, ..Plan::new(1, &[(0, at_a)]) }.start(b);
    let a = Plan { secret: None, ..Plan::new(0, &[(1, at_b)]) }.start(a);
    a.expect_up(1);
    b.expect_up(0);
}

/// Who is dialed under a wrong number says so; who has a number that nobody expects is a stranger.
#[test]
fn a_wrong_number_is_refused() {
    let (a, b) = strangers(|plan| Plan { me: 2, ..plan });
    expect_reasons(&a, "it is another node", "it is not in the list of peers");
    expect_reasons(&b, "this server is not in its list of peers", "it looks for another node");
}

#[test]
fn another_version_is_refused_by_both_sides() {
    let (a, _b) = pair();
    // As the one who is dialed.
    let mut stream = raw::connect(a.peers.address());
    // All that is common to all versions, and something else behind it.
    stream
        .write_all(b"quorate\0\x09and something quite different, longer than a hello is now")
        .unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"quorate\0\x03\x01");
    let seen = a.until("the reason", |stats| stats.last_refused.clone());
    assert!(seen.contains("its version 9, this one's 3"), "{seen}");
    // As the one who dials: a refusal, and an acceptance that is not one.
    for code in [1, 0, 200] {
        let fake = listener();
        let server = Plan::new(0, &[(1, fake.local_addr().unwrap())]).start(listener());
        let (mut stream, _) = fake.accept().unwrap();
        let mut hello = [0; 61];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(&[b"quorate\0\x09", &[code][..]].concat()).unwrap();
        let told = server.until("the reason", |stats| stats.peers[0].trouble.clone());
        assert!(told.contains('9') && told.contains("version"), "{told}");
        assert!(code == 200 || told.contains("another version"), "{told}");
    }
}

/// Who pretends to be a peer and lets everybody in learns nothing and is told nothing.
#[test]
fn an_impostor_at_a_peers_address_is_found_out() {
    let fake = listener();
    let a = Plan::new(0, &[(1, fake.local_addr().unwrap())]).start(listener());
    let (mut stream, _) = fake.accept().unwrap();
    let mut hello = [0; 61];
    stream.read_exact(&mut hello).unwrap();
    stream.write_all(&[&b"quorate\0\x03\0"[..], &[1; 32]].concat()).unwrap();
    let mut theirs = [0; 32];
    stream.read_exact(&mut theirs).unwrap();
    // The dialer's own proof is not the listener's.
    stream.write_all(&[&[0], &theirs[..]].concat()).unwrap();
    let told = a.until("the reason", |stats| stats.peers[0].trouble.clone());
    assert!(told.contains("could not prove"), "{told}");
    raw::expect_closed(&mut stream);
    assert!(a.mail.try_recv().is_err());
}

/// A proof that was heard serves for no other connection, for the nonces differ.
#[test]
fn a_proof_serves_once() {
    let nobody = { listener().local_addr().unwrap() };
    let a = Plan::new(0, &[(1, nobody)]).start(listener());
    let hello = Hello::new(1, 0, raw::MESSAGES).bytes();
    let mut nonces = Vec::new();
    for _ in 0..3 {
        let mut stream = raw::connect(a.peers.address());
        stream.write_all(&hello).unwrap();
        let mut reply = [0; 42];
        stream.read_exact(&mut reply).unwrap();
        nonces.push(reply[10..].to_vec());
        let proof =
            raw::proof(b"quorate peer: dialer", &hello, &nonces[0], b"a secret of the tests' own");
        stream.write_all(&proof).unwrap();
        let mut verdict = [0; 1];
        stream.read_exact(&mut verdict).unwrap();
        assert_eq!(verdict[0], if nonces.len() == 1 { 0 } else { 7 });
    }
    assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2]);
    a.until("the refusals", |stats| (stats.refused == 2).then_some(()));
}

/// Every single bit of what is proved counts.
#[test]
fn a_handshake_that_was_changed_under_way_fails() {
    let nobody = { listener().local_addr().unwrap() };
    let a = Plan::new(0, &[(1, nobody), (2, nobody)]).start(listener());
    let hello = Hello::new(1, 0, raw::MESSAGES).bytes();
    for bit in 0..8 * hello.len() {
        let mut stream = raw::connect(a.peers.address());
        let mut changed = hello.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        stream.write_all(&changed).unwrap();
        let mut reply = [0; 42];
        if stream.read_exact(&mut reply).is_err() || reply[9] != 0 {
            continue;
        }
        let proof = raw::proof(
            b"quorate peer: dialer",
            &hello,
            &reply[10..],
            b"a secret of the tests' own",
        );
        stream.write_all(&proof).unwrap();
        let mut verdict = [0; 1];
        stream.read_exact(&mut verdict).unwrap();
        assert_eq!(verdict[0], 7, "bit {bit}");
    }
    a.until("the refusals", |stats| (stats.refused == 8 * hello.len() as u64).then_some(()));
}

fn options(listener: TcpListener, folder: &Folder) -> Options {
    let peers = vec![(NodeId(1), "127.0.0.1:1".to_owned())];
    let (folder, limits) = (folder.0.clone(), quick());
    Options { me: NodeId(0), cluster: 1, listener, peers, secret: None, folder, limits }
}

#[test]
fn without_a_secret_only_loopback_is_listened_on() {
    let folder = Folder::new();
    let open = bind("0.0.0.0:0").unwrap();
    let error = Peers::open(options(open, &folder)).unwrap_err();
    assert!(matches!(error, Error::Unprotected { .. }));
    assert!(error.to_string().contains("Give --secret-file"), "{error}");
    let open = bind("0.0.0.0:0").unwrap();
    let peers = Peers::open(Options { secret: secret(), ..options(open, &folder) }).unwrap();
    peers.go().unwrap();
    assert!(peers.address().ip().is_unspecified());
    peers.stop();
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let folder = Folder::new();
    let start = |change: fn(&mut Options)| {
        let mut options = options(listener(), &folder);
        change(&mut options);
        Peers::open(options).unwrap_err().to_string()
    };
    let twice = start(|options| options.peers.push(options.peers[0].clone()));
    assert!(twice.contains("n1 stands in the list of peers and stands there twice"), "{twice}");
    let own = start(|options| options.me = NodeId(1));
    assert!(own.contains("is this server"), "{own}");
    let tiny = start(|options| options.limits.max_frame_bytes = 5);
    assert!(tiny.contains("max_frame_bytes is 5"), "{tiny}");
    let narrow = start(|options| options.limits.max_queue_bytes = 5000);
    assert!(narrow.contains("max_queue_bytes is 5000"), "{narrow}");
    std::fs::write(folder.0.join("file"), "").unwrap();
    let file = start(|options| options.folder.push("file"));
    assert!(file.contains("/file: can't make"), "{file}");
    let taken = listener();
    let error = bind(taken.local_addr().unwrap()).unwrap_err();
    assert!(error.to_string().contains("can't listen for peers on 127.0.0.1:"), "{error}");
}

#[test]
fn a_secret_is_long_enough_and_never_printed() {
    let folder = Folder::new();
    let path = folder.0.join("secret");
    let missing = Secret::read(&path).unwrap_err().to_string();
    assert!(missing.contains("can't read the secret"), "{missing}");
    std::fs::write(&path, " \nshort\n").unwrap();
    let short = Secret::read(&path).unwrap_err().to_string();
    assert!(short.contains("a secret of 5 bytes can be guessed"), "{short}");
    std::fs::write(&path, "a secret of the tests' own\n").unwrap();
    let read = Secret::read(&path).unwrap();
    assert_eq!(Some(&read), secret().as_ref());
    assert_eq!(format!("{read:?}"), "Secret(…)");
    assert_eq!(Secret::new(b"fifteen bytes .."), Secret::new(b"fifteen bytes .."));
    assert_eq!(Secret::new(b"fifteen bytes.."), None);
}

/// Strangers who hold their connections as long as they can keep no peer out.
#[test]
fn strangers_can_not_keep_peers_out() {
    let limits = Limits { max_unproven: 4, ..quick() };
    let (listen_a, listen_b) = (listener(), listener());
    let (at_a, at_b) = (listen_a.local_addr().unwrap(), listen_b.local_addr().unwrap());
    let b = Plan { limits, ..Plan::new(1, &[(0, at_a)]) }.start(listen_b);
    let mut strangers: Vec<_> = (0..8).map(|_| raw::connect(at_b)).collect();
    let a = Plan::new(0, &[(1, at_b)]).start(listen_a);
    a.expect_up(1);
    b.expect_up(0);
    // The oldest had to go.
    for stranger in &mut strangers[..4] {
        raw::expect_closed(stranger);
    }
    b.until("the reason", |stats| {
        stats.last_refused.as_ref().filter(|text| text.contains("too many connections")).cloned()
    });
}

/// A stranger who says a byte now and then does not stay longer.
#[test]
fn a_handshake_has_an_end() {
    let nobody = { listener().local_addr().unwrap() };
    let limits = Limits { handshake: Duration::from_millis(100), ..quick() };
    let a = Plan { limits, ..Plan::new(0, &[(1, nobody)]) }.start(listener());
    let mut stream = raw::connect(a.peers.address());
    stream.write_all(b"quor").unwrap();
    raw::expect_closed(&mut stream);
    let seen = a.until("the reason", |stats| stats.last_refused.clone());
    assert!(seen.contains("the handshake took longer than 100ms"), "{seen}");
}
