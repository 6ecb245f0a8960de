// An article: text with a few photos, all loaded at once, and a link to the next one.
//
//   article.html?number=3&photos=4

import { fetchJson, report } from './lab.js';

const parameters = new URLSearchParams(location.search);
const number = Number(parameters.get('number') ?? 0);
const photos = Number(parameters.get('photos') ?? 3);
const index = await fetchJson('/media/index.json');
const numbered = (name, value, extension) => `/media/${name}-${String(value).padStart(3, '0')}.${extension}`;

const { paragraphs } = await fetchJson(numbered('text', number % index.texts, 'json'));
const article = document.createElement('article');
article.className = 'article';
paragraphs.forEach((text, position) => {
  const paragraph = document.createElement('p');
  paragraph.textContent = text;
  article.append(paragraph);
  if (position >= photos) return;
  const photo = new Image();
  photo.addEventListener('load', () => report('image', { article: number }));
  photo.src = numbered('photo', (number * 7 + position) % index.photos, 'jpg');
  article.append(photo);
});
document.body.append(article);
report('ready');
