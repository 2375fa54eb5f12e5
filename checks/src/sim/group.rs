//! What happens to servers: every event that is no client's, and no mischief.
//!
//! Whoever has servers in virtual time drives them through here: the simulator, with clients and faults of its own,
//! and the labs' scenarios, with theirs.

use super::env::Env;
use super::event::{Event, Mail};
use super::faults::Fault;
use super::judge::STATE_MACHINE_SAFETY;
use super::kit::Kit;
use super::server::Server;
use protocol::NodeId;
use protocol::raft::Body;

/// Carries an event out, or gives it back: it is somebody else's.
pub fn take<T: Kit>(servers: &mut [Server<T>], env: &mut Env, event: Event) -> Option<Event> {
    let of = |node: NodeId| usize::from(node.0);
    match event {
        Event::Wake { node, boot } => wake(&mut servers[of(node)], boot, env),
        Event::Arrives(node, mail) => {
            if let Mail::Packet(packet) = &mail
                && !env.lets_in(packet)
            {
                return None;
            }
            servers[of(node)].post(mail, env);
        }
        Event::Inside(node, boot, mail) => {
            if env.boot(node) == boot {
                servers[of(node)].post(mail, env);
            }
        }
        Event::Synced { node, boot } => synced(&mut servers[of(node)], boot, env),
        Event::Written { node, .. } => written(&mut servers[of(node)], event, env),
        Event::Stored(ref packet, _) => written(&mut servers[of(packet.to)], event, env),
        Event::Passed(_) | Event::Answered { .. } | Event::Noticed { .. } => {
            call(servers, event, env);
        }
        Event::Connect { from, to } => env.connect(from, to),
        Event::Empties(node) => {
            servers[of(node)].disk.full = false;
            servers[of(node)].start(env);
        }
        Event::Start(node) => servers[of(node)].start(env),
        Event::Reply { .. }
        | Event::Client { .. }
        | Event::Mischief
        | Event::Heals { .. }
        | Event::Clears { .. } => return Some(event),
    }
    None
}

fn wake<T: Kit>(server: &mut Server<T>, boot: u32, env: &mut Env) {
    let node = server.me;
    if env.boot(node) != boot {
        return;
    }
    if server.frozen_until > env.now {
        env.agenda.plan(server.frozen_until, Event::Wake { node, boot });
    } else {
        server.wake(env);
    }
}

/// A batch is durable. It is reported a moment later: a crash may fall between.
fn synced<T: Kit>(server: &mut Server<T>, boot: u32, env: &mut Env) {
    let node = server.me;
    if env.boot(node) != boot || server.life.is_none() {
        return;
    }
    if server.disk.full {
        env.tell(|| format!("{node:?}: no space left on the disk"));
        return server.kill(env);
    }
    match server.disk.synced() {
        Ok((writes, snapshot)) => {
            snapshot.into_iter().for_each(|id| server.disk.keep_files_from(id.last));
            env.soon(2, 200, Event::Inside(node, boot, Mail::Durable { writes }));
            server.begin_batch(env);
        }
        Err(text) => env.violate(STATE_MACHINE_SAFETY, format!("{node:?}: {text}")),
    }
}

/// A snapshot's file is durable.
fn written<T: Kit>(server: &mut Server<T>, event: Event, env: &mut Env) {
    match event {
        Event::Written { node, boot, id, file } => {
            if env.boot(node) != boot {
                return;
            }
            let fails = env.strikes(Fault::Full, 30_000);
            if fails {
                env.fault(Fault::Full);
            } else {
                server.disk.keep_file(id.last, file);
            }
            server.post(Mail::Snapshot((!fails).then_some(id)), env);
        }
        Event::Stored(packet, boot) => {
            let Body::InstallSnapshot { id } = packet.message.body else { return };
            if env.boot(packet.to) == boot
                && let Some(file) = &packet.file
            {
                server.disk.keep_file(id.last, file.clone());
                server.post(Mail::Adopted(packet), env);
            }
        }
        _ => {}
    }
}

/// What goes over connections.
fn call<T: Kit>(servers: &mut [Server<T>], event: Event, env: &mut Env) {
    match event {
        Event::Passed(call) if env.connected(call.from, call.to, call.epoch, call.from) => {
            servers[usize::from(call.to.0)].post(Mail::Call(call), env);
        }
        Event::Answered { from, to, epoch, ticket, outcome }
            if env.connected(to, from, epoch, from) =>
        {
            servers[usize::from(to.0)].post(Mail::Told { from, ticket, outcome }, env);
        }
        Event::Noticed { from, to, boot } if env.boot(from) == boot => {
            servers[usize::from(from.0)].post(Mail::Lost(to), env);
            env.soon(1_000, 50_000, Event::Connect { from, to });
        }
        _ => {}
    }
}
