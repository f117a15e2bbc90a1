// The live board. Lines of /ticker.txt come in, rows of the board go out; the board
// keeps the departures that it was told of last, in the order of their time.

import { lines } from "./lines.js";

const ROWS = 12;
const RAW_LINES = 3;
const PATIENCE = 6000; // milliseconds without a line after which it counts as lost
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

const board = document.getElementById("board");
const raw = document.getElementById("raw");
const line = document.getElementById("line");
const said = document.getElementById("said");
const count = document.getElementById("count");
const clock = document.getElementById("clock");

// 14:05  B6 413   JFK -> FLL  Fort Lauderdale Hollywood Intl        on time
const COLUMNS = /^(\d\d:\d\d) +(\w+ \d+) +(\w{3}) -> (\w{3}) {2,}(.+?) {2,}(.+)$/;
const FILLER = /\s+(International|Intl|Airport|Airpark|Field|Rgnl|Regional)\b.*/;
const MOODS = [
  [/^cancelled/, "cancelled"],
  [/^on time/, "ontime"],
  [/ h /, "verylate"],
  [/late/, "late"],
];

let total = 0;
let seen = 0;

function show(state, sentence) {
  line.dataset.state = state;
  // A screen reader says each change once, not each line.
  if (said.textContent !== sentence) said.textContent = sentence;
}

function cells(kind, text, hidden = "") {
  const span = document.createElement(kind === "time" ? "time" : "span");
  span.className = `cells ${kind}`;
  if (hidden) {
    const quiet = document.createElement("span");
    quiet.className = "quiet";
    quiet.textContent = hidden;
    span.append(quiet);
  }
  span.append(text);
  return span;
}

function row([, time, flight, from, to, place, status]) {
  const item = document.createElement("li");
  item.dataset.key = `${time} ${flight}`;
  item.className = MOODS.find(([pattern]) => pattern.test(status))?.[1] ?? "";
  const name = cells("place", place.replace(FILLER, ""));
  name.title = place;
  item.append(
    cells("time", time),
    cells("flight", flight),
    cells("from", from, "from "),
    cells("to", to, "to "),
    name,
    cells("status", status),
  );
  return item;
}

// Minutes from an hour ago on: shortly before midnight the board goes on with 05:00,
// which is later, and a flight that has just gone is still the earliest.
function order(item) {
  const minutes = (text) => 60 * Number(text.slice(0, 2)) + Number(text.slice(3, 5));
  const past = minutes(item.dataset.key) - minutes(clock.textContent) + 60;
  return (past + 1440) % 1440;
}

function put(text) {
  const found = COLUMNS.exec(text);
  if (!found) return;
  const fresh = row(found);
  fresh.classList.add("fresh");
  fresh.dataset.seen = ++seen;
  const same = [...board.children].find((item) => item.dataset.key === fresh.dataset.key);
  if (same) {
    same.replaceWith(fresh);
  } else {
    const later = [...board.children].find((item) => order(item) > order(fresh));
    board.insertBefore(fresh, later ?? null);
  }
  while (board.children.length > ROWS) {
    const age = (item) => Number(item.dataset.seen ?? 0);
    [...board.children].reduce((a, b) => (age(a) <= age(b) ? a : b)).remove();
  }
}

function echo(text) {
  const kept = raw.textContent.split("\n").filter(Boolean).slice(1 - RAW_LINES);
  raw.textContent = [...kept, text].join("\n") + "\n";
}

function tick() {
  const zone = { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  clock.textContent = new Intl.DateTimeFormat("en-GB", zone).format(new Date());
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const soon = () => {
      clearTimeout(timer);
      resolve();
    };
    // The network is back, or the page goes: no use in waiting on.
    addEventListener("online", soon, { once: true });
    signal.addEventListener("abort", soon, { once: true });
  });
}

async function follow(signal) {
  let wait = FIRST_PAUSE;
  while (!signal.aborted) {
    let asked = 0;
    try {
      for await (const text of lines(line.dataset.source, { patience: PATIENCE, signal })) {
        wait = FIRST_PAUSE;
        count.textContent = (++total).toLocaleString("en");
        show("live", "Live");
        put(text);
        echo(text);
      }
    } catch (error) {
      asked = (error.retryAfter ?? 0) * 1000;
    }
    if (signal.aborted) return;
    // Readers who lost the same server don't all come back in the same moment.
    const next = Math.max(asked, wait * (0.75 + Math.random() / 2));
    show("lost", `Connection lost. Trying again in ${Math.ceil(next / 1000)} s.`);
    await pause(next, signal);
    wait = Math.min(wait * 2, LONGEST_PAUSE);
  }
}

let stop;

function start() {
  stop = new AbortController();
  show("idle", "Connecting");
  follow(stop.signal);
}

// A page that is kept for the back button lets go of its stream, and takes it up again.
addEventListener("pagehide", () => stop.abort());
addEventListener("pageshow", (event) => event.persisted && start());
tick();
setInterval(tick, 1000);
start();
