//! What can go wrong, and what a person can do about it.

use super::frame::Malformed;
use super::hello::VERSION;
use protocol::NodeId;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why the transport can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port can't be had.
    #[error(
        "can't listen for peers on {address} ({source}). Give another address, or stop the process that has this one"
    )]
    Listen {
        /// The address that was asked for.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Everybody who reaches the port could speak as a server of the cluster.
    #[error(
        "the peer port {address} is open to other machines, and there is no secret to tell peers by. \
        Give --secret-file with the same secret on every server, or listen on a loopback address"
    )]
    Unprotected {
        /// Where it would listen.
        address: SocketAddr,
    },
    /// The list of peers contradicts itself.
    #[error(
        "{node:?} stands in the list of peers and {why}. List every other server once, this one not at all"
    )]
    Peers {
        /// The server.
        node: NodeId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A bound that nothing could pass.
    #[error("{name} is {value}, and must be at least {least}. Give a larger one")]
    Bound {
        /// The bound's name.
        name: &'static str,
        /// What was given.
        value: usize,
        /// The least that works.
        least: usize,
    },
    /// The folder for received snapshots can't be used.
    #[error("{}: can't {action} ({source}). Mend its permissions, or give another folder", path.display())]
    Folder {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The secret can't be read.
    #[error("{}: can't read the secret ({source}). Mend its permissions, or give another file", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The secret could be guessed.
    #[error(
        "{}: a secret of {bytes} bytes can be guessed. Put at least {least} bytes of chance into the file, as by \
        `head -c 32 /dev/urandom | base64`, and the same file on every server", path.display()
    )]
    ShortSecret {
        /// The file.
        path: PathBuf,
        /// How long it is.
        bytes: usize,
        /// How long it must be.
        least: usize,
    },
    /// A thread can't be made.
    #[error("can't start a thread ({source}). Raise the limit on processes, or stop others")]
    Thread {
        /// What the operating system said.
        source: io::Error,
    },
}

/// Why a server turns a connection away. The number goes over the wire; a peer of any version knows where
/// it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Refusal {
    Version = 1,
    Cluster = 2,
    NotMe = 3,
    Stranger = 4,
    SecretMissing = 5,
    SecretUnwanted = 6,
    SecretWrong = 7,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::Version,
        Self::Cluster,
        Self::NotMe,
        Self::Stranger,
        Self::SecretMissing,
        Self::SecretUnwanted,
        Self::SecretWrong,
    ];

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| *refusal as u8 == code)
    }

    /// What the one who was refused should know.
    const fn told(self) -> &'static str {
        match self {
            Self::Version => "it speaks another version. Run the same release on every server",
            Self::Cluster => {
                "it belongs to another cluster. Correct the address of this peer, or the folder this server was given"
            }
            Self::NotMe => {
                "it is another node. Correct the numbers and addresses in the list of peers"
            }
            Self::Stranger => {
                "this server is not in its list of peers. Correct the list there, or this server's number"
            }
            Self::SecretMissing => {
                "it asks for a secret. Give this server --secret-file with the cluster's secret"
            }
            Self::SecretUnwanted => {
                "it has no secret, and this server has. Give it --secret-file with the cluster's secret"
            }
            Self::SecretWrong => {
                "its secret is another one. Give every server the same --secret-file"
            }
        }
    }

    /// What the one who refuses should know.
    const fn seen(self) -> &'static str {
        match self {
            Self::Version => "it speaks another version. Run the same release on every server",
            Self::Cluster => {
                "it belongs to another cluster. Correct its list of peers, or the folder it was given"
            }
            Self::NotMe => {
                "it looks for another node. Correct the numbers and addresses in its list of peers"
            }
            Self::Stranger => {
                "it is not in the list of peers. Correct the list, or the number of that server"
            }
            Self::SecretMissing => {
                "it has no secret, and this server has. Give it --secret-file with the cluster's secret"
            }
            Self::SecretUnwanted => {
                "it has a secret, and this server has none. Give this server --secret-file with the cluster's secret"
            }
            Self::SecretWrong => {
                "its secret is another one. Give every server the same --secret-file"
            }
        }
    }
}

/// Why a connection is not made, or is no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the name {0} has no address. Correct it in the list of peers, or in the name service")]
    NoAddress(String),
    #[error(
        "the name {0} can't be looked up ({1}). Correct it in the list of peers, or in the name service"
    )]
    Name(String, io::Error),
    #[error("refused by the peer: {} (its version {theirs}, this one's {VERSION})", .refusal.told())]
    Refused { refusal: Refusal, theirs: u8 },
    #[error(
        "refused by the peer for a reason ({code}) that version {VERSION} does not know; its version is {theirs}"
    )]
    RefusedOtherwise { code: u8, theirs: u8 },
    #[error("a connection was refused: {} ({who}, its version {theirs}, this one's {VERSION})", .refusal.seen())]
    Turned { refusal: Refusal, who: String, theirs: u8 },
    #[error("what came is not this protocol. Is something else there, or the clients' port?")]
    Foreign,
    #[error(
        "the peer could not prove that it has the secret. Give every server the same --secret-file"
    )]
    Impostor,
    #[error("the handshake took longer than {0:?}")]
    Slow(Duration),
    #[error("too many connections at once had not proved who they are; this was the oldest")]
    Crowded,
    #[error("bad bytes: {0}. If both run the same release, look at the network between them")]
    Malformed(#[from] Malformed),
    #[error("the snapshot's file: can't {action} ({source})")]
    File { action: &'static str, source: io::Error },
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    #[error("the connection was closed by the peer")]
    Closed,
    #[error("this side let go of the connection")]
    LetGo,
}

impl Trouble {
    /// What became of an attempt to do `action` to a snapshot's file.
    pub(super) fn file(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, source }
    }
}
