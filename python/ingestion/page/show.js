// What tcp-ingestion shows; the functions of the frame are above.

const REASONS = {
  redis: "No device is answered: Redis cannot be used",
  listeners: "Devices cannot connect",
};
const PHASES = {
  starting: "Starting",
  leaving: "Leaving: it still accepts devices, but not for long",
  draining: "Draining: it lets nobody in, and answers what it has",
  stopped: "Stopped",
};
const WHY = {
  crc_fail: "wrong checksum",
  malformed: "cannot be decoded",
  unknown_codec: "unknown codec",
  overflow: "the queue was full",
  redis: "Redis did not confirm it",
};

function words(status) {
  if (status.status === "stalled") return ["bad", "A task stands still"];
  if (status.phase !== "running") return ["warn", PHASES[status.phase] ?? status.phase];
  const reason = Object.keys(status.reasons)[0];
  if (reason) return ["bad", REASONS[reason] ?? `Not ready: ${reason}`];
  if (status.problems.length) return ["warn", "It works, and something needs a look"];
  return ["good", "All is well"];
}

function more(status) {
  const devices = status.connections === 1 ? "1 connection is open" : `${count(status.connections)} connections are open`;
  if (status.phase === "draining") return `${devices}. What is not answered, devices send again.`;
  if (status.phase === "starting" || status.phase === "stopped") return "";
  if (status.status !== "ready") return `${devices}. Nothing is lost: devices keep what is not answered.`;
  if (status.problems.length) return "";
  return status.records === 0 ? "No device has sent anything yet." : `${devices}, every record was confirmed by Redis before it was answered.`;
}

function show_flow({flow, frames, records, connections, queue, oldest_unanswered_s: oldest, logins, redis, problems: wrong}) {
  const has = (code) => wrong.some((problem) => problem.code === code);
  const rate = (values) => values.length ? count(newest(values)) : "–";
  figure("connections", count(connections), "", `${count(logins.accepted)} logins since the start`);
  figure("frames", rate(flow.frames_per_s), "/s", `${count(frames.ok)} since the start`);
  figure("records", rate(flow.records_per_s), "/s", `${count(records)} since the start`);
  // What an answer took before Redis went away says nothing of now.
  const publish_ms = redis.ready ? lastKnown(flow.publish_ms) : null;
  figure("publish", publish_ms === null ? "–" : publish_ms < 10 ? publish_ms.toFixed(1) : count(publish_ms), "ms", "until Redis has confirmed");
  figure("queue", count(queue.records), "records", `${count(queue.bytes / 1024)} KiB`);
  figure("oldest", oldest > 0 ? age(oldest) : "none", "", "frame without an answer", has("unanswered") ? "bad" : "");
  sparkline("connections-line", flow.connections, "connections");
  sparkline("frames-line", flow.frames_per_s, "frames a second");
  sparkline("records-line", flow.records_per_s, "records a second");
  sparkline("publish-line", flow.publish_ms, "milliseconds until an answer");
  sparkline("queue-line", flow.queue_records, "records that wait for Redis");
}

function show_listeners({listeners, redis, streams, status}) {
  const names = {tcp: "TCP", udp: "UDP", tls: "TLS"};
  const open = Object.entries(listeners).filter(([, address]) => address !== null);
  rows("listeners", [
    ...open.map(([name, address]) => [names[name] ?? name, address]),
    ["Redis", redis.ready ? "✓ can be used" : redis.reason === "starting" ? "… connecting" : "✕ cannot be used"],
    [streams.length === 1 ? "stream" : "streams", streams.join(", ")],
  ]);
}

function show_outcomes({logins, frames, counts}) {
  rows("outcomes", [
    ["logins accepted", logins.accepted],
    ["logins refused", logins.rejected],
    ["no login at all", logins.malformed + logins.timeout],
    ["frames answered", frames.ok],
    ["frames not answered", Object.entries(frames).reduce((sum, [name, n]) => name === "ok" ? sum : sum + n, 0)],
    ["frames kept raw", counts.quarantined],
    ["connections refused", counts.refused_connections],
    ["connections without a byte", counts.probes],
    ["keep-alives", counts.pings],
  ]);
}

function show_instance({instances: [own], at: now}) {
  const up = (Date.parse(now) - Date.parse(own.started_at)) / 1000;
  rows("about", [
    ["version", own.version],
    ["host, process", `${own.host}, ${own.pid}`],
    ["running for", age(up)],
    ["log level", own.log_level],
  ]);
}

function show_failures({failures}) {
  // What Redis did not confirm is in there twice, by codec and by Redis' code: the code says more.
  const shown = failures.filter(({what}) => what !== "unpublished");
  at("no-failures").hidden = shown.length > 0;
  at("failures-table").hidden = shown.length === 0;
  rows("failures", shown.map((each) => [WHY[each.what] ?? each.what, each.code, each.count]));
}

function show(status) {
  write("instance", status.instances[0].instance_id);
  verdict(...words(status), more(status));
  problems(status.problems);
  show_flow(status);
  show_listeners(status);
  show_outcomes(status);
  show_instance(status);
  show_failures(status);
}
