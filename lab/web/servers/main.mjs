// The servers whose answers are made at run time, each on a Unix socket behind caddy:
// live (chunks in real time), chat (WebSocket), upload, speed, paced (downloads at a set rate), sync.
//
//   LAB_MEDIA=… LAB_MODULES=… LAB_SOCKETS=… node main.mjs

import { createServer } from 'node:http';
import { rmSync } from 'node:fs';
import path from 'node:path';

import { attachChat } from './chat.mjs';
import { liveHandler } from './live.mjs';
import { pacedHandler } from './paced.mjs';
import { speedHandler } from './speed.mjs';
import { syncHandler } from './sync.mjs';
import { uploadHandler } from './upload.mjs';

const { LAB_MEDIA: media, LAB_MODULES: modules, LAB_SOCKETS: sockets } = process.env;

function serve(name, handler) {
  const server = createServer((request, response) => {
    Promise.resolve(handler(request, response)).catch((error) => {
      process.stderr.write(`${name}: ${request.url}: ${error.message}\n`);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  const socket = path.join(sockets, `${name}.sock`);
  rmSync(socket, { force: true });
  server.listen(socket);
  return server;
}

serve('live', await liveHandler(path.join(media, 'live')));
attachChat(serve('chat', (_request, response) => response.writeHead(404).end()), modules);
serve('upload', uploadHandler);
serve('speed', speedHandler);
serve('paced', pacedHandler(path.join(media, 'files')));
serve('sync', syncHandler);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
