// gale: whole small clips, one request each, several ahead in a row; photos by the dozen, three at a time.

import { option } from '/shared/lab.js';
import { stage } from '/shared/stage.js';
import { hlsChannel } from '/players/channels.js';
import { HlsPlayer } from '/players/hls.js';
import { RangePlayer } from '/players/ranges.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { live } from '/workloads/live.js';
import { music } from '/workloads/music.js';
import { batchFeed, carousel, photoStories } from '/workloads/photos.js';
import { linkDownload, polling, rangedDownload, speedTest, uploads } from '/workloads/transfer.js';

const clips = (prefetch) => ({
  prefetch,
  makePlayer: (media, clip, round) => new RangePlayer(media, clip, round, { ahead: Infinity, first: 1, streamed: true }),
});

function longform(media, chosen) {
  HlsPlayer.ofClip(media, chosen, 0, { ahead: option('ahead', 12), first: 12 }).start();
}

export default {
  reels: () => stage(clips(4)),
  stories: () => stage(clips(2)),
  longform: () => film(longform),
  live: () => live(hlsChannel({ behind: 3, ahead: 12 })),
  feed: () => batchFeed({ size: 'feed', batch: 12, parallel: 3, screens: 2 }),
  carousel: () => carousel({ size: 'feed', ahead: 0 }),
  photostories: () => photoStories({ size: 'full', ahead: 3, storyOf: 7 }),
  browse: () => article({ size: 'thumb', scripts: ['dashjs/dist/modern/umd/dash.all.min.js'], calls: 6 }),
  chat: () => chat({ thumbs: false, filler: 0 }),
  download: () => linkDownload(),
  appdownload: () => rangedDownload({ partKb: 2048, parallel: 1 }),
  upload: () => uploads({ partKb: 8192, parallel: 1 }),
  audio: () => music({ track: 0, ahead: 240 }),
  voicecall: () => call({ codec: 'vp8', maxKbit: 0 }),
  videocall: () => call({ codec: 'vp8', maxKbit: 200 }),
  speedtest: () => speedTest({ streams: 12, blockMb: 5 }),
  sync: () => polling({ up: 2000, down: 100, long: false }),
  idle: () => {},
};
