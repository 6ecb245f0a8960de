// A long-form film: one player fills the page, the viewer may seek. The design brings the player.
//
//   ?film=2&rung=480&start=30

import { controls, index, option, report, video, watch } from '/shared/lab.js';

/** @param {(media: HTMLVideoElement, film: object) => {seek?: Function}} play starts the design's player */
export function film(play) {
  const chosen = index.films[option('film', 0) % index.films.length];
  const media = video('screen', { controls: true, loop: true });
  document.body.append(media);
  const tell = (event, details) => report(event, { clip: chosen.name, ...details });
  const state = watch(media, tell);
  media.requestVideoFrameCallback(() => {
    state.started = true;
    tell('first_frame');
  });
  tell('load');
  const player = play(media, chosen);
  const seek = (seconds) => (player?.seek ? player.seek(seconds) : Object.assign(media, { currentTime: seconds }));
  controls.seek = (share) => {
    tell('seek', { share });
    seek(share * chosen.seconds);
  };
  controls.pause = () => { tell('pause'); media.pause(); };
  controls.resume = () => { tell('play'); return media.play(); };
  tell('play', { kbit: chosen.rungs.at(-1).kbit, seconds: chosen.seconds });
  media.play().catch((error) => { if (error.name !== 'AbortError') tell('error', { message: error.message }); });
}
