// A chat over one WebSocket; photos that come in are fetched from the chat's own media server, small first.

import { controls, fetchBytes, image, index, option, padded, parameters, report } from '/shared/lab.js';

const session = parameters.get('s') ?? '0';

const RETRY_MS = 1500;

/** @param {{thumbs: boolean, filler: number}} habits fetch a preview first; bytes of filler in each message */
export function chat({ thumbs, filler }) {
  const media = (size, number) => `https://chat.lab.test/u-${session}-${number}/${size}-${padded(number % index.photos)}.jpg`;
  let socket;
  let sent = 0;

  async function receive({ data }) {
    const message = JSON.parse(data);
    report('message', { type: message.type });
    if (message.type === 'photo') {
      if (thumbs) await fetchBytes(media('thumb', message.number));
      document.body.append(image(media(message.size, message.number), 'photo', () => report('image', { chat: true })));
    }
    if (message.type === 'voice') await fetchBytes(media('thumb', message.number)); // a voice note is about as large
  }

  function connect() {
    socket = new WebSocket('wss://chat.lab.test/ws');
    socket.addEventListener('message', receive);
    socket.addEventListener('close', () => {
      report('retry', { message: 'WebSocket closed' });
      setTimeout(connect, RETRY_MS);
    });
  }

  connect();
  controls.say = (text, replies) => {
    if (socket.readyState !== WebSocket.OPEN) return; // what is said while away is lost
    sent += 1;
    socket.send(JSON.stringify({ type: 'text', id: sent, text, filler: 'x'.repeat(option('filler', filler)), replies }));
  };
}
