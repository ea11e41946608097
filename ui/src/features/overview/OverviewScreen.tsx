// Overview: one sentence of truth, the master secret, what needs a person, what changed last.

import { ArrowRight } from 'lucide-react';

import type { AlertView, AuditListView, StatusView } from '../../platform';
import { Busy, Button, Empty, FaultMessage, ToneIcon } from '../../shared/controls';
import { age, count, counted, when } from '../../shared/format';
import { ask, useSession } from '../../shared/session';
import type { Screen } from '../../shared/session';
import { useReading } from '../../shared/use';
import './overview.css';

export function OverviewScreen() {
  const session = useSession();
  const { status, platform, tick } = session;
  const changes = useReading<AuditListView>(() => ask(platform, { act: 'audit_list', before: null, limit: 8 }, 'audit'), `audit-${tick}`);
  if (!status) return <Busy text="Reading…" />;
  const truth = sentence(status);
  const ports = status.counts.receive_ports + status.counts.send_ports + status.counts.send_port_groups;
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 className="sr">Overview</h1>
          <p className="truth">
            <span className={`tone-${truth.tone}`}>
              <ToneIcon tone={truth.tone} size={20} />
            </span>
            {truth.text}
          </p>
        </div>
        {ports === 0 && (
          <Button look="primary" onPress={() => session.go('import')}>
            Import binding files
          </Button>
        )}
      </div>

      <div className="over">
        <div className="stack loose">
          <ul className="counts">
            <Count n={status.counts.receive_ports} word="receive ports" to={() => session.go('ports', { kind: 'receive_port' })} />
            <Count n={status.counts.send_ports} word="send ports" to={() => session.go('ports', { kind: 'send_port' })} />
            <Count n={status.counts.applications} word="applications" to={() => session.go('ports')} />
            <Count n={status.counts.missing_secrets} word="missing secrets" tone={status.counts.missing_secrets > 0 ? 'warn' : undefined} to={() => session.go('missing')} />
          </ul>

          <section className="panel" aria-labelledby="attention">
            <header>
              <h2 id="attention" className="grow">
                Needs attention
              </h2>
              <span className="muted">{status.alerts.length > 0 ? count(status.alerts.length) : ''}</span>
            </header>
            {status.alerts.length === 0 ? (
              <Empty title="Nothing needs attention." />
            ) : (
              <ul className="rows">
                {status.alerts.map((alert) => (
                  <Alert key={alert.id} alert={alert} />
                ))}
              </ul>
            )}
          </section>

          <section className="panel" aria-labelledby="changes">
            <header>
              <h2 id="changes" className="grow">
                Last changes
              </h2>
              <Button look="link" onPress={() => session.go('activity')}>
                All activity
              </Button>
            </header>
            {changes.fault ? (
              <div className="inside">
                <FaultMessage fault={changes.fault} again={changes.again} />
              </div>
            ) : !changes.value ? (
              <Busy text="Reading…" />
            ) : changes.value.entries.length === 0 ? (
              <Empty title="Nothing happened yet." />
            ) : (
              <ul className="rows">
                {changes.value.entries.map((entry) => (
                  <li key={entry.seq} className="change">
                    <span className="muted">{when(entry.at)}</span>
                    <span className="clip">{entry.who}</span>
                    <span className="mono clip">{entry.act}</span>
                    <span className="clip">
                      <span className="strong">{entry.object}</span> <span className="muted">{entry.detail}</span>
                    </span>
                  </li>
                ))}
              </ul>
            )}
          </section>
        </div>
        <MasterCard status={status} />
      </div>
    </div>
  );
}

function MasterCard({ status }: { status: StatusView }) {
  const session = useSession();
  const proven = status.backup.proven_age_seconds;
  const active = status.secret?.versions.find((version) => version.version === status.secret?.active_version);
  return (
    <section className="panel" aria-labelledby="master-secret">
      <header>
        <h2 id="master-secret" className="grow">
          Master secret
        </h2>
        {status.secret && <span className="tag ok">version {status.secret.active_version} active</span>}
      </header>
      <div className="inside stack loose">
        {status.secret ? (
          <dl className="facts column">
            <dt>Key check value</dt>
            <dd className="mono wrap-any">{active?.kcv ?? '–'}</dd>
            <dt>Kept in</dt>
            <dd>{status.secret.custody_name}</dd>
            <dt>Proven backup</dt>
            <dd>
              {proven === null ? (
                <span className="state bad">
                  <ToneIcon tone="bad" /> none
                </span>
              ) : (
                <span className={`state ${proven > 30 * 86_400 ? 'warn' : 'ok'}`}>
                  <ToneIcon tone={proven > 30 * 86_400 ? 'warn' : 'ok'} /> {age(proven)}
                </span>
              )}
            </dd>
          </dl>
        ) : (
          <p className="muted">The master secret can’t be had now.</p>
        )}
        <div className="row wrap">
          <Button
            onPress={() => session.go('master', { do: 'backup' })}
            isDisabled={!status.sealing.possible}
          >
            Back up now
          </Button>
          <Button look="quiet" onPress={() => session.go('master')}>
            Details
          </Button>
        </div>
      </div>
    </section>
  );
}

function Count({ n, word, to, tone }: { n: number; word: string; to: () => void; tone?: 'warn' }) {
  return (
    <li>
      <Button look="quiet" onPress={to}>
        <span className={`n${tone ? ` tone-${tone}` : ''}`}>{count(n)}</span> <span className="muted">{word}</span>
      </Button>
    </li>
  );
}

function Alert({ alert }: { alert: AlertView }) {
  const { go } = useSession();
  const tone = alert.severity === 'critical' ? 'bad' : alert.severity === 'warning' ? 'warn' : 'info';
  const word = { critical: 'Critical', warning: 'Warning', info: 'Note' }[alert.severity];
  const to: Screen = /missing|fill/.test(alert.id) ? 'missing' : /audit/.test(alert.id) ? 'activity' : 'master';
  return (
    <li className="alert">
      <span className={`state ${tone}`}>
        <ToneIcon tone={tone} /> {word}
      </span>
      <span>
        <span className="strong">{alert.message}</span> <span className="muted">{alert.hint}</span>
      </span>
      <Button small icon={<ArrowRight size={14} />} aria-label={`Open: ${alert.message}`} onPress={() => go(to)}>
        Open
      </Button>
    </li>
  );
}

/** The state in one sentence. */
export function sentence(status: StatusView): { tone: 'ok' | 'warn' | 'bad'; text: string } {
  const name = status.system?.name ?? 'This system';
  const ports = counted(status.counts.receive_ports + status.counts.send_ports + status.counts.send_port_groups, 'port');
  if (!status.sealing.possible) return { tone: 'bad', text: `${name} can’t seal or open now: ${status.sealing.reason ?? 'the master secret can’t be had.'}` };
  if (status.backup.proven_age_seconds === null) return { tone: 'bad', text: `${name} seals ${ports}, but no backup of its master secret is proven.` };
  if (status.counts.missing_secrets > 0) return { tone: 'warn', text: `${name} seals ${ports}; ${counted(status.counts.missing_secrets, 'secret is', 'secrets are')} missing.` };
  return { tone: 'ok', text: `${name} seals ${ports}. Its backup was proven ${age(status.backup.proven_age_seconds)}.` };
}
