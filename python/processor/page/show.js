// What the processor shows; the functions of the frame are above.

const REASONS = {
  redis: "Redis cannot be used",
  postgres: "Nothing is written: PostgreSQL cannot be used",
  schema: "Nothing is written: the table is not what it should be",
  consumer: "Nothing is read: the stream or its group is gone",
};
const PHASES = {starting: "Starting", draining: "Draining: it stops reading, and finishes what it has", stopped: "Stopped"};

function words(status) {
  if (status.status === "stalled") return ["bad", "A task stands still"];
  if (status.phase !== "running") return ["warn", PHASES[status.phase]];
  const reason = Object.keys(status.reasons)[0];
  if (reason) return ["bad", REASONS[reason] ?? `Not ready: ${reason}`];
  if (status.problems.length) return ["warn", "It works, and something needs a look"];
  return ["good", "All is well"];
}

function more(status) {
  const {counts, stream, group} = status;
  const inHand = `${count(status.instances[0].in_flight)} entries are in hand`;
  if (status.phase === "draining") return `${inHand}. What is not decided in time is given back.`;
  if (status.phase !== "running") return "";
  if (status.status !== "ready") return `${inHand}, ${count(group.lag)} wait in the stream. Nothing is lost by waiting.`;
  if (status.problems.length) return "";
  if (stream.last_entry_age_s === null) return `Nothing was published to ${stream.name} yet.`;
  return counts.last_record_age_s === null
    ? "This instance has read nothing yet."
    : `The last record was read ${ago(counts.last_record_age_s)}.`;
}

function show_flow({flow, counts, stream, group, problems: wrong}) {
  const has = (code) => wrong.some((problem) => problem.code === code);
  const rate = (values) => values.length ? count(newest(values)) : "–";
  const {written} = counts;
  figure("read", rate(flow.read_per_s), "/s", `${count(counts.read)} since the start`);
  figure("written", rate(flow.written_per_s), "/s", `${count(written.inserted)} new, ${count(written.duplicate)} known before`);
  figure("lag", count(group.lag), "", group.lag === null ? "Redis does not say" : "entries not read yet", has("lag") ? "bad" : "");
  figure("pending", count(group.pending), "",
    group.oldest_pending_age_s === null ? "read, not settled yet" : `the oldest: ${ago(group.oldest_pending_age_s)}`);
  const write_ms = lastKnown(flow.write_ms);
  figure("write", write_ms === null ? "–" : count(write_ms), "ms", counts.retried ? `${count(counts.retried)} tried again` : "one COPY and its commit");
  const silence = stream.last_entry_age_s;
  figure("silence", silence === null ? (stream.exists ? "never" : "unknown") : ago(silence), "",
    counts.last_record_age_s === null ? "none was read here yet" : `read here ${ago(counts.last_record_age_s)}`, has("silent") ? "bad" : "");
  sparkline("read-line", flow.read_per_s, "entries read a second");
  sparkline("written-line", flow.written_per_s, "records written a second");
  sparkline("lag-line", flow.lag, "lag");
  sparkline("pending-line", flow.pending, "pending");
  sparkline("write-line", flow.write_ms, "milliseconds of a write");
}

function show_servers({dependencies, table, stream, group}) {
  const states = Object.entries(dependencies).map(([name, it]) =>
    [{redis: "Redis", postgres: "PostgreSQL"}[name] ?? name, it.ready ? "✓ can be used" : it.reason === "starting" ? "… connecting" : "✕ cannot be used"]);
  const schema = {true: "✓ as it should be", false: "✕ it is not what it should be"}[table.schema_ok] ?? "unknown";
  rows("servers", [
    ...states,
    ["table", schema],
    ["stream", stream.length === null ? `${stream.name}` : `${stream.name}, ${count(stream.length)} entries`],
    ["group", group.name],
  ]);
}

function show_ledger({instances: [own]}) {
  const {ledger} = own;
  rows("ledger", [
    ["read", ledger.read],
    ["acknowledged", ledger.acked],
    ["dead-lettered", ledger.dead_lettered],
    ["lost: trimmed before", ledger.lost],
    ["taken over by others", ledger.taken_over],
    ["released at the stop", ledger.released],
    ["left pending", ledger.left_pending],
    ["in flight now", own.in_flight],
  ]);
}

function show_instance({instances: [own], at: now, counts, dead_letters}) {
  const up = (Date.parse(now) - Date.parse(own.started_at)) / 1000;
  rows("about", [
    ["version", own.version],
    ["consumer", own.consumer],
    ["host, process", `${own.host}, ${own.pid}`],
    ["running for", age(up)],
    ["devices in memory", count(counts.devices)],
    ["claimed from others", count(counts.claimed)],
    ["dead letters kept", count(dead_letters.count)],
    ["log level", own.log_level],
  ]);
}

function show_failures({failures}) {
  at("no-failures").hidden = failures.length > 0;
  at("failures-table").hidden = failures.length === 0;
  rows("failures", failures.map((each) => [
    [each.sqlstate ? `${each.code} (${each.sqlstate})` : each.code, each.newest_id],
    each.records,
    each.dead_letters,
    ago(each.newest_age_s),
  ]));
}

function show(status) {
  write("instance", status.instances[0].instance_id);
  verdict(...words(status), more(status));
  problems(status.problems);
  show_flow(status);
  show_servers(status);
  show_ledger(status);
  show_instance(status);
  show_failures(status);
}
