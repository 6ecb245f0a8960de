// A chat over one WebSocket; photos that come in are fetched from the chat's own media server, small first.

import { controls, fetchBytes, image, index, option, padded, parameters, report } from '/shared/lab.js';

const session = parameters.get('s') ?? '0';

/** @param {{thumbs: boolean, filler: number}} habits fetch a preview first; bytes of filler in each message */
export async function chat({ thumbs, filler }) {
  const socket = new WebSocket('wss://chat.lab.test/ws');
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error('no WebSocket')), { once: true });
  });
  const media = (size, number) => `https://chat.lab.test/u-${session}-${number}/${size}-${padded(number % index.photos)}.jpg`;
  socket.addEventListener('message', async ({ data }) => {
    const message = JSON.parse(data);
    report('message', { type: message.type });
    if (message.type === 'photo') {
      if (thumbs) await fetchBytes(media('thumb', message.number));
      document.body.append(image(media(message.size, message.number), 'photo', () => report('image', { chat: true })));
    }
    if (message.type === 'voice') await fetchBytes(media('thumb', message.number)); // a voice note is about as large
  });
  socket.addEventListener('close', () => report('error', { message: 'WebSocket closed' }));
  let sent = 0;
  controls.say = (text, replies) => {
    sent += 1;
    socket.send(JSON.stringify({ type: 'text', id: sent, text, filler: 'x'.repeat(option('filler', filler)), replies }));
  };
}
