import { act, renderHook, waitFor } from '@testing-library/react';
import { expect, test, vi } from 'vitest';

import { Mock } from '../../platform/mock';
import { usePorts } from './usePorts';

const all = { search: null, application: null, adapter: null, kind: null, missing: false, deleted: false };

// Sabotage: ask for every page that comes into sight, or forget the one that one rests on.
test('what one leaps over is not asked for, and where one rests is', async () => {
  const mock = new Mock(new URLSearchParams('ports=4000'));
  const { result } = renderHook(() => usePorts(mock, all, 0, 0));
  await waitFor(() => expect(result.current.total).toBe(4_000), { timeout: 15_000 });
  mock.delay = 30;
  act(() => {
    for (let row = 200; row < 4_000; row += 200) result.current.onSight(row, row + 20);
  });
  await waitFor(() => expect(result.current.rowAt(3_801)).not.toBeNull(), { timeout: 15_000 });
  expect(mock.calls.filter((request) => request.act === 'port_list').length).toBeLessThan(6);
});

// Sabotage: read after each leap; or let the answer to what is under way ask for what one is passing.
test('whoever drags through the list reads where it stops, and nothing on the way', async () => {
  vi.useFakeTimers();
  try {
    const mock = new Mock(new URLSearchParams('ports=4000'));
    mock.delay = 30;
    const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
    const { result } = renderHook(() => usePorts(mock, all, 0, 0));
    await pass(1_000);
    expect(result.current.total).toBe(4_000);
    // Asked for before the dragging begins, answered while it goes on.
    act(() => result.current.onSight(0, 190));
    act(() => result.current.onSight(15, 205));
    for (let row = 600; row <= 3_800; row += 400) {
      act(() => result.current.onSight(row, row + 20));
      await pass(16);
    }
    await pass(1_000);
    expect(result.current.rowAt(3_801)).not.toBeNull();
    const offsets = mock.calls.flatMap((request) => (request.act === 'port_list' ? [request.offset] : []));
    expect(offsets).toEqual([0, 200, 3_800]);
  } finally {
    vi.useRealTimers();
  }
});

// Sabotage: keep every page that was read, or the page of the active row no longer than the others, or don't ask again
// for what was let go of.
test('what is far out of sight is let go of, and read again when it comes back', async () => {
  const mock = new Mock(new URLSearchParams('ports=6000'));
  const active = 1_450;
  const { result } = renderHook(() => usePorts(mock, all, 0, active));
  await waitFor(() => expect(result.current.total).toBe(6_000), { timeout: 15_000 });
  const rest = async (row: number) => {
    act(() => result.current.onSight(row, row + 20));
    await waitFor(() => expect(result.current.rowAt(row)).not.toBeNull(), { timeout: 15_000 });
  };
  for (let row = 0; row < 6_000; row += 200) await rest(row);
  const here = Array.from({ length: 30 }, (_, page) => page).filter((page) => result.current.rowAt(page * 200) !== null);
  expect(here).toEqual([7, 25, 26, 27, 28, 29]);
  expect(result.current.rowAt(active)).not.toBeNull();

  const first = result.current.rowAt(5_800)?.id;
  await rest(0);
  await rest(5_800);
  expect(result.current.rowAt(5_800)?.id).toBe(first);
});
