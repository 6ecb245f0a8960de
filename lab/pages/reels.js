// A reels page: one clip fills the screen, a swipe goes to the next, the next clips are fetched while one plays.
//
//   reels.html?order=3,1,4&mode=progressive|segments&prefetch=2
//
// progressive: each clip is one MP4 that the browser fetches by range; segments: fMP4 segments through Media Source.

import { fetchJson, host, report } from './lab.js';
import { SegmentPlayer } from './segments.js';

const KEEP_AHEAD_S = 8;
const PREFETCHED_SEGMENTS = 2;
const KEPT_BEHIND = 1;

const parameters = new URLSearchParams(location.search);
const order = parameters.get('order').split(',').map(Number);
const mode = parameters.get('mode') ?? 'progressive';
const prefetch = Number(parameters.get('prefetch') ?? 2);
const index = await fetchJson('/media/index.json');

class Reel {
  constructor(position) {
    this.position = position;
    this.clip = index.clips[order[position] % index.clips.length];
    this.section = document.createElement('section');
    this.section.className = 'reel';
    this.video = document.createElement('video');
    Object.assign(this.video, { loop: true, playsInline: true, preload: 'none' });
    this.video.poster = `/media/${this.clip.name}.jpg`;
    const author = new Image();
    author.src = `/media/avatar-${String(position % index.avatars).padStart(3, '0')}.jpg`;
    this.section.append(this.video, author);
    this.#watch();
  }

  #watch() {
    const tell = (event, details) => report(event, { clip: this.clip.name, position: this.position, ...details });
    this.tell = tell;
    this.video.addEventListener('waiting', () => {
      if (!this.started || this.stalled || this.video.seeking) return; // looping back is no stall
      this.stalled = true;
      tell('stall');
    });
    this.video.addEventListener('playing', () => {
      if (this.stalled) tell('resume');
      this.stalled = false;
    });
    this.video.addEventListener('error', () => {
      if (this.video.error && this.loading) tell('error', { message: this.video.error.message });
    });
    this.video.addEventListener('canplaythrough', () => schedule());
  }

  get ready() {
    return mode === 'segments' ? this.player?.satisfied : this.video.readyState >= HTMLMediaElement.HAVE_ENOUGH_DATA;
  }

  load() {
    if (this.loading) return;
    this.loading = true;
    this.tell('load');
    if (mode === 'segments') {
      this.player = new SegmentPlayer(this.video, {
        base: `${host('reels')}/${this.clip.name}`,
        segments: this.clip.segments,
        segmentSeconds: index.segment_s,
        mime: `video/mp4; codecs="${index.codecs}"`,
      });
      this.player.prefetch(PREFETCHED_SEGMENTS);
      return;
    }
    this.video.preload = 'auto';
    this.video.src = `${host('reels')}/${this.clip.name}.mp4`;
  }

  play() {
    this.current = true;
    this.tell('play', { kbit: this.clip.kbit, ready: Boolean(this.loading && this.ready) });
    this.load();
    this.player?.keepAhead(KEEP_AHEAD_S);
    this.video.requestVideoFrameCallback(() => {
      this.started = true;
      this.tell('first_frame');
    });
    this.video.play().catch((error) => {
      if (this.current && error.name !== 'AbortError') this.tell('error', { message: error.message });
    });
  }

  stop() {
    if (this.current) this.tell('leave', { watched_s: Number(this.video.currentTime.toFixed(2)) });
    this.current = false;
    this.started = false;
    this.stalled = false;
    this.video.pause();
  }

  release() {
    if (!this.loading) return;
    this.loading = false;
    if (this.player) {
      this.player.close();
      this.player = undefined;
      return;
    }
    this.video.removeAttribute('src');
    this.video.load();
  }
}

const reels = [];
let current = -1;

/** Lets the next clips load, nearest first, each only when the one before it can play. */
function schedule() {
  for (let ahead = 0; ahead <= prefetch; ahead += 1) {
    const reel = reels[current + ahead];
    if (!reel) return;
    reel.load();
    if (!reel.ready) return;
  }
}

function show(position) {
  if (position === current) return;
  reels[current]?.stop();
  current = position;
  while (reels.length <= current + prefetch + 1 && reels.length < order.length) append();
  reels[current - KEPT_BEHIND - 1]?.release();
  reels[current].play();
  schedule();
}

const visible = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) show(Number(entry.target.dataset.position));
  }
}, { threshold: 0.7 });

function append() {
  const reel = new Reel(reels.length);
  reel.section.dataset.position = String(reel.position);
  reels.push(reel);
  document.body.append(reel.section);
  visible.observe(reel.section);
}

append();
setInterval(schedule, 250);
