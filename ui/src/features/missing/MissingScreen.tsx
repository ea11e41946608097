// Missing secrets: a queue with one input a row. Paste a column, fill by user, or read a CSV; save all that is filled at once.

import { FileSpreadsheet, KeySquare, Users } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { Input, TextField } from 'react-aria-components';

import { expectAnswer } from '../../platform';
import type { Chosen, FillView, MissingView } from '../../platform';
import { Busy, Button, Dialog, Empty, FaultMessage, Message, Segments } from '../../shared/controls';
import { applicationName, count, counted } from '../../shared/format';
import { Blocked, sealingBlocked } from '../../shared/fleet';
import { ask, setUnsaved, useSession } from '../../shared/session';
import { useDoing, useReading } from '../../shared/use';
import './missing.css';

const keyOf = (one: MissingView) => `${one.port}\n${one.property}`;

export function MissingScreen() {
  const session = useSession();
  const { platform, tick } = session;
  const reading = useReading(async () => (await ask(platform, { act: 'port_missing' }, 'missing')).missing, `missing-${tick}`);
  const [by, setBy] = useState<'user' | 'application'>('user');
  const [values, setValues] = useState<ReadonlyMap<string, string>>(new Map());
  const blocked = sealingBlocked(session.status) !== null;
  const [review, setReview] = useState(false);
  const [csv, setCsv] = useState<{ file: Chosen; plan: FillView } | null>(null);
  const [problems, setProblems] = useState<FillView['problems']>([]);
  const saving = useDoing();
  const reader = useDoing();

  const missing = useMemo(() => reading.value ?? [], [reading.value]);
  const groups = useMemo(() => group(missing, by), [missing, by]);
  const ordered = useMemo(() => groups.flatMap(([, rows]) => rows), [groups]);
  const filled = ordered.filter((one) => values.get(keyOf(one)));

  useEffect(() => {
    setUnsaved(filled.length > 0 ? `${counted(filled.length, 'secret')} typed here would be lost.` : null);
    return () => setUnsaved(null);
  }, [filled.length]);

  const put = (entries: [MissingView, string][]) => setValues((old) => new Map([...old, ...entries.map(([one, value]) => [keyOf(one), value] as const)]));
  const paste = (from: MissingView, text: string): boolean => {
    const lines = text.replace(/\r?\n$/, '').split(/\r?\n/);
    if (lines.length < 2) return false;
    const start = ordered.indexOf(from);
    put(lines.slice(0, ordered.length - start).flatMap((line, index) => (ordered[start + index] ? [[ordered[start + index]!, line] as [MissingView, string]] : [])));
    session.say(`${counted(Math.min(lines.length, ordered.length - start), 'value')} pasted downward.`);
    return true;
  };

  const startReview = () => {
    saving.clear();
    setProblems([]);
    setReview(true);
  };
  const save = () =>
    void saving.run(async () => {
      const rows = filled.map((one) => ({ application: one.application, port: one.port, property: one.property, user: one.user, value: values.get(keyOf(one)) ?? '' }));
      const answer = await ask(platform, { act: 'port_fill', rows, dry_run: false }, 'filled');
      setProblems(answer.problems);
      if (answer.problems.length > 0) return;
      setValues(new Map());
      setReview(false);
      session.say(`${counted(answer.filled, 'secret')} filled in ${counted(answer.ports, 'port')}. ${answer.still_missing === 0 ? 'None is missing now.' : `${count(answer.still_missing)} still missing.`}`);
      await session.refresh();
    });

  const chooseCsv = () =>
    void reader.run(async () => {
      const [file] = await platform.choose('fill_csv');
      if (!file) return;
      saving.clear();
      setCsv({ file, plan: expectAnswer(await platform.fillFromCsv(file.token, true), 'filled') });
    });
  const fillCsv = () =>
    void saving.run(async () => {
      if (!csv) return;
      const answer = expectAnswer(await platform.fillFromCsv(csv.file.token, false), 'filled');
      setCsv(null);
      session.say(`${counted(answer.filled, 'secret')} filled from ${csv.file.name}.`);
      await session.refresh();
    });

  return (
    <div className="page missing">
      <div className="head">
        <div>
          <h1>Missing secrets</h1>
          <p className="muted">BizTalk removes passwords from binding files. Fill them in here; what you leave empty waits.</p>
        </div>
        {missing.length > 0 && (
          <>
            <Button icon={<FileSpreadsheet size={16} />} onPress={chooseCsv}>
              Fill from CSV…
            </Button>
            <Button look="primary" onPress={startReview} isDisabled={filled.length === 0}>
              Review {counted(filled.length, 'secret')}
            </Button>
          </>
        )}
      </div>
      {reader.fault && <FaultMessage fault={reader.fault} />}
      {reading.fault ? (
        <FaultMessage fault={reading.fault} again={reading.again} />
      ) : !reading.value ? (
        <Busy text="Looking for missing secrets…" />
      ) : missing.length === 0 ? (
        <div className="panel">
          <Empty icon={<KeySquare size={20} aria-hidden />} title="No secret is missing." action={<Button onPress={() => session.go('ports')}>Go to ports</Button>} />
        </div>
      ) : (
        <>
          <div className="row wrap">
            <Segments
              label="Group by"
              value={by}
              onChange={setBy}
              options={[
                { value: 'user', title: 'By user' },
                { value: 'application', title: 'By application' },
              ]}
            />
            <span className="muted">
              {count(filled.length)} of {count(missing.length)} filled. Paste a column into any row to fill downward.
            </span>
          </div>
          <div className="panel queue">
            {groups.map(([name, rows]) => (
              <Group
                key={name}
                name={by === 'user' ? name || '(no user name)' : applicationName(name)}
                byUser={by === 'user'}
                rows={rows}
                values={values}
                onValue={(one, value) => put([[one, value]])}
                onPaste={paste}
                onSame={(value) => put(rows.map((one) => [one, value]))}
              />
            ))}
          </div>
        </>
      )}

      <Dialog
        title={`Fill ${counted(filled.length, 'secret')}`}
        open={review}
        onClose={() => setReview(false)}
        locked={saving.busy}
        foot={
          <>
            <Button onPress={() => setReview(false)} isDisabled={saving.busy}>
              Back
            </Button>
            <Blocked />
            <Button look="primary" onPress={save} isDisabled={saving.busy || filled.length === 0 || blocked}>
              {saving.busy ? 'Saving…' : 'Save'}
            </Button>
          </>
        }
      >
        <p className="muted">
          All of these are written, or none. {missing.length > filled.length ? `${counted(missing.length - filled.length, 'stays', 'stay')} missing for later.` : 'No secret is missing then.'}
        </p>
        <ul className="review-list" aria-label="Secrets to fill">
          {filled.map((one) => (
            <li key={keyOf(one)} className="row">
              <KeySquare size={16} aria-hidden className="muted" />
              <span className="grow clip">
                <span className="strong">{one.name}</span> <span className="muted">{one.label}{one.user ? ` of ${one.user}` : ''}</span>
              </span>
              <span className="tag ok">new value</span>
            </li>
          ))}
        </ul>
        <Problems problems={problems} />
        {saving.fault && <FaultMessage fault={saving.fault} />}
      </Dialog>

      <Dialog
        title={`Fill from ${csv?.file.name ?? 'CSV'}`}
        open={csv !== null}
        onClose={() => setCsv(null)}
        locked={saving.busy}
        foot={
          <>
            <Button onPress={() => setCsv(null)}>Cancel</Button>
            <Blocked />
            <Button look="primary" onPress={fillCsv} isDisabled={saving.busy || blocked || !csv || csv.plan.problems.length > 0 || csv.plan.filled === 0}>
              Fill {counted(csv?.plan.filled ?? 0, 'secret')}
            </Button>
          </>
        }
      >
        {csv && (
          <>
            <p>
              {counted(csv.plan.filled, 'row fits', 'rows fit')}, in {counted(csv.plan.ports, 'port')}. {counted(csv.plan.still_missing, 'secret')} will still be missing.
            </p>
            <Problems problems={csv.plan.problems} />
          </>
        )}
        {saving.fault && <FaultMessage fault={saving.fault} />}
      </Dialog>
    </div>
  );
}

function Problems({ problems }: { problems: FillView['problems'] }) {
  if (problems.length === 0) return null;
  return (
    <Message live tone="bad" title={`${counted(problems.length, 'row fits', 'rows fit')} nothing. Nothing was written.`}>
      <ul>
        {problems.slice(0, 20).map((problem) => (
          <li key={problem.row}>
            Row {problem.row}: {problem.reason}
          </li>
        ))}
      </ul>
    </Message>
  );
}

interface GroupProps {
  name: string;
  byUser: boolean;
  rows: MissingView[];
  values: ReadonlyMap<string, string>;
  onValue: (one: MissingView, value: string) => void;
  onPaste: (from: MissingView, text: string) => boolean;
  onSame: (value: string) => void;
}

function Group({ name, byUser, rows, values, onValue, onPaste, onSame }: GroupProps) {
  const first = rows.map((one) => values.get(keyOf(one))).find(Boolean);
  return (
    <section aria-label={name}>
      <header className="queue-head">
        <h2 className="clip">{name}</h2>
        <span className="muted grow">{counted(rows.length, 'secret')}</span>
        {byUser && rows[0]?.user && rows.length > 1 && (
          <Button small icon={<Users size={14} />} isDisabled={!first} onPress={() => first && onSame(first)}>
            Same for user {name}
          </Button>
        )}
      </header>
      <ul>
        {rows.map((one) => (
          <li key={keyOf(one)} className="missing-row">
            <div className="clip">
              <span className="strong">{one.name}</span>
              <div className="muted small clip">
                {byUser ? applicationName(one.application) : one.user || 'no user name'}, {one.adapter}
              </div>
            </div>
            <span className="mono small muted clip" title={one.address}>
              {one.address}
            </span>
            <TextField
              className="field"
              aria-label={`${one.label} of ${one.name}`}
              type="password"
              autoComplete="off"
              value={values.get(keyOf(one)) ?? ''}
              onChange={(value) => onValue(one, value)}
            >
              <Input
                className="input"
                placeholder={one.label}
                onPaste={(event) => {
                  if (onPaste(one, event.clipboardData.getData('text/plain'))) event.preventDefault();
                }}
              />
            </TextField>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Rows under their user or application; the biggest user first, since one value may fill many. */
export function group(missing: MissingView[], by: 'user' | 'application'): [string, MissingView[]][] {
  const groups = new Map<string, MissingView[]>();
  for (const one of missing) groups.set(one[by], [...(groups.get(one[by]) ?? []), one]);
  return [...groups].sort(([a, left], [b, right]) => (by === 'user' ? right.length - left.length : 0) || a.localeCompare(b));
}
