// Music in segments, a bounded buffer ahead; or a whole album's worth of segments fetched at once, then the next.

import { asset, fetchBytes, index, option, padded, pause, report } from '/shared/lab.js';
import { Feeder } from '/shared/feeder.js';

const POLL_MS = 200;

/** @param {{track: number, ahead: number}} habits the track's number and the seconds kept ahead */
export async function music({ track, ahead }) {
  const number = option('track', track) % index.tracks.length;
  const { segments, segment_s: segmentSeconds } = index.tracks[number];
  const media = document.createElement('audio');
  document.body.append(media);
  media.addEventListener('playing', () => report('audio_playing'));
  media.addEventListener('waiting', () => report('audio_waiting'));
  const feeder = await Feeder.open(media, `audio/mp4; codecs="${index.audio_codecs}"`);
  const fetched = (name) => fetchBytes(asset('audio', `track-${number}/${name}`));
  await feeder.append(await fetched('init.mp4'));
  media.play().catch((error) => report('error', { message: error.message }));
  for (let segment = 0; segment < segments; segment += 1) {
    while (segment * segmentSeconds > media.currentTime + option('ahead', ahead)) await pause(POLL_MS);
    await feeder.append(await fetched(`${padded(segment)}.m4s`));
  }
  await feeder.end();
}
