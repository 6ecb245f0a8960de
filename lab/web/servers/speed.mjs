// A speed test: GET /down?bytes=… and POST /up. The bytes are random: nothing on the way can compress them.

import { randomBytes } from 'node:crypto';

import { drained } from './drained.mjs';

const block = randomBytes(262_144);

export async function speedHandler(request, response) {
  const url = new URL(request.url, 'http://server');
  if (url.pathname === '/up') {
    let bytes = 0;
    for await (const part of request) bytes += part.length;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ bytes }));
    return;
  }
  if (url.pathname === '/ping') {
    response.writeHead(204).end();
    return;
  }
  let left = Math.min(Number(url.searchParams.get('bytes') ?? 1e6), 2e8);
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': left, 'cache-control': 'no-store' });
  while (left > 0 && !response.destroyed) {
    const part = block.subarray(0, Math.min(left, block.length));
    left -= part.length;
    if (!response.write(part)) await drained(response);
  }
  response.end();
}
