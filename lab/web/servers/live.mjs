// A live channel in real time, from a loop of fMP4 fragments of 0.2 s. The decode times are rewritten so that the
// channel never jumps back; a fragment is only sent once its time has come.
//
//   GET /TRACK/init.mp4        the track's header (m0, m1: muxed; v0, v1: pictures; a: sound)
//   GET /TRACK/NUMBER.m4s      segment NUMBER of 2 s, chunked: each fragment as it is "produced"
//   GET /TRACK/stream.mp4      header and fragments from the last keyframe on, without end
//   GET /master.m3u8, /TRACK/index.m3u8, /manifest.mpd, /now

import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { drained } from './drained.mjs';

const SEGMENT_S = 2;
const WINDOW = 6;
const EPOCH_S = Math.floor(Date.now() / 1000) - 60;
const LIMITS = { v0: 'BANDWIDTH=1000000,RESOLUTION=360x640,CODECS="avc1.4d401f,mp4a.40.2"', v1: 'BANDWIDTH=2200000,RESOLUTION=540x960,CODECS="avc1.4d401f,mp4a.40.2"' };

function* boxes(bytes, from = 0, to = bytes.length) {
  for (let at = from; at + 8 <= to;) {
    const size = bytes.readUInt32BE(at);
    yield { type: bytes.toString('latin1', at + 4, at + 8), at, size };
    at += size;
  }
}

const child = (bytes, parent, type) => [...boxes(bytes, parent.at + 8, parent.at + parent.size)].filter((box) => box.type === type);

function timescales(header) {
  const found = new Map();
  for (const moov of boxes(header)) {
    if (moov.type !== 'moov') continue;
    for (const trak of child(header, moov, 'trak')) {
      const tkhd = child(header, trak, 'tkhd')[0];
      const mdhd = child(header, child(header, trak, 'mdia')[0], 'mdhd')[0];
      found.set(header.readUInt32BE(tkhd.at + (header[tkhd.at + 8] ? 28 : 20)), header.readUInt32BE(mdhd.at + (header[mdhd.at + 8] ? 28 : 20)));
    }
  }
  return found;
}

/** Header and fragments of one file, each with the places of its decode times. */
async function readTrack(file, loopSeconds) {
  const bytes = await readFile(file);
  const track = { header: null, fragments: [], segments: [], loopSeconds };
  let start = null;
  for (const box of boxes(bytes)) {
    if (box.type === 'moof') start = box;
    if (box.type === 'moof' && !track.header) {
      track.header = bytes.subarray(0, box.at);
      track.scales = timescales(track.header);
    }
    if (box.type !== 'mdat' || !start) continue;
    const times = [];
    for (const traf of child(bytes, start, 'traf')) {
      const tfhd = child(bytes, traf, 'tfhd')[0];
      const tfdt = child(bytes, traf, 'tfdt')[0];
      const scale = track.scales.get(bytes.readUInt32BE(tfhd.at + 12));
      times.push({ at: tfdt.at + 12 - start.at, wide: bytes[tfdt.at + 8] === 1, scale, value: bytes[tfdt.at + 8] === 1 ? Number(bytes.readBigUInt64BE(tfdt.at + 12)) : bytes.readUInt32BE(tfdt.at + 12) });
    }
    const seconds = Math.min(...times.map(({ value, scale }) => value / scale));
    track.fragments.push({ seconds, times, bytes: bytes.subarray(start.at, box.at + box.size) });
  }
  const count = Math.round(loopSeconds / SEGMENT_S);
  for (let number = 0; number < count; number += 1) {
    // A muxed fragment starts with the earlier of its two tracks, a few ms before the keyframe.
    track.segments.push(track.fragments.filter(({ seconds }) => Math.min(count - 1, Math.floor((seconds + 0.06) / SEGMENT_S)) === number));
  }
  return track;
}

function shifted(fragment, offset, sequence) {
  const bytes = Buffer.from(fragment.bytes);
  for (const { at, wide, scale, value } of fragment.times) {
    const time = value + Math.round(offset * scale);
    if (wide) bytes.writeBigUInt64BE(BigInt(time), at);
    else bytes.writeUInt32BE(time >>> 0, at);
  }
  bytes.writeUInt32BE(sequence >>> 0, 20); // moof › mfhd › sequence number
  return bytes;
}

export async function liveHandler(folder) {
  const { seconds: loopSeconds, chunk_s: chunkSeconds } = JSON.parse(await readFile(path.join(folder, 'live.json'), 'utf8'));
  const tracks = {};
  for (const file of await readdir(folder)) {
    if (file.endsWith('.mp4')) tracks[path.basename(file, '.mp4')] = await readTrack(path.join(folder, file), loopSeconds);
  }
  const clock = () => Date.now() / 1000 - EPOCH_S;

  async function sendSegment(track, number, response) {
    const perLoop = track.segments.length;
    const offset = Math.floor(number / perLoop) * loopSeconds;
    for (const fragment of track.segments[number % perLoop]) {
      const due = offset + fragment.seconds + chunkSeconds; // a chunk is ready when its last picture has been taken
      if (due > clock()) await sleep((due - clock()) * 1000);
      if (response.destroyed) return;
      if (!response.write(shifted(fragment, offset, number + 1))) await drained(response);
    }
  }

  function mediaPlaylist() {
    const last = Math.floor(clock() / SEGMENT_S) - 1;
    const lines = ['#EXTM3U', '#EXT-X-VERSION:7', `#EXT-X-TARGETDURATION:${SEGMENT_S}`, `#EXT-X-MEDIA-SEQUENCE:${last - WINDOW + 1}`, '#EXT-X-MAP:URI="init.mp4"'];
    for (let number = last - WINDOW + 1; number <= last; number += 1) lines.push(`#EXTINF:${SEGMENT_S}.0,`, `${number}.m4s`);
    return `${lines.join('\n')}\n`;
  }

  function masterPlaylist() {
    const sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="sound",DEFAULT=YES,URI="a/index.m3u8"';
    const rungs = Object.entries(LIMITS).flatMap(([name, about]) => [`#EXT-X-STREAM-INF:${about},AUDIO="sound"`, `${name}/index.m3u8`]);
    return `${['#EXTM3U', '#EXT-X-VERSION:7', sound, ...rungs].join('\n')}\n`;
  }

  function manifest() {
    const template = `<SegmentTemplate timescale="1" duration="${SEGMENT_S}" startNumber="0" availabilityTimeOffset="${SEGMENT_S - chunkSeconds}" availabilityTimeComplete="false" initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/$Number$.m4s"/>`;
    return `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" profiles="urn:mpeg:dash:profile:isoff-live:2011" availabilityStartTime="${new Date(EPOCH_S * 1000).toISOString()}" publishTime="${new Date().toISOString()}" minimumUpdatePeriod="PT30S" timeShiftBufferDepth="PT12S" minBufferTime="PT1S" suggestedPresentationDelay="PT2S">
<ServiceDescription id="0"><Latency target="2500" max="6000" min="1500"/><PlaybackRate max="1.04" min="0.96"/></ServiceDescription>
<Period id="0" start="PT0S">
<AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">${template}
<Representation id="v0" codecs="avc1.4d401e" bandwidth="900000" width="360" height="640" frameRate="30"/>
<Representation id="v1" codecs="avc1.4d401f" bandwidth="2000000" width="540" height="960" frameRate="30"/></AdaptationSet>
<AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1">${template}
<Representation id="a" codecs="mp4a.40.2" bandwidth="96000" audioSamplingRate="48000"/></AdaptationSet>
</Period></MPD>`;
  }

  return async (request, response) => {
    const parts = new URL(request.url, 'http://server').pathname.split('/').filter((part) => part && !part.startsWith('u-'));
    const [name, what] = parts;
    const answer = (type, body) => response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    if (name === 'now') return answer('application/json', JSON.stringify({ seconds: clock(), segment_s: SEGMENT_S }));
    if (name === 'manifest.mpd') return answer('application/dash+xml', manifest());
    if (name === 'master.m3u8') return answer('application/vnd.apple.mpegurl', masterPlaylist());
    const track = tracks[name];
    if (!track) return response.writeHead(404).end();
    if (what === 'index.m3u8') return answer('application/vnd.apple.mpegurl', mediaPlaylist());
    if (what === 'init.mp4') return answer('video/mp4', track.header);
    response.writeHead(200, { 'content-type': 'video/mp4', 'cache-control': 'no-store' });
    if (what === 'stream.mp4') {
      response.write(track.header);
      for (let number = Math.floor(clock() / SEGMENT_S); !response.destroyed; number += 1) await sendSegment(track, number, response);
      return undefined;
    }
    await sendSegment(track, Number.parseInt(what, 10), response);
    return response.end();
  };
}
