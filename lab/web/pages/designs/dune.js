// dune: large byte ranges into Media Source with five clips prefetched, dash.js for films; thumbnails first, full size on tap.

import { manifest, option } from '/shared/lab.js';
import { stage } from '/shared/stage.js';
import { dashChannel } from '/players/channels.js';
import { DashPlayer } from '/players/dash.js';
import { RangePlayer } from '/players/ranges.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { live } from '/workloads/live.js';
import { music } from '/workloads/music.js';
import { carousel, gridFeed, photoStories } from '/workloads/photos.js';
import { pacedDownload, polling, rangedDownload, speedTest, uploads } from '/workloads/transfer.js';

const clips = (prefetch) => ({
  prefetch,
  eager: true,
  makePlayer: (media, clip, round) => new RangePlayer(media, clip, round, { ahead: option('ahead', 12), first: option('first', 1) }),
});

function longform(media, chosen) {
  const seconds = option('ahead', 24);
  const buffer = { bufferTimeDefault: seconds, bufferTimeAtTopQuality: seconds * 1.5, bufferTimeAtTopQualityLongForm: seconds * 1.5 };
  return new DashPlayer(media, manifest('video', `${chosen.name}/abr/manifest.mpd`), { streaming: { buffer } });
}

export default {
  reels: () => stage(clips(5)),
  stories: () => stage(clips(2)),
  longform: () => film(longform),
  live: () => live(dashChannel({ liveDelay: 2.5 })),
  feed: () => gridFeed({ rows: 8, full: 'full' }),
  carousel: () => carousel({ size: 'full', ahead: 4 }),
  photostories: () => photoStories({ size: 'feed', ahead: 4, storyOf: 10 }),
  browse: () => article({ size: 'feed', scripts: ['hls.js/dist/hls.min.js', 'dashjs/dist/modern/umd/dash.all.min.js'], calls: 8 }),
  chat: () => chat({ thumbs: true, filler: 1500 }),
  download: () => (option('kbit', 0) ? pacedDownload() : rangedDownload({ partKb: 102_400, parallel: 1 })),
  appdownload: () => rangedDownload({ partKb: 4096, parallel: 2 }),
  upload: () => uploads({ partKb: 512, parallel: 3 }),
  audio: () => music({ track: 0, ahead: 60 }),
  voicecall: () => call({ codec: 'vp8', maxKbit: 0 }),
  videocall: () => call({ codec: 'vp8', maxKbit: 1200 }),
  speedtest: () => speedTest({ streams: 3, blockMb: 50 }),
  sync: () => polling({ up: 4000, down: 4000, long: false }),
  idle: () => {},
};
