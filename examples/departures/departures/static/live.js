// The live board: the page as it was sent, and what has happened since, event by event.
// Changes are numbered by their replay, so it doesn't matter whether one is in the page
// already, and whether the connection loses anything can be seen.

import { change, replace } from "./board.js";
import { flap } from "./flaps.js";
import { Proof } from "./proof.js";
import { tabs } from "./tabs.js";

const at = (id) => document.getElementById(id);
const hall = at("hall");
const wire = at("wire");
const { events, again, speed, flights, end } = hall.dataset;

const SENTENCES = {
  connecting: "Connecting",
  live: "Live",
  offline: "Offline. Trying again",
  closed: "Closed",
};
const FULL = "As many boards as there may be are watched. This one begins when there is room.";
const SILENT = 15000; // milliseconds after which a worker's readers count no more

const proof = new Proof(hall.dataset.cursor, Number(hall.dataset.n));
const workers = new Map(); // readers of each process: { count, heard }
let number = Number(hall.dataset.n);
let waiting = null; // events that came while the board is loaded anew
let cut = false; // by the button
let turns = 0; // how often the connection's state has changed

// --- the clock ---------------------------------------------------------------

let anchor = { minute: Number(hall.dataset.at), time: performance.now() };
let runs = false;

function minute() {
  const past = runs ? ((performance.now() - anchor.time) * speed) / 60000 : 0;
  return Math.min(anchor.minute + past, Number(end));
}

function set(time) {
  // It may run a little ahead of events, which come when they are due and a bit later.
  if (time > minute() || minute() - time > speed / 20) {
    anchor = { minute: time, time: performance.now() };
  }
}

function tick() {
  const whole = Math.floor(minute());
  const two = (count) => String(count).padStart(2, "0");
  at("clock").textContent = `${two(Math.floor(whole / 60) % 24)}:${two(whole % 60)}`;
}

// --- the board ---------------------------------------------------------------

function tally({ ontime, late, cancelled }) {
  at("ontime").textContent = ontime.toLocaleString("en");
  at("late").textContent = late.toLocaleString("en");
  at("cancelled").textContent = cancelled.toLocaleString("en");
  at("todo").textContent = (flights - ontime - late - cancelled).toLocaleString("en");
}

// The number is on the page, too: what is shown there is the board of this number.
function reach(n) {
  number = n;
  hall.dataset.n = n;
}

function show(board) {
  reach(board.n);
  replace(board.rows);
  tally(board.totals);
  anchor = { minute: board.at, time: performance.now() };
  tick();
}

function happen({ type, data }) {
  if (waiting) {
    waiting.push({ type, data });
    return;
  }
  if (type === "board") {
    show(data);
  } else if (data.n === number + 1) {
    reach(data.n);
    change(data.row, data.out);
    tally(data.totals);
    set(data.at);
  } else if (data.n > number) {
    load("a change is missing");
  }
}

// What follows is complete again: it is kept until the board is here.
async function load(reason) {
  waiting = [];
  said(`Loading the board anew: ${reason}`);
  try {
    const board = await (await fetch(again, { cache: "no-store" })).json();
    const kept = waiting;
    waiting = null;
    show(board);
    for (const event of kept) happen(event);
    proof.anew(proof.last, number);
    outcome(`The board was loaded anew: ${reason}.`);
  } catch {
    setTimeout(load, 2000, reason);
  }
}

// --- the connection ----------------------------------------------------------

function said(sentence) {
  if (at("said").textContent !== sentence) at("said").textContent = sentence;
}

function outcome(sentence, mood = "") {
  at("outcome").textContent = sentence;
  at("outcome").dataset.mood = mood;
}

function count() {
  at("last").textContent = proof.last;
  at("seen").textContent = proof.seen.toLocaleString("en");
  at("missing").textContent = proof.missing;
  at("twice").textContent = proof.twice;
  const result = proof.outcome();
  if (!result) return;
  const { seconds, replayed, missing, twice } = result;
  const events = replayed === 1 ? "1 event" : `${replayed} events`;
  const also = twice ? `, ${twice} twice` : "";
  outcome(
    `Resumed after ${seconds.toFixed(1)} s: ${events} replayed, ${missing} lost${also}.`,
    missing || twice ? "bad" : "good",
  );
}

function viewers({ worker, count: readers }) {
  const now = performance.now();
  workers.set(worker, { count: readers, heard: now });
  let sum = 0;
  for (const [key, { count: some, heard }] of workers) {
    if (now - heard > SILENT) workers.delete(key);
    else sum += some;
  }
  at("viewers").textContent = sum.toLocaleString("en");
}

async function changed(live) {
  const state = live.state;
  const turn = ++turns;
  anchor = { minute: minute(), time: performance.now() };
  runs = state === "live";
  hall.dataset.state = wire.dataset.state = state;
  said(live.status === 503 ? FULL : cut && state !== "live" ? "Cut off" : SENTENCES[state]);
  if (state !== "live") {
    proof.cut();
    return;
  }
  together();
  if (!proof.lost) return;
  try {
    const { cursor } = await (await fetch(again, { cache: "no-store" })).json();
    if (turn === turns) proof.back(cursor);
    count();
  } catch {
    // It is offline again, and asked once more when it isn't.
  }
}

async function together() {
  const found = await tabs(new URL(events, location.href).href);
  if (!found || !found.count) return;
  const who = found.leads ? "this one reads it" : "another one reads it";
  const many = `${found.count} tabs share one connection, ${who}`;
  at("tabs").textContent = found.count > 1 ? many : "One tab, one connection";
}

async function lose(stay) {
  cut = true;
  outcome("");
  const { searchParams } = new URL(events, location.href);
  const body = new URLSearchParams({ ...Object.fromEntries(searchParams), stay });
  const answer = await fetch("/live/lose", { method: "POST", body });
  const when = stay ? `in ${stay} seconds` : "in a moment";
  outcome(answer.ok ? `Cut. It comes back ${when}.` : "That was refused.");
}

const { Live } = await import(hall.dataset.script);
const live = new Live(events, { cursor: hall.dataset.cursor, shared: true });
live.onstatechange = () => changed(live);
for (const type of ["change", "board", "viewers"]) {
  live.addEventListener(type, (event) => {
    const data = JSON.parse(event.data);
    cut = false;
    proof.take(event.lastEventId, type, data.n);
    if (type === "viewers") viewers(data);
    else happen({ type, data });
    count();
    if (!waiting) said(SENTENCES.live);
  });
}
live.onreset = (event) => {
  proof.anew(event.lastEventId, Infinity);
  load(event.reason);
};

at("lose").addEventListener("click", () => lose(0));
at("stay").addEventListener("click", () => lose(10));
wire.hidden = false;
setInterval(tick, 100);
setInterval(together, 2000);
flap(at("clock"), at("clock").textContent);
