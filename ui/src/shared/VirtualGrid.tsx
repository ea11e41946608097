// A grid of many rows that draws only those in sight, with one tab stop.
//
// The row with the focus is always drawn, so that scrolling never loses the focus. Rows that are not here yet say so.

import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import { memo, useCallback, useEffect, useImperativeHandle, useRef, useState } from 'react';
import type { CSSProperties, KeyboardEvent, ReactNode, Ref } from 'react';

import { useSession } from './session';
import './grid.css';

export interface GridColumn<T> {
  key: string;
  title: string;
  /** A track of a CSS grid: "120px", "minmax(0, 2fr)". */
  width: string;
  cell: (row: T) => ReactNode;
  align?: 'end';
}

export interface GridHandle {
  focus: () => void;
}

export interface VirtualGridProps<T> {
  label: string;
  columns: GridColumn<T>[];
  total: number;
  rowAt: (index: number) => T | null;
  rowKey: (row: T) => string;
  /** Rows in sight: fetch what is not here. */
  onSight?: (first: number, last: number) => void;
  active: number;
  onActive: (index: number) => void;
  onOpen?: (row: T) => void;
  selectedKey?: string | null;
  rowTone?: (row: T) => string;
  ref?: Ref<GridHandle>;
}

/**
 * Which element draws which row. After a leap, which leaves no row in sight but the one with the focus, the elements that are
 * there draw the new rows in the same order: made anew at each leap, they would fill the memory of the window until it is swept.
 */
export function makeElements(): (rows: readonly number[]) => ReadonlyMap<number, number> {
  let drawn = new Map<number, number>();
  let made = 0;
  return (rows) => {
    const leap = rows.filter((row) => drawn.has(row)).length <= 1;
    const free = leap ? [...drawn].filter(([row]) => !rows.includes(row)).map(([, element]) => element) : [];
    drawn = new Map(rows.map((row) => [row, drawn.get(row) ?? free.shift() ?? made++]));
    return drawn;
  };
}

const HEIGHT = { compact: 28, default: 32, comfortable: 40 };

export function VirtualGrid<T>({ label, columns, total, rowAt, rowKey, onSight, active, onActive, onOpen, selectedKey, rowTone, ref }: VirtualGridProps<T>) {
  const { density } = useSession();
  const height = HEIGHT[density];
  const scroller = useRef<HTMLDivElement>(null);
  const current = total === 0 ? -1 : Math.min(active, total - 1);
  const virtual = useVirtualizer({
    count: total,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
    scrollPaddingStart: height,
    initialRect: { width: 800, height: 640 },
    rangeExtractor: (range) => {
      const shown = defaultRangeExtractor(range);
      if (current >= 0 && current < range.count && !shown.includes(current)) return [...shown, current].sort((a, b) => a - b);
      return shown;
    },
  });
  useEffect(() => virtual.measure(), [height, virtual]);

  const items = virtual.getVirtualItems();
  const [elementsOf] = useState(makeElements);
  const elements = elementsOf(items.map((item) => item.index));
  const first = virtual.range?.startIndex ?? 0;
  const last = virtual.range?.endIndex ?? 0;
  useEffect(() => {
    onSight?.(first, last);
  }, [first, last, total, onSight]);

  const focusRow = (index: number) => {
    virtual.scrollToIndex(index, { align: 'auto' });
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus({ preventScroll: true }));
  };
  useImperativeHandle(ref, () => ({ focus: () => current >= 0 && focusRow(current) }));

  const move = (index: number) => {
    const next = Math.max(0, Math.min(total - 1, index));
    onActive(next);
    focusRow(next);
  };

  const press = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? height) / height) - 2);
    const row = current >= 0 ? rowAt(current) : null;
    if (event.key === 'ArrowDown') move(current + 1);
    else if (event.key === 'ArrowUp') move(current - 1);
    else if (event.key === 'Home') move(0);
    else if (event.key === 'End') move(total - 1);
    else if (event.key === 'PageDown') move(current + page);
    else if (event.key === 'PageUp') move(current - page);
    else if (event.key === 'Enter' && row && onOpen) onOpen(row);
    else return;
    event.preventDefault();
  };

  // Rows that stay in sight while one scrolls are not drawn again, so what they are given must not change with each turn.
  const latest = useRef({ current, rowAt, onActive, onOpen });
  useEffect(() => {
    latest.current = { current, rowAt, onActive, onOpen };
  });
  const focused = useCallback((index: number) => index !== latest.current.current && latest.current.onActive(index), []);
  const pressed = useCallback((index: number) => {
    const now = latest.current;
    const row = now.rowAt(index);
    now.onActive(index);
    if (row && now.onOpen) now.onOpen(row);
  }, []);

  const tracks = { '--tracks': columns.map((column) => column.width).join(' '), '--row-height': `${height}px` } as CSSProperties;
  return (
    <div className="vgrid" role="grid" aria-label={label} aria-rowcount={total + 1} aria-colcount={columns.length} ref={scroller} style={tracks} onKeyDown={press}>
      <div role="rowgroup" className="vgrid-head">
        <div role="row" aria-rowindex={1} className="vgrid-row">
          {columns.map((column, index) => (
            <div key={column.key} role="columnheader" aria-colindex={index + 1} className={column.align === 'end' ? 'end' : undefined}>
              {column.title}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" className="vgrid-body" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rowAt(item.index);
          const key = row ? rowKey(row) : null;
          return (
            <GridRow
              key={elements.get(item.index)}
              index={item.index}
              start={item.start}
              row={row}
              columns={columns as GridColumn<unknown>[]}
              current={item.index === current}
              selected={key !== null && key === selectedKey}
              tone={row ? (rowTone?.(row) ?? '') : ''}
              onFocused={focused}
              onPressed={pressed}
            />
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  index: number;
  /** Pixels from the top of the list. */
  start: number;
  row: unknown;
  columns: GridColumn<unknown>[];
  current: boolean;
  selected: boolean;
  tone: string;
  onFocused: (index: number) => void;
  onPressed: (index: number) => void;
}

const GridRow = memo(function GridRow({ index, start, row, columns, current, selected, tone, onFocused, onPressed }: RowProps) {
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      aria-busy={row ? undefined : true}
      data-index={index}
      tabIndex={current ? 0 : -1}
      className={`vgrid-row${selected ? ' selected' : ''} ${tone}`}
      style={{ transform: `translateY(${start}px)` }}
      onFocus={() => onFocused(index)}
      onClick={() => onPressed(index)}
    >
      {columns.map((column, at) => (
        <div key={column.key} role="gridcell" aria-colindex={at + 1} className={column.align === 'end' ? 'end' : undefined}>
          {row ? column.cell(row) : at === 0 ? <span className="pending">Reading…</span> : null}
        </div>
      ))}
    </div>
  );
});
