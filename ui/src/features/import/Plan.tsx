// What an import will do to each port: new, changed with its diff, unchanged.

import { CirclePlus, Equal, PencilLine } from 'lucide-react';
import { useCallback, useState } from 'react';

import type { ImportOutcome, ImportPlanView, ImportView } from '../../platform';
import { Changes } from '../../shared/Changes';
import { Empty, Segments } from '../../shared/controls';
import { KIND, applicationName, counted } from '../../shared/format';
import { VirtualGrid } from '../../shared/VirtualGrid';
import type { GridColumn } from '../../shared/VirtualGrid';

const OUTCOME: Record<ImportOutcome, { word: string; tone: string; Icon: typeof Equal }> = {
  created: { word: 'New', tone: 'ok', Icon: CirclePlus },
  changed: { word: 'Changed', tone: 'warn', Icon: PencilLine },
  unchanged: { word: 'Unchanged', tone: 'offline', Icon: Equal },
};

const columns: GridColumn<ImportPlanView>[] = [
  {
    key: 'outcome',
    title: 'Outcome',
    width: '120px',
    cell: (entry) => {
      const { word, tone, Icon } = OUTCOME[entry.outcome];
      return (
        <span className={`state ${tone}`}>
          <Icon size={16} aria-hidden /> {word}
        </span>
      );
    },
  },
  { key: 'name', title: 'Port', width: 'minmax(160px, 1.4fr)', cell: (entry) => <span className="strong" title={entry.name}>{entry.name}</span> },
  { key: 'kind', title: 'Kind', width: '124px', cell: (entry) => KIND[entry.kind] },
  { key: 'application', title: 'Application', width: 'minmax(96px, 1fr)', cell: (entry) => applicationName(entry.application) },
  { key: 'adapter', title: 'Adapter', width: '104px', cell: (entry) => entry.adapter || '–' },
  { key: 'address', title: 'Address', width: 'minmax(120px, 2fr)', cell: (entry) => <span className="mono" title={entry.address}>{entry.address}</span> },
];

export function Plan({ view }: { view: ImportView }) {
  const [show, setShow] = useState<ImportOutcome | 'all'>('all');
  const [active, setActive] = useState(0);
  const [open, setOpen] = useState<string | null>(null);
  const rows = show === 'all' ? view.plan : view.plan.filter((entry) => entry.outcome === show);
  const rowAt = useCallback((index: number) => rows[index] ?? null, [rows]);
  const keyOf = (entry: ImportPlanView) => `${entry.document}/${entry.kind}/${entry.application}/${entry.name}`;
  const opened = rows.find((entry) => keyOf(entry) === open);
  return (
    <>
      <div className="row wrap">
        <Segments
          label="Show"
          value={show}
          onChange={(next) => {
            setShow(next);
            setActive(0);
          }}
          options={[
            { value: 'all', title: `All ${view.plan.length}` },
            { value: 'created', title: `New ${view.created}` },
            { value: 'changed', title: `Changed ${view.changed}` },
            { value: 'unchanged', title: `Unchanged ${view.unchanged}` },
          ]}
        />
        <span className="muted">{view.changed > 0 ? 'Open a changed port to see what changes.' : ''}</span>
      </div>
      <div className="panel plan" style={{ height: `${Math.min(Math.max(rows.length, 3), 11) * 32 + 36}px` }}>
        {rows.length === 0 ? <Empty title="None." /> : <VirtualGrid label="Planned ports" columns={columns} total={rows.length} rowAt={rowAt} rowKey={keyOf} active={active} onActive={setActive} selectedKey={open} onOpen={(entry) => setOpen(keyOf(entry) === open ? null : keyOf(entry))} />}
      </div>
      {opened && (
        <section className="stack" aria-label={`What happens to ${opened.name}`}>
          <h2>{opened.name}</h2>
          {opened.changes.length > 0 ? (
            <Changes changes={opened.changes} />
          ) : (
            <p className="muted">
              {opened.outcome === 'created' ? `A new port${opened.missing.length > 0 ? `, with ${counted(opened.missing.length, 'missing secret')}` : ''}.` : 'Nothing changes.'}
            </p>
          )}
        </section>
      )}
    </>
  );
}
