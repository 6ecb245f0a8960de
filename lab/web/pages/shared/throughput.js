// A player's estimate of the path, and the rung it then takes: the highest that fits into a share of it, and below the
// bitrate that was decided on.

import { maxKbit } from '/shared/decisions.js';

const WEIGHT = 0.4;
let kbit = 0;

export function measured(bytes, milliseconds) {
  if (bytes < 20_000 || milliseconds < 1) return;
  const now = (bytes * 8) / milliseconds;
  kbit = kbit ? (1 - WEIGHT) * kbit + WEIGHT * now : now;
}

/** @param {number} cap the highest rung allowed; @param {number} share of the estimate that a rung may take */
export function pickRung(clip, cap, share = 0.7) {
  const allowed = clip.rungs.filter(({ rung, kbit: needed }) => rung <= cap && needed <= maxKbit());
  const usable = allowed.length ? allowed : clip.rungs.slice(0, 1);
  if (!kbit) return usable[Math.floor((usable.length - 1) / 2)];
  return usable.findLast((each) => each.kbit <= kbit * share) ?? usable[0];
}

/** The highest rung up to `cap`, whatever the path gives. */
export function fixedRung(clip, cap) {
  return clip.rungs.findLast(({ rung, kbit: needed }) => rung <= cap && needed <= maxKbit()) ?? clip.rungs[0];
}
