// Clips that fill the screen, one at a time: a swipe (or, for stories, the clock) goes to the next. The design brings
// the player and says how many clips ahead it may prefetch, so this file knows nothing about how bytes are fetched.
//
//   ?order=3,1,4&prefetch=2            reels: the driver swipes
//   ?order=3,1,4&stay=7,5,11           stories: each goes on by itself after so many seconds

import { isDepthDecided, prefetchDepth } from '/shared/decisions.js';
import { asset, controls, image, index, listed, option, padded, report, video, watch } from '/shared/lab.js';

const KEPT_BEHIND = 1;

class Reel {
  constructor(stage, position) {
    const { order, codecs, makePlayer } = stage;
    const clips = index.clips.filter(({ codec }) => codecs.includes(codec));
    Object.assign(this, { position, makePlayer, onReady: stage.schedule });
    this.clip = clips[order[position % order.length] % clips.length];
    this.section = document.createElement('section');
    this.section.className = 'reel';
    this.section.dataset.position = String(position);
    this.video = video('', { loop: true, preload: 'none' });
    this.video.poster = asset('www', `${this.clip.name}.jpg`, position);
    this.section.append(this.video, image(asset('www', `avatar-${padded(position % Math.min(24, index.photos))}.jpg`), ''));
    this.tell = (event, details) => report(event, { clip: this.clip.name, position, ...details });
    this.state = watch(this.video, this.tell);
    this.video.addEventListener('canplaythrough', () => this.onReady());
    Object.assign(this, { shown: {}, counted: 0 });
    for (const event of ['timeupdate', 'resize']) this.video.addEventListener(event, () => this.#countShown());
  }

  /** Seconds of the clip that were played, by rung; what is played again in a loop was not fetched again. */
  #countShown() {
    const { played, videoWidth, videoHeight } = this.video;
    let total = 0;
    for (let range = 0; range < played.length; range += 1) total += played.end(range) - played.start(range);
    const rung = Math.min(videoWidth, videoHeight);
    if (rung && total > this.counted) this.shown[rung] = (this.shown[rung] ?? 0) + total - this.counted;
    this.counted = total;
  }

  /** For the recorder: what was played, and whether the machine kept up with the decoding. */
  tellShown() {
    this.#countShown();
    const shown = Object.fromEntries(Object.entries(this.shown).map(([rung, seconds]) => [rung, Number(seconds.toFixed(2))]));
    const { droppedVideoFrames, totalVideoFrames } = this.video.getVideoPlaybackQuality();
    this.tell('shown', { shown, dropped_frames: droppedVideoFrames, frames: totalVideoFrames });
  }

  get ready() {
    return Boolean(this.player?.ready);
  }

  load() {
    if (this.player) return;
    this.tell('load');
    this.player = this.makePlayer(this.video, this.clip, this.position);
    this.player.prefetch();
  }

  play() {
    this.current = true;
    this.tell('play', { kbit: this.clip.rungs.at(-1).kbit, seconds: this.clip.seconds, ready: this.ready });
    this.load();
    this.player.start();
    this.video.requestVideoFrameCallback(() => {
      if (!this.current) return; // it came when the clip had been left
      this.state.started = true;
      this.tell('first_frame');
    });
    this.video.play().catch((error) => {
      if (this.current && error.name !== 'AbortError') this.tell('error', { message: error.message });
    });
  }

  stop() {
    if (this.current) {
      this.tell('leave', { watched_s: Number(this.video.currentTime.toFixed(2)) });
      this.tellShown();
    }
    this.current = false;
    Object.assign(this.state, { started: false, stalled: false, wanted: false });
    this.video.pause();
  }

  release() {
    this.player?.close();
    this.player = undefined;
  }
}

/** @param {{makePlayer: Function, prefetch: number, codecs?: string[], eager?: boolean}} design */
export function stage(design) {
  const order = listed('order');
  const stay = listed('stay');
  const prefetch = () => prefetchDepth(option('prefetch', design.prefetch));
  const reels = [];
  let current = -1;
  let clock;

  /** With a decision: nothing is fetched any more for clips behind, nor for those ahead that are too far and not there. */
  function giveUp() {
    reels.forEach((reel, position) => {
      if (position < current || (position > current + prefetch() && !reel.ready)) reel.release();
    });
  }

  /** Lets the next clips load, nearest first, each only when the one before it can play (all at once if eager). */
  function schedule() {
    if (isDepthDecided()) giveUp();
    for (let ahead = 0; ahead <= prefetch(); ahead += 1) {
      const reel = reels[current + ahead];
      if (!reel) return;
      reel.load();
      if (!reel.ready && !design.eager) return;
    }
  }

  const made = { order, codecs: design.codecs ?? ['h264'], makePlayer: design.makePlayer, schedule };

  function append() {
    const reel = new Reel(made, reels.length);
    reels.push(reel);
    document.body.append(reel.section);
    visible.observe(reel.section);
  }

  function show(position) {
    if (position === current) return;
    reels[current]?.stop();
    current = position;
    while (reels.length <= current + prefetch() + 1) append();
    reels.slice(0, Math.max(0, current - KEPT_BEHIND)).forEach((reel) => reel.release());
    reels[current].play();
    schedule();
    if (!stay.length) return;
    clearTimeout(clock);
    clock = setTimeout(controls.next, stay[current % stay.length] * 1000);
  }

  controls.next = () => {
    report('swipe', { auto: true });
    reels[current + 1].section.scrollIntoView({ behavior: 'instant' });
  };

  controls.bytes = () => reels[current]?.tellShown(); // the driver asks at the end

  const visible = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) show(Number(entry.target.dataset.position));
  }, { threshold: 0.7 });
  append();
  setInterval(schedule, 250);
}
