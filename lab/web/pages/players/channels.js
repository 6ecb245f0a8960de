// A live channel through the two standard players, for `live(play)`.

import { DashPlayer } from '/players/dash.js';
import { HlsPlayer } from '/players/hls.js';
import { channel } from '/workloads/live.js';

/** HLS, whole segments, so many of them `behind` the live edge and at most `ahead` seconds buffered. */
export const hlsChannel = ({ behind, ahead }) => (media) => {
  const settings = { liveSyncDurationCount: behind, liveMaxLatencyDurationCount: behind + 3 };
  new HlsPlayer(media, channel('master.m3u8'), { ahead, first: ahead, settings }).start();
};

/** DASH, segments fetched while they are produced. */
export const dashChannel = ({ liveDelay }) => (media) => {
  new DashPlayer(media, channel('manifest.mpd'), { streaming: { delay: { liveDelay }, liveCatchup: { enabled: true } } });
};
