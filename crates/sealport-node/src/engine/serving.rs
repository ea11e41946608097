//! What the master does for other nodes: lets them in, tells them what changed, takes their writes. Who may, the server
//! has asked the registry before.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealport_core::{
    Code, Error,
    api::{Request, Response},
    backup::from_hex,
    bundle::Holder,
    id::{Epoch, Generation},
    machine::{
        Answer, Ask, AuditMark, Body, Head, KeySetMark, MasterFacts, State, lacks_history, master::answer,
        shared_until,
    },
    record::{DocumentHead, PortSummary, RecordKind, from_plain},
    seal,
    secret::SecretText,
};

use super::{
    Engine, fleet, needs_sealing, now,
    system::{System, open},
};
use crate::{
    call::{Call, Handle, Origin},
    net::{
        authority::{self, Leaf},
        wire::{
            ActLine, Administer, BackupLine, JoinAnswer, JoinAsk, RenewAnswer, RenewAsk, SecretAnswer,
            SyncLine, WriteAnswer, WriteAsk,
        },
    },
    store::{Act, Change, NodeChange, NodeRow, Piece, Position, Put, Row, Store, StrandedRow},
};

impl System {
    /// Proves a record that another node sealed: it opens, under the version that it names, and is what its row says. What gets into
    /// the table is listed on every node, so nothing else may.
    ///
    /// # Errors
    /// `integrity`, which says of which record.
    pub fn prove_row(&self, row: &Row) -> Result<(), Error> {
        let unlocked = self.unlocked()?;
        let named = [&row.envelope, &row.summary].map(|sealed| seal::key_version(sealed));
        let summary = open(&unlocked.keys, row, row.kind.summary(), row.revision, &row.summary)?;
        let same = match row.kind {
            RecordKind::Document => {
                let body = open(&unlocked.keys, row, row.kind.body(), row.revision, &row.envelope)?;
                from_plain::<DocumentHead>(&body)?.0.name == row.name
                    && from_plain::<DocumentHead>(&summary)?.0.name == row.name
            }
            RecordKind::Port(kind) => {
                let (_, port) = self.open_port(row, row.revision, &row.envelope)?;
                port.kind() == kind && from_plain::<PortSummary>(&summary)?.0.name == row.name
            }
        };
        if same && named == [Some(row.key_version); 2] {
            return Ok(());
        }
        Err(Error::new(
            Code::Integrity,
            format!("{} (revision {}) is not what its row says.", row.name, row.revision),
        ))
    }

    /// How to answer an ask, by where the database is.
    pub fn judge(&self, ask: &Ask, position: &Position) -> Result<(Answer, MasterFacts), Error> {
        self.gate(|store| judge(store, ask, position, self.given(position)))
    }

    /// A member polled, and gets an answer, which gives this set of versions.
    pub fn polled(&self, node: &NodeRow, ask: &Ask, state: State, given: KeySetMark) {
        if let Some(seat) = &self.seat {
            seat.polled(node.id, fleet::role_of(node), ask.clone(), state, given);
        }
    }

    /// Refuses what comes from a node that has history which this database lacks, before the node's next poll finds that.
    pub(super) fn has_history_of(
        &self,
        node: &NodeRow,
        epoch: Epoch,
        audit: &AuditMark,
    ) -> Result<(), Error> {
        let known = self.gate(|store| store.audit_hash(audit.line))?;
        if !lacks_history(self.position().borrow().at.epoch, known.as_deref(), epoch, audit) {
            return Ok(());
        }
        Err(Error::new(
            Code::EncryptionUnavailable,
            format!("This master lacks history that {} has: its database was set back, or it is the master no more.", node.name),
        )
        .hint("Look at `sealport status` on that node for what to do."))
    }

    /// A higher epoch was met: this node is no master any more. That is durable before anything is answered.
    pub fn met_higher_epoch(&self, ask: &Ask) -> Result<(), Error> {
        self.change_own(|own| own.standing = sealport_core::machine::Standing::Superseded)?;
        if let Some(seat) = &self.seat {
            seat.met(ask.seen.epoch);
        }
        Ok(())
    }

    /// Everything that a node lacks, of one moment: the head, then its body, to `each`.
    pub fn tell(&self, ask: &Ask, mut each: impl FnMut(SyncLine) -> Result<(), Error>) -> Result<(), Error> {
        let store = self.reader_aside()?;
        // Head and body are of one moment, so that what is counted in the head is what the body brings.
        let _moment = store.one_moment()?;
        let position = store.position()?;
        let (answer, facts) = judge(&store, ask, &position, self.given(&position))?;
        let body = match answer {
            Answer::Now(body) => body,
            Answer::Hold(_) | Answer::Differs | Answer::Grant | Answer::Superseded => Body::Nothing,
        };
        each(SyncLine::Head(self.head(&position, facts, body)))?;
        let (after, line) = match body {
            Body::Nothing => return Ok(()),
            Body::Delta => (ask.at.generation, ask.audit.line),
            Body::Full => (sealport_core::id::Generation(0), 0),
        };
        store.changes(after, line, |piece| {
            each(match piece {
                Piece::Record(row) => SyncLine::Record(row.into()),
                Piece::Former(former) => SyncLine::Revision(former.into()),
                Piece::Audit(line) => SyncLine::Audit(line),
                Piece::Node(node) => SyncLine::Node(node.into()),
                Piece::Backup(row) => SyncLine::Backup(BackupLine::new(row)),
                Piece::Rotation(row) => SyncLine::Rotation(row),
                Piece::Destroyed(row) => SyncLine::Destroyed(row),
                Piece::Stranded(row) => SyncLine::Stranded(row.into()),
            })
        })?;
        let grant_key = store.grant_key()?.map(|key| STANDARD.encode(key));
        each(SyncLine::End { master: position.master, grant_key })
    }

    /// The head of an answer.
    pub fn head(&self, position: &Position, facts: MasterFacts, body: Body) -> Head {
        Head {
            system: self.row.id,
            at: position.at,
            version: position.active_version,
            keys: facts.keys,
            audit: position.audit.clone(),
            known: facts.known,
            counts: position.counts,
            body,
        }
    }

    /// The bundle for a node, with an audit entry before it leaves.
    pub fn secret_for(&self, node: &NodeRow) -> Result<SecretAnswer, Error> {
        let holder = if node.standby { Holder::Heir } else { Holder::Reader };
        let (bundle, version) = self.lend(holder)?;
        let entry = by_node(node, "secret.issue", node.name.clone(), format!("version {version}"));
        self.write_here(&Change { acts: vec![entry], ..Change::default() })?;
        Ok(SecretAnswer { bundle })
    }
}

impl Engine {
    /// Lets a node in that holds a token.
    pub fn join_from(&self, ask: &JoinAsk) -> Result<JoinAnswer, Error> {
        let system = self.system()?;
        let refused = || {
            Error::new(
                Code::NotPermitted,
                "The token is not known here, was used already, or its 15 minutes are over.",
            )
            .hint("Ask an administrator for a new one: `sealport node invite`.")
        };
        let hash = authority::token_hash(&ask.token).ok_or_else(refused)?;
        let invite = system.gate(|store| store.invite(&hash))?.ok_or_else(refused)?;
        if invite.expires < now() {
            return Err(refused());
        }
        if invite.standby && ask.memory_only {
            return Err(Error::new(
                Code::Refused,
                "A standby keeps the master secret in its custody, not in memory only.",
            )
            .hint("Join with --cache keyring, or invite it as processing. The token is still good."));
        }
        let request = STANDARD
            .decode(&ask.request)
            .map_err(|_| Error::new(Code::Usage, "The request for a certificate is not one."))?;
        let bundle = system.bundle_for_others()?;
        let keys = bundle.authority.as_ref().ok_or_else(|| {
            Error::new(
                Code::Refused,
                "This node does not hold the authority's keys, so it can't let nodes in.",
            )
        })?;
        let ca = fleet::authority_of(&system)?;
        let id = sealport_core::id::NodeId::make_new(&mut super::system_rng());
        let leaf = if invite.standby { Leaf::Server } else { Leaf::Client };
        let signed = authority::sign(keys, &ca, system.row.id, id, leaf, &request, now())?;
        let position = system.position().borrow().clone();
        let node = NodeRow {
            id,
            name: invite.name,
            standby: invite.standby,
            administrator: invite.administrator,
            revoked: false,
            key_hash: signed.key_hash,
            address: None,
            version: version(&ask.version),
            joined: now(),
            certificate_expires: signed.expires,
            spooled: 0,
            generation: position.at.generation,
        };
        let acts = vec![
            by_node(&node, "node.join", node.name.clone(), id.to_string()),
            by_node(&node, "secret.issue", node.name.clone(), format!("version {}", bundle.active())),
        ];
        let nodes = vec![NodeChange::Add { node: node.clone(), invite: Some((hash, now())) }];
        // No standby is waited for: what counts is that the token is used up here.
        let generation = system.write_here(&Change { acts, nodes, ..Change::default() })?.generation;
        self.changed(generation);
        let holder = if node.standby { Holder::Heir } else { Holder::Reader };
        Ok(JoinAnswer {
            system: system.row.id,
            system_name: system.row.name.clone(),
            system_created: system.row.created,
            node: id,
            name: node.name,
            standby: node.standby,
            administrator: node.administrator,
            certificate: STANDARD.encode(signed.certificate),
            ca: STANDARD.encode(ca),
            epoch: position.at.epoch,
            master: position.master,
            active_version: position.active_version,
            grant_key: Some(STANDARD.encode(authority::grant_key(keys)?)),
            grant: system.highest_grant()?.map(|grant| grant.signed().clone()),
            // Opened to be sent: the node that was let in needs it to open anything.
            bundle: SecretText::from(bundle.to_text(holder)),
        })
    }

    /// Signs a new certificate for the key that a node has.
    pub fn renew_for(&self, node: &NodeRow, ask: &RenewAsk) -> Result<RenewAnswer, Error> {
        let system = self.system()?;
        let request = STANDARD
            .decode(&ask.request)
            .map_err(|_| Error::new(Code::Usage, "The request for a certificate is not one."))?;
        let bundle = system.bundle()?;
        let keys = bundle
            .authority
            .as_ref()
            .ok_or_else(|| Error::new(Code::Refused, "This node does not hold the authority's keys."))?;
        let ca = fleet::authority_of(&system)?;
        let leaf = if node.standby { Leaf::Server } else { Leaf::Client };
        let signed = authority::sign(keys, &ca, system.row.id, node.id, leaf, &request, now())?;
        if signed.key_hash != node.key_hash {
            return Err(Error::new(Code::NotPermitted, "A certificate is renewed for the same key only.")
                .hint("A node with another key joins anew."));
        }
        let nodes = vec![
            NodeChange::Renew { id: node.id, expires: signed.expires },
            NodeChange::Seen {
                id: node.id,
                // Only who may answer as a master is reached by others.
                address: ask
                    .address
                    .as_ref()
                    .filter(|_| node.standby)
                    .map(|at| one_word(at))
                    .or(node.address.clone()),
                version: version(&ask.version),
            },
        ];
        let entry = by_node(node, "node.renew", node.name.clone(), format!("until {}", signed.expires));
        system.write_here(&Change { acts: vec![entry], nodes, ..Change::default() })?;
        Ok(RenewAnswer { certificate: STANDARD.encode(signed.certificate) })
    }

    /// Takes a write of a node.
    pub fn write_for(&self, node: &NodeRow, ask: WriteAsk) -> Result<WriteAnswer, Error> {
        let system = self.system()?;
        system.may_seal()?;
        system.has_history_of(node, ask.epoch, &ask.audit)?;
        let not_ours = || Error::new(Code::Usage, "The write is not one of ours.");
        let mut read = match ask.read {
            none if none.is_empty() => vec![None; ask.puts.len()],
            read if read.len() == ask.puts.len() => read,
            _ => return Err(not_ours()),
        }
        .into_iter();
        let prove = |line| {
            let row = Row::from_line(line).ok_or_else(not_ours)?;
            system.prove_row(&row).map_err(|error| {
                error.hint("Nothing was written. Check the disk of the node that sent this, and that its Sealport is not older.")
            })?;
            let read = read.next().flatten().map(|read| from_hex(&read).ok_or_else(not_ours)).transpose()?;
            Ok(Put { read, ..Put::from(row) })
        };
        let puts: Vec<Put> = ask.puts.into_iter().map(prove).collect::<Result<_, Error>>()?;
        // What it wrote stands in the trail, or is not written.
        if puts.is_empty() || ask.acts.is_empty() {
            return Err(not_ours());
        }
        let acts = ask.acts.into_iter().map(|act| named(node, act)).collect();
        let change = Change { puts, acts, epoch: Some(ask.epoch), ..Change::default() };
        let (generation, kept) = match system.write_here(&change) {
            // Its answer was lost, and a rotation sealed it anew meanwhile: it is there.
            Err(error)
                if needs_sealing(&error)
                    && change.puts.iter().all(|put| system.holds_the_same(&as_write(put))) =>
            {
                let generation = system.position().borrow().at.generation;
                (generation, Some(system.kept_since(generation)?))
            }
            written => written.map(|written| (written.generation, written.kept))?,
        };
        self.changed(generation);
        Ok(WriteAnswer { generation, standby: kept.and_then(|kept| kept.standby) })
    }

    /// Does what an administrator at a node asks of the master.
    pub fn administer_for(&self, node: &NodeRow, ask: Administer) -> Result<Response, Error> {
        let allowed = matches!(
            ask.request,
            Request::NodeInvite { .. }
                | Request::NodeRevoke { .. }
                | Request::NodeRename { .. }
                | Request::SecretSteer { .. }
                | Request::SecretDestroy { .. }
                | Request::StrandedAccept { .. }
                | Request::StrandedDiscard { .. }
        );
        if !allowed {
            return Err(Error::new(Code::NotPermitted, "Another node may not ask for that."));
        }
        self.handle_for(node, ask)
    }

    /// Does what a person at another node asks.
    pub(super) fn handle_for(&self, node: &NodeRow, ask: Administer) -> Result<Response, Error> {
        let cancel = std::sync::atomic::AtomicBool::new(false);
        let call = Call {
            actor: format!("{} on {}", one_word(&ask.actor), node.name),
            origin: Origin::Network,
            notify: &|_| {},
            cancel: &cancel,
        };
        self.handle(ask.request, &call)
    }
}

impl From<Row> for Put {
    fn from(row: Row) -> Self {
        Put {
            id: row.id,
            kind: row.kind,
            application: row.application,
            name: row.name,
            revision: row.revision,
            key_version: row.key_version,
            summary: row.summary,
            envelope: row.envelope,
            read: None,
            listed: None,
        }
    }
}

/// A write, to be compared with what stands in its place.
fn as_write(put: &Put) -> StrandedRow {
    StrandedRow {
        seq: 0,
        origin: String::new(),
        record: put.id,
        kind: put.kind,
        application: put.application.clone(),
        name: put.name.clone(),
        revision: put.revision,
        key_version: put.key_version,
        generation: Generation(0),
        digest: [0; 32],
        envelope: put.envelope.clone(),
        outcome: String::new(),
    }
}

fn judge(
    store: &Store,
    ask: &Ask,
    position: &Position,
    given: Option<KeySetMark>,
) -> Result<(Answer, MasterFacts), Error> {
    let known = match ask.audit.line {
        0 => None,
        line if line == position.audit.line => Some(position.audit.hash.clone()),
        line => store.audit_hash(line)?,
    };
    let facts = MasterFacts {
        at: position.at,
        version: position.active_version,
        // A master whose custody refuses gives nothing, so it finds no difference either.
        keys: given.or(ask.keys).unwrap_or(KeySetMark(0)),
        audit: position.audit.line,
        known,
        shared: match ask.at.epoch < position.at.epoch {
            true => {
                let grants = store.grants_after(ask.at.epoch)?;
                shared_until(grants.iter().map(|signed| &signed.grant), position.at.epoch, ask.at.epoch)
            }
            false => None,
        },
    };
    Ok((answer(ask, &facts), facts))
}

/// An entry about a node, by the node.
fn by_node(node: &NodeRow, act: &'static str, object: String, detail: String) -> Act {
    Act {
        at: now(),
        who: node.name.clone(),
        origin: Origin::Network.to_string(),
        act: act.into(),
        object,
        detail,
    }
}

/// A node's own act, with the node's name: who did it there, the node says.
pub(super) fn named(node: &NodeRow, act: ActLine) -> Act {
    Act {
        at: act.at,
        who: act.who,
        origin: format!("{} on {}", act.origin, node.name),
        act: act.act.into(),
        object: act.object,
        detail: act.detail,
    }
}

fn one_word(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn version(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(32).collect()
}

#[cfg(test)]
mod tests {
    use sealport_core::{
        api::{PortFilter, Request, Response},
        backup::RecordLine,
        id::KeyVersion,
    };

    use super::*;
    use crate::engine::system::own_act;

    fn ask(engine: &Engine, request: Request) -> Response {
        crate::engine::ask(engine, request).unwrap()
    }

    fn flipped(sealed: &str) -> String {
        let mut bytes = STANDARD.decode(sealed).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        STANDARD.encode(bytes)
    }

    /// Sabotage: leave `prove_row` out of `write_for`; or the comparison of versions out of it; or take a write without
    /// entries; or leave `has_history_of` out.
    #[test]
    fn what_a_node_sends_is_opened_before_it_counts() {
        let engine = Engine::explore().unwrap();
        let list = || match ask(
            &engine,
            Request::PortList { filter: PortFilter::default(), offset: 0, limit: None },
        ) {
            Response::Ports(list) => list.ports,
            _ => panic!("a list"),
        };
        let system = engine.system().unwrap();
        let node = system.gate(|store| store.nodes()).unwrap().remove(0);
        let opened = system.port(list()[0].id).unwrap();
        let put = system.seal_edit(&opened.row, &opened.head, &opened.port).unwrap();
        let acts = vec![ActLine::from(&own_act("port.edit", "a port", ""))];
        let write_after = |audit: AuditMark, line: RecordLine, acts: &Vec<ActLine>| {
            let epoch = system.position().borrow().at.epoch;
            let puts = vec![line];
            engine.write_for(&node, WriteAsk { epoch, puts, read: Vec::new(), audit, acts: acts.clone() })
        };
        let write = |line, acts: &Vec<ActLine>| {
            let audit = system.position().borrow().audit.clone();
            write_after(audit, line, acts)
        };
        let spoilt: [fn(&mut RecordLine); 6] = [
            |line| line.envelope = flipped(&line.envelope),
            |line| line.summary = flipped(&line.summary),
            |line| std::mem::swap(&mut line.envelope, &mut line.summary),
            |line| line.name.push('x'),
            |line| line.application.push('x'),
            |line| line.key_version = KeyVersion(2),
        ];
        for (number, spoil) in spoilt.into_iter().enumerate() {
            let mut line = RecordLine::from(&put);
            spoil(&mut line);
            let refused = write(line, &acts).err().unwrap();
            assert_eq!(refused.code, Code::Integrity, "{number}: {refused}");
            assert_eq!(list()[0].revision, opened.row.revision);
        }
        let refused = write(RecordLine::from(&put), &Vec::new()).err().unwrap();
        assert_eq!(refused.code, Code::Usage, "without an entry: {refused}");
        assert_eq!(list()[0].revision, opened.row.revision);
        // From a node that has more than this master, or another history.
        let here = system.position().borrow().audit.clone();
        for audit in [
            AuditMark { line: here.line + 1, ..here.clone() },
            AuditMark { hash: "other".to_owned(), ..here },
        ] {
            let refused = write_after(audit, RecordLine::from(&put), &acts).err().unwrap();
            assert_eq!(refused.code, Code::EncryptionUnavailable, "{refused}");
            assert!(refused.message.contains("set back"), "{refused}");
            assert_eq!(list()[0].revision, opened.row.revision);
        }
        let later = system.position().borrow().at.epoch.next();
        let puts = vec![RecordLine::from(&put)];
        let audit = AuditMark::default();
        let ask = WriteAsk { epoch: later, puts, read: Vec::new(), audit, acts: acts.clone() };
        assert_eq!(engine.write_for(&node, ask).err().unwrap().code, Code::EncryptionUnavailable);
        write(RecordLine::from(&put), &acts).unwrap();
        assert_eq!(list()[0].revision, put.revision);
    }
}
