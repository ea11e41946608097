import { expect, test } from 'vitest';

import { makeElements } from './VirtualGrid';

const rows = (first: number, count = 40) => Array.from({ length: count }, (_, at) => first + at);

// Sabotage: give every row that comes in an element of its own. Seen: other elements after each leap.
test('leaping through a list makes no new elements, and leaves those that are there in order', () => {
  const elementsOf = makeElements();
  const used = new Set<number>();
  for (let leap = 0; leap < 100; leap += 1) {
    const elements = elementsOf(rows(leap * 1_000));
    elements.forEach((element) => used.add(element));
    expect([...elements.values()]).toEqual(rows(0));
  }
  expect(used.size).toBe(40);
});

// Sabotage: hand the element of any row on to another. Seen: the element of the row with the focus draws another row.
test('a row keeps its element as long as it is drawn, and no element draws two', () => {
  const elementsOf = makeElements();
  let before: ReadonlyMap<number, number> = new Map();
  const focused = 3;
  for (const first of [0, 3, 6, 2, 5_000, 5_003, 90_000, 10, 0]) {
    const shown = [...new Set([focused, ...rows(first)])].sort((a, b) => a - b);
    const elements = elementsOf(shown);
    for (const [row, element] of before) if (elements.has(row)) expect(elements.get(row)).toBe(element);
    expect(new Set(elements.values()).size).toBe(shown.length);
    // Drawn once more, as React does at will.
    expect(elementsOf(shown)).toEqual(elements);
    before = elements;
  }
});

// Sabotage: hand elements on at each step. Seen: what comes in below stands above what stays, and is moved past all of it.
test('rows that come in while one scrolls stand where they belong without moving the others', () => {
  const elementsOf = makeElements();
  elementsOf(rows(0));
  const down = [...elementsOf(rows(3)).values()];
  expect(down.slice(0, 37)).toEqual(rows(3, 37));
  expect(Math.min(...down.slice(37))).toBeGreaterThan(39);
});
