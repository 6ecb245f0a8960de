// cove's player: hls.js with its own ladder logic and a bounded buffer.

import Hls from '/modules/hls.js/dist/hls.min.mjs';
import { manifest, option, report } from '/shared/lab.js';

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
      const cap = option('rung', 540);
      const highest = this.hls.levels.findLastIndex(({ width, height }) => Math.min(width, height) <= cap);
      this.hls.autoLevelCapping = Math.max(0, highest);
    });
    this.hls.on(Hls.Events.ERROR, (_event, { fatal, details }) => { if (fatal) report('error', { message: details }); });
    this.hls.loadSource(address);
    this.hls.attachMedia(media);
  }

  static ofClip(media, clip, round, habits) {
    return new HlsPlayer(media, manifest('video', `${clip.name}/abr/master.m3u8`, round), habits);
  }

  get ready() {
    return this.media.readyState >= HTMLMediaElement.HAVE_ENOUGH_DATA;
  }

  prefetch() {
    this.hls.startLoad(-1);
  }

  start() {
    Object.assign(this.hls.config, { maxBufferLength: this.habits.ahead, maxMaxBufferLength: this.habits.ahead * 2 });
    if (!this.started) this.hls.startLoad(-1);
    this.started = true;
  }

  close() {
    this.hls.destroy();
  }
}
