// A live channel. The design brings the way the bytes come: one endless answer, chunked segments, HLS or DASH.

import { base, controls, fetchBytes, fetchJson, fetchOk, index, option, parameters, pause, report, video, watch } from '/shared/lab.js';
import { appendStream, Feeder } from '/shared/feeder.js';

const TOO_LATE_S = 6;

export const channel = (path) => `${base('live')}/u-${parameters.get('s') ?? 0}-0/${path}`;

export function live(play) {
  const media = video('screen', { muted: false });
  document.body.append(media);
  const tell = (event, details) => report(event, { clip: 'live', ...details });
  const state = watch(media, tell);
  tell('load');
  tell('play');
  media.requestVideoFrameCallback(() => {
    state.started = true;
    tell('first_frame');
  });
  controls.react = () => fetchOk('/media/index.json?react', { cache: 'no-store' }); // hearts, comments: a small request
  play(media);
  media.play().catch((error) => { if (error.name !== 'AbortError') tell('error', { message: error.message }); });
}

/** Keeps the playhead inside what is buffered and near the live edge, as live players do. */
function follow(media, behind) {
  setInterval(() => {
    const { buffered } = media;
    if (!buffered.length) return;
    const edge = buffered.end(buffered.length - 1);
    const late = edge - media.currentTime;
    if (media.currentTime < buffered.start(0) || late > TOO_LATE_S) media.currentTime = Math.max(buffered.start(0), edge - behind);
    else media.playbackRate = late > behind + 1 ? 1.05 : 1;
  }, 250);
}

const mime = () => `video/mp4; codecs="${index.codecs.h264}"`;

/** One HTTP answer without end, as FLV-over-HTTP players have it; asked for again when it breaks. */
export async function endless(media) {
  follow(media, 1.2);
  const feeder = await Feeder.open(media, mime());
  for (;;) {
    try {
      await appendStream(feeder, await fetchOk(channel(`${option('track', 1) ? 'm1' : 'm0'}/stream.mp4`)));
    } catch (error) {
      report('retry', { message: String(error) });
      await pause(500);
    }
  }
}

/** Segments of 2 s, each asked for when it begins and received as it is produced. */
export async function chunked(media) {
  follow(media, 1.5);
  const track = option('track', 1) ? 'm1' : 'm0';
  const feeder = await Feeder.open(media, mime());
  const { seconds, segment_s: segmentSeconds } = await fetchJson(channel('now'));
  await feeder.append(await fetchBytes(channel(`${track}/init.mp4`)));
  for (let number = Math.floor(seconds / segmentSeconds); ; number += 1) {
    try {
      await appendStream(feeder, await fetchOk(channel(`${track}/${number}.m4s`)));
    } catch (error) {
      report('retry', { message: String(error) });
      await pause(500);
    }
  }
}
