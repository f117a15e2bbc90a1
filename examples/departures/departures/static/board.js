// The board itself: rows by their keys, in the order of their time. A row that goes makes
// room, those below move up, and the letters of what is new are turned.

import { flap } from "./flaps.js";

const FIELDS = ["time", "flight", "origin", "dest", "place", "status"];
const CLASSES = { time: "", origin: "from", dest: "to" };
const MOVE = { duration: 260, easing: "cubic-bezier(0.3, 0, 0.2, 1)" };

const list = document.getElementById("board");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const rows = new Map([...list.children].map((item) => [item.dataset.key, item]));
let tops = null; // where the rows were before what is being done

function made(row) {
  const item = document.createElement("li");
  item.dataset.key = row.key;
  for (const field of FIELDS) {
    const cell = document.createElement(field === "time" ? "time" : "span");
    cell.className = `cells ${CLASSES[field] ?? field}`.trim();
    cell.dataset.is = field;
    item.append(cell, " ");
  }
  return item;
}

// A key ends with the time, so that the order is known while letters turn.
const order = (item) => item.dataset.key.slice(-5);

function write(item, row) {
  item.className = row.mood;
  for (const cell of item.querySelectorAll("[data-is]")) flap(cell, row[cell.dataset.is]);
}

// Rows that are somewhere else than before slide there, once for all that has happened
// since the last picture.
function slide() {
  const before = tops;
  tops = null;
  for (const item of list.children) {
    const was = before.get(item);
    const by = was === undefined ? 0 : was - item.offsetTop;
    if (by) item.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], MOVE);
  }
}

function note() {
  if (tops || still.matches || document.hidden) return;
  tops = new Map([...list.children].map((item) => [item, item.offsetTop]));
  requestAnimationFrame(slide);
}

export function change(row, out) {
  note();
  if (out) {
    rows.get(out)?.remove();
    rows.delete(out);
  }
  let item = rows.get(row.key);
  if (!item) {
    item = made(row);
    rows.set(row.key, item);
    const [key, time] = [row.key, row.time];
    const later = [...list.children].find(
      (other) => order(other) > time || (order(other) === time && other.dataset.key > key),
    );
    list.insertBefore(item, later ?? null);
  }
  write(item, row);
}

export function replace(all) {
  note();
  const keys = new Set(all.map((row) => row.key));
  for (const [key, item] of rows) {
    if (keys.has(key)) continue;
    item.remove();
    rows.delete(key);
  }
  for (const row of all) change(row, null);
}
