// Background polling: answers POST /poll?bytes=N with N bytes of JSON, and GET /wait?s=N only after N seconds (long poll).

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export async function syncHandler(request, response) {
  for await (const part of request) void part;
  const url = new URL(request.url, 'http://server');
  const seconds = Math.min(Number(url.searchParams.get('s') ?? 0), 60);
  if (seconds) await Promise.race([sleep(seconds * 1000), new Promise((done) => response.once('close', done))]);
  const bytes = Math.min(Number(url.searchParams.get('bytes') ?? 400), 1e6);
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify({ changes: randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64') }));
}
