// fMP4 segments through Media Source, a bounded buffer ahead: the on-off pattern. One request each (brisk), or two at
// once (fjord), as where sound and picture are kept apart.

import { asset, fetchBytes, index, option, pause, range } from '/shared/lab.js';
import { bufferSeconds, maxKbit } from '/shared/decisions.js';
import { Feeder } from '/shared/feeder.js';
import { fixedRung, measured, pickRung } from '/shared/throughput.js';

const POLL_MS = 100;

/** As `fetchBytes`, by two requests at the same time: the first `smallBytes`, and the rest. */
export const inTwo = (smallBytes) => async (address, options) => {
  const parts = await Promise.all([fetchBytes(address, { ...options, headers: range(0, smallBytes - 1) }), fetchBytes(address, { ...options, headers: range(smallBytes) })]);
  return new Blob(parts).arrayBuffer();
};

export class SegmentPlayer {
  /**
   * @param {{ahead: number, first: number, film?: boolean, fetched?: Function}} habits seconds kept ahead, segments
   * prefetched, how a segment is fetched
   */
  constructor(media, clip, round, habits) {
    Object.assign(this, { media, clip, round, habits, goal: 0, loaded: 0, started: false, closed: false });
    this.segmentSeconds = habits.film ? index.film_segment_s : index.segment_s;
    this.rung = habits.film ? fixedRung(clip, option('rung', 480)) : pickRung(clip, option('rung', 540));
    this.cap = option('rung', habits.film ? 480 : 540);
    this.#run().catch((error) => { if (!this.closed) throw error; });
  }

  get ready() {
    return this.loaded >= this.#wanted();
  }

  prefetch() {
    this.goal = Math.max(this.goal, this.habits.first);
  }

  start() {
    this.started = true;
  }

  seek(seconds) {
    this.loaded = Math.floor(seconds / this.segmentSeconds);
    this.media.currentTime = seconds;
  }

  close() {
    this.closed = true;
    this.abort?.abort();
    this.media.removeAttribute('src');
    this.media.load();
  }

  #wanted() {
    const { segments } = this.rung;
    if (!this.started) return Math.min(segments, this.goal);
    return Math.min(segments, Math.ceil((this.media.currentTime + bufferSeconds(this.habits.ahead)) / this.segmentSeconds));
  }

  async #run() {
    this.feeder = await Feeder.open(this.media, `video/mp4; codecs="${index.codecs[this.clip.codec]}"`);
    while (!this.closed && this.goal === 0 && !this.started) await pause(POLL_MS);
    let header = 0;
    while (!this.closed && this.loaded < this.rung.segments) {
      if (this.ready) {
        await pause(POLL_MS);
        continue;
      }
      if (this.habits.film || this.rung.kbit > maxKbit()) this.rung = pickRung(this.clip, this.cap, this.habits.film ? 0.8 : undefined);
      if (header !== this.rung.rung) await this.#append('init.mp4');
      header = this.rung.rung;
      const number = this.loaded;
      await this.#append(`${String(number).padStart(3, '0')}.m4s`);
      if (this.loaded === number) this.loaded += 1; // else someone has sought
    }
    if (!this.closed) await this.feeder.end();
  }

  async #append(name) {
    if (this.closed) return;
    this.abort = new AbortController();
    const start = performance.now();
    const address = asset('video', `${this.clip.name}/${this.rung.rung}-seg/${name}`, this.round);
    const fetched = name === 'init.mp4' ? fetchBytes : (this.habits.fetched ?? fetchBytes);
    const bytes = await fetched(address, { signal: this.abort.signal });
    measured(bytes.byteLength, performance.now() - start);
    if (!this.closed) await this.feeder.append(bytes);
  }
}
