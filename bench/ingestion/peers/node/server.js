// The benchmark's ingestion service on Node: net and ioredis.
//
// A frame's entries go to Redis in a pipeline that all connections share: what has come in one turn of the loop is
// one pipeline, and further ones are sent while it is on its way. The answer is written when Redis has replied to
// every XADD of the frame. It has no time-outs, limits, metrics, quarantine or drain, all of which would make it slower.
"use strict";

const net = require("node:net");
const Redis = require("ioredis");
const { decodeFrame, frameLength } = require("./frame");

const STREAM = process.env.REDIS_TELEMETRY_STREAM;
const MAXLEN = process.env.REDIS_STREAM_MAXLEN;
const [HOST, PORT] = [process.env.TELTONIKA_HOST, Number(process.env.TELTONIKA_PORT)];
const LOGIN_BYTES = 17;
const BACKLOG = 4096;

const redis = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
// Frames that wait for this turn's end: {socket, records}.
let gathered = [];

function publish(socket, imei, records) {
  if (gathered.length === 0) setImmediate(flush);
  gathered.push({ socket, imei, records });
}

async function flush() {
  const frames = gathered;
  gathered = [];
  const pipeline = redis.pipeline();
  for (const { imei, records } of frames) {
    for (const { timestamp, codec, payload } of records) {
      pipeline.xadd(STREAM, "MAXLEN", "~", MAXLEN, "*", "ts", timestamp, "device_id", imei, "codec", codec, "payload", payload);
    }
  }
  const replies = await pipeline.exec();
  let next = 0;
  for (const { socket, records } of frames) {
    const end = next + records.length;
    let confirmed = true;
    for (; next < end; next++) confirmed &&= replies[next][0] === null;
    if (confirmed) answer(socket, records.length);
  }
}

function answer(socket, count) {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(count);
  socket.write(bytes);
}

function serve(socket) {
  let imei = null;
  let buffered = null;

  socket.on("data", (data) => {
    buffered = buffered === null ? data : Buffer.concat([buffered, data]);
    let offset = 0;
    if (imei === null) {
      if (buffered.length < LOGIN_BYTES) return;
      if (buffered.readUInt16BE(0) !== LOGIN_BYTES - 2) return socket.destroy();
      imei = buffered.toString("latin1", 2, LOGIN_BYTES);
      if (!/^\d{15}$/.test(imei)) return socket.destroy();
      socket.write(Buffer.of(1));
      offset = LOGIN_BYTES;
    }
    while (offset < buffered.length) {
      if (buffered[offset] === 0xff) {
        offset += 1;
        continue;
      }
      const length = frameLength(buffered, offset);
      if (length < 0) return socket.destroy();
      if (length === 0 || offset + length > buffered.length) break;
      const records = decodeFrame(buffered.subarray(offset, offset + length), imei);
      if (records === null) return socket.destroy();
      if (records.length === 0) answer(socket, 0);
      else publish(socket, imei, records);
      offset += length;
    }
    buffered = offset < buffered.length ? buffered.subarray(offset) : null;
  });
  socket.on("error", () => socket.destroy());
}

const server = net.createServer({ noDelay: true }, serve);
redis.once("ready", () => {
  server.listen({ host: HOST, port: PORT, backlog: BACKLOG }, () => console.log("peer ready"));
});
process.on("SIGTERM", () => process.exit(0));
