//! Where a server is, as people write it.

use super::Error;
use crate::config::PORT;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A host and a port. Names are looked up anew for each connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Address {
    type Err = Error;

    /// Reads `host`, `host:port` or `[host]:port`. The port is 7400 if none is given.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Address { text: text.into(), why };
        let bare = |host: &str| {
            host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned)
        };
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address without a port has colons of its own.
            Some((host, _)) if host.contains(':') && bare(host).is_none() => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong("its port is no number up to 65535"))?,
            None => PORT,
        };
        let host = bare(host).unwrap_or_else(|| host.to_owned());
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        Ok(Self { host, port })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for (text, shown) in [
            ("localhost", "localhost:7400"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("::1", "[::1]:7400"),
            ("[::1]", "[::1]:7400"),
            ("[::1]:80", "[::1]:80"),
        ] {
            let address: Address = text.parse().expect("it is an address");
            assert_eq!(address.to_string(), shown);
        }
        for text in ["", ":7400", "host:", "host:70000", "host:x"] {
            assert!(text.parse::<Address>().is_err(), "{text:?} is none");
        }
    }
}
