// Drives one headless Chromium (and for calls a second one) through a timeline and writes down what the pages saw.
//
//   node browse.mjs PLAN.json RESULT.json
//
// PLAN: {chromium, playwright, profile, arguments, seconds, netlog?, peer?: {namespace, profile, address},
//        started?, decisions?, actions: [{at, tab, do, …}]}; RESULT: {events, requests}. Times are seconds from the first action.
// Actions: open {url} · swipe {} · scroll {pixels} · download {} · tell {name, with} · call {url, video} · close {}.
// `started` is a file that gets the epoch second of the first action; of `decisions`, a file that others append lines of
// JSON to, each line is given to the page in front (pages/shared/decisions.js), at most DECISIONS_MS later.
// It ends `seconds` after its start, at most PATIENCE_S later whatever the browser does, and on SIGTERM at once;
// either way its browsers are gone and RESULT is written.

import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const VIEWPORT = { width: 412, height: 732 };
const WHEEL_STEPS = 6;
const PATIENCE_S = 30;
const VERB_PATIENCE_MS = 15_000;
const DOWNLOAD_PATIENCE_MS = 8_000;
const DECISIONS_MS = 50;

const [planFile, resultFile] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, 'utf8'));
const { chromium } = createRequire(path.join(plan.playwright, 'package.json'))('playwright-core');

const events = [];
const requests = {};
const tabs = new Map();
const downloads = [];
let peerPage;
let closing = false;

const record = (tab, event) => events.push({ time: event.time, tab, event: event.event, ...event });
const now = () => Number((Date.now() / 1000).toFixed(3));
const fail = (tab, error) => record(tab, { time: now(), event: 'error', message: String(error).split('\n')[0] });

function writeResult() {
  events.sort((one, other) => one.time - other.time);
  writeFileSync(resultFile, JSON.stringify({ events, requests }));
}

/** Ends what is left of our browsers: the processes that name one of our two profiles. */
function endBrowsers() {
  const profiles = [plan.profile, plan.peer?.profile].filter(Boolean).map((profile) => `--user-data-dir=${profile}`);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (words.some((word) => profiles.includes(word))) process.kill(Number(pid), 'SIGKILL');
    } catch { /* it has ended meanwhile */ }
  }
}

function endNow(reason, code) {
  fail('browser', reason);
  writeResult();
  endBrowsers();
  process.exit(code);
}
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => endNow(`ended by ${signal}`, 143));
setTimeout(() => endNow('deadline passed', 0), (plan.seconds + PATIENCE_S) * 1000).unref();

async function listen(page, name) {
  await page.exposeFunction('labReport', (event) => record(name, event));
  await page.exposeFunction('labRequest', (key) => { requests[key] = (requests[key] ?? 0) + 1; });
  page.on('console', (message) => {
    if (message.type() === 'error') process.stderr.write(`browse: ${name}: ${message.text()}\n`);
  });
  page.on('crash', () => fail(name, 'the page crashed'));
}

async function tabNamed(context, name) {
  if (!tabs.has(name)) {
    const page = tabs.size ? await context.newPage() : context.pages()[0] ?? await context.newPage();
    await listen(page, name);
    tabs.set(name, page);
  }
  return tabs.get(name);
}

async function wheel(page, pixels) {
  await page.mouse.move(VIEWPORT.width / 2, VIEWPORT.height / 2);
  for (let step = 0; step < WHEEL_STEPS; step += 1) {
    await page.mouse.wheel(0, pixels / WHEEL_STEPS);
    await sleep(16);
  }
}

/** Calls one of the page's own functions, once the page has it. */
async function tell(page, name, ...values) {
  await page.waitForFunction((wanted) => globalThis.labControls?.[wanted], name, { timeout: VERB_PATIENCE_MS, polling: 100 });
  return page.evaluate(([wanted, parameters]) => globalThis.labControls[wanted](...parameters), [name, values]);
}

const candidates = (sdp, kept) => sdp.split('\r\n').filter((line) => !line.startsWith('a=candidate:') || kept(line)).join('\r\n');

const verbs = {
  async open(page, action) {
    try {
      await page.goto(action.url, { waitUntil: 'commit', timeout: VERB_PATIENCE_MS });
    } catch {
      record(action.tab, { time: now(), event: 'retry', message: 'page' });
      await page.goto(action.url, { waitUntil: 'commit', timeout: VERB_PATIENCE_MS });
    }
  },
  async swipe(page) {
    await wheel(page, VIEWPORT.height * 0.8);
  },
  async scroll(page, action) {
    await wheel(page, action.pixels);
  },
  async download(page, action) {
    const started = page.waitForEvent('download', { timeout: VERB_PATIENCE_MS });
    await Promise.all([started, page.click('#download', { timeout: VERB_PATIENCE_MS })]);
    const download = await started;
    downloads.push(download.path().then(() => record(action.tab, { time: now(), event: 'download_done' }), () => {}));
  },
  // Not awaited: an upload or a slow answer must not hold up the timeline.
  async tell(page, action) {
    tell(page, action.name, ...(action.with ?? [])).catch((error) => { if (!closing) fail(action.tab, error); });
  },
  // The peer answers from its own address alone, and learns ours from the first packet that reaches it there. So no
  // packet of the call comes from the address of a content class, though the peer's host has all of them.
  async call(page, action) {
    const media = { video: action.video };
    if (!peerPage) throw new Error('a call needs a peer in the plan');
    await peerPage.goto(action.url, { waitUntil: 'commit', timeout: VERB_PATIENCE_MS });
    const offer = await tell(page, 'offer', media);
    const answer = await tell(peerPage, 'answer', candidates(offer, () => false), media);
    const own = (line) => line.includes(` ${plan.peer.address} `) && / udp /i.test(line);
    if (!answer.split('\r\n').some((line) => line.startsWith('a=candidate:') && own(line))) {
      throw new Error(`the peer has no candidate at ${plan.peer.address}: ${answer.match(/a=candidate:.*/g)}`);
    }
    await tell(page, 'accept', candidates(answer, own));
  },
  async close(page, action) {
    tabs.delete(action.tab);
    await page.close();
  },
};

/** Hands on what is appended to the file of decisions. Only the last of several that came at once: it replaces the others. */
function deliverDecisions(file) {
  const descriptor = openSync(file, 'r');
  const chunk = Buffer.alloc(65_536);
  let pending = '';
  const timer = setInterval(() => {
    for (let length = readSync(descriptor, chunk); length > 0; length = readSync(descriptor, chunk)) pending += chunk.toString('utf8', 0, length);
    const lines = pending.split('\n');
    pending = lines.pop();
    const last = lines.findLast(Boolean);
    if (!last) return;
    for (const page of tabs.values()) {
      // A page that has not loaded yet gets the next one.
      page.evaluate((decision) => globalThis.labControls?.decide?.(decision), JSON.parse(last)).catch(() => {});
    }
  }, DECISIONS_MS);
  return () => {
    clearInterval(timer);
    closeSync(descriptor);
  };
}

async function play(context) {
  if (plan.started) writeFileSync(plan.started, `${now()}\n`);
  const stopDelivering = plan.decisions ? deliverDecisions(plan.decisions) : () => {};
  const start = performance.now();
  for (const { at, ...action } of plan.actions) {
    await sleep(Math.max(0, start + Math.min(at, plan.seconds) * 1000 - performance.now()));
    if (at >= plan.seconds) break;
    const { do: verb, url, with: values, ...details } = action;
    try {
      const page = await tabNamed(context, action.tab);
      record(action.tab, { time: now(), event: verb, ...details, ...(values && { values }), do: undefined, ...(url && { page: new URL(url).pathname }) });
      await page.bringToFront(); // a hidden tab answers gestures only after seconds
      await verbs[verb](page, action);
    } catch (error) {
      fail(action.tab, error);
    }
  }
  await sleep(Math.max(0, start + plan.seconds * 1000 - performance.now()));
  for (const [name, page] of tabs) {
    const asked = page.evaluate(() => globalThis.labControls?.bytes?.()).catch(() => {});
    await Promise.race([asked, sleep(500)]);
    if (peerPage) record(name, { time: now(), event: 'hang_up' });
  }
  stopDelivering();
  await Promise.race([Promise.all(downloads), sleep(DOWNLOAD_PATIENCE_MS)]);
}

const callArguments = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--disable-features=WebRtcHideLocalIpsWithMdns'];

function launch(profile, executablePath, extra) {
  return chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    viewport: VIEWPORT,
    acceptDownloads: true,
    handleSIGTERM: false,
    handleSIGINT: false,
    handleSIGHUP: false,
    args: ['--mute-audio', ...plan.arguments, ...(plan.peer ? callArguments : []), ...extra],
  });
}

/** The second browser of a call, in the server's namespace (or, without a namespace, beside the first). */
async function launchPeer() {
  if (!plan.peer) return undefined;
  mkdirSync(plan.peer.profile, { recursive: true });
  let executable = plan.chromium;
  if (plan.peer.namespace) {
    executable = `${plan.peer.profile}.sh`;
    writeFileSync(executable, `#!/bin/sh\nexec ip netns exec ${plan.peer.namespace} ${plan.chromium} "$@"\n`);
    chmodSync(executable, 0o755);
  }
  const context = await launch(plan.peer.profile, executable, []);
  peerPage = context.pages()[0] ?? await context.newPage();
  await listen(peerPage, 'peer');
  return context;
}

const netlog = plan.netlog ? [`--log-net-log=${plan.netlog}`, '--net-log-capture-mode=Default'] : [];
try {
  const contexts = await Promise.all([launch(plan.profile, plan.chromium, netlog), launchPeer()]);
  try {
    await play(contexts[0]);
  } finally {
    closing = true;
    record('browser', { time: now(), event: 'close' });
    await Promise.race([Promise.all(contexts.map((context) => context?.close())), sleep(10_000)]);
  }
} catch (error) {
  fail('browser', error);
}
writeResult();
endBrowsers();
process.exit(0);
