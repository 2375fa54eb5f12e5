//! A client's connections, one for each server that it knows, opened when they are needed.
//!
//! The machine numbers servers, and counts to a fixed number of them; numbers beyond the addresses that are known begin
//! with the first again. So a MOVED to an address that nobody has named adds a server while the machine runs.

use super::{Address, Broken, Connection, Error, Options};
use crate::resp::Frame;
use protocol::NodeId;
use std::time::Duration;

/// How many servers the machine counts. More than a cluster has nodes, and each may be known by two ports.
pub const SERVERS: u8 = 64;

/// What an exchange came to.
#[derive(Debug)]
pub enum Exchange {
    /// The server answered.
    Answered(Frame),
    /// The command was not sent.
    NotSent(Broken),
    /// It was sent, and there was no answer.
    Lost(Broken),
}

/// Servers and connections to them.
#[derive(Debug)]
pub struct Links {
    options: Options,
    servers: Vec<(Address, Option<Connection>)>,
}

impl Links {
    pub fn new(addresses: Vec<Address>, options: Options) -> Result<Self, Error> {
        let mut links = Self { options, servers: Vec::new() };
        for address in addresses {
            links.number(address);
        }
        if links.servers.is_empty() { Err(Error::NoAddress) } else { Ok(links) }
    }

    pub const fn options(&self) -> &Options {
        &self.options
    }

    pub fn addresses(&self) -> Vec<Address> {
        self.servers.iter().map(|(address, _)| address.clone()).collect()
    }

    /// A server's number; it gets one if it has none.
    pub fn number(&mut self, address: Address) -> Option<NodeId> {
        let known = self.servers.iter().position(|(server, _)| *server == address);
        let number = known.unwrap_or(self.servers.len());
        if number == self.servers.len() {
            if number >= usize::from(SERVERS) {
                return None;
            }
            self.servers.push((address, None));
        }
        u8::try_from(number).ok().map(NodeId)
    }

    fn place(&self, server: NodeId) -> usize {
        usize::from(server.0) % self.servers.len()
    }

    /// The connection to a server, a new one if need be.
    pub fn open(&mut self, server: NodeId) -> Result<&mut Connection, Broken> {
        let place = self.place(server);
        let (address, connection) = &mut self.servers[place];
        if connection.is_none() {
            *connection = Some(Connection::open(address, &self.options)?);
        }
        Ok(connection.as_mut().expect("it was opened just now"))
    }

    /// Closes the connection to a server.
    pub fn close(&mut self, server: NodeId) {
        let place = self.place(server);
        self.servers[place].1 = None;
    }

    /// Sends one command, or several whose answers belong together, and waits for the last answer.
    pub fn exchange<A: AsRef<[u8]>>(
        &mut self,
        server: NodeId,
        commands: &[Vec<A>],
        within: Duration,
    ) -> Exchange {
        let connection = match self.open(server) {
            Ok(connection) => connection,
            Err(broken) => return Exchange::NotSent(broken),
        };
        commands.iter().for_each(|words| connection.push(words));
        let answered = connection.send().and_then(|()| {
            let mut last = Frame::Null;
            for _ in commands {
                last = connection.receive_within(within)?;
            }
            Ok(last)
        });
        match answered {
            Ok(frame) => Exchange::Answered(frame),
            Err(broken) => {
                self.close(server);
                Exchange::Lost(broken)
            }
        }
    }
}
