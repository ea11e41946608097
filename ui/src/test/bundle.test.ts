// @vitest-environment node
// The production bundle as the shell ships it: no mock, no sample data, nothing inline that the policy refuses.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';

const out = mkdtempSync(join(tmpdir(), 'sealport-ui-'));
let text = '';

beforeAll(async () => {
  const before = process.env.NODE_ENV;
  process.env.NODE_ENV = 'production';
  await build({ logLevel: 'error', mode: 'production', build: { outDir: out, emptyOutDir: true } });
  process.env.NODE_ENV = before;
  text = readdirSync(join(out, 'assets'))
    .filter((name) => /\.(js|css)$/.test(name))
    .map((name) => readFileSync(join(out, 'assets', name), 'utf8'))
    .join('\n');
}, 60_000);
afterAll(() => rmSync(out, { recursive: true, force: true }));

// Sabotage: import './mock' in platform/index.ts without asking for the mode.
test('the mock twin and its data are not in it', () => {
  expect(text.length).toBeGreaterThan(100_000);
  expect(text).not.toContain('sealport-mock-platform');
  expect(text).not.toContain('halden');
});

test('the page has no inline script or style, and no address of another host', () => {
  const html = readFileSync(join(out, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<style|style=|<script(?![^>]*src=)/);
  expect(html).not.toMatch(/https?:/);
});

// Sabotage: import './start' in main.tsx as the styles are; or leave shell.css to App alone, and the first picture has no place.
test('the first picture waits for its styles alone, not for the script of the page', () => {
  const html = readFileSync(join(out, 'index.html'), 'utf8');
  const [, script = ''] = /<script type="module" crossorigin src="([^"]+)"/.exec(html) ?? [];
  expect(readFileSync(join(out, script)).length).toBeLessThan(10_000);
  expect(html).not.toContain('modulepreload');
  const [, style = ''] = /<link rel="stylesheet" crossorigin href="([^"]+)"/.exec(html) ?? [];
  expect(readFileSync(join(out, style), 'utf8')).toMatch(/\.alone ?\{/);
});
