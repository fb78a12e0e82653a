// Rows to the table: INSERTs of several rows, each number of rows a prepared statement.
"use strict";

const { Client } = require("pg");

const COLUMNS = [
  "device_id", "ts", "latitude", "longitude", "altitude", "angle", "speed", "satellites", "priority", "codec", "attributes",
];
const ROWS_MAX = 100;
const DEVICES_MAX = 100_000;

const statements = new Map();

function statement(rows) {
  let made = statements.get(rows);
  if (made === undefined) {
    const tuples = Array.from({ length: rows }, (_row, row) => {
      const places = COLUMNS.map((_column, column) => `$${row * COLUMNS.length + column + 1}`);
      return `(${places.join(", ")})`;
    });
    made = {
      name: `insert_${rows}`,
      text:
        `INSERT INTO positions (${COLUMNS.join(", ")}) VALUES ${tuples.join(", ")}` +
        " ON CONFLICT (device_id, ts) DO NOTHING",
    };
    statements.set(rows, made);
  }
  return made;
}

// In order of the keys, so that others who write the same rows never wait for each other in a circle.
function byKey(one, other) {
  if (one.device_id !== other.device_id) return one.device_id < other.device_id ? -1 : 1;
  return one.ts < other.ts ? -1 : one.ts > other.ts ? 1 : 0;
}

class Table {
  constructor(url) {
    this.client = new Client({ connectionString: url });
    // The newest row of each device.
    this.newest = new Map();
  }

  connect() {
    return this.client.connect();
  }

  // Commits the rows; the states first.
  async write(rows) {
    for (const row of rows) {
      const known = this.newest.get(row.device_id);
      if (known === undefined ? this.newest.size < DEVICES_MAX : row.ts > known.ts) this.newest.set(row.device_id, row);
    }
    if (rows.length > 1) rows.sort(byKey);
    for (let first = 0; first < rows.length; first += ROWS_MAX) {
      const part = rows.length <= ROWS_MAX ? rows : rows.slice(first, first + ROWS_MAX);
      const values = [];
      for (const row of part) {
        values.push(
          row.device_id, row.ts, row.latitude, row.longitude, row.altitude, row.angle, row.speed, row.satellites,
          row.priority, row.codec, JSON.stringify(row.attributes),
        );
      }
      await this.client.query({ ...statement(part.length), values });
    }
  }
}

module.exports = { Table };
