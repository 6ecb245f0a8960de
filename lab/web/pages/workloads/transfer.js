// Downloads, uploads, a speed test and background polling: bytes that nobody watches.

import { asset, base, controls, fetchBytes, fetchJson, fetchOk, index, option, parameters, pause, range, report } from '/shared/lab.js';

const RANDOM_BLOCK = 65_536; // as much as getRandomValues gives at once

function randomBytes(length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += RANDOM_BLOCK) crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + RANDOM_BLOCK)));
  return bytes;
}

function bundle() {
  const wanted = option('mb', 5);
  const megabytes = index.files_mb.findLast((each) => each <= wanted) ?? index.files_mb[0];
  return { name: `bundle-${megabytes}.bin`, bytes: megabytes * 1_000_000 };
}

const done = (bytes) => report('download_done', { bytes });

/** A link that the driver clicks: the browser's own download. */
export function linkDownload() {
  const link = Object.assign(document.createElement('a'), { id: 'download', href: asset('files', bundle().name), download: 'bundle' });
  link.textContent = 'Download the bundle';
  document.body.append(link);
}

/** One request, paced by the server at ?kbit. */
export async function pacedDownload() {
  const { name } = bundle();
  const query = `kbit=${option('kbit', 6000)}&burst=${option('burst', 1_000_000)}`;
  const response = await fetchOk(`${base('files')}/paced/${name}?${query}&s=${parameters.get('s')}`);
  let bytes = 0;
  for (const reader = response.body.getReader(); ;) {
    const part = await reader.read();
    if (part.done) break;
    bytes += part.value.length;
  }
  done(bytes);
}

/** Ranges of ?part_kb, ?parallel at a time, with ?gap_ms between those of one worker. */
export async function rangedDownload({ partKb, parallel }) {
  const { name, bytes } = bundle();
  const part = option('part_kb', partKb) * 1024;
  const waiting = Array.from({ length: Math.ceil(bytes / part) }, (_, number) => number * part);
  const worker = async () => {
    for (let from = waiting.shift(); from !== undefined; from = waiting.shift()) {
      await fetchBytes(asset('files', name), { headers: range(from, Math.min(bytes, from + part) - 1), cache: 'no-store' });
      report('part', { from });
      await pause(option('gap_ms', 0));
    }
  };
  await Promise.all(Array.from({ length: option('parallel', parallel) }, worker));
  done(bytes);
}

/** Photos by POST, whole; then a video in parts by PUT. `upload(kind, bytes)` starts one. */
export function uploads({ partKb, parallel }) {
  const send = (path, method, body) => fetchJson(`${base('upload')}${path}`, { method, body, headers: { 'content-type': 'application/octet-stream' } });
  controls.upload = async (kind, bytes) => {
    const content = randomBytes(bytes);
    report('upload', { kind, bytes });
    const part = option('part_kb', partKb) * 1024;
    if (kind === 'photo') {
      await send('/photo', 'POST', content);
    } else {
      const waiting = Array.from({ length: Math.ceil(bytes / part) }, (_, number) => number);
      const worker = async () => {
        for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
          await send(`/video/${kind}?part=${number}`, 'PUT', content.subarray(number * part, (number + 1) * part));
        }
      };
      await Promise.all(Array.from({ length: parallel }, worker));
    }
    report('upload_done', { kind, bytes });
  };
}

/** Ping, then down for ?down_s seconds, then up for ?up_s, over `streams` at a time. */
export async function speedTest({ streams, blockMb }) {
  const address = base('speed');
  const until = async (seconds, transfer) => {
    const end = performance.now() + seconds * 1000;
    const abort = new AbortController();
    setTimeout(() => abort.abort(), seconds * 1000);
    const worker = async () => {
      while (performance.now() < end) await transfer(abort.signal).catch((error) => { if (error.name !== 'AbortError') throw error; });
    };
    await Promise.all(Array.from({ length: streams }, worker));
  };
  for (let count = 0; count < 5; count += 1) await fetchOk(`${address}/ping`, { cache: 'no-store' });
  report('speed_down');
  await until(option('down_s', 8), async (signal) => {
    const reader = (await fetchOk(`${address}/down?bytes=${blockMb * 1e6}`, { signal, cache: 'no-store' })).body.getReader();
    while (!(await reader.read()).done);
  });
  report('speed_up');
  const body = randomBytes(1_000_000);
  await until(option('up_s', 6), (signal) => fetchOk(`${address}/up`, { method: 'POST', body, signal }));
  report('speed_done');
}

/** Polls every ?every_s seconds, some bytes up and some down; `long`: the server holds the answer back instead. */
export async function polling({ up, down, long }) {
  for (;;) {
    const seconds = option('every_s', 5) * (0.7 + 0.6 * Math.random());
    const query = long ? `s=${seconds.toFixed(1)}&bytes=${down}` : `bytes=${down}`;
    await fetchBytes(`${base('sync')}/poll?${query}`, { method: 'POST', body: randomBytes(up) });
    report('sync');
    if (!long) await pause(seconds * 1000);
  }
}
