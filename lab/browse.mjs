// Drives one headless Chromium through a timeline and writes down what the pages saw.
//
//   node browse.mjs PLAN.json RESULT.json
//
// PLAN: {chromium, playwright, profile, arguments, seconds, actions: [{at, tab, do, …}]}; RESULT: {events, requests}.
// Actions: open {url} · swipe {} · scroll {pixels} · download {} · close {}. Times are seconds from the first action.

import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const VIEWPORT = { width: 412, height: 732 };
const WHEEL_STEPS = 6;

const [planFile, resultFile] = process.argv.slice(2);
const plan = JSON.parse(await readFile(planFile, 'utf8'));
const { chromium } = createRequire(path.join(plan.playwright, 'package.json'))('playwright-core');

const events = [];
const requests = {};
const tabs = new Map();
const downloads = [];

const record = (tab, event) => events.push({ time: event.time, tab, event: event.event, ...event });
const now = () => Number((Date.now() / 1000).toFixed(3));

async function tabNamed(context, name) {
  if (!tabs.has(name)) {
    const page = tabs.size ? await context.newPage() : context.pages()[0];
    await page.exposeFunction('labReport', (event) => record(name, event));
    await page.exposeFunction('labRequest', (key) => { requests[key] = (requests[key] ?? 0) + 1; });
    page.on('console', (message) => {
      if (message.type() === 'error') process.stderr.write(`browse: ${name}: ${message.text()}\n`);
    });
    tabs.set(name, page);
  }
  return tabs.get(name);
}

const verbs = {
  async open(page, action) {
    await page.goto(action.url, { waitUntil: 'commit' });
  },
  async swipe(page) {
    await wheel(page, VIEWPORT.height * 0.8);
  },
  async scroll(page, action) {
    await wheel(page, action.pixels);
  },
  async download(page, action) {
    const started = page.waitForEvent('download');
    await page.click('#download');
    const download = await started;
    downloads.push(download.path().then(() => record(action.tab, { time: now(), event: 'download_done' })));
  },
  async close(page, action) {
    tabs.delete(action.tab);
    await page.close();
  },
};

async function wheel(page, pixels) {
  await page.mouse.move(VIEWPORT.width / 2, VIEWPORT.height / 2);
  for (let step = 0; step < WHEEL_STEPS; step += 1) {
    await page.mouse.wheel(0, pixels / WHEEL_STEPS);
    await sleep(16);
  }
}

async function play(context) {
  const start = performance.now();
  for (const { at, ...action } of plan.actions) {
    await sleep(Math.max(0, start + at * 1000 - performance.now()));
    const { do: verb, url, ...details } = action;
    const page = await tabNamed(context, action.tab);
    record(action.tab, { time: now(), event: verb, ...details, do: undefined, ...(url && { page: new URL(url).pathname }) });
    await page.bringToFront(); // a hidden tab answers gestures only after seconds
    await verbs[verb](page, action);
  }
  await sleep(Math.max(0, start + plan.seconds * 1000 - performance.now()));
  await Promise.race([Promise.all(downloads), sleep(20_000)]);
}

const context = await chromium.launchPersistentContext(plan.profile, {
  executablePath: plan.chromium,
  headless: true,
  viewport: VIEWPORT,
  acceptDownloads: true,
  args: plan.arguments,
});
try {
  await play(context);
} catch (error) {
  record('browser', { time: now(), event: 'error', message: String(error) });
} finally {
  record('browser', { time: now(), event: 'close' });
  await context.close();
}
events.sort((one, other) => one.time - other.time);
await writeFile(resultFile, JSON.stringify({ events, requests }));
