// One side of a WebRTC call. The driver carries the two descriptions between the two browsers:
//
//   labControls.offer({video}) → SDP · labControls.answer(SDP, {video}) → SDP · labControls.accept(SDP) · hangUp()

import { controls, option, report } from '/shared/lab.js';

const WIDTH = option('width', 320);
const HEIGHT = Math.round((WIDTH * 3) / 4);
const RATE = option('fps', 15);
const GATHERED_MS = 1500;

/** Noise in bursts like speech: words, gaps between them, longer gaps while the other one talks. */
function speech() {
  const context = new AudioContext();
  const buffer = context.createBuffer(1, context.sampleRate * 2, context.sampleRate);
  const samples = buffer.getChannelData(0);
  for (let at = 0, last = 0; at < samples.length; at += 1) samples[at] = last = 0.97 * last + 0.06 * (Math.random() * 2 - 1);
  const voice = new AudioBufferSourceNode(context, { buffer, loop: true });
  const level = new GainNode(context, { gain: 0 });
  const out = context.createMediaStreamDestination();
  voice.connect(level).connect(out);
  voice.start();
  let talking = true;
  setInterval(() => { talking = Math.random() < 0.5; }, 2500);
  setInterval(() => { level.gain.setTargetAtTime(talking && Math.random() < 0.8 ? 1 : 0.01, context.currentTime, 0.02); }, 180);
  return out.stream.getAudioTracks()[0];
}

/** A face would move: patches of noise that drift over a calm background. */
function picture() {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  document.body.append(canvas);
  const paint = canvas.getContext('2d', { alpha: false });
  const patch = paint.createImageData(WIDTH / 4, HEIGHT / 4);
  let frame = 0;
  setInterval(() => {
    frame += 1;
    paint.fillStyle = `hsl(${frame % 360} 30% 40%)`;
    paint.fillRect(0, 0, WIDTH, HEIGHT);
    for (let at = 0; at < patch.data.length; at += 4) {
      const grey = Math.random() * 255;
      patch.data.set([grey, grey, 255 - grey, 255], at);
    }
    for (let each = 0; each < 3; each += 1) {
      paint.putImageData(patch, (WIDTH * 0.75 * (1 + Math.sin(frame / 20 + each))) / 2, (HEIGHT * 0.75 * (1 + Math.cos(frame / 27 + 2 * each))) / 2);
    }
  }, 1000 / RATE);
  return canvas.captureStream(RATE).getVideoTracks()[0];
}

/** @param {{codec: string, maxKbit: number}} design the video codec that is asked for first */
export async function call({ codec, maxKbit }) {
  // With a granted microphone the browser tells its own addresses; without, it would hide them.
  const granted = await navigator.mediaDevices.getUserMedia({ audio: true });
  granted.getTracks().forEach((track) => track.stop());
  const peer = new RTCPeerConnection();
  peer.addEventListener('connectionstatechange', () => report('call', { state: peer.connectionState }));
  peer.addEventListener('track', ({ track, streams: [stream] }) => {
    const media = document.createElement(track.kind);
    media.srcObject = stream ?? new MediaStream([track]);
    media.autoplay = true;
    document.body.append(media);
  });

  async function described(description, withVideo) {
    const sound = speech();
    peer.addTrack(sound, new MediaStream([sound]));
    if (withVideo) {
      const shown = picture();
      const sender = peer.addTrack(shown, new MediaStream([shown]));
      const transceiver = peer.getTransceivers().find((each) => each.sender === sender);
      const { codecs } = RTCRtpReceiver.getCapabilities('video');
      const wanted = ({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`;
      transceiver.setCodecPreferences([...codecs.filter(wanted), ...codecs.filter((each) => !wanted(each))]);
      const settings = sender.getParameters();
      if (settings.encodings.length) {
        settings.encodings[0].maxBitrate = option('kbit', maxKbit) * 1000;
        await sender.setParameters(settings);
      }
    }
    await peer.setLocalDescription(await description());
    const limit = new Promise((resolve) => setTimeout(resolve, GATHERED_MS));
    const gathered = new Promise((resolve) => {
      peer.addEventListener('icegatheringstatechange', () => { if (peer.iceGatheringState === 'complete') resolve(); });
    });
    await Promise.race([gathered, limit]);
    return peer.localDescription.sdp;
  }

  controls.offer = ({ video }) => described(() => peer.createOffer(), video);
  controls.answer = async (sdp, { video }) => {
    await peer.setRemoteDescription({ type: 'offer', sdp });
    return described(() => peer.createAnswer(), video);
  };
  controls.accept = (sdp) => peer.setRemoteDescription({ type: 'answer', sdp });
  controls.hangUp = () => peer.close();
  controls.bytes = async () => {
    const totals = { sent: 0, received: 0 };
    (await peer.getStats()).forEach((stats) => {
      if (stats.type === 'transport') Object.assign(totals, { sent: stats.bytesSent, received: stats.bytesReceived });
    });
    report('call_bytes', totals);
    return totals;
  };
}
