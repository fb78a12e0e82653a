// The work of the processor on Node: ioredis, JSON.parse and pg.
//
// One loop: read what is there, write it, and send the acks in front of the next read, on the same connection, so that
// entries gather in Redis meanwhile. The rules are the contract's: state before write, write before ack, a key is one row,
// refused entries stay pending. It has no drain, no reclaiming, no time-outs and no metrics, all of which would make
// it slower.
"use strict";

const Redis = require("ioredis");
const { decode } = require("./position");
const { Table } = require("./table");

const STREAM = process.env.REDIS_TELEMETRY_STREAM;
const CONSUMER = process.env.INSTANCE_ID;
const GROUP = "processor";
const READ = ["GROUP", GROUP, CONSUMER, "COUNT", 5000, "BLOCK", 1000, "STREAMS", STREAM];

function log(message, fields) {
  console.log(JSON.stringify({ msg: message, ...fields }));
}

// The rows of entries, and the ids that they came with.
function decodeEntries(entries) {
  const rows = [];
  const ids = [];
  const nowMs = Date.now();
  for (const [id, fields] of entries) {
    let codec;
    let payload;
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at] === "codec") codec = fields[at + 1];
      else if (fields[at] === "payload") payload = fields[at + 1];
    }
    const row = decode(codec, payload, nowMs);
    if (row === null) log("record refused", { entry_id: id });
    else {
      rows.push(row);
      ids.push(id);
    }
  }
  return { rows, ids };
}

// Own pending entries first, then new ones.
async function work(redis, table) {
  let after = "0";
  let done = [];
  for (;;) {
    // Not waited for: replies come in order, and a connection that is lost ends the process.
    if (done.length > 0) redis.xack(STREAM, GROUP, ...done).catch(fail);
    const streams = await redis.xreadgroup(...READ, after);
    const entries = streams === null ? [] : streams[0][1];
    if (after !== ">") after = entries.length > 0 ? entries[entries.length - 1][0] : ">";
    const { rows, ids } = decodeEntries(entries);
    await table.write(rows);
    done = ids;
  }
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function main() {
  const table = new Table(process.env.POSTGRES_URL);
  await table.connect();
  const redis = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
  await redis.xgroup("CREATE", STREAM, GROUP, "0", "MKSTREAM").catch((error) => {
    if (!error.message.startsWith("BUSYGROUP")) throw error;
  });
  log("processor ready");
  await work(redis, table);
}

process.on("SIGTERM", () => process.exit(0));
main().catch(fail);
