// The contract's Position, checked, as a row of the table.
"use strict";

const PAYLOAD_BYTES_MAX = 65536;
const DEVICE_ID_BYTES_MAX = 64;
const PAST_MAX_MS = 3650 * 86_400_000;
const FUTURE_MAX_MS = 86_400_000;
const REAL_MAX = 3.4028234663852886e38;
const CODECS = new Set(["8", "8E", "16"]);
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
const INTEGER = /^-?\d+$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const isNumber = (value, limit) => typeof value === "number" && value >= -limit && value <= limit;
const isSmallint = (value) => Number.isInteger(value) && value >= -32768 && value <= 32767;

// The row of an entry's codec and payload; null if it is refused.
function decode(codec, payload, nowMs) {
  if (!CODECS.has(codec) || payload === undefined || payload.length > PAYLOAD_BYTES_MAX || payload.includes("\\u0000")) return null;
  let position;
  try {
    position = JSON.parse(payload);
  } catch {
    return null;
  }
  if (position === null || typeof position !== "object") return null;
  const { device_id, timestamp, latitude, longitude, altitude, angle, speed, satellites, priority, attributes } = position;
  if (typeof device_id !== "string" || device_id === "" || Buffer.byteLength(device_id) > DEVICE_ID_BYTES_MAX) return null;
  if (typeof timestamp !== "string" || !TIMESTAMP.test(timestamp)) return null;
  const ageMs = nowMs - Date.parse(timestamp);
  // NaN fails both.
  if (!(ageMs <= PAST_MAX_MS && ageMs >= -FUTURE_MAX_MS)) return null;
  if (!isNumber(latitude, 90) || !isNumber(longitude, 180)) return null;
  if (!isNumber(altitude, REAL_MAX) || !isNumber(angle, REAL_MAX) || !isNumber(speed, REAL_MAX)) return null;
  if (!isSmallint(satellites) || !isSmallint(priority) || !storeAttributes(attributes)) return null;
  return { device_id, ts: timestamp, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes };
}

// Replaces sentinels by what is stored; false if there is something else than a scalar.
function storeAttributes(attributes) {
  if (attributes === null || typeof attributes !== "object" || Array.isArray(attributes)) return false;
  for (const key in attributes) {
    const value = attributes[key];
    if (typeof value !== "object" || value === null) continue;
    const keys = Object.keys(value);
    if (keys.length !== 1) return false;
    const { __bigint, __buffer_b64 } = value;
    if (typeof __bigint === "string" && INTEGER.test(__bigint)) attributes[key] = __bigint;
    else if (typeof __buffer_b64 === "string" && BASE64.test(__buffer_b64)) attributes[key] = __buffer_b64;
    else return false;
  }
  return true;
}

module.exports = { decode };
