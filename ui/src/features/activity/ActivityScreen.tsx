// Activity: the audit trail, newest first, read in pages as one scrolls.

import { ShieldCheck } from 'lucide-react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { asFault } from '../../platform';
import type { AuditView, Fault } from '../../platform';
import { Busy, Empty, FaultMessage, Field, Message } from '../../shared/controls';
import { count, exactly, when } from '../../shared/format';
import { ask, useCommand, useSession } from '../../shared/session';
import { VirtualGrid } from '../../shared/VirtualGrid';
import type { GridColumn } from '../../shared/VirtualGrid';
import './activity.css';

const PAGE = 200;

const columns: GridColumn<AuditView>[] = [
  { key: 'seq', title: 'No.', width: '64px', cell: (entry) => <span className="muted">{entry.seq}</span> },
  { key: 'at', title: 'When', width: '148px', cell: (entry) => <span title={exactly(entry.at)}>{when(entry.at)}</span> },
  { key: 'who', title: 'Who', width: '96px', cell: (entry) => entry.who },
  { key: 'act', title: 'Act', width: '136px', cell: (entry) => <span className="mono">{entry.act}</span> },
  { key: 'object', title: 'Object', width: 'minmax(140px, 2fr)', cell: (entry) => <span className="strong" title={entry.object}>{entry.object}</span> },
  { key: 'detail', title: 'Detail', width: 'minmax(120px, 3fr)', cell: (entry) => <span title={entry.detail}>{entry.detail}</span> },
  { key: 'origin', title: 'From', width: '104px', cell: (entry) => <span className="muted">{entry.origin}</span> },
];

export function ActivityScreen() {
  const { platform, tick, route } = useSession();
  const [entries, setEntries] = useState<AuditView[]>([]);
  const [total, setTotal] = useState<number | null>(null);
  const [broken, setBroken] = useState<number | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const [text, setText] = useState(route.params.get('find') ?? '');
  const [active, setActive] = useState(0);
  // Counts the readings from the top; what an older one brings is dropped.
  const round = useRef(0);
  const asked = useRef<number | null>(null);
  const box = useRef<HTMLDivElement>(null);
  useCommand('find', () => box.current?.querySelector('input')?.focus());

  const read = useCallback(
    async (before: number | null) => {
      if (before === null) {
        round.current += 1;
        asked.current = null;
      } else if (asked.current === before) return;
      else asked.current = before;
      const mine = round.current;
      try {
        const answer = await ask(platform, { act: 'audit_list', before, limit: PAGE }, 'audit');
        if (mine !== round.current) return;
        setEntries((old) => (before === null ? answer.entries : [...old, ...answer.entries]));
        setTotal(answer.total);
        setBroken(answer.broken_at);
        setFault(null);
      } catch (reason) {
        if (mine !== round.current) return;
        asked.current = null;
        setFault(asFault(reason));
      }
    },
    [platform],
  );
  useEffect(() => void read(null), [read, tick]);

  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return words.length === 0 ? entries : entries.filter((entry) => words.every((word) => `${entry.who} ${entry.act} ${entry.object} ${entry.detail} ${entry.origin}`.toLowerCase().includes(word)));
  }, [entries, text]);

  const more = total !== null && entries.length < total;
  const onSight = useCallback(
    (_first: number, last: number) => {
      if (more && last >= shown.length - 20) void read(entries[entries.length - 1]?.seq ?? null);
    },
    [more, shown.length, entries, read],
  );

  return (
    <div className="activity">
      <div className="activity-head">
        <h1>Activity</h1>
        <div className="activity-find" ref={box}>
          <Field label="Filter activity" hideLabel placeholder="Filter by who, act or object" value={text} onChange={setText} />
        </div>
        <span className="grow" />
        {total !== null && broken === null && (
          <span className="state ok">
            <ShieldCheck size={16} aria-hidden /> Chain holds over {count(total)} entries
          </span>
        )}
      </div>
      {broken !== null && (
        <Message live tone="bad" title={`The chain of entries is broken at no. ${broken}`}>
          Entries from there on may have been changed or removed. Keep this data directory as it is, and compare it with a backup.
        </Message>
      )}
      {fault && <FaultMessage fault={fault} again={() => void read(null)} />}
      <div className="activity-list">
        {total === null && !fault ? (
          <Busy text="Reading the trail…" />
        ) : shown.length === 0 ? (
          <Empty title={text ? `Nothing fits “${text}”${more ? ` in the newest ${count(entries.length)} entries` : ''}.` : 'Nothing happened yet.'} />
        ) : (
          <VirtualGrid label="Activity" columns={columns} total={shown.length} rowAt={(index) => shown[index] ?? null} rowKey={(entry) => String(entry.seq)} onSight={onSight} active={active} onActive={setActive} />
        )}
      </div>
      {text && (
        <p className="muted small">
          {count(shown.length)} of {count(entries.length)} entries read{more ? `; ${count((total ?? 0) - entries.length)} older ones are read as you scroll` : ''}.
        </p>
      )}
    </div>
  );
}
