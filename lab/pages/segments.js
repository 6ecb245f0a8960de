// Plays fMP4 segments through Media Source Extensions, keeping a bounded buffer ahead: the on-off pattern of real players.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const POLL_MS = 100;

export class SegmentPlayer {
  /** @param {{base: string, segments: number, segmentSeconds: number, mime: string}} track */
  constructor(media, track) {
    this.media = media;
    this.track = track;
    this.goal = 0; // segments that may be fetched so far
    this.loaded = 0;
    this.closed = false;
    this.done = this.#run();
  }

  /** Fetch the first `segments`, and no more until told otherwise. */
  prefetch(segments) {
    this.goal = Math.max(this.goal, Math.min(segments, this.track.segments));
  }

  /** Keep `seconds` buffered ahead of the playhead from now on. */
  keepAhead(seconds) {
    this.ahead = seconds;
  }

  /** Everything wanted so far has arrived. */
  get satisfied() {
    return this.loaded >= this.#wanted();
  }

  close() {
    this.closed = true;
    this.abort?.abort();
    this.media.removeAttribute('src');
    this.media.load();
  }

  #wanted() {
    const { segments, segmentSeconds } = this.track;
    if (this.ahead === undefined) return this.goal;
    const needed = Math.ceil((this.media.currentTime + this.ahead) / segmentSeconds);
    return Math.min(segments, Math.max(this.goal, needed, this.loaded));
  }

  async #run() {
    const source = new MediaSource();
    this.media.src = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
    const buffer = source.addSourceBuffer(this.track.mime);
    while (!this.closed && this.goal === 0 && this.ahead === undefined) await pause(POLL_MS);
    try {
      await this.#append(buffer, 'init.mp4');
      while (!this.closed && this.loaded < this.track.segments) {
        if (this.satisfied) {
          await pause(POLL_MS);
          continue;
        }
        await this.#append(buffer, `${String(this.loaded).padStart(3, '0')}.m4s`);
        this.loaded += 1;
      }
      if (!this.closed) source.endOfStream();
    } catch (error) {
      if (!this.closed) throw error;
    }
  }

  async #append(buffer, name) {
    if (this.closed) return;
    this.abort = new AbortController();
    const response = await fetch(`${this.track.base}/${name}`, { signal: this.abort.signal });
    if (!response.ok) throw new Error(`${name}: HTTP ${response.status}`);
    const bytes = await response.arrayBuffer();
    if (this.closed) return;
    await new Promise((resolve) => {
      buffer.addEventListener('updateend', resolve, { once: true });
      buffer.appendBuffer(bytes);
    });
  }
}
