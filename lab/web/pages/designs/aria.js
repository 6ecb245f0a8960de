// aria: progressive MP4 through <video>, whole clips prefetched two ahead; photos one by one as they come near.

import { asset, option } from '/shared/lab.js';
import { stage } from '/shared/stage.js';
import { fixedRung } from '/shared/throughput.js';
import { ProgressivePlayer } from '/players/progressive.js';
import { article } from '/workloads/article.js';
import { call } from '/workloads/call.js';
import { chat } from '/workloads/chat.js';
import { film } from '/workloads/film.js';
import { endless, live } from '/workloads/live.js';
import { music } from '/workloads/music.js';
import { carousel, lazyFeed, photoStories } from '/workloads/photos.js';
import { linkDownload, polling, rangedDownload, speedTest, uploads } from '/workloads/transfer.js';

const clips = { prefetch: 2, codecs: ['h264', 'vp9'], makePlayer: (...each) => new ProgressivePlayer(...each) };

export default {
  reels: () => stage(clips),
  stories: () => stage({ ...clips, prefetch: 1 }),
  longform: () => film((media, chosen) => { media.src = asset('video', `${chosen.name}/${fixedRung(chosen, option('rung', 480)).rung}.mp4`); }),
  live: () => live(endless),
  feed: () => lazyFeed({ size: 'feed', screens: 4 }),
  carousel: () => carousel({ size: 'full', ahead: 0 }),
  photostories: () => photoStories({ size: 'feed', ahead: 1, storyOf: 4 }),
  browse: () => article({ size: 'feed', scripts: [], calls: 1 }),
  chat: () => chat({ thumbs: true, filler: 40 }),
  download: () => linkDownload(),
  appdownload: () => rangedDownload({ partKb: 1024, parallel: 3 }),
  upload: () => uploads({ partKb: 1024, parallel: 1 }),
  audio: () => music({ track: 2, ahead: 12 }),
  voicecall: () => call({ codec: 'vp8', maxKbit: 0 }),
  videocall: () => call({ codec: 'vp8', maxKbit: 600 }),
  speedtest: () => speedTest({ streams: 4, blockMb: 25 }),
  sync: () => polling({ up: 300, down: 600, long: false }),
  idle: () => {},
};
