// What a Reelsense SDK inside the app would hand to its player: the latest decision, which the driver delivers while the
// page runs. Without any, and for each value whose reason is "default", the player does what its design says.

import { controls, report } from '/shared/lab.js';

let latest = {};
const listeners = new Set();

/** @param {{prefetch_depth?: number, buffer_target_ms?: number, max_bitrate_kbps?: number}} decision what is missing is the design's */
controls.decide = (decision) => {
  latest = decision;
  report('decision', decision);
  for (const listener of listeners) listener();
};

/** Calls `listener` after every decision; gives the way to stop that. */
export function onDecision(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether the present decision says how many clips may be fetched: then what is outside is given up. */
export const isDepthDecided = () => latest.prefetch_depth !== undefined;

/** Clips to fetch ahead of the one that plays. */
export const prefetchDepth = (own) => latest.prefetch_depth ?? own;

/** Seconds of media to hold before fetching pauses. A player that fetches whole clips has no own limit (Infinity). */
export const bufferSeconds = (own) => (latest.buffer_target_ms === undefined ? own : latest.buffer_target_ms / 1000);

/** kbit/s that a rung may have at most. */
export const maxKbit = () => latest.max_bitrate_kbps || Infinity;
