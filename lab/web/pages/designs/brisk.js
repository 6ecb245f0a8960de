// brisk: its own Media Source player on 2 s segments, the start of three clips prefetched; photos in parallel batches.

import { stage } from '/shared/stage.js';
import { SegmentPlayer } from '/players/segments.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { chunked, live } from '/workloads/live.js';
import { music } from '/workloads/music.js';
import { batchFeed, carousel, photoStories } from '/workloads/photos.js';
import { pacedDownload, polling, rangedDownload, speedTest, uploads } from '/workloads/transfer.js';
import { option } from '/shared/lab.js';

const clips = (first) => ({
  prefetch: 3,
  codecs: ['h264', 'vp9'],
  makePlayer: (media, clip, round) => new SegmentPlayer(media, clip, round, { ahead: option('ahead', 6), first }),
});

function longform(media, chosen) {
  const player = new SegmentPlayer(media, chosen, 0, { ahead: option('ahead', 20), first: 1, film: true });
  player.start();
  return player;
}

export default {
  reels: () => stage(clips(option('first', 1))),
  stories: () => stage({ ...clips(2), prefetch: 2 }),
  longform: () => film(longform),
  live: () => live(chunked),
  feed: () => batchFeed({ size: 'feed', batch: 6, parallel: 6, screens: 3 }),
  carousel: () => carousel({ size: 'full', ahead: 2 }),
  photostories: () => photoStories({ size: 'full', ahead: 2, storyOf: 6 }),
  browse: () => article({ size: 'thumb', scripts: ['hls.js/dist/hls.light.min.js'], calls: 4 }),
  chat: () => chat({ thumbs: false, filler: 400 }),
  download: () => pacedDownload(),
  appdownload: () => rangedDownload({ partKb: 2048, parallel: 4 }),
  upload: () => uploads({ partKb: 256, parallel: 1 }),
  audio: () => music({ track: 1, ahead: 30 }),
  voicecall: () => call({ codec: 'vp9', maxKbit: 0 }),
  videocall: () => call({ codec: 'vp9', maxKbit: 400 }),
  speedtest: () => speedTest({ streams: 8, blockMb: 10 }),
  sync: () => polling({ up: 1200, down: 200, long: true }),
  idle: () => {},
};
