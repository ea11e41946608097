// The same acts as commands, ready to paste.

import { Copy } from 'lucide-react';

import type { PortView } from '../../platform';
import { IconButton } from '../../shared/controls';
import { copyText } from '../../shared/copy';
import { useSession } from '../../shared/session';
import type { Draft } from './draft';

/** A word for a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function commands(port: PortView, draft: Draft | undefined): [string, string][] {
  const secret = port.properties.find((property) => property.secret === 'set');
  const list: [string, string][] = [
    ['Show it', `sealport port show ${port.id}`],
    ['Its history', `sealport port history ${port.id}`],
  ];
  if (draft) {
    const values = [...draft.values].map(([path, value]) => {
      const hidden = port.properties.find((property) => property.path === path)?.secret !== null;
      return quoted(`${path}=${hidden ? '@-' : value}`);
    });
    list.push(['Make the changes of this draft (a secret is read from standard input)', `sealport port set ${port.id} ${values.join(' ')} --if-revision ${draft.revision}`]);
  }
  if (port.revision > 1) {
    list.push(['Compare with the revision before', `sealport port diff ${port.id} ${port.revision - 1} ${port.revision}`]);
    list.push(['Go back to the revision before', `sealport port revert ${port.id} ${port.revision - 1}`]);
  }
  if (secret) list.push([`Reveal ${secret.label}`, `sealport port reveal ${port.id} ${quoted(secret.path)}`]);
  list.push(port.deleted ? ['Bring it back', `sealport port undelete ${port.id}`] : ['Delete it', `sealport port delete ${port.id}`]);
  return list;
}

export function CliTab({ port, draft }: { port: PortView; draft: Draft | undefined }) {
  const session = useSession();
  return (
    <dl className="cli">
      {commands(port, draft).map(([what, command]) => (
        <div key={what}>
          <dt className="muted small">{what}</dt>
          <dd>
            <code className="wrap-any">{command}</code>
            <IconButton small label={`Copy command: ${what}`} icon={<Copy size={14} />} onPress={() => void copyText(command).then(() => session.say('Command copied.'))} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
