// cove's player: hls.js with its own ladder logic and a bounded buffer.

import Hls from '/modules/hls.js/dist/hls.min.mjs';
import { manifest, option, report } from '/shared/lab.js';

const RETRY_MS = 1000;

export class HlsPlayer {
  /** @param {{ahead: number, first: number}} habits seconds kept ahead when playing and when prefetching */
  constructor(media, address, habits) {
    Object.assign(this, { media, habits });
    this.hls = new Hls({
      autoStartLoad: false,
      maxBufferLength: habits.first,
      maxMaxBufferLength: habits.first,
      maxBufferSize: 60e6,
      backBufferLength: 10,
      capLevelToPlayerSize: false,
      startLevel: habits.startLevel ?? -1,
      abrEwmaDefaultEstimate: 2_000_000,
      enableWorker: true,
      ...habits.settings,
    });
    this.hls.on(Hls.Events.MANIFEST_PARSED, () => {
      if (this.wanted) this.hls.startLoad(-1);
      const cap = option('rung', 540);
      const highest = this.hls.levels.findLastIndex(({ width, height }) => Math.min(width, height) <= cap);
      this.hls.autoLevelCapping = Math.max(0, highest);
    });
    this.hls.on(Hls.Events.ERROR, (_event, { fatal, type, details }) => { if (fatal) this.#recover(type, details); });
    this.hls.loadSource(address);
    this.hls.attachMedia(media);
    this.address = address;
  }

  /** What hls.js asks its user to do about a fatal error. */
  #recover(type, details) {
    report('retry', { message: details });
    setTimeout(() => {
      if (this.closed) return;
      if (type === Hls.ErrorTypes.MEDIA_ERROR) this.hls.recoverMediaError();
      else if (this.hls.levels?.length) this.hls.startLoad(-1);
      else this.hls.loadSource(this.address);
    }, RETRY_MS);
  }

  static ofClip(media, clip, round, habits) {
    return new HlsPlayer(media, manifest('video', `${clip.name}/abr/master.m3u8`, round), habits);
  }

  get ready() {
    return this.media.readyState >= HTMLMediaElement.HAVE_ENOUGH_DATA;
  }

  prefetch() {
    this.wanted = true;
    this.hls.startLoad(-1);
  }

  start() {
    Object.assign(this.hls.config, { maxBufferLength: this.habits.ahead, maxMaxBufferLength: this.habits.ahead * 2 });
    if (!this.started) this.hls.startLoad(-1);
    this.started = true;
    this.wanted = true;
  }

  close() {
    this.closed = true;
    this.hls.destroy();
  }
}
