//! CONFIG: what programs ask a Redis for at their start, with the values that are true here.

use super::access::Port;
use super::plan::Args;
use crate::glob;
use crate::resp::Writer;
use crate::view::View;

/// Nothing is set while the server runs.
pub(super) const SET_REFUSED: &str = "ERR CONFIG SET is not supported: give options to the server \
    when it starts (quorate server --help)";

/// CONFIG GET pattern…: the parameters that fit, each once.
pub(super) fn get(args: Args<'_>, port: Port, bulk: usize, view: &View, writer: &mut Writer<'_>) {
    let patterns: Vec<Vec<u8>> =
        (2..args.count()).map(|place| args.argument(place).to_ascii_lowercase()).collect();
    let fits = |name: &str| patterns.iter().any(|pattern| glob::matches(pattern, name.as_bytes()));
    let mut found = parameters(port, view);
    found.push(("proto-max-bulk-len", bulk.to_string()));
    found.sort_unstable();
    found.retain(|(name, _)| fits(name));
    writer.map(found.len());
    for (name, value) in found {
        writer.bulk(name);
        writer.bulk(value);
    }
}

fn parameters(port: Port, view: &View) -> Vec<(&'static str, String)> {
    let cluster = if port == Port::Cluster { "yes" } else { "no" };
    let own = view.own();
    let plain = own.map_or(0, |node| node.plain_port);
    let announced = own.map_or(0, |node| node.cluster_port);
    let fixed = [
        // Every write is on the disks of a majority before it is answered; there is no file beside the log.
        ("appendfsync", "always"),
        ("appendonly", "yes"),
        ("save", ""),
        ("cluster-enabled", cluster),
        ("cluster-require-full-coverage", "yes"),
        ("cluster-allow-reads-when-down", "no"),
        ("databases", "1"),
        ("maxmemory", "0"),
        ("maxmemory-policy", "noeviction"),
        ("notify-keyspace-events", ""),
        ("replica-read-only", "yes"),
        ("slave-read-only", "yes"),
        ("timeout", "0"),
    ];
    let mut all: Vec<_> = fixed.map(|(name, value)| (name, value.to_string())).into();
    let port = if port == Port::Cluster { announced } else { plain };
    all.push(("maxclients", view.max_clients.to_string()));
    all.push(("port", port.to_string()));
    all
}
