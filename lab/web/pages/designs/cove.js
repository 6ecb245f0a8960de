// cove: hls.js with its ladder and 4 s segments, no prefetch or one clip; posts of several large photos.

import { manifest, option, report } from '/shared/lab.js';
import { stage } from '/shared/stage.js';
import { hlsChannel } from '/players/channels.js';
import { HlsPlayer } from '/players/hls.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { live } from '/workloads/live.js';
import { carousel, carouselFeed, photoStories } from '/workloads/photos.js';
import { rangedDownload, polling, speedTest, uploads } from '/workloads/transfer.js';

const clips = (ahead) => ({
  prefetch: 0,
  makePlayer: (media, clip, round) => HlsPlayer.ofClip(media, clip, round, { ahead: option('ahead', ahead), first: 2 }),
});

function longform(media, chosen) {
  HlsPlayer.ofClip(media, chosen, 0, { ahead: option('ahead', 30), first: 30 }).start();
}

/** Music as audio-only HLS. */
function song() {
  const media = document.createElement('audio');
  document.body.append(media);
  media.addEventListener('playing', () => report('audio_playing'));
  media.addEventListener('waiting', () => report('audio_waiting'));
  new HlsPlayer(media, manifest('audio', `track-${option('track', 3)}/index.m3u8`), { ahead: 20, first: 20 }).start();
  return media.play();
}

export default {
  reels: () => stage(clips(10)),
  stories: () => stage({ ...clips(6), prefetch: 1 }),
  longform: () => film(longform),
  live: () => live(hlsChannel({ behind: 2, ahead: 8 })),
  feed: () => carouselFeed({ size: 'full', beside: 1, screens: 2 }),
  carousel: () => carousel({ size: 'full', ahead: 1 }),
  photostories: () => photoStories({ size: 'full', ahead: 0, storyOf: 3 }),
  browse: () => article({ size: 'full', scripts: ['dashjs/dist/modern/umd/dash.all.min.js'], calls: 2 }),
  chat: () => chat({ thumbs: true, filler: 0 }),
  download: () => rangedDownload({ partKb: 4096, parallel: 1 }),
  appdownload: () => rangedDownload({ partKb: 512, parallel: 6 }),
  upload: () => uploads({ partKb: 4096, parallel: 1 }),
  audio: song,
  voicecall: () => call({ codec: 'h264', maxKbit: 0 }),
  videocall: () => call({ codec: 'h264', maxKbit: 800 }),
  speedtest: () => speedTest({ streams: 1, blockMb: 100 }),
  sync: () => polling({ up: 60, down: 4000, long: false }),
  idle: () => {},
};
