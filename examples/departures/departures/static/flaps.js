// The cells of a split-flap board: a new text comes letter by letter, each by way of a
// few others. Where motion isn't wanted, or nobody looks, it is there at once.

const WHEEL = " ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'-";
const STEP = 38; // milliseconds for a letter on its way
const STEPS = 5; // letters on the way, at most
const STAGGER = 12; // milliseconds until the next letter begins

const still = matchMedia("(prefers-reduced-motion: reduce)");
const turning = new Map(); // cell -> { from, to, began }
let frame = 0;

// The letter that is seen a while after it began to turn.
function letter(from, to, passed) {
  const steps = Math.floor(passed / STEP);
  if (passed < 0) return from;
  const last = WHEEL.indexOf(to.toUpperCase());
  if (from === to || last < 0 || steps >= STEPS) return to;
  return WHEEL[(last - STEPS + steps + WHEEL.length) % WHEEL.length];
}

function turn(now) {
  for (const [cell, { from, to, began }] of turning) {
    const width = Math.max(from.length, to.length);
    let text = "";
    for (let at = 0; at < width; at++) {
      text += letter(from[at] ?? " ", to[at] ?? " ", now - began - at * STAGGER);
    }
    const isOver = now - began > (width - 1) * STAGGER + STEPS * STEP;
    cell.textContent = isOver ? to : text;
    if (isOver) turning.delete(cell);
  }
  frame = turning.size ? requestAnimationFrame(turn) : 0;
}

export function flap(cell, to) {
  const is = turning.get(cell);
  if ((is?.to ?? cell.textContent) === to) return;
  if (still.matches || document.hidden) {
    turning.delete(cell);
    cell.textContent = to;
    return;
  }
  turning.set(cell, { from: cell.textContent, to, began: performance.now() });
  frame ||= requestAnimationFrame(turn);
}
