// One fragmented MP4 per rung, fetched in byte ranges and given to Media Source: all of one size (dune), each larger than
// the one before (haze), a head and then the rest (echo), or the whole clip at once (gale).

import { asset, fetchBytes, fetchOk, index, option, pause, range, report } from '/shared/lab.js';
import { bufferSeconds } from '/shared/decisions.js';
import { appendStream, Feeder } from '/shared/feeder.js';
import { measured, pickRung } from '/shared/throughput.js';

const POLL_MS = 100;
const RETRY_MS = 1000;

export class RangePlayer {
  /**
   * @param {{ahead: number, first: number, growth?: number, limitKb?: number, streamed?: boolean}} habits seconds kept
   * ahead, chunks prefetched, how much larger than the last and at most how large a chunk is, whether it is played while
   * it arrives
   */
  constructor(media, clip, round, habits) {
    Object.assign(this, { media, clip, habits, goal: 0, at: 0, started: false, closed: false });
    this.chunk = option('chunk_kb', 512) * 1024;
    this.rung = pickRung(clip, option('rung', 540));
    this.address = asset('video', `${clip.name}/${this.rung.rung}-frag.mp4`, round);
    this.#run().catch((error) => { if (!this.closed) throw error; });
  }

  get ready() {
    if (this.at >= this.rung.bytes) return true;
    return this.started ? (this.feeder?.ahead ?? 0) >= bufferSeconds(this.habits.ahead) : this.at >= this.goal;
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
      const to = Math.min(this.at + Math.floor(this.chunk), this.rung.bytes) - 1;
      this.abort = new AbortController();
      const start = performance.now();
      const from = this.at;
      await (this.habits.streamed ? this.#stream(to) : this.#fetch(to));
      measured(this.at - from, performance.now() - start);
      this.chunk = Math.min(this.chunk * (this.habits.growth ?? 1), (this.habits.limitKb ?? Infinity) * 1024);
    }
    if (!this.closed) await this.feeder.end();
  }

  async #fetch(to) {
    const bytes = await fetchBytes(this.address, { headers: range(this.at, to), signal: this.abort.signal });
    this.at = to + 1;
    if (!this.closed) await this.feeder.append(bytes);
  }

  /** Appends what comes as it comes; where the network fails half-way, the rest is asked for again. */
  async #stream(to) {
    while (!this.closed && this.at <= to) {
      try {
        const response = await fetchOk(this.address, { headers: range(this.at, to), signal: this.abort.signal });
        await appendStream(this.feeder, response, (bytes) => { this.at += bytes; });
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        report('retry', { message: error.message });
        await pause(RETRY_MS);
      }
    }
  }
}
