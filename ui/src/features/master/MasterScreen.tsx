// Master secret and backup: what is active, where it is kept, which backups are proven, and the acts on them.

import { ArchiveRestore, FileCheck2, HardDriveDownload, RefreshCw } from 'lucide-react';
import { useEffect, useState } from 'react';

import type { BackupRecordView, RotationView } from '../../platform';
import { Busy, Button, FaultMessage, Message, ToneIcon } from '../../shared/controls';
import { isAdministrator } from '../../shared/fleet';
import { age, count, counted, when } from '../../shared/format';
import { ProvenBackup, SecretFacts } from '../../shared/MasterSecret';
import { isUnderWay, rotationWords } from '../../shared/rotation';
import { ask, useSession } from '../../shared/session';
import { useReading } from '../../shared/use';
import { Words } from '../../shared/Words';
import { BackupDialog } from './BackupDialog';
import { DrillDialog } from './DrillDialog';
import { RotateDialog } from './RotateDialog';
import { RotationPanel } from './RotationPanel';
import { VersionsTable } from './VersionsTable';
import { useRotation } from './useRotation';

export function MasterScreen() {
  const session = useSession();
  const { status, route, go, platform, tick } = session;
  const [open, setOpen] = useState<'backup' | 'drill' | 'rotate' | null>(null);
  const wanted = route.params.get('do');
  const able = status?.sealing.possible ?? false;
  const versions = useReading(() => ask(platform, { act: 'secret_list' }, 'versions'), `versions-${tick}`);
  const turning = useRotation();
  const rotation = turning.value?.rotation ?? null;
  // A new version is made in the master's custody, and its backup is written there.
  const rotates = status?.node?.role === 'master';
  const mayRotate = able && rotates && turning.value !== null && (!isUnderWay(rotation) || rotation.phase === 'prepared');
  useEffect(() => {
    if (wanted !== 'backup' && wanted !== 'drill' && wanted !== 'rotate') return;
    // Whether it may be done is known once the rotation was read.
    if (wanted === 'rotate' && able && rotates && turning.value === null && !turning.fault) return;
    if (wanted === 'drill' || (wanted === 'backup' && able) || (wanted === 'rotate' && mayRotate)) setOpen(wanted);
    go('master');
  }, [wanted, go, able, rotates, mayRotate, turning.value, turning.fault]);

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
          <Button icon={<RefreshCw size={16} />} onPress={() => setOpen('rotate')} isDisabled={!mayRotate || isUnderWay(rotation)}>
            Rotate…
          </Button>
          <Button look="primary" icon={<HardDriveDownload size={16} />} onPress={() => setOpen('backup')} isDisabled={!able}>
            Back up now…
          </Button>
        </div>
      </div>

      {!rotates && status.master && <p className="muted">The versions belong to the master: rotate at {status.master.name}. Until it is done you can watch it here.</p>}
      {turning.fault && <FaultMessage fault={turning.fault} again={turning.again} />}
      {versions.value?.due && !isUnderWay(rotation) && (
        <Message
          tone="warn"
          title={<Words text={versions.value.due} />}
          action={
            <Button small onPress={() => setOpen('rotate')} isDisabled={!mayRotate}>
              Rotate…
            </Button>
          }
        >
          Rotating changes nothing for those who open and save ports.
        </Message>
      )}
      {isUnderWay(rotation) && <RotationPanel rotation={rotation} able={isAdministrator(status)} onSteered={turning.again} onBackup={mayRotate ? () => setOpen('rotate') : null} />}
      {rotation && !isUnderWay(rotation) && <LastRotation rotation={rotation} />}

      <section className="panel" aria-label="Active master secret">
        <header>
          <h2 className="grow">{(versions.value?.versions.length ?? 0) > 1 ? 'Versions' : 'Active version'}</h2>
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
        {versions.fault && <FaultMessage fault={versions.fault} again={versions.again} />}
        {secret && versions.value && (versions.value.versions.length > 1 || rotation !== null) && <VersionsTable list={versions.value} able={isAdministrator(status) && able} onDone={versions.again} />}
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
      {open === 'rotate' && secret && <RotateDialog from={secret.active_version} waiting={isUnderWay(rotation) ? rotation.to : null} onClose={() => setOpen(null)} onBegun={turning.again} />}
      <DrillDialog open={open === 'drill'} onClose={() => setOpen(null)} />
    </div>
  );
}

/** How the last rotation ended, while that is news. */
function LastRotation({ rotation }: { rotation: RotationView }) {
  const ended = rotation.finished ? Date.parse(rotation.finished) : 0;
  if (Date.now() - ended > NEWS_MS) return null;
  const done = rotation.phase === 'done';
  return (
    <Message live tone={done ? 'ok' : 'info'} title={rotationWords(rotation)}>
      {done ? `${count(rotation.total)} records sealed anew` : 'Cancelled'}
      {rotation.finished ? `, ${when(rotation.finished)}` : ''}, begun by {rotation.by}.{done && rotation.missing.length > 0 ? ` Away since: ${rotation.missing.join(', ')}; they take version ${rotation.to} when they are back.` : ''}
    </Message>
  );
}

const NEWS_MS = 7 * 86_400_000;

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
