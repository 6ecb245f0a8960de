// An endless feed of photos: posts are appended before the end is reached, photos load when they come near the screen.
//
//   feed.html?start=7

import { fetchJson, report } from './lab.js';

const POSTS_AT_A_TIME = 6;
const index = await fetchJson('/media/index.json');
const start = Number(new URLSearchParams(location.search).get('start') ?? 0);
let posts = 0;

const numbered = (name, number, extension) => `/media/${name}-${String(number).padStart(3, '0')}.${extension}`;

async function appendPost() {
  const number = start + posts;
  posts += 1;
  const post = document.createElement('article');
  post.className = 'post';
  const author = new Image();
  author.className = 'author';
  author.loading = 'lazy';
  author.src = numbered('avatar', (number * 5) % index.avatars, 'jpg');
  const photo = new Image();
  photo.className = 'photo';
  photo.loading = 'lazy';
  photo.addEventListener('load', () => report('image', { post: number }));
  photo.src = numbered('photo', (number * 13) % index.photos, 'jpg');
  const caption = document.createElement('p');
  post.append(author, photo, caption);
  document.body.append(post);
  const { paragraphs } = await fetchJson(numbered('text', number % index.texts, 'json'));
  caption.textContent = paragraphs[0];
}

async function appendPosts() {
  for (let count = 0; count < POSTS_AT_A_TIME; count += 1) await appendPost();
}

let busy = false;
async function fill() {
  if (busy || document.body.offsetHeight - scrollY > 5 * innerHeight) return;
  busy = true;
  await appendPosts();
  busy = false;
}

addEventListener('scroll', fill);
await fill();
report('ready');
