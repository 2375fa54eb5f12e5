//! Lab 2: the store on one server, of 2024 and of 2025 and 2026.

use super::{Outcome, Run, Scenario, Service};
use crate::labs::kvsrv::{lock, memory, versions};
use crate::labs::lab::Lab;
use crate::labs::store::{Keys, Storm, Style, singles};

/// The labs it is in.
const EARLIER: &str = "2024 2";
const LATER: &str = "2";
const LOCK: &str = "2 lock";

const fn single(name: &'static str, lab: &'static str, about: &'static str, run: Run) -> Scenario {
    Scenario { name, lab, about, servers: 1, reliable: true, serves: Service::Single, run }
}

const fn told(
    name: &'static str,
    lab: &'static str,
    about: &'static str,
    run: fn(&mut Lab) -> Outcome,
) -> Scenario {
    single(name, lab, about, Run::Told(run))
}

/// Clients with keys of their own: three rounds of a second.
const fn clients(name: &'static str, about: &'static str, clients: u64) -> Scenario {
    let storm = Storm::new(clients, Style::Appends, Keys::Own, 1_000);
    single(name, EARLIER, about, Run::Storm(storm))
}

/// Ten clients that race for one key, for a second.
const RACE: Storm = Storm { rounds: 1, ..Storm::new(10, Style::Versions, Keys::One, 1_000) };

/// All of them.
pub(super) static ALL: &[Scenario] = &[
    clients("Basic2", "one client", 1),
    clients("Concurrent2", "many clients", 5),
    clients("Unreliable2", "unreliable net, many clients", 5).unreliable(),
    single(
        "UnreliableOneKey2",
        EARLIER,
        "concurrent append to same key, unreliable",
        Run::Styled(singles::one_key, Style::Appends),
    )
    .unreliable(),
    told("MemGet2", EARLIER, "memory use get", memory::get).unreliable(),
    told("MemPut2", EARLIER, "memory use put", memory::put),
    told("MemAppend2", EARLIER, "memory use append", memory::append_large),
    told("MemPutManyClients", EARLIER, "memory use many put clients", memory::many_writers),
    told("MemGetManyClients", EARLIER, "memory use many get client", memory::many_readers),
    told("MemManyAppends", EARLIER, "memory use many appends", memory::many_appends),
    told("ReliablePut", LATER, "one client and reliable Put", versions::reliable_put),
    single("PutConcurrentReliable", LATER, "many clients racing to put", Run::Storm(RACE)),
    told("MemPutManyClientsReliable", LATER, "memory use many put clients", memory::many_versions),
    told("UnreliableNet", LATER, "one client, unreliable net", versions::unreliable_net)
        .unreliable(),
    told("ReliableBasic", LOCK, "one client, one Acquire and Release", lock::basic),
    told("ReliableNested", LOCK, "one client, two locks nested", lock::nested),
    told("OneClientReliable", LOCK, "1 lock client", lock::one_client),
    told("ManyClientsReliable", LOCK, "10 lock clients", lock::many_clients),
    told("OneClientUnreliable", LOCK, "1 lock client, unreliable net", lock::one_client)
        .unreliable(),
    told("ManyClientsUnreliable", LOCK, "10 lock clients, unreliable net", lock::many_clients)
        .unreliable(),
];
