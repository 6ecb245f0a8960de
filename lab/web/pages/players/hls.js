// cove's player: hls.js with its own ladder logic and a bounded buffer.

import Hls from '/modules/hls.js/dist/hls.min.mjs';
import { bufferSeconds, maxKbit, onDecision } from '/shared/decisions.js';
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
      this.#limit();
    });
    this.forget = onDecision(() => this.#limit());
    this.hls.on(Hls.Events.ERROR, (_event, { fatal, type, details }) => { if (fatal) this.#recover(type, details); });
    this.hls.loadSource(address);
    this.hls.attachMedia(media);
    this.address = address;
  }

  /** The highest level allowed and the length of the buffer. */
  #limit() {
    const cap = option('rung', 540);
    const fits = ({ width, height, bitrate }) => Math.min(width, height) <= cap && bitrate <= maxKbit() * 1000;
    if (this.hls.levels?.length) this.hls.autoLevelCapping = Math.max(0, this.hls.levels.findLastIndex(fits));
    const ahead = this.started ? bufferSeconds(this.habits.ahead) : this.habits.first;
    Object.assign(this.hls.config, { maxBufferLength: ahead, maxMaxBufferLength: this.started ? ahead * 2 : ahead });
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
    const again = this.started;
    this.started = true;
    this.#limit();
    if (!again) this.hls.startLoad(-1);
    this.wanted = true;
  }

  close() {
    this.closed = true;
    this.forget();
    this.hls.destroy();
  }
}
