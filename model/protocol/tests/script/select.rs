//! Which messages on their way a command means.

use crate::support::Packet;
use crate::support::show::kind;
use protocol::NodeId;

/// A choice among the messages on their way.
#[derive(Default)]
pub struct Select {
    from: Option<NodeId>,
    to: Option<NodeId>,
    kind: Option<String>,
    number: Option<usize>,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl Select {
    /// Reads `all`, `n0→n1` (or `n0->n1`), `from n0`, `to n1`, a message's name, `first`, `last`,
    /// `%2` (as `network` numbers them); several of them narrow the choice.
    pub fn parse(
        words: &[&str],
        node: impl Fn(&str) -> Result<NodeId, String>,
    ) -> Result<Self, String> {
        let mut select = Self::default();
        let mut words = words.iter().copied();
        if words.len() == 0 {
            return Err("which messages? `all` if all".to_owned());
        }
        while let Some(word) = words.next() {
            let arrow = word.split_once('→').or_else(|| word.split_once("->"));
            if let Some((from, to)) = arrow {
                (select.from, select.to) = (Some(node(from)?), Some(node(to)?));
                continue;
            }
            match word {
                "all" => {}
                "first" => select.end = Some(End::First),
                "last" => select.end = Some(End::Last),
                "from" => select.from = Some(node(words.next().unwrap_or_default())?),
                "to" => select.to = Some(node(words.next().unwrap_or_default())?),
                _ if word.starts_with('%') => {
                    let number = word[1..].parse().map_err(|_| format!("`{word}` is no number"))?;
                    select.number = Some(number);
                }
                _ if word.starts_with(char::is_uppercase) => select.kind = Some(word.to_owned()),
                _ => return Err(format!("`{word}` selects no messages")),
            }
        }
        Ok(select)
    }

    /// The positions of the messages that are meant; an error if there are none.
    pub fn positions(&self, network: &[Packet]) -> Result<Vec<usize>, String> {
        let meant = |(position, packet): &(usize, &Packet)| {
            self.number.is_none_or(|number| number == position + 1)
                && self.from.is_none_or(|node| node == packet.from)
                && self.to.is_none_or(|node| node == packet.to)
                && self.kind.as_deref().is_none_or(|name| name == kind(&packet.message.body))
        };
        let mut all = network.iter().enumerate().filter(meant).map(|(position, _)| position);
        let all: Vec<usize> = match self.end {
            None => all.collect(),
            Some(End::First) => all.take(1).collect(),
            Some(End::Last) => all.next_back().into_iter().collect(),
        };
        if all.is_empty() { Err("no message on its way is meant".to_owned()) } else { Ok(all) }
    }
}
