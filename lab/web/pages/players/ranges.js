// dune's player: one fragmented MP4 per rung, fetched in large byte ranges and given to Media Source as they come.

import { asset, fetchBytes, index, option, pause, range } from '/shared/lab.js';
import { Feeder } from '/shared/feeder.js';
import { measured, pickRung } from '/shared/throughput.js';

const POLL_MS = 100;

export class RangePlayer {
  /** @param {{ahead: number, first: number}} habits seconds kept ahead, chunks prefetched */
  constructor(media, clip, round, habits) {
    Object.assign(this, { media, clip, habits, goal: 0, at: 0, started: false, closed: false });
    this.chunk = option('chunk_kb', 512) * 1024;
    this.rung = pickRung(clip, option('rung', 540));
    this.address = asset('video', `${clip.name}/${this.rung.rung}-frag.mp4`, round);
    this.#run().catch((error) => { if (!this.closed) throw error; });
  }

  get ready() {
    if (this.at >= this.rung.bytes) return true;
    return this.started ? (this.feeder?.ahead ?? 0) >= this.habits.ahead : this.at >= this.goal;
  }

  prefetch() {
    this.goal = Math.min(this.rung.bytes, this.habits.first * this.chunk);
  }

  start() {
    this.started = true;
  }

  close() {
    this.closed = true;
    this.abort?.abort();
    this.media.removeAttribute('src');
    this.media.load();
  }

  async #run() {
    this.feeder = await Feeder.open(this.media, `video/mp4; codecs="${index.codecs[this.clip.codec]}"`);
    while (!this.closed && this.at < this.rung.bytes) {
      if (this.ready) {
        await pause(POLL_MS);
        continue;
      }
      const to = Math.min(this.at + this.chunk, this.rung.bytes) - 1;
      this.abort = new AbortController();
      const start = performance.now();
      const bytes = await fetchBytes(this.address, { headers: range(this.at, to), signal: this.abort.signal });
      measured(bytes.byteLength, performance.now() - start);
      this.at = to + 1;
      if (!this.closed) await this.feeder.append(bytes);
    }
    if (!this.closed) await this.feeder.end();
  }
}
