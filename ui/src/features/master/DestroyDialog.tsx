// Destroy a retired version: what can't be opened any more is listed before, and the system's name is typed.

import type { VersionView } from '../../platform';
import { Ask } from '../../shared/Ask';
import { Message } from '../../shared/controls';
import { counted } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import { useDoing } from '../../shared/use';

export function DestroyDialog({ version, onClose, onDone }: { version: VersionView; onClose: () => void; onDone: () => void }) {
  const session = useSession();
  const system = session.status?.system?.name ?? '';
  const work = useDoing();
  const destroy = async () => {
    await ask(session.platform, { act: 'secret_destroy', version: version.version, confirm: system }, 'versions');
    session.say(`Version ${version.version} is destroyed.`);
    onDone();
    void session.refresh();
    onClose();
  };
  const { backups } = version;
  return (
    <Ask
      title={`Destroy version ${version.version}?`}
      act="Destroy it"
      doing="Destroying…"
      work={work}
      typed={{ name: system, label: `Type ${system} to destroy version ${version.version}` }}
      onAct={destroy}
      onClose={onClose}
    >
      <p>Version {version.version} is wiped from every node. Nothing here is sealed under it any more; what is sealed under it elsewhere can never be opened again here:</p>
      {backups.length > 0 ? (
        <Message tone="bad" title={`${counted(backups.length, 'backup')} can’t be restored to the full any more`}>
          <ul className="needs">
            {backups.map((file) => (
              <li key={file} className="mono wrap-any">
                {file}
              </li>
            ))}
          </ul>
        </Message>
      ) : (
        <Message tone="info" title="No proven backup is known to need it">
          Files that were proven elsewhere, or never, are not known here.
        </Message>
      )}
      <dl className="facts consequences">
        <dt>Also lost</dt>
        <dd>Copies of the database from before the rotation, and disks of nodes that were away since.</dd>
        <dt>Stays</dt>
        <dd>Every port and its history here. A backup file still has its own copy of the version inside, for whoever has its passphrase.</dd>
      </dl>
    </Ask>
  );
}
