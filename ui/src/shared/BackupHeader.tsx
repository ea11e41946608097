// What a backup says of itself before any passphrase, and how it proved itself.

import type { BackupView, ProofView } from '../platform';
import { Message } from './controls';
import { bytes, counted, exactly } from './format';

export function BackupHeader({ backup }: { backup: BackupView }) {
  const { header } = backup;
  return (
    <dl className="facts">
      <dt>File</dt>
      <dd className="wrap-any">
        {backup.file} <span className="muted">({bytes(backup.bytes)})</span>
      </dd>
      <dt>System</dt>
      <dd>{header.system_name}</dd>
      <dt>Written</dt>
      <dd>
        {exactly(header.created)} <span className="muted">by {header.product}</span>
      </dd>
      <dt>Holds</dt>
      <dd>{header.secret_only ? 'The master secret only' : `${counted(header.ports, 'port')}, ${counted(header.records, 'record')}`}</dd>
      <dt>Master secret</dt>
      <dd>
        version {header.active_version} active, {counted(header.versions.length, 'version')}
      </dd>
      <dt>Reminder</dt>
      <dd className="wrap-any">{header.reminder || <span className="muted">none</span>}</dd>
    </dl>
  );
}

export function Proof({ proof, title }: { proof: ProofView; title: string }) {
  return (
    <Message live tone="ok" title={title}>
      {counted(proof.records_opened, 'record')} opened in {proof.seconds.toFixed(1)} s.
    </Message>
  );
}
