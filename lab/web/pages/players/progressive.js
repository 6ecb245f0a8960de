// aria's player: one MP4 that the browser's own media stack plays by byte range. Prefetch is either left to the
// element (preload=auto) or done by us in ranges, the whole clip into a blob, as caching proxies in apps do.

import { asset, fetchBytes, option, range } from '/shared/lab.js';
import { fixedRung } from '/shared/throughput.js';

export class ProgressivePlayer {
  constructor(media, clip, round) {
    const rung = fixedRung(clip, option('rung', 540));
    Object.assign(this, { media, rung, rangeBytes: option('range_kb', 0) * 1024 });
    this.address = asset('video', `${clip.name}/${rung.rung}.mp4`, round);
    this.type = 'video/mp4';
  }

  get ready() {
    return Boolean(this.blob) || this.media.readyState >= HTMLMediaElement.HAVE_ENOUGH_DATA;
  }

  prefetch() {
    if (!this.rangeBytes) {
      this.media.preload = 'auto';
      this.media.src = this.address;
      return;
    }
    this.abort = new AbortController();
    this.#fetchWhole(this.abort.signal).catch((error) => { if (error.name !== 'AbortError') throw error; });
  }

  async #fetchWhole(signal) {
    const parts = [];
    for (let from = 0; ; from += this.rangeBytes) {
      const bytes = await fetchBytes(this.address, { headers: range(from, from + this.rangeBytes - 1), signal });
      parts.push(bytes);
      if (bytes.byteLength < this.rangeBytes) break;
    }
    this.blob = URL.createObjectURL(new Blob(parts, { type: this.type }));
  }

  start() {
    if (this.media.getAttribute('src')) return;
    this.abort?.abort();
    this.media.preload = 'auto';
    this.media.src = this.blob ?? this.address;
  }

  close() {
    this.abort?.abort();
    this.media.removeAttribute('src');
    this.media.load();
    if (this.blob) URL.revokeObjectURL(this.blob);
  }
}
