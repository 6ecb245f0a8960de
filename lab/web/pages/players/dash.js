// dune's long-form and live player: dash.js with its own ladder logic.

import '/modules/dashjs/dist/modern/umd/dash.all.min.js';
import { report } from '/shared/lab.js';

const RETRY_MS = 2000;

export class DashPlayer {
  constructor(media, address, settings) {
    this.player = globalThis.dashjs.MediaPlayer().create();
    const utcSynchronization = { enabled: false }; // the clock is the same, and no public time server is to be asked
    this.player.updateSettings({ streaming: { ...settings.streaming, utcSynchronization } });
    this.player.clearDefaultUTCTimingSources();
    this.player.on('error', ({ error }) => {
      report('retry', { message: String(error?.message ?? error) });
      clearTimeout(this.again);
      this.again = setTimeout(() => this.player.attachSource(address), RETRY_MS);
    });
    this.player.initialize(media, address, true);
  }
}
