import { act, renderHook, waitFor } from '@testing-library/react';
import { expect, test } from 'vitest';

import { Mock } from '../../platform/mock';
import { usePorts } from './usePorts';

const all = { search: null, application: null, adapter: null, kind: null, missing: false, deleted: false };

// Sabotage: ask for every page that comes into sight, or forget the one that one rests on.
test('what one leaps over is not asked for, and where one rests is', async () => {
  const mock = new Mock(new URLSearchParams('ports=4000'));
  const { result } = renderHook(() => usePorts(mock, all, 0));
  await waitFor(() => expect(result.current.total).toBe(4_000), { timeout: 15_000 });
  mock.delay = 30;
  act(() => {
    for (let row = 200; row < 4_000; row += 200) result.current.onSight(row, row + 20);
  });
  await waitFor(() => expect(result.current.rowAt(3_801)).not.toBeNull(), { timeout: 15_000 });
  expect(mock.calls.filter((request) => request.act === 'port_list').length).toBeLessThan(6);
});
