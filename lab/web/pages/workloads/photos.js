// Photos in many ways: feeds, a grid with taps, a post of many photos, photo stories. How many photos are fetched at
// once, how far ahead and how large they are is the design's.

import { asset, controls, fetchJson, fetchOk, image, index, listed, option, padded, parameters, pause, report } from '/shared/lab.js';

const start = option('start', 0);
const numberOf = (position) => padded((start + position * 7) % index.photos);
const address = (size, position) => asset('image', `${size}-${numberOf(position)}.jpg`, position);
const loaded = (details) => () => report('image', details);

/** The JSON of a post, with the header size of a real API request. */
function fetchPost(position) {
  const bearer = 'x'.repeat(option('bearer', 200));
  return fetchJson(`/media/text-${padded(position % index.texts)}.json?post=${position}`, { headers: { authorization: `Bearer ${bearer}` } });
}

async function appendPost(position, photo) {
  const post = document.createElement('article');
  post.className = 'post';
  const caption = document.createElement('p');
  post.append(image(asset('www', `avatar-${padded(position % Math.min(24, index.photos))}.jpg`), 'author'), photo, caption);
  document.body.append(post);
  const { paragraphs } = await fetchPost(position);
  [caption.textContent] = paragraphs;
  return post;
}

/** Calls `more` whenever less than `screens` screens are left below. */
async function endlessly(more, screens) {
  let busy = false;
  async function fill() {
    if (busy) return;
    busy = true;
    while (document.body.offsetHeight - scrollY < screens * innerHeight) await more();
    busy = false;
  }
  addEventListener('scroll', fill);
  await fill();
}

/** Photos load one by one when their place comes near the screen. */
export async function lazyFeed({ size, screens }) {
  let posts = 0;
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      target.src = target.dataset.src;
    }
  }, { rootMargin: `${option('margin', 400)}px` });
  await endlessly(async () => {
    const position = posts;
    posts += 1;
    const photo = new Image();
    photo.className = 'photo';
    if (parameters.get('cdn') === '1') photo.crossOrigin = 'anonymous';
    photo.dataset.src = address(size, position);
    photo.addEventListener('load', loaded({ post: position }));
    near.observe(photo);
    await appendPost(position, photo);
  }, screens);
}

/** Photos are fetched in batches ahead, many at a time, and shown from memory. */
export async function batchFeed({ size, batch, parallel, screens }) {
  let posts = 0;
  await endlessly(async () => {
    const positions = Array.from({ length: batch }, (_, offset) => posts + offset);
    posts += batch;
    const photos = positions.map(() => Object.assign(new Image(), { className: 'photo' }));
    const waiting = [...positions.keys()];
    const worker = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const blob = await (await fetchOk(address(size, positions[next]))).blob();
        photos[next].src = URL.createObjectURL(blob);
        report('image', { post: positions[next] });
      }
    };
    const workers = Promise.all(Array.from({ length: parallel }, worker));
    for (const [offset, position] of positions.entries()) await appendPost(position, photos[offset]);
    await workers;
  }, screens);
}

/** Posts a few at a time; each shows its thumbnail until the large photo is there. */
export async function twiceFeed({ size, batch, screens }) {
  let posts = 0;
  await endlessly(async () => {
    for (let count = 0; count < batch; count += 1) {
      const position = posts;
      posts += 1;
      const photo = image(address('thumb', position), 'photo', () => {
        const large = image(address(size, position), 'photo', () => {
          report('image', { post: position });
          photo.replaceWith(large);
        });
      });
      await appendPost(position, photo);
    }
  }, screens);
}

/** Every post is a row of photos; its first is loaded with the next one or two beside it. */
export async function carouselFeed({ size, beside, screens }) {
  let posts = 0;
  await endlessly(async () => {
    const position = posts * 5;
    posts += 1;
    await appendPost(position, image(address(size, position), 'photo', loaded({ post: position })));
    for (let next = 1; next <= beside; next += 1) image(address(size, position + next), 'photo', loaded({ post: position + next }));
  }, screens);
}

/** Thumbnails in a grid; `tap` opens one in full size. */
export async function gridFeed({ rows, full }) {
  const grid = document.createElement('div');
  grid.className = 'grid';
  document.body.append(grid);
  let posts = 0;
  controls.tap = (position) => {
    document.querySelector('.cover')?.remove();
    document.body.append(image(address(full, position), 'cover', loaded({ post: position, size: full })));
    return fetchPost(position).then(() => undefined);
  };
  controls.untap = () => document.querySelector('.cover')?.remove();
  await endlessly(async () => {
    await fetchPost(posts);
    for (let count = 0; count < rows * 3; count += 1) {
      grid.append(image(address('thumb', posts), 'photo', loaded({ post: posts })));
      posts += 1;
    }
  }, 3);
}

/** One post with many large photos: `next` shows the next one; `ahead` more are loaded before they are asked for. */
export function carousel({ size, ahead }) {
  let current = -1;
  const kept = new Map();
  const load = (position) => {
    if (!kept.has(position)) kept.set(position, image(address(size, position), 'cover', loaded({ post: position, size })));
    return kept.get(position);
  };
  controls.next = () => {
    current += 1;
    kept.get(current - 3)?.remove();
    kept.delete(current - 3);
    document.body.replaceChildren(load(current));
    for (let next = 1; next <= option('ahead', ahead); next += 1) load(current + next);
  };
  controls.next();
}

/** Photo stories: full-screen photos that go on by themselves, ?stay=4,5,… seconds each; API call for every story. */
export async function photoStories({ size, ahead, storyOf }) {
  const stay = listed('stay');
  carousel({ size, ahead });
  for (let position = 0; ; position += 1) {
    if (position % storyOf === 0) await fetchPost(position);
    await pause((stay[position % stay.length] ?? 5) * 1000);
    controls.next();
  }
}
