// fjord: sound and picture apart, two requests for each 2 s of a clip, a long buffer; a long page of large photos.

import { option } from '/shared/lab.js';
import { stage } from '/shared/stage.js';
import { inTwo, SegmentPlayer } from '/players/segments.js';
import { dashChannel } from '/players/channels.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { live } from '/workloads/live.js';
import { music } from '/workloads/music.js';
import { carousel, lazyFeed, photoStories } from '/workloads/photos.js';
import { polling, rangedDownload, speedTest, uploads } from '/workloads/transfer.js';

const SOUND_BYTES_S = 12_000; // 96 kbit/s

const habits = (ahead, first, seconds) => ({ ahead: option('ahead', ahead), first, fetched: inTwo(SOUND_BYTES_S * seconds) });

const clips = (prefetch, first) => ({
  prefetch,
  codecs: ['h264', 'vp9'],
  makePlayer: (media, clip, round) => new SegmentPlayer(media, clip, round, habits(18, first, 2)),
});

function longform(media, chosen) {
  const player = new SegmentPlayer(media, chosen, 0, { ...habits(30, 1, 4), film: true });
  player.start();
  return player;
}

export default {
  reels: () => stage(clips(1, option('first', 2))),
  stories: () => stage(clips(3, 1)),
  longform: () => film(longform),
  live: () => live(dashChannel({ liveDelay: 4 })),
  feed: () => lazyFeed({ size: 'full', screens: 6 }),
  carousel: () => carousel({ size: 'full', ahead: 1 }),
  photostories: () => photoStories({ size: 'feed', ahead: 2, storyOf: 4 }),
  browse: () => article({ size: 'full', scripts: [], calls: 3 }),
  chat: () => chat({ thumbs: false, filler: 80 }),
  download: () => rangedDownload({ partKb: 256, parallel: 2 }),
  appdownload: () => rangedDownload({ partKb: 20_480, parallel: 1 }),
  upload: () => uploads({ partKb: 1024, parallel: 2 }),
  audio: () => music({ track: 1, ahead: 20 }),
  voicecall: () => call({ codec: 'h264', maxKbit: 0 }),
  videocall: () => call({ codec: 'h264', maxKbit: 300 }),
  speedtest: () => speedTest({ streams: 2, blockMb: 50 }),
  sync: () => polling({ up: 150, down: 150, long: true }),
  idle: () => {},
};
