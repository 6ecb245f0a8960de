// An article: text with photos, scripts as many sites have them, and a few calls to its API.
//
//   ?number=3&photos=4

import { asset, fetchBytes, fetchJson, image, index, option, padded, report } from '/shared/lab.js';

/** @param {{size: string, scripts: string[], calls: number}} design */
export async function article({ size, scripts, calls }) {
  const number = option('number', 0);
  const photos = option('photos', 3);
  for (const script of scripts) fetchBytes(`/modules/${script}?page=${number}`).catch(() => {});
  for (let call = 0; call < calls; call += 1) fetchJson(`/media/text-${padded((number + call) % index.texts)}.json?call=${call}&n=${number}`);
  const { paragraphs } = await fetchJson(`/media/text-${padded(number % index.texts)}.json?article=${number}`);
  const text = document.createElement('article');
  text.className = 'article';
  paragraphs.forEach((words, position) => {
    const paragraph = document.createElement('p');
    paragraph.textContent = words;
    text.append(paragraph);
    if (position >= photos) return;
    const name = `${size}-${padded((number * 7 + position) % index.photos)}.jpg`;
    const photo = image(asset('image', name, number), 'photo', () => report('image', { article: number }));
    text.append(photo);
  });
  document.body.append(text);
}
