// Ports: a tree, a searched list of any length, and the port that is open.

import { FileOutput, Search, X } from 'lucide-react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { CSSProperties, PointerEvent } from 'react';
import { Button as AriaButton, ListBox, ListBoxItem, Popover, Select, SelectValue, ToggleButton } from 'react-aria-components';

import type { PortFilter, PortKind, PortSummaryView } from '../../platform';
import { Busy, Button, Empty, FaultMessage } from '../../shared/controls';
import { KIND, count, exactly, when } from '../../shared/format';
import { setUnsaved, useCommand, useSession } from '../../shared/session';
import { VirtualGrid } from '../../shared/VirtualGrid';
import type { GridColumn, GridHandle } from '../../shared/VirtualGrid';
import { withDraft } from './draft';
import type { Draft, Drafts } from './draft';
import { ExportDialog } from './ExportDialog';
import { PortDetail } from './PortDetail';
import { PortTree } from './PortTree';
import { usePorts } from './usePorts';
import './ports.css';
import './detail.css';

const anything: PortFilter = { search: null, application: null, adapter: null, kind: null, missing: false, deleted: false };

function filterOf(params: URLSearchParams): PortFilter {
  const kind = params.get('kind');
  return {
    search: params.get('search'),
    application: params.get('application'),
    adapter: params.get('adapter'),
    kind: kind && kind in KIND ? (kind as PortKind) : null,
    missing: params.has('missing'),
    deleted: params.has('deleted'),
  };
}

function paramsOf(filter: PortFilter, port: string | null): Record<string, string> {
  const { search, application, adapter, kind, missing, deleted } = filter;
  const all = { search, application, adapter, kind, missing: missing ? '1' : null, deleted: deleted ? '1' : null, port };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null));
}

export function PortsScreen() {
  const session = useSession();
  const { platform, tick, route } = session;
  const [filter, setFilter] = useState<PortFilter>(() => filterOf(route.params));
  const [open, setOpen] = useState<string | null>(route.params.get('port'));
  const [active, setActive] = useState(0);
  const [drafts, setDrafts] = useState<Drafts>(new Map());
  const [width, setWidth] = useState(440);
  const [exporting, setExporting] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const grid = useRef<GridHandle>(null);
  const ports = usePorts(platform, filter, tick, active);

  useEffect(() => {
    const next = filterOf(route.params);
    setFilter((old) => (JSON.stringify(old) === JSON.stringify(next) ? old : next));
    setOpen(route.params.get('port'));
  }, [route]);
  useEffect(() => {
    setUnsaved(drafts.size > 0 ? `Changes to ${drafts.size === 1 ? 'a port' : `${drafts.size} ports`} are not saved yet.` : null);
    return () => setUnsaved(null);
  }, [drafts.size]);
  useCommand('find', () => search.current?.focus());

  const change = (part: Partial<PortFilter>) => {
    setFilter((old) => ({ ...old, ...part }));
    setActive(0);
  };
  const onDraft = useCallback((draft: Draft | undefined) => open && setDrafts((old) => withDraft(old, open, draft)), [open]);
  // Opening and closing a port are places to go back to.
  const { go } = session;
  const show = useCallback((port: string | null) => go('ports', paramsOf(filter, port)), [go, filter]);
  const close = useCallback(() => {
    show(null);
    requestAnimationFrame(() => grid.current?.focus());
  }, [show]);
  const columns = useMemo(() => columnsFor(drafts, open !== null), [drafts, open]);
  const filtered = JSON.stringify({ ...filter, search: filter.search || null }) !== JSON.stringify(anything);
  const nothingAtAll = ports.facets !== null && ports.facets.applications.length === 0 && !filter.deleted;

  // Wherever the focus is: Escape closes the port, then clears the search. Overlays take it first.
  const searched = filter.search !== null;
  useEffect(() => {
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('.veil, .popover')) return;
      if (open) close();
      else if (searched) setFilter((old) => ({ ...old, search: null }));
    };
    window.addEventListener('keydown', escape);
    return () => window.removeEventListener('keydown', escape);
  }, [open, close, searched]);

  // Nothing was read yet, so there is nothing to search or filter either.
  if (ports.fault && !ports.facets) {
    return (
      <div className="page">
        <h1>Ports</h1>
        <FaultMessage fault={ports.fault} again={() => void session.refresh()} />
      </div>
    );
  }
  if (nothingAtAll) {
    return (
      <>
        <h1 className="sr">Ports</h1>
        <Empty
          title="No ports yet"
          text="Drop a BizTalk binding file on this window, or choose one."
          action={
            <Button look="primary" onPress={() => session.go('import')}>
              Import binding files
            </Button>
          }
        />
      </>
    );
  }

  return (
    <div className={`ports${open ? ' with-detail' : ''}`} style={{ '--detail': `${width}px` } as CSSProperties}>
      <h1 className="sr">Ports</h1>
      <aside className="ports-tree" aria-label="Applications" data-pane>
        {ports.facets && (
          <PortTree facets={ports.facets} place={{ application: filter.application, kind: filter.kind }} onPlace={(place) => change(place)} />
        )}
      </aside>
      <section className="ports-list" aria-label="List of ports" data-pane>
        <div className="ports-bar">
          <div className="search" role="search">
            <Search size={16} aria-hidden className="muted" />
            <input
              ref={search}
              type="search"
              aria-label="Search ports"
              placeholder="Name, address, adapter, user, application"
              value={filter.search ?? ''}
              spellCheck={false}
              onChange={(event) => change({ search: event.target.value || null })}
              onKeyDown={(event) => {
                if (event.key === 'ArrowDown') {
                  event.preventDefault();
                  grid.current?.focus();
                }
              }}
            />
          </div>
          <div className="chips">
            <AdapterSelect adapters={ports.facets?.adapters ?? []} value={filter.adapter} onChange={(adapter) => change({ adapter })} />
            <ToggleButton className="filter" isSelected={filter.missing} onChange={(missing) => change({ missing })}>
              Missing secrets
            </ToggleButton>
            <ToggleButton className="filter" isSelected={filter.deleted} onChange={(deleted) => change({ deleted })}>
              Deleted
            </ToggleButton>
            {filtered && (
              <Button small look="quiet" icon={<X size={14} />} onPress={() => change(anything)}>
                Clear
              </Button>
            )}
            <span className="grow" />
            <span className="muted small nowrap" role="status">
              {ports.ms === null ? '' : `${count(ports.total)} ${ports.total === 1 ? 'port' : 'ports'}, ${ports.ms} ms`}
            </span>
            <Button small look="quiet" icon={<FileOutput size={14} />} onPress={() => setExporting(true)}>
              Export…
            </Button>
          </div>
        </div>
        {ports.fault ? (
          <div className="detail-pad">
            <FaultMessage fault={ports.fault} again={() => void session.refresh()} />
          </div>
        ) : ports.ms === null ? (
          <Busy text="Reading ports…" />
        ) : ports.total === 0 ? (
          <Empty
            title={filter.search ? `Nothing fits “${filter.search}”.` : filter.missing ? 'No secret is missing here.' : filter.deleted ? 'Nothing is deleted.' : 'Nothing fits.'}
            action={<Button onPress={() => change(anything)}>Show all ports</Button>}
          />
        ) : (
          <div className="ports-grid">
            <VirtualGrid
              ref={grid}
              label="Ports"
              columns={columns}
              total={ports.total}
              rowAt={ports.rowAt}
              rowKey={(port) => port.id}
              onSight={ports.onSight}
              active={active}
              onActive={setActive}
              selectedKey={open}
              onOpen={(port) => show(port.id)}
              rowTone={(port) => (port.deleted ? 'gone' : '')}
            />
          </div>
        )}
      </section>
      <ExportDialog open={exporting} onClose={() => setExporting(false)} />
      {open && (
        <>
          <Divider width={width} onWidth={setWidth} />
          <section className="detail" aria-label="Port" data-pane>
            <PortDetail key={open} id={open} draft={drafts.get(open)} onDraft={onDraft} onClose={close} />
          </section>
        </>
      )}
    </div>
  );
}

/** All columns; beside an open port only those that tell ports apart. */
function columnsFor(drafts: Drafts, narrow: boolean): GridColumn<PortSummaryView>[] {
  const all: GridColumn<PortSummaryView>[] = [
    {
      key: 'name',
      title: 'Name',
      width: 'minmax(200px, 2fr)',
      cell: (port) => (
        <span title={port.name}>
          {drafts.has(port.id) && <span className="unsaved-dot" role="img" aria-label="unsaved changes" />}
          <span className="strong">{port.name}</span>
          {narrow && port.missing_secrets > 0 && <span className="missing-dot inline" role="img" aria-label="missing secrets" />}
        </span>
      ),
    },
    { key: 'kind', title: 'Kind', width: '72px', cell: (port) => ({ receive_port: 'Receive', send_port: 'Send', send_port_group: 'Group' })[port.kind] },
    { key: 'adapter', title: 'Adapter', width: '104px', cell: (port) => port.adapter || <span className="muted">–</span> },
    { key: 'address', title: 'Address', width: 'minmax(120px, 1.8fr)', cell: (port) => <span className="mono" title={port.address}>{port.address}</span> },
    { key: 'user', title: 'User', width: 'minmax(72px, 0.8fr)', cell: (port) => <span title={port.user}>{port.user}</span> },
    {
      key: 'missing',
      title: 'Missing',
      width: '90px',
      cell: (port) => (port.missing_secrets > 0 ? <span className="tag warn">{port.missing_secrets} missing</span> : null),
    },
    { key: 'changed', title: 'Changed', width: '92px', align: 'end', cell: (port) => <span className="muted" title={`${exactly(port.changed_at)} by ${port.changed_by}`}>{when(port.changed_at).split(',')[0]}</span> },
  ];
  return narrow ? all.filter((column) => ['name', 'adapter', 'address'].includes(column.key)) : all;
}

function AdapterSelect({ adapters, value, onChange }: { adapters: { name: string; ports: number }[]; value: string | null; onChange: (adapter: string | null) => void }) {
  return (
    <Select aria-label="Adapter" selectedKey={value ?? ''} onSelectionChange={(key) => onChange(key === '' ? null : String(key))}>
      <AriaButton className={`filter${value ? ' on' : ''}`}>
        <SelectValue>{value ?? 'Any adapter'}</SelectValue>
        <span aria-hidden>▾</span>
      </AriaButton>
      <Popover className="popover">
        <ListBox className="menu">
          <ListBoxItem id="" className="menu-item">
            Any adapter
          </ListBoxItem>
          {adapters.map((adapter) => (
            <ListBoxItem key={adapter.name} id={adapter.name} textValue={adapter.name} className="menu-item">
              <span className="grow">{adapter.name}</span>
              <span className="muted small">{count(adapter.ports)}</span>
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </Select>
  );
}

const NARROW = 340;
const WIDE = 760;

/** The edge between list and port: dragged, or moved with the arrow keys. */
function Divider({ width, onWidth }: { width: number; onWidth: (width: number) => void }) {
  const clamp = (value: number) => Math.max(NARROW, Math.min(WIDE, value));
  const drag = (event: PointerEvent<HTMLDivElement>) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) onWidth(clamp(window.innerWidth - event.clientX));
  };
  return (
    <div
      role="separator"
      aria-label="Width of the port"
      aria-orientation="vertical"
      aria-valuemin={NARROW}
      aria-valuemax={WIDE}
      aria-valuenow={width}
      tabIndex={0}
      className="divider"
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={drag}
      onKeyDown={(event) => {
        if (event.key === 'ArrowLeft') onWidth(clamp(width + 24));
        else if (event.key === 'ArrowRight') onWidth(clamp(width - 24));
        else return;
        event.preventDefault();
      }}
    />
  );
}
