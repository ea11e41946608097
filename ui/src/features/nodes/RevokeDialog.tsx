// Revoke a node: what stops and what stays is said before, and its name is typed.

import type { NodeEntryView } from '../../platform';
import { Ask } from '../../shared/Ask';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function RevokeDialog({ node, onClose, onDone }: { node: NodeEntryView; onClose: () => void; onDone: () => void }) {
  const session = useSession();
  const work = useDoing();
  const revoke = async () => {
    await ask(session.platform, { act: 'node_revoke', node: node.id }, 'nodes');
    session.say(`${node.name} is revoked.`);
    onDone();
    onClose();
  };
  return (
    <Ask
      title={`Revoke ${node.name}?`}
      act="Revoke"
      doing="Revoking…"
      work={work}
      typed={{ name: node.name, label: `Type ${node.name} to revoke it` }}
      onAct={revoke}
      onClose={onClose}
    >
      <dl className="facts consequences">
        <dt>Stops</dt>
        <dd>From its next request on, the master refuses {node.name}: no changes reach it, and it can write nothing. Sealport on it opens no port any more once it hears of this.</dd>
        <dt>Stays</dt>
        <dd>The master secret and the sealed ports stay in that machine’s custody and disk; nobody can take them back from afar. If you don’t trust the machine, rotate the master secret and change the passwords in the ports.</dd>
        <dt>Goes on</dt>
        <dd>All other nodes, as before.</dd>
      </dl>
      <p className="muted">It can’t be undone: the node would have to be invited again, with a new data directory.</p>
    </Ask>
  );
}
