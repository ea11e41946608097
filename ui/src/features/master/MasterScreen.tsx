// Master secret and backup: what is active, where it is kept, which backups are proven, and the acts on them.

import { ArchiveRestore, FileCheck2, HardDriveDownload } from 'lucide-react';
import { useEffect, useState } from 'react';

import type { BackupRecordView } from '../../platform';
import { Busy, Button, Message, ToneIcon } from '../../shared/controls';
import { age, count, counted, day, when } from '../../shared/format';
import { ProvenBackup, SecretFacts } from '../../shared/MasterSecret';
import { useSession } from '../../shared/session';
import { Words } from '../../shared/Words';
import { BackupDialog } from './BackupDialog';
import { DrillDialog } from './DrillDialog';

export function MasterScreen() {
  const session = useSession();
  const { status, route, go } = session;
  const [open, setOpen] = useState<'backup' | 'drill' | null>(null);
  const wanted = route.params.get('do');
  const able = status?.sealing.possible ?? false;
  useEffect(() => {
    if (wanted !== 'backup' && wanted !== 'drill') return;
    if (wanted === 'drill' || able) setOpen(wanted);
    go('master');
  }, [wanted, go, able]);

  if (!status) return <Busy text="Reading…" />;
  const { secret, backup } = status;
  return (
    <div className="page master">
      <div className="head">
        <div>
          <h1>Master secret & backup</h1>
          <p className="muted">Every port is sealed under this secret. Without it, and without a backup of it, nothing can be opened.</p>
        </div>
        <div className="row">
          <Button icon={<FileCheck2 size={16} />} onPress={() => setOpen('drill')}>
            Drill a backup…
          </Button>
          <Button look="primary" icon={<HardDriveDownload size={16} />} onPress={() => setOpen('backup')} isDisabled={!able}>
            Back up now…
          </Button>
        </div>
      </div>

      <section className="panel" aria-label="Active master secret">
        <header>
          <h2 className="grow">Active version</h2>
          {secret && <span className="tag ok">version {secret.active_version}</span>}
        </header>
        <div className="inside">
          {secret ? (
            <SecretFacts status={status} whole />
          ) : (
            <Message tone="bad" title={<Words text={status.sealing.reason ?? 'The master secret can’t be had.'} />}>
              <Words text={status.sealing.hint ?? ''} />
            </Message>
          )}
        </div>
        {secret && secret.versions.length > 1 && (
          <table className="table">
            <caption className="sr">Versions of the master secret</caption>
            <thead>
              <tr>
                <th scope="col">Version</th>
                <th scope="col">Key check value</th>
                <th scope="col">Made</th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {secret.versions.map((version) => (
                <tr key={version.version}>
                  <td>{version.version}</td>
                  <td className="mono">{version.kcv}</td>
                  <td>{day(version.created)}</td>
                  <td>{version.version === secret.active_version ? 'Active' : 'Opens only'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>

      <section className="panel" aria-labelledby="backups">
        <header>
          <h2 id="backups" className="grow">
            Backups
          </h2>
          <ProvenBackup status={status} />
        </header>
        {backup.history.length === 0 ? (
          <div className="inside">
            <Message tone="bad" title="No backup yet">
              If this machine is lost, everything sealed on it is lost. Back up the master secret to a file on another disk.
            </Message>
          </div>
        ) : (
          <Backups history={backup.history} generation={status.generation} />
        )}
      </section>

      <section className="panel" aria-label="Restore">
        <header>
          <ArchiveRestore size={16} aria-hidden className="muted" />
          <h2>Restore</h2>
        </header>
        <p className="inside muted">
          A backup is restored into an empty data directory only, so that nothing is ever overwritten. Start Sealport with another data directory, or on
          another machine, and choose “Restore a backup” there. To see whether a backup would restore, drill it here: a drill changes nothing.
        </p>
      </section>

      <BackupDialog open={open === 'backup'} onClose={() => setOpen(null)} />
      <DrillDialog open={open === 'drill'} onClose={() => setOpen(null)} />
    </div>
  );
}

function Backups({ history, generation }: { history: BackupRecordView[]; generation: number | null }) {
  return (
    <table className="table">
      <caption className="sr">Backups, newest first</caption>
      <thead>
        <tr>
          <th scope="col">File</th>
          <th scope="col">Written</th>
          <th scope="col">State</th>
          <th scope="col">Holds</th>
          <th scope="col">Reminder</th>
        </tr>
      </thead>
      <tbody>
        {history.map((record) => {
          const behind = generation === null ? 0 : generation - record.generation;
          return (
            <tr key={`${record.file}-${record.created}-${record.proven}`}>
              <td className="wrap-any strong">{record.file}</td>
              <td className="nowrap">{when(record.created)}</td>
              <td>
                <span className="state ok">
                  <ToneIcon tone="ok" /> PROVEN
                </span>
                <div className="muted small nowrap">{age((Date.now() - Date.parse(record.proven)) / 1000)}</div>
              </td>
              <td>
                {record.secret_only ? 'Master secret only' : counted(record.ports, 'port')}
                <div className="muted small">{behind > 0 && !record.secret_only ? `${counted(behind, 'write')} since` : `${count(record.records)} records`}</div>
              </td>
              <td className="muted wrap-any">{record.reminder || '–'}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
