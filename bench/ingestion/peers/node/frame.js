// Teltonika frames of codec 8, 8 Extended and 16 to the stream's Positions.
"use strict";

const FRAME_BYTES_MAX = 65536;
const CODECS = new Map([
  [0x08, { label: "8", idBytes: 1, countBytes: 1, generation: false, variable: false }],
  [0x8e, { label: "8E", idBytes: 2, countBytes: 2, generation: false, variable: true }],
  [0x10, { label: "16", idBytes: 2, countBytes: 1, generation: true, variable: false }],
]);

// CRC-16/IBM, two bytes a step.
const TABLE = new Uint16Array(256);
const TABLE_SHIFTED = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  TABLE[byte] = crc;
}
for (let byte = 0; byte < 256; byte++) TABLE_SHIFTED[byte] = (TABLE[byte] >>> 8) ^ TABLE[TABLE[byte] & 0xff];

function checksum(bytes, start, end) {
  let crc = 0;
  let at = start;
  for (; at + 1 < end; at += 2) {
    crc = TABLE_SHIFTED[(crc ^ bytes[at]) & 0xff] ^ TABLE[((crc >>> 8) ^ bytes[at + 1]) & 0xff];
  }
  if (at < end) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[at]) & 0xff];
  return crc;
}

// The length of the frame at `offset`: 0 if its header is not there yet, -1 if it is none or too long.
function frameLength(buffer, offset) {
  if (buffer.length - offset < 8) return 0;
  if (buffer.readUInt32BE(offset) !== 0) return -1;
  const length = buffer.readUInt32BE(offset + 4) + 12;
  return length <= FRAME_BYTES_MAX ? length : -1;
}

// The records of a whole frame as {timestamp, codec, payload}; null if it is refused.
function decodeFrame(frame, imei) {
  const end = frame.length - 4;
  if (frame.readUInt32BE(end) !== checksum(frame, 8, end)) return null;
  const codec = CODECS.get(frame[8]);
  const count = frame[9];
  if (codec === undefined || frame[end - 1] !== count) return null;
  const records = new Array(count);
  try {
    const cursor = { frame, at: 10 };
    for (let number = 0; number < count; number++) records[number] = decodeRecord(cursor, codec, imei);
    return cursor.at === end - 1 ? records : null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function decodeRecord(cursor, codec, imei) {
  const { frame, at } = cursor;
  const timestamp = new Date(Number(frame.readBigUInt64BE(at))).toISOString();
  const position = {
    device_id: imei,
    timestamp,
    latitude: frame.readInt32BE(at + 13) / 1e7,
    longitude: frame.readInt32BE(at + 9) / 1e7,
    altitude: frame.readInt16BE(at + 17),
    angle: frame.readUInt16BE(at + 19),
    speed: frame.readUInt16BE(at + 22),
    satellites: frame.readUInt8(at + 21),
    priority: frame.readUInt8(at + 8),
    attributes: null,
  };
  cursor.at = at + 24 + codec.idBytes;
  position.attributes = decodeAttributes(cursor, codec);
  return { timestamp, codec: codec.label, payload: JSON.stringify(position) };
}

// Integer keys of an object are written in ascending order.
function decodeAttributes(cursor, codec) {
  const { frame } = cursor;
  const attributes = {};
  const generation = codec.generation ? frame.readUInt8(cursor.at++) : null;
  let { at } = cursor;
  at += codec.countBytes;
  const { idBytes, countBytes } = codec;
  for (let width = 1; width <= 8; width *= 2) {
    let count = countBytes === 1 ? frame.readUInt8(at) : frame.readUInt16BE(at);
    at += countBytes;
    for (; count > 0; count--) {
      const id = idBytes === 1 ? frame.readUInt8(at) : frame.readUInt16BE(at);
      at += idBytes;
      if (width === 1) attributes[id] = frame.readUInt8(at);
      else if (width === 2) attributes[id] = frame.readUInt16BE(at);
      else if (width === 4) attributes[id] = frame.readUInt32BE(at);
      else attributes[id] = { __bigint: frame.readBigUInt64BE(at).toString() };
      at += width;
    }
  }
  if (codec.variable) {
    let count = frame.readUInt16BE(at);
    at += 2;
    for (; count > 0; count--) {
      const id = frame.readUInt16BE(at);
      const length = frame.readUInt16BE(at + 2);
      at += 4 + length;
      if (at > frame.length) throw new RangeError("an element is longer than the frame");
      attributes[id] = { __buffer_b64: frame.toString("base64", at - length, at) };
    }
  }
  if (generation !== null) attributes.__generation_type = generation;
  cursor.at = at;
  return attributes;
}

module.exports = { decodeFrame, frameLength };
