// What every page of the lab shares: the events it reports to the recorder, and the count of its requests by protocol.

/** Tells the recorder that something happened now. Does nothing when the page is opened by hand. */
export function report(event, details = {}) {
  const time = (performance.timeOrigin + performance.now()) / 1000;
  globalThis.labReport?.({ time: Number(time.toFixed(3)), event, ...details });
}

/** The host names of the content classes: they differ in their first label only. */
export function host(contentClass) {
  return `https://${contentClass}.lab.test`;
}

export async function fetchJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response.json();
}

const requests = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { hostname } = new URL(entry.name);
    globalThis.labRequest?.(`${hostname} ${entry.nextHopProtocol || 'unknown'}`);
  }
});
requests.observe({ type: 'resource', buffered: true });
requests.observe({ type: 'navigation', buffered: true });

addEventListener('error', (event) => report('error', { message: event.message }));
addEventListener('unhandledrejection', (event) => report('error', { message: String(event.reason) }));
