// Downloads that the server paces, as app stores and video hosts do: GET /paced/NAME?kbit=4000&burst=500000.

import { open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { drained } from './drained.mjs';

const TICK_MS = 50;

export const pacedHandler = (folder) => async (request, response) => {
  const url = new URL(request.url, 'http://server');
  const file = await open(path.join(folder, path.basename(url.pathname)));
  try {
    const { size } = await file.stat();
    const bytesPerTick = Math.max(1000, (Number(url.searchParams.get('kbit') ?? 4000) * 125 * TICK_MS) / 1000);
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size });
    let sent = 0;
    let due = Number(url.searchParams.get('burst') ?? 0);
    let tick = performance.now();
    while (sent < size && !response.destroyed) {
      due += bytesPerTick;
      const length = Math.min(size, Math.round(due)) - sent;
      const { buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, sent);
      sent += length;
      if (!response.write(buffer)) await drained(response);
      tick += TICK_MS;
      await sleep(Math.max(0, tick - performance.now()));
    }
    response.end();
  } finally {
    await file.close();
  }
};
