// echo: a cache before the player: the head of the next three clips, the rest in one request when a clip is shown; posts
// that show a small photo until the large one is there.

import { manifest, option } from '/shared/lab.js';
import { stage } from '/shared/stage.js';
import { DashPlayer } from '/players/dash.js';
import { RangePlayer } from '/players/ranges.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { chunked, live } from '/workloads/live.js';
import { music } from '/workloads/music.js';
import { carousel, photoStories, twiceFeed } from '/workloads/photos.js';
import { polling, rangedDownload, speedTest, uploads } from '/workloads/transfer.js';

const REST = Number.MAX_SAFE_INTEGER; // the second request asks for all that is left

const clips = (prefetch) => ({
  prefetch,
  makePlayer: (media, clip, round) => new RangePlayer(media, clip, round, { ahead: option('ahead', 15), first: 1, growth: REST, streamed: true }),
});

function longform(media, chosen) {
  const seconds = option('ahead', 12);
  const buffer = { bufferTimeDefault: seconds, bufferTimeAtTopQuality: seconds, bufferTimeAtTopQualityLongForm: seconds };
  return new DashPlayer(media, manifest('video', `${chosen.name}/abr/manifest.mpd`), { streaming: { buffer } });
}

export default {
  reels: () => stage(clips(3)),
  stories: () => stage(clips(1)),
  longform: () => film(longform),
  live: () => live(chunked),
  feed: () => twiceFeed({ size: 'feed', batch: 3, screens: 3 }),
  carousel: () => carousel({ size: 'feed', ahead: 3 }),
  photostories: () => photoStories({ size: 'full', ahead: 1, storyOf: 5 }),
  browse: () => article({ size: 'feed', scripts: ['hls.js/dist/hls.min.js'], calls: 12 }),
  chat: () => chat({ thumbs: true, filler: 200 }),
  download: () => rangedDownload({ partKb: 8192, parallel: 2 }),
  appdownload: () => rangedDownload({ partKb: 1024, parallel: 8 }),
  upload: () => uploads({ partKb: 2048, parallel: 1 }),
  audio: () => music({ track: 3, ahead: 15 }),
  voicecall: () => call({ codec: 'vp9', maxKbit: 0 }),
  videocall: () => call({ codec: 'vp9', maxKbit: 800 }),
  speedtest: () => speedTest({ streams: 6, blockMb: 20 }),
  sync: () => polling({ up: 800, down: 1500, long: false }),
  idle: () => {},
};
