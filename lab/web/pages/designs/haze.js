// haze: byte ranges that start small and double, three clips begun ahead; a dense grid of thumbnails, large photos on tap.

import { option } from '/shared/lab.js';
import { stage } from '/shared/stage.js';
import { RangePlayer } from '/players/ranges.js';
import { SegmentPlayer } from '/players/segments.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { endless, live } from '/workloads/live.js';
import { music } from '/workloads/music.js';
import { carousel, gridFeed, photoStories } from '/workloads/photos.js';
import { pacedDownload, polling, rangedDownload, speedTest, uploads } from '/workloads/transfer.js';

const clips = (prefetch) => ({
  prefetch,
  makePlayer: (media, clip, round) => new RangePlayer(media, clip, round, { ahead: option('ahead', 8), first: option('first', 2), growth: 2, limitKb: 2048 }),
});

function longform(media, chosen) {
  const player = new SegmentPlayer(media, chosen, 0, { ahead: option('ahead', 45), first: 1, film: true });
  player.start();
  return player;
}

export default {
  reels: () => stage(clips(3)),
  stories: () => stage(clips(4)),
  longform: () => film(longform),
  live: () => live(endless),
  feed: () => gridFeed({ rows: 12, full: 'feed' }),
  carousel: () => carousel({ size: 'full', ahead: 6 }),
  photostories: () => photoStories({ size: 'feed', ahead: 0, storyOf: 8 }),
  browse: () => article({ size: 'feed', scripts: ['hls.js/dist/hls.light.min.js', 'hls.js/dist/hls.min.js'], calls: 1 }),
  chat: () => chat({ thumbs: true, filler: 800 }),
  download: () => (option('kbit', 0) ? pacedDownload() : rangedDownload({ partKb: 1024, parallel: 6 })),
  appdownload: () => rangedDownload({ partKb: 256, parallel: 3 }),
  upload: () => uploads({ partKb: 128, parallel: 4 }),
  audio: () => music({ track: 2, ahead: 8 }),
  voicecall: () => call({ codec: 'vp9', maxKbit: 0 }),
  videocall: () => call({ codec: 'vp9', maxKbit: 1500 }),
  speedtest: () => speedTest({ streams: 4, blockMb: 100 }),
  sync: () => polling({ up: 500, down: 2500, long: false }),
  idle: () => {},
};
