// A music player: audio segments of a few seconds, a bounded buffer ahead.

import { fetchJson, host, report } from './lab.js';
import { SegmentPlayer } from './segments.js';

const KEEP_AHEAD_S = 12;
const index = await fetchJson('/media/index.json');
const audio = document.getElementById('music');
const player = new SegmentPlayer(audio, {
  base: `${host('audio')}/${index.music.name}`,
  segments: index.music.segments,
  segmentSeconds: index.music.segment_s,
  mime: `audio/mp4; codecs="${index.music_codecs}"`,
});
player.keepAhead(KEEP_AHEAD_S);
audio.addEventListener('playing', () => report('audio_playing'));
audio.addEventListener('waiting', () => report('audio_waiting'));
await audio.play();
