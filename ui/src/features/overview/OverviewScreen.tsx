// Overview: one sentence of truth, the one act that comes next, what needs a person, applications, what changed last.

import { ArrowRight } from 'lucide-react';

import type { AlertView, AuditListView, StatusView } from '../../platform';
import { Busy, Button, Empty, FaultMessage, ToneIcon } from '../../shared/controls';
import { age, applicationName, count, counted, exactly, when } from '../../shared/format';
import { Lasting, canOpen } from '../../shared/fleet';
import { SecretFacts } from '../../shared/MasterSecret';
import { ask, useSession } from '../../shared/session';
import type { Screen } from '../../shared/session';
import { useReading } from '../../shared/use';
import { Words } from '../../shared/Words';
import { Course } from './Course';
import { FleetPanel } from './FleetPanel';
import './overview.css';

export function OverviewScreen() {
  const session = useSession();
  const { status, about, platform, tick, go } = session;
  const changes = useReading<AuditListView>(() => ask(platform, { act: 'audit_list', before: null, limit: 100 }, 'audit'), `audit-${tick}`);
  if (!status) return <Busy text="Reading…" />;
  const sample = about?.sample ?? false;
  const truth = sentence(status, sample);
  const able = canOpen(status);
  const { counts } = status;
  const ports = counts.receive_ports + counts.send_ports + counts.send_port_groups;
  const next = nextAct(status, ports, sample);
  // Nothing of the sample system is kept, so nothing of it needs a backup.
  const alerts = sample ? status.alerts.filter((alert) => alert.id !== 'no_proven_backup') : status.alerts;
  return (
    <div className="page overview">
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
        {next && (
          <Button look="primary" onPress={() => go(next.screen, next.params)}>
            {next.title}
          </Button>
        )}
      </div>

      <ul className="counts">
        <Count n={able ? counts.receive_ports : null} word="receive ports" to={() => go('ports', { kind: 'receive_port' })} />
        <Count n={able ? counts.send_ports : null} word="send ports" to={() => go('ports', { kind: 'send_port' })} />
        <Count n={able ? counts.applications : null} word="applications" to={() => go('ports')} />
        <Count n={able ? counts.documents : null} word="binding files" to={() => go('import')} />
        <Count n={able ? counts.missing_secrets : null} word="missing secrets" tone={counts.missing_secrets > 0 ? 'warn' : undefined} to={() => go('missing')} />
      </ul>

      <div className="halves">
        <div className="stack loose">
          <Course status={status} entries={changes.value?.entries ?? []} />
          <FleetPanel />
          <section className="panel" aria-labelledby="attention">
            <header>
              <h2 id="attention" className="grow">
                Needs attention
              </h2>
              <span className="muted">{alerts.length > 0 ? count(alerts.length) : ''}</span>
            </header>
            {alerts.length === 0 ? (
              <p className="inside state ok">
                <ToneIcon tone="ok" /> Nothing needs attention.
              </p>
            ) : (
              <ul className="rows">
                {alerts.map((alert) => (
                  <Alert key={alert.id} alert={alert} />
                ))}
              </ul>
            )}
          </section>
          {able && ports > 0 && <Applications tick={tick} />}
          {able && ports === 0 && (
            <section className="panel" aria-label="Ports">
              <Empty title="No ports yet" text="Import the binding files that BizTalk exports: every port is sealed, and missing passwords can be filled in." />
            </section>
          )}
        </div>
        <div className="stack loose">
          <MasterCard status={status} />
          <section className="panel" aria-labelledby="changes">
            <header>
              <h2 id="changes" className="grow">
                Last changes
              </h2>
              <Button look="link" onPress={() => go('activity')}>
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
                {changes.value.entries.slice(0, 7).map((entry) => (
                  <li key={entry.seq} className="change">
                    <span className="row">
                      <span className="clip grow strong" title={`${entry.object} ${entry.detail}`}>
                        {entry.object}
                      </span>
                      <span className="muted small nowrap" title={exactly(entry.at)}>
                        {when(entry.at)}
                      </span>
                    </span>
                    <span className="muted small clip">
                      <span className="mono">{entry.act}</span> by {entry.who}
                    </span>
                  </li>
                ))}
              </ul>
            )}
          </section>
        </div>
      </div>
    </div>
  );
}

/** The one thing to do next; none while the line at the top has it. */
function nextAct(status: StatusView, ports: number, sample: boolean): { title: string; screen: Screen; params?: Record<string, string> } | null {
  if (!status.sealing.possible) return null;
  if (ports === 0) return { title: 'Import binding files', screen: 'import' };
  if (!sample && status.node?.role === 'master' && status.backup.proven_age_seconds === null) return { title: 'Back up the master secret', screen: 'master', params: { do: 'backup' } };
  if (status.counts.missing_secrets > 0) return { title: 'Fill missing secrets', screen: 'missing' };
  return { title: 'Open ports', screen: 'ports' };
}

const SHOWN = 8;

/** What each application holds; those that miss secrets first. */
function Applications({ tick }: { tick: number }) {
  const { platform, go } = useSession();
  const filter = { search: null, application: null, adapter: null, kind: null, missing: false, deleted: false };
  const list = useReading(() => ask(platform, { act: 'port_list', filter, offset: 0, limit: 1 }, 'ports'), `applications-${tick}`);
  const all = list.value?.facets.applications ?? [];
  const first = [...all].sort((a, b) => b.missing_secrets - a.missing_secrets || a.name.localeCompare(b.name)).slice(0, SHOWN);
  if (list.fault) return <FaultMessage fault={list.fault} again={list.again} />;
  return (
    <section className="panel" aria-labelledby="applications">
      <header>
        <h2 id="applications" className="grow">
          Applications
        </h2>
        <Button look="link" onPress={() => go('ports')}>
          All ports
        </Button>
      </header>
      <table className="apps">
        <caption className="sr">Applications and their ports</caption>
        <thead>
          <tr>
            <th scope="col">Application</th>
            <th scope="col">Receive</th>
            <th scope="col">Send</th>
            <th scope="col">Groups</th>
            <th scope="col">Missing</th>
          </tr>
        </thead>
        <tbody>
          {first.map((one) => (
            <tr key={one.name}>
              <th scope="row">
                <Button look="link" onPress={() => go('ports', { application: one.name })}>
                  {applicationName(one.name)}
                </Button>
              </th>
              <td>{count(one.receive_ports)}</td>
              <td>{count(one.send_ports)}</td>
              <td>{one.send_port_groups > 0 ? count(one.send_port_groups) : <span className="muted">–</span>}</td>
              <td>{one.missing_secrets > 0 ? <span className="tag warn">{count(one.missing_secrets)} missing</span> : <span className="muted">–</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {all.length > SHOWN && <p className="inside muted small">and {counted(all.length - SHOWN, 'more application', 'more applications')}.</p>}
    </section>
  );
}

function MasterCard({ status }: { status: StatusView }) {
  const session = useSession();
  return (
    <section className="panel" aria-labelledby="master-secret">
      <header>
        <h2 id="master-secret" className="grow">
          Master secret
        </h2>
        {status.secret && <span className="tag ok">version {status.secret.active_version} active</span>}
      </header>
      <div className="inside stack loose">
        <SecretFacts status={status} />
        <div className="row wrap">
          <Button onPress={() => session.go('master', { do: 'backup' })} isDisabled={!status.sealing.possible}>
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

/** A number that leads to what it counts; none where it can't be known. */
function Count({ n, word, to, tone }: { n: number | null; word: string; to: () => void; tone?: 'warn' }) {
  return (
    <li>
      <Button look="quiet" onPress={to} isDisabled={n === null}>
        <span className={`n${tone ? ` tone-${tone}` : ''}`}>{n === null ? '–' : count(n)}</span> <span className="muted">{word}</span>
      </Button>
    </li>
  );
}

const NODE_ALERTS: ReadonlySet<string> = new Set(['master_unreachable', 'node_stale', 'node_revoked', 'certificate_expires', 'clock_differs', 'node_cloned']);

/** Alerts whose words say since when. */
const SAYS_SINCE: ReadonlySet<string> = new Set(['master_unreachable', 'node_cloned']);

function Alert({ alert }: { alert: AlertView }) {
  const { go } = useSession();
  const tone = alert.severity === 'critical' ? 'bad' : alert.severity === 'warning' ? 'warn' : 'info';
  const word = { critical: 'Critical', warning: 'Warning', info: 'Note' }[alert.severity];
  const to: Screen = alert.id === 'secrets_missing' ? 'missing' : alert.id.startsWith('audit') ? 'activity' : NODE_ALERTS.has(alert.id) ? 'nodes' : alert.id === 'disk_nearly_full' ? 'settings' : 'master';
  return (
    <li className="alert">
      <span className={`state ${tone}`}>
        <ToneIcon tone={tone} /> {word}
      </span>
      <span>
        <span className="strong"><Words text={alert.message} /></span> <span className="muted"><Words text={alert.hint} /></span>
        {alert.since && !SAYS_SINCE.has(alert.id) && (
          <span className="muted small" title={exactly(alert.since)}>
            {' '}
            For <Lasting since={alert.since} />.
          </span>
        )}
      </span>
      <Button small icon={<ArrowRight size={14} />} aria-label={`Open: ${alert.message}`} onPress={() => go(to)}>
        Open
      </Button>
    </li>
  );
}

/** The state in one sentence. */
export function sentence(status: StatusView, sample: boolean): { tone: 'ok' | 'warn' | 'bad'; text: string } {
  const name = status.system?.name ?? 'This system';
  const ports = counted(status.counts.receive_ports + status.counts.send_ports + status.counts.send_port_groups, 'port');
  if (!canOpen(status)) return { tone: 'bad', text: `${name} can’t seal or open ports now.` };
  if (!status.sealing.possible) return { tone: 'warn', text: `${name} opens ${ports}, and can seal nothing new now.` };
  if (sample) return { tone: 'ok', text: `${name} seals ${ports}: look around.` };
  // A node that follows has no backups of its own: they are the master's.
  const follows = status.node !== null && status.node.role !== 'master';
  const proven = status.backup.proven_age_seconds;
  if (!follows && proven === null) return { tone: 'bad', text: `${name} seals ${ports}, but no backup of its master secret is proven.` };
  if (status.counts.missing_secrets > 0) return { tone: 'warn', text: `${name} seals ${ports}; ${counted(status.counts.missing_secrets, 'secret is', 'secrets are')} missing.` };
  if (follows || proven === null) return { tone: 'ok', text: `${name} seals ${ports}. This node follows ${status.master?.name ?? 'its master'}.` };
  return { tone: 'ok', text: `${name} seals ${ports}. Its backup was proven ${age(proven)}.` };
}
