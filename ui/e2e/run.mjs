// Every screen in Chromium, over the mock platform and the production policy: zero axe violations in both themes,
// no word on the console, the main ways by keyboard alone, and a picture of each screen in ../artifacts/ui.
//
// To see it fail: give an icon button no label, or a muted colour below 4.5:1.

import axe from 'axe-core';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { chromium } from 'playwright-core';
import { preview } from 'vite';

import { keyboardWalks } from './keyboard.mjs';
import { screens } from './screens.mjs';

const artifacts = new URL('../../artifacts/ui/', import.meta.url).pathname;
mkdirSync(artifacts, { recursive: true });

const server = await preview({ build: { outDir: 'dist-e2e' }, preview: { port: 0 }, logLevel: 'warn' });
const origin = server.resolvedUrls.local[0];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const faults = [];

/** A fresh page on the mock in the state that the query chooses; what it says on the console is a fault. */
async function open(name, { query = '', theme = 'light', size = [1280, 800], reduced = true } = {}) {
  const context = await browser.newContext({
    viewport: { width: size[0], height: size[1] },
    colorScheme: theme,
    reducedMotion: reduced ? 'reduce' : 'no-preference',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => faults.push(`${name}: ${error.message}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && faults.push(`${name}: console: ${message.text()}`));
  // The shell freezes it; a library that can't live with that must fail here.
  await page.addInitScript(() => Object.freeze(Object.prototype));
  await page.goto(`${origin}${query}`);
  await page.locator('#main').waitFor();
  return page;
}

async function inspect(page, name) {
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const result = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'],
    });
    return result.violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ''}`) }));
  });
  for (const { id, impact, help, nodes } of violations) faults.push(`${name}: axe ${id} (${impact}): ${help}\n    ${nodes.join('\n    ')}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  if (wide) faults.push(`${name}: the page scrolls sideways`);
}

const only = process.argv[2];
const checks = [];
for (const screen of screens) {
  if (only === 'keyboard' || (only && !only.split(',').some((part) => screen.name.includes(part)))) continue;
  // The way to a screen is the long part, so it is walked once, and the other theme put on there, as the system does it.
  checks.push({
    name: screen.name,
    names: [screen.name, `${screen.name}-light`, `${screen.name}-dark`],
    counts: 2,
    options: { ...screen, theme: 'light' },
    run: async (page) => {
      await screen.walk?.(page);
      for (const theme of ['light', 'dark']) {
        const name = `${screen.name}-${theme}`;
        await page.emulateMedia({ colorScheme: theme });
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        await page.screenshot({ path: `${artifacts}${name}.png` });
        await inspect(page, name);
      }
    },
  });
}
for (const [name, options, run] of keyboardWalks) {
  if (only && only !== 'keyboard') continue;
  checks.push({ name: `keyboard: ${name}`, names: [`keyboard: ${name}`], counts: 1, options, run });
}

/** Takes one check after another off the list, each in a page of its own. */
async function lane(waiting) {
  for (let check = waiting.shift(); check; check = waiting.shift()) {
    const { name, options, run } = check;
    let page;
    try {
      page = await open(name, options);
      await run(page);
      if (name.startsWith('keyboard:')) console.log(`${name}: done`);
    } catch (error) {
      await page?.screenshot({ path: `${artifacts}${name.replaceAll(/[: ]+/g, '-')}-failed.png` });
      faults.push(`${name}: ${error.message}`);
    }
    await page?.context().close();
  }
}

try {
  const waiting = [...checks];
  await Promise.all(Array.from({ length: availableParallelism() }, () => lane(waiting)));
} finally {
  await browser.close();
  await server.close();
}

// A check is a picture with its audit in both themes, which fail together since one way leads to them, or a walk.
const count = (some) => some.reduce((sum, check) => sum + check.counts, 0);
const failed = count(checks.filter(({ names }) => faults.some((fault) => names.some((name) => fault.startsWith(`${name}:`)))));
if (faults.length > 0) {
  console.error(`${faults.length} faults:\n${[...new Set(faults)].join('\n')}`);
  process.exitCode = 1;
}
console.log(`${count(checks) - failed} passed, ${failed} failed`);
