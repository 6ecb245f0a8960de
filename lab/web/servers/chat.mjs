// The other side of a chat: answers what the page sends with text, typing notices, photo and clip notices.

import { createRequire } from 'node:module';
import path from 'node:path';

/** Takes WebSocket upgrades on `server`. A page says {type: 'hello', seed}, then {type: 'text', replies: [{after, …}]}. */
export function attachChat(server, modules) {
  const { WebSocketServer } = createRequire(path.join(modules, 'ws/package.json'))('ws');
  new WebSocketServer({ server, path: '/ws' }).on('connection', (socket) => {
    const timers = new Set();
    const later = (seconds, message) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
      }, seconds * 1000);
      timers.add(timer);
    };
    const beat = setInterval(() => { if (socket.readyState === socket.OPEN) socket.ping(); }, 15_000);
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString());
      later(0.02, { type: 'receipt', id: message.id });
      for (const { after, ...reply } of message.replies ?? []) {
        later(after * 0.5, { type: 'typing' });
        later(after, reply);
      }
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => { clearInterval(beat); timers.forEach(clearTimeout); });
  });
}
