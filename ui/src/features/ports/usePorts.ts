// The list of ports in pages of 200, asked for as they come into sight and let go of when they are far out of it.

import { useCallback, useEffect, useRef, useState } from 'react';

import { asFault } from '../../platform';
import type { FacetsView, Fault, Platform, PortFilter, PortSummaryView } from '../../platform';
import { ask } from '../../shared/session';

const PAGE = 200;
/** Pages asked for at a time. What one leaps over meanwhile is never asked for. */
const AT_ONCE = 2;
/**
 * Milliseconds that a leap further than what is in sight waits for another one: whoever drags the scroll bar passes
 * thousands of rows and rests on some. Read on the way, they would only be garbage.
 */
const LANDING = 60;
/** Pages on either side of what is in sight that stay. A list of 100,000 ports would fill the window's memory. */
const NEAR = 4;

export interface PortPages {
  total: number;
  facets: FacetsView | null;
  /** How long the last question took, in milliseconds. */
  ms: number | null;
  fault: Fault | null;
  rowAt: (index: number) => PortSummaryView | null;
  onSight: (first: number, last: number) => void;
}

interface List {
  key: string;
  round: number;
  pages: ReadonlyMap<number, PortSummaryView[]>;
  total: number;
  facets: FacetsView | null;
  ms: number | null;
}

const nothing: List = { key: '', round: 0, pages: new Map(), total: 0, facets: null, ms: null };

/**
 * A late answer to an old filter is dropped; a write reads again and keeps what is in sight until then. The page of the
 * `active` row stays wherever one scrolls: Enter opens it from anywhere.
 */
export function usePorts(platform: Platform, filter: PortFilter, tick: number, active: number): PortPages {
  const key = JSON.stringify(filter);
  const [list, setList] = useState<List>(nothing);
  const [fault, setFault] = useState<Fault | null>(null);
  const round = useRef(0);
  const asked = useRef(new Set<number>());

  const read = useCallback(
    (page: number) => ask(platform, { act: 'port_list', filter: JSON.parse(key) as PortFilter, offset: page * PAGE, limit: PAGE }, 'ports'),
    [platform, key],
  );

  useEffect(() => {
    const mine = ++round.current;
    const began = performance.now();
    read(0).then(
      (answer) => {
        if (round.current !== mine) return;
        asked.current = new Set([0]);
        setFault(null);
        setList((old) => ({
          key,
          round: mine,
          pages: new Map([...(old.key === key ? old.pages : []), [0, answer.ports]]),
          total: answer.total,
          facets: answer.facets,
          ms: Math.round(performance.now() - began),
        }));
      },
      (reason: unknown) => {
        if (round.current === mine) setFault(asFault(reason));
      },
    );
  }, [read, key, tick]);

  const listed = list.round;
  const sight = useRef({ first: 0, last: 0 });
  const activePage = useRef(0);
  useEffect(() => {
    activePage.current = Math.floor(active / PAGE);
  }, [active]);
  const underWay = useRef(0);
  const landing = useRef<ReturnType<typeof setTimeout> | null>(null);
  const readSight = useCallback(() => {
    if (listed !== round.current || landing.current !== null) return;
    for (let page = Math.floor(sight.current.first / PAGE); page <= Math.floor(sight.current.last / PAGE); page += 1) {
      if (asked.current.has(page) || underWay.current >= AT_ONCE) continue;
      asked.current.add(page);
      underWay.current += 1;
      let failed = false;
      read(page)
        .then(
          (answer) => {
            if (round.current !== listed) return;
            const from = Math.floor(sight.current.first / PAGE) - NEAR;
            const to = Math.floor(sight.current.last / PAGE) + NEAR;
            const kept = activePage.current;
            const stays = (page: number) => page === kept || (page >= from && page <= to);
            // What is let go of is asked for again when it comes back into sight.
            asked.current = new Set([...asked.current].filter(stays));
            setList((old) => ({ ...old, pages: new Map([...old.pages, [page, answer.ports] as const].filter(([page]) => stays(page))) }));
          },
          (reason: unknown) => {
            failed = true;
            asked.current.delete(page);
            if (round.current === listed) setFault(asFault(reason));
          },
        )
        .finally(() => {
          underWay.current -= 1;
          // After a failure a person asks again.
          if (!failed) latest.current();
        });
    }
  }, [read, listed]);
  const latest = useRef(readSight);
  useEffect(() => {
    latest.current = readSight;
  });
  const land = useCallback(() => {
    if (landing.current !== null) clearTimeout(landing.current);
    landing.current = null;
  }, []);
  useEffect(() => land, [land]);
  const onSight = useCallback(
    (first: number, last: number) => {
      const leap = Math.abs(first - sight.current.first) > last - first;
      sight.current = { first, last };
      land();
      if (leap) {
        landing.current = setTimeout(() => {
          land();
          latest.current();
        }, LANDING);
      } else {
        readSight();
      }
    },
    [readSight, land],
  );

  const rowAt = useCallback((index: number) => list.pages.get(Math.floor(index / PAGE))?.[index % PAGE] ?? null, [list.pages]);
  return { total: list.total, facets: list.facets, ms: list.ms, fault, rowAt, onSight };
}
