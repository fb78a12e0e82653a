
"use strict";
// The frame of the page: asks for /status.json, says how old the answer is, and draws. What a service has to show is
// in its own `show(status)`. Everything is put in as text, so that nothing that was read becomes markup.

const REFRESH_MS = 2000;
const ANSWER_MS_MAX = 4000;
const OLD_AFTER_S = 7;
const ICONS = {good: "%2317663f", warn: "%23b7791f", bad: "%23c42b20", unknown: "%23808b97"};

const at = (id) => document.getElementById(id);
let answeredAt = null;
let lastVerdict = null;
let lastProblems = null;

// "4 min", "2 h 5 min": an age as people say it; null is unknown.
function age(seconds) {
  if (seconds === null || seconds === undefined) return "unknown";
  const s = Math.floor(seconds);
  if (s < 1) return "just now";
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

function ago(seconds) {
  const words = age(seconds);
  return words === "unknown" || words === "just now" ? words : `${words} ago`;
}

// 1 234 567 with thin spaces; null is unknown.
function count(number) {
  if (number === null || number === undefined) return "unknown";
  return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") made.textContent = value;
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function write(id, text, kind = "") {
  const place = at(id);
  if (place.textContent !== text) place.textContent = text;
  place.classList.remove("is-good", "is-warn", "is-bad");
  if (kind) place.classList.add(`is-${kind}`);
}

// A value of the flow: with its unit, and a note below it.
function figure(id, value, unit, note, kind = "") {
  write(id, value, kind);
  if (unit && value !== "unknown" && value !== "–") at(id).append(element("small", {text: ` ${unit}`}));
  write(`${id}-note`, note);
}

function newest(values) {
  return values.length ? values[values.length - 1] : null;
}

function lastKnown(values) {
  return newest(values.filter((value) => value !== null));
}

// Rows of a table's body: each cell a text, or a number, which stands at the right, or a list of a text and a small one.
function rows(id, lines) {
  at(id).replaceChildren(...lines.map((cells) => element("tr", {}, ...cells.map((cell, column) => {
    const isNumber = typeof cell === "number";
    const [text, small] = Array.isArray(cell) ? cell : [cell, null];
    const options = {text: isNumber ? count(cell) : text};
    if (column === 0) options.scope = "row";
    if (isNumber) options.class = "number";
    return element(column === 0 ? "th" : "td", options, ...(small ? [element("small", {text: small})] : []));
  }))));
}

// The course of a value, the newest at the right; a gap where it was unknown.
function sparkline(id, values, name) {
  const svg = at(id);
  const known = values.filter((value) => value !== null);
  const top = Math.max(1, ...known);
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const newest = known.length ? count(known[known.length - 1]) : "unknown";
  svg.setAttribute("aria-label", `${name}: ${newest} now, ${count(known.length ? top : 0)} at most lately`);
  const step = 100 / Math.max(1, values.length - 1);
  const runs = [[]];
  values.forEach((value, index) => {
    if (value === null) runs.push([]);
    else runs[runs.length - 1].push([index * step, 29 - 27 * value / top]);
  });
  const draw = (tag, points) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    made.setAttribute("points", points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" "));
    return made;
  };
  svg.replaceChildren(...runs.filter((run) => run.length > 1).flatMap((run) => [
    draw("polygon", [[run[0][0], 30], ...run, [run[run.length - 1][0], 30]]),
    draw("polyline", run),
  ]));
}

// The one glance: `kind` is good, warn, bad or unknown.
function verdict(kind, words, more = "") {
  const all = JSON.stringify([kind, words, more]);
  if (all === lastVerdict) return;
  lastVerdict = all;
  at("verdict").className = kind;
  at("verdict-words").textContent = words;
  at("verdict-more").textContent = more;
  document.title = `${{good: "✓", warn: "!", bad: "✕", unknown: "…"}[kind]} ${at("service").textContent} ${at("instance").textContent}`;
  at("icon").href = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'>`
    + `<circle cx='4.5' cy='4.5' r='4' fill='${ICONS[kind]}'/></svg>`;
}

// What is wrong, each with a code, a message, and the command to type.
function problems(list) {
  const all = JSON.stringify(list);
  if (all === lastProblems) return;
  lastProblems = all;
  at("problems").hidden = list.length === 0;
  at("problem-list").replaceChildren(...list.map((problem) => element("li", {},
    element("p", {text: problem.message}),
    element("code", {class: "remedy", text: problem.remedy, tabindex: "0"}))));
}

function age_of_the_page() {
  if (answeredAt === null) return;
  const old = (performance.now() - answeredAt) / 1000;
  const isOld = old > OLD_AFTER_S;
  document.body.classList.toggle("old", isOld);
  at("freshness").textContent = isOld ? `as it was ${ago(old)}` : "live";
  if (isOld) {
    verdict("bad", "The service does not answer", `Below is what it said last, ${ago(old)}. This page goes on asking.`);
  }
}

async function refresh() {
  try {
    const answer = await fetch("status.json", {cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS_MAX)});
    if (!answer.ok) throw new Error(`status.json answers ${answer.status}`);
    const status = await answer.json();
    answeredAt = performance.now();
    show(status);
  } catch (error) {
    if (answeredAt === null) verdict("bad", "The service does not answer", "This page goes on asking.");
  }
  age_of_the_page();
}

function start() {
  const again = async () => {
    await refresh();
    setTimeout(again, REFRESH_MS);
  };
  again();
  setInterval(age_of_the_page, 1000);
}
