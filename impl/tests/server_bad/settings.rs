//! Settings that don't fit. A server that refuses them has not touched anything.

use super::tools::run_to_end;
use crate::support::process::Folder;

/// The message of a server that does not start with these.
fn refused(arguments: &[&str]) -> String {
    let (well, text) = run_to_end(arguments);
    assert!(!well, "it should have said that it failed: {text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn flags_that_do_not_fit_are_told_what_to_write() {
    let folder = Folder::new();
    let dir = folder.path().join("d");
    let dir = dir.to_str().unwrap();
    let nodes = "127.0.0.1:7400,127.0.0.1:7401";
    let cases: [(&[&str], &str); 12] = [
        (&["--listen", "nowhere"], "it has no port. Write HOST:PORT, for example 127.0.0.1:7400"),
        (&["--listen", "127.0.0.1:65000"], "a port 1000 behind it would be beyond 65535"),
        (&["--listen", ":7400"], "it has no host"),
        (&["--listen", "no.such.host.invalid:7400"], "leads nowhere"),
        (&["--listen", "127.0.0.1:7402", "--nodes", nodes], "127.0.0.1:7402 is not one of them"),
        (&["--nodes", "127.0.0.1:7400,127.0.0.1:7400"], "127.0.0.1:7400 is used twice"),
        (&["--listen", "10.0.0.1:7400", "--nodes", "10.0.0.1:7400,10.0.0.2:7400"], "--secret-file"),
        (&["--heartbeat-ms", "0"], "heartbeat-ms is 0; it must be 1 to 60000"),
        (&["--election-min-ms", "20"], "election-min-ms is 20; it must be 100 to 600000"),
        (&["--max-clients", "0"], "max-clients is 0; it must be 1 to 1000000"),
        (&["--secret-file", "/no/such/file"], "can't read /no/such/file"),
        (&["--snapshot-bytes", "many"], "invalid value 'many'"),
    ];
    for (arguments, text) in cases {
        let mut all = vec!["--dir", dir];
        all.extend(arguments);
        let said = refused(&all);
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
    let used = std::fs::read_dir(dir).map(|files| files.flatten().count()).unwrap_or(0);
    // A name is looked up after the folder is taken; nothing else gets so far.
    assert!(used <= 2, "{used} files in the folder");
}

#[test]
fn groups_that_do_not_fit_are_told_what_to_write() {
    let folder = Folder::new();
    let dir = folder.path().join("d");
    const ME: &str = "127.0.0.1:7400";
    const IN_GROUP: [&str; 4] = ["--controller", ME, "--group", "2=127.0.0.1:7400"];
    let cases: [(&[&str], &[&str], &str); 8] = [
        (&[], &["--group", "1=127.0.0.1:7400"], "groups are named, and no controller"),
        (&[], &["--forget-group", "1"], "groups are named, and no controller"),
        (&IN_GROUP, &["--group", "0=127.0.0.1:7400"], "\"0\" is no group's id"),
        (&IN_GROUP, &["--group", "1"], "Write 1=HOST:PORT,HOST:PORT,…"),
        (&IN_GROUP, &["--group", "1=127.0.0.1:7401"], "which is none of the nodes 127.0.0.1:7400"),
        (&IN_GROUP, &["--group", "1=127.0.0.1:7400,127.0.0.1:7400"], "127.0.0.1:7400 twice"),
        (&IN_GROUP, &["--forget-group", "2"], "Leave out --group 2 or --forget-group 2"),
        (&IN_GROUP, &["--forget-group", "x"], "\"x\" is no group's id"),
    ];
    for (first, then, text) in cases {
        let mut all = vec!["--dir", dir.to_str().unwrap(), "--nodes", ME];
        all.extend(first.iter().chain(then));
        let said = refused(&all);
        assert!(said.contains(text), "{all:?}: {said}");
    }
    assert!(!dir.exists(), "nothing was touched");
}

#[test]
fn a_file_of_settings_that_is_none_says_where() {
    let folder = Folder::new();
    let path = folder.path().join("quorate.toml");
    let cases: [(&[u8], &str); 7] = [
        (b"listen = ", "quorate.toml: TOML parse error at line 1, column 10"),
        (b"heartbeat-ms = 50\nheartbeat = 50\n", "unknown field `heartbeat`"),
        (b"nodes = \"127.0.0.1:7400\"\n", "invalid type: string"),
        (b"heartbeat-ms = -1\n", "invalid value: integer `-1`"),
        (b"\xff\xfe\0", "invalid utf-8"),
        (b"[ports]\ncluster = 0\n", "127.0.0.1:7400 is used twice"),
        (b"listen = \"nowhere\"\n", "listen is \"nowhere\", which is no address"),
    ];
    for (text, expected) in cases {
        std::fs::write(&path, text).unwrap();
        let said = refused(&["--config", path.to_str().unwrap()]);
        assert!(said.contains(expected), "{said}");
    }
    let said = refused(&["--config", "/no/such/file.toml"]);
    assert!(said.contains("can't read /no/such/file.toml"), "{said}");
}

#[test]
fn secrets_are_long_enough() {
    let folder = Folder::new();
    let path = folder.path().join("secret");
    std::fs::write(&path, "short\n").unwrap();
    let said = refused(&["--secret-file", path.to_str().unwrap()]);
    assert!(said.contains("the secret has 5 bytes; give it at least 16"), "{said}");
    std::fs::write(&path, "\n").unwrap();
    let said = refused(&["--password-file", path.to_str().unwrap()]);
    assert!(said.contains("the password has 0 bytes; give it at least 1"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new();
    let dir = folder.path().join("d");
    let address = taken.local_addr().unwrap();
    if address.port() > 62_000 {
        println!("skipped: no ports behind {address}");
        return;
    }
    let said = refused(&["--dir", dir.to_str().unwrap(), "--listen", &address.to_string()]);
    assert!(said.contains(&format!("can't listen on {address}")), "{said}");
    assert!(
        said.contains("Another process listens there: stop it, or choose another port"),
        "{said}"
    );
}
