// Media Source Extensions behind three calls: open, append, end. Old pictures are removed when the buffer is full.

const KEEP_BEHIND_S = 8;

export class Feeder {
  static async open(media, mime) {
    const source = new MediaSource();
    media.src = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
    return new Feeder(media, source, source.addSourceBuffer(mime));
  }

  constructor(media, source, buffer) {
    Object.assign(this, { media, source, buffer, queue: Promise.resolve() });
  }

  /** Resolves when the bytes are in the buffer; calls may overlap. */
  append(bytes) {
    this.queue = this.queue.then(() => this.#append(bytes));
    return this.queue;
  }

  async #append(bytes) {
    for (let attempt = 0; attempt < 20 && this.source.readyState !== 'closed'; attempt += 1) {
      try {
        await this.#done(() => this.buffer.appendBuffer(bytes));
        return;
      } catch (error) {
        if (error.name !== 'QuotaExceededError') throw error;
        const end = this.media.currentTime - KEEP_BEHIND_S;
        if (end > 0) await this.#done(() => this.buffer.remove(0, end));
        else await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  #done(start) {
    return new Promise((resolve, reject) => {
      this.buffer.addEventListener('updateend', resolve, { once: true });
      try {
        start();
      } catch (error) {
        this.buffer.removeEventListener('updateend', resolve);
        reject(error);
      }
    });
  }

  async end() {
    await this.queue;
    if (this.source.readyState === 'open') this.source.endOfStream();
  }

  /** Seconds buffered ahead of the playhead. */
  get ahead() {
    const { buffered, currentTime } = this.media;
    return buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
  }
}

/** Appends an answer as it comes; `appended(bytes)` is told of each part. */
export async function appendStream(feeder, response, appended = () => {}) {
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    await feeder.append(part.value);
    appended(part.value.length);
  }
}
