//! A slot's records on their way to another group: see [`super::super::parts`].

use super::{ClientId, Pages, Record, Records, Reply, Seq, Session, Stamp, Totals};

/// A session that differs from an older copy of it, and the calls in which it does.
pub(in super::super) struct Altered<'a> {
    /// Whose it is.
    pub client: ClientId,
    /// None if it has gone.
    pub session: Option<&'a Session>,
    old: Option<&'a Session>,
}

const NONE: &Pages<Seq, Record> = &Pages::new();

impl<'a> Altered<'a> {
    /// Number, command's fingerprint and reply of the calls behind one that are not in the old copy.
    pub(in super::super) fn calls(
        &self,
        after: Option<Seq>,
    ) -> impl Iterator<Item = (Seq, u64, &'a Reply)> + use<'a> {
        let records = self.session.map_or(NONE, |session| &session.records);
        let old = self.old.map_or(NONE, |session| &session.records);
        let calls = records.difference(old, after.as_ref());
        calls.filter_map(|(seq, record)| record.map(|record| (*seq, record.print, &record.reply)))
    }
}

impl Session {
    /// When the client made its last call, and up to which its replies have arrived.
    pub(in super::super) const fn state(&self) -> (Stamp, Seq) {
        (self.used, self.acknowledged)
    }
}

impl Records {
    /// The sessions behind a client's in which the records differ from an older copy.
    pub(in super::super) fn difference<'a>(
        &'a self,
        old: &'a Self,
        after: Option<ClientId>,
    ) -> impl Iterator<Item = Altered<'a>> {
        let altered = self.sessions.difference(&old.sessions, after.as_ref());
        altered.map(|(client, session)| Altered {
            client: *client,
            session,
            old: old.sessions.get(client),
        })
    }

    /// One client's session beside its older copy.
    pub(in super::super) fn altered<'a>(&'a self, old: &'a Self, client: ClientId) -> Altered<'a> {
        let (session, old) = (self.sessions.get(&client), old.sessions.get(&client));
        Altered { client, session, old }
    }

    /// When the client was here last who was here last.
    pub(in super::super) fn last_use(&self) -> Stamp {
        self.by_use.last().map_or(0, |((used, _), ())| *used)
    }

    pub(in super::super) const fn set_floor(&mut self, floor: ClientId) {
        self.floor = floor;
    }

    /// What a client's session is now, but for its calls.
    pub(in super::super) fn put_client(
        &mut self,
        client: ClientId,
        (used, acknowledged): (Stamp, Seq),
        totals: &mut Totals,
    ) {
        let session = self.used_now(client, used, totals);
        session.acknowledge(acknowledged, totals);
    }

    /// A call of a client that is known, above what it has acknowledged. Any other is left out.
    pub(in super::super) fn put_call(
        &mut self,
        (client, seq): (ClientId, Seq),
        (print, reply): (u64, &Reply),
        totals: &mut Totals,
    ) {
        let Some(session) = self.sessions.get_mut(&client) else { return };
        if seq <= session.acknowledged {
            return;
        }
        totals.reply_comes(seq, print, reply);
        let old = session.records.insert(seq, Record { print, reply: reply.clone() });
        old.into_iter().for_each(|old| old.goes(seq, totals));
    }

    /// A client's session has gone.
    pub(in super::super) fn remove_client(&mut self, client: ClientId, totals: &mut Totals) {
        let Some(session) = self.sessions.remove(&client) else { return };
        self.by_use.remove(&(session.used, client));
        session.goes(totals);
    }
}
