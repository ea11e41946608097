// The master secret in few words, for Overview and its own screen.

import type { StatusView } from '../platform';
import { ToneIcon } from './controls';
import type { Tone } from './controls';
import { CUSTODY_WEAKNESS, age, counted, exactly } from './format';

/** Facts of the active version; `whole` where there is room for all of them. */
export function SecretFacts({ status, whole }: { status: StatusView; whole?: boolean }) {
  const { secret, counts } = status;
  if (!secret) return <p className="muted">The master secret can’t be had now. What it seals stays as it is until it can.</p>;
  const active = secret.versions.find((version) => version.version === secret.active_version);
  return (
    <dl className={whole ? 'facts' : 'facts column'}>
      <dt>Key check value</dt>
      <dd className="mono wrap-any">{active?.kcv ?? '–'}</dd>
      {whole && (
        <>
          <dt>Made</dt>
          <dd>{active ? exactly(active.created) : '–'}</dd>
        </>
      )}
      <dt>Kept in</dt>
      <dd>
        {secret.custody_name} {whole && <span className="muted">{CUSTODY_WEAKNESS[secret.custody]}</span>}
      </dd>
      {whole ? (
        <>
          <dt>Protects</dt>
          <dd>
            {counted(counts.receive_ports + counts.send_ports + counts.send_port_groups, 'port')}, {counted(counts.documents, 'document')}
          </dd>
        </>
      ) : (
        <>
          <dt>Proven backup</dt>
          <dd>
            <ProvenBackup status={status} />
          </dd>
        </>
      )}
    </dl>
  );
}

/** How long ago a backup was proven. Whether that is too long ago, the service says. */
export function ProvenBackup({ status }: { status: StatusView }) {
  const proven = status.backup.proven_age_seconds;
  const old = status.alerts.some((alert) => alert.id === 'backup_old');
  const tone: Tone = proven === null ? 'bad' : old ? 'warn' : 'ok';
  return (
    <span className={`state ${tone}`}>
      <ToneIcon tone={tone} /> {proven === null ? 'None' : `Proven ${age(proven)}`}
    </span>
  );
}
