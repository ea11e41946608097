// The versions of the master secret: what each is for, how much it still seals, which backups need it.

import { Archive, CircleDashed, CircleSlash, KeyRound, LockOpen, Trash2 } from 'lucide-react';
import { useState } from 'react';

import type { VersionListView, VersionState, VersionView } from '../../platform';
import { Button } from '../../shared/controls';
import { count, counted, day } from '../../shared/format';
import { DestroyDialog } from './DestroyDialog';

const STATE: Record<VersionState, { word: string; tone: 'ok' | 'warn' | 'offline'; Icon: typeof KeyRound; text: string }> = {
  prepared: { word: 'Prepared', tone: 'warn', Icon: CircleDashed, text: 'seals nothing yet' },
  active: { word: 'Active', tone: 'ok', Icon: KeyRound, text: 'seals and opens' },
  opens: { word: 'Opens only', tone: 'warn', Icon: LockOpen, text: 'being sealed anew' },
  retired: { word: 'Retired', tone: 'offline', Icon: Archive, text: 'kept for older backups' },
  destroyed: { word: 'Destroyed', tone: 'offline', Icon: CircleSlash, text: 'gone from every node' },
};

export function VersionsTable({ list, able, onDone }: { list: VersionListView; able: boolean; onDone: () => void }) {
  const [destroying, setDestroying] = useState<VersionView | null>(null);
  return (
    <>
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Versions of the master secret">
        <table className="table versions">
          <caption className="sr">Versions of the master secret, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Version</th>
              <th scope="col">State</th>
              <th scope="col">Seals</th>
              <th scope="col">Backups that need it</th>
              <th scope="col">Key check value</th>
              <th scope="col">Made</th>
              <th scope="col">
                <span className="sr">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {list.versions.map((version) => {
              const { word, tone, Icon, text } = STATE[version.state];
              return (
                <tr key={version.version} className={version.state === 'destroyed' ? 'gone' : undefined}>
                  <td className="strong">{version.version}</td>
                  <td>
                    <span className={`state ${tone}`}>
                      <Icon size={16} aria-hidden /> {word}
                    </span>
                    <div className="muted small nowrap">{text}</div>
                  </td>
                  <td className="nowrap">{version.records > 0 ? counted(version.records, 'record') : <span className="muted">nothing here</span>}</td>
                  <td>
                    {version.backups.length === 0 ? (
                      <span className="muted">–</span>
                    ) : (
                      <span className="wrap-any" title={version.backups.join('\n')}>
                        {version.backups[0]}
                        {version.backups.length > 1 && <span className="muted"> and {count(version.backups.length - 1)} more</span>}
                      </span>
                    )}
                  </td>
                  <td className="mono kcv" title={version.kcv}>
                    {version.kcv}
                  </td>
                  <td className="nowrap">{day(version.created)}</td>
                  <td className="row-acts">
                    {version.state === 'retired' && (
                      <Button small icon={<Trash2 size={14} />} onPress={() => setDestroying(version)} isDisabled={!able} aria-label={`Destroy version ${version.version}`}>
                        Destroy…
                      </Button>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {destroying && <DestroyDialog version={destroying} onClose={() => setDestroying(null)} onDone={onDone} />}
    </>
  );
}
