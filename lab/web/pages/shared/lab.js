// What every page shares: its parameters, the addresses of the content, the events it reports to the recorder.

export const parameters = new URLSearchParams(location.search);
export const option = (name, fallback) => (parameters.has(name) ? Number(parameters.get(name)) : fallback);
export const listed = (name) => (parameters.get(name) ?? '').split(',').filter(Boolean).map(Number);
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const padded = (number) => String(number).padStart(3, '0');

const onCdn = option('cdn', 0) === 1;
const session = parameters.get('s') ?? '0';
const tokenBytes = option('token', 0);
const token = tokenBytes ? `?token=${Array.from({ length: tokenBytes }, () => Math.floor(Math.random() * 36).toString(36)).join('')}` : '';

/** The server of a content class, which on a mixed connection is a folder of the CDN. */
export const base = (contentClass) => (onCdn ? `https://cdn.lab.test/${contentClass}` : `https://${contentClass}.lab.test`);

/** The address of a stored thing. `round` makes a second visit a new address, so that no cache answers it. */
export function asset(contentClass, path, round = 0) {
  const folder = contentClass === 'www' ? `${base('www')}/media` : base(contentClass);
  return `${folder}/u-${session}-${round}/${path}${token}`;
}

/** As `asset` but for manifests: their relative addresses must not lose a query. */
export const manifest = (contentClass, path, round = 0) => asset(contentClass, path, round).split('?')[0];

/** Tells the recorder that something happened now. Does nothing when the page is opened by hand. */
export function report(event, details = {}) {
  const time = (performance.timeOrigin + performance.now()) / 1000;
  globalThis.labReport?.({ time: Number(time.toFixed(3)), event, ...details });
}

const RETRY_MS = [300, 1000, 2000, 4000, 8000];

/** Runs `fetching` again after a network error, as apps do when the radio was away; not after an answer or an abort. */
async function persistently(fetching) {
  for (const wait of RETRY_MS) {
    try {
      return await fetching();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      report('retry', { message: error.message });
      await pause(wait);
    }
  }
  return fetching();
}

async function fetchOnce(address, options) {
  const response = await fetch(address, options);
  if (!response.ok) throw new Error(`${address.slice(0, 120)}: HTTP ${response.status}`);
  return response;
}

export const fetchOk = (address, options = {}) => persistently(() => fetchOnce(address, options));
export const fetchJson = (address, options = {}) => persistently(async () => (await fetchOnce(address, options)).json());
export const fetchBytes = (address, options = {}) => persistently(async () => (await fetchOnce(address, options)).arrayBuffer());
export const range = (from, to) => ({ range: `bytes=${from}-${to ?? ''}` });

/** An image element. All content of a mixed page asks without credentials, or it would use two connections. */
export function image(address, className, onload = () => {}) {
  const element = new Image();
  element.className = className;
  if (onCdn) element.crossOrigin = 'anonymous';
  element.addEventListener('load', onload);
  element.addEventListener('error', () => {
    report('retry', { message: `image ${address.slice(0, 80)}` });
    setTimeout(() => { element.src = address; }, RETRY_MS[1]);
  }, { once: true });
  element.src = address;
  return element;
}

export function video(className, settings = {}) {
  const element = document.createElement('video');
  element.className = className;
  if (onCdn) element.crossOrigin = 'anonymous';
  return Object.assign(element, { playsInline: true, ...settings });
}

/** Reports first frame, stalls and their ends, and errors of a media element; `tell(event, details)` adds the place. */
export function watch(media, tell) {
  const state = { started: false, stalled: false };
  media.addEventListener('waiting', () => {
    if (!state.started || state.stalled || media.seeking) return; // looping back is no stall
    state.stalled = true;
    tell('stall');
  });
  media.addEventListener('playing', () => {
    if (state.stalled) tell('resume');
    state.stalled = false;
  });
  media.addEventListener('error', () => {
    const { error, currentTime, src } = media;
    if (!error || !media.getAttribute('src')) return;
    const lost = error.code === MediaError.MEDIA_ERR_NETWORK || (src.startsWith('https:') && media.networkState === HTMLMediaElement.NETWORK_NO_SOURCE);
    tell(lost ? 'retry' : 'error', { message: error.message });
    if (!lost) return;
    setTimeout(() => {
      if (media.getAttribute('src') !== src) return;
      media.load();
      media.currentTime = currentTime;
      if (state.wanted) media.play().catch(() => {});
    }, RETRY_MS[1]);
  });
  media.addEventListener('play', () => { state.wanted = true; });
  return state;
}

export const index = await fetchJson('/media/index.json');

/** The page's own functions that the driver may call, by name. */
export const controls = (globalThis.labControls = {});

const requests = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { hostname, protocol } = new URL(entry.name);
    if (protocol === 'https:') globalThis.labRequest?.(`${hostname} ${entry.nextHopProtocol || 'unknown'}`);
  }
});
requests.observe({ type: 'resource', buffered: true });
requests.observe({ type: 'navigation', buffered: true });

addEventListener('error', (event) => report('error', { message: event.message }));
addEventListener('unhandledrejection', (event) => report('error', { message: String(event.reason) }));
