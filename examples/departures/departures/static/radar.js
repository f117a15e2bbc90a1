// The radar: the browser shows the stream by itself. This lets it rest while nobody sees
// it, notices when it stands still, and shows the camera's numbers.

import { size } from "./units.js";

const EVERY = 2000; // milliseconds between two looks at the numbers
const STILL = 6000; // without a change in the picture after which it counts as lost
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

const image = document.getElementById("radar");
const kept = document.getElementById("kept");
const line = document.getElementById("line");
const said = document.getElementById("said");
const button = document.getElementById("pause");
const address = image.src;

const glass = new OffscreenCanvas(320, 180).getContext("2d", { willReadFrequently: true });

let paused = false;
let playing = true;
let times = 0;
let changedAt = performance.now();
let wait = FIRST_PAUSE;
let timer;
let before;

function show(state, sentence) {
  line.dataset.state = state;
  if (said.textContent !== sentence) said.textContent = sentence;
}

function fingerprint() {
  if (!image.naturalWidth) return "";
  glass.drawImage(image, 0, 0, 320, 180);
  let sum = 0;
  for (const byte of glass.getImageData(0, 0, 320, 180).data) sum = (sum * 31 + byte) | 0;
  return sum;
}

// What was seen last stays on the screen, under the image.
function keep() {
  if (image.naturalWidth) kept.getContext("2d").drawImage(image, 0, 0, 1280, 720);
}

function stop() {
  keep();
  playing = false;
  clearTimeout(timer);
  image.removeAttribute("src");
}

function play() {
  if (playing || paused || document.hidden) return;
  playing = true;
  changedAt = performance.now();
  // Another address, or the browser would show what it has of the old one.
  image.src = `${address}&again=${++times}`;
  show("idle", "Connecting");
}

function lose() {
  stop();
  // Viewers who lost the same server don't all come back in the same moment.
  const next = wait * (0.75 + Math.random() / 2);
  wait = Math.min(wait * 2, LONGEST_PAUSE);
  show("lost", `Picture lost. Trying again in ${Math.ceil(next / 1000)} s.`);
  timer = setTimeout(play, next);
}

function at(numbers, path) {
  return path.split(".").reduce((part, name) => part?.[name], numbers) ?? 0;
}

const WRITTEN = { size };
const whole = (n) => (typeof n === "number" ? Math.round(n).toLocaleString("en") : n);

async function refresh() {
  if (document.hidden) return;
  let state = "";
  try {
    const answer = await fetch(line.dataset.numbers, { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const numbers = await answer.json();
    state = at(numbers, "camera.state");
    for (const place of document.querySelectorAll("[data-path]")) {
      const write = WRITTEN[place.dataset.as] ?? whole;
      place.textContent = write(at(numbers, place.dataset.path));
    }
  } catch {
    state = "";
  }
  if (!playing) return;
  const now = fingerprint();
  if (now !== before || state === "no signal") {
    before = now;
    changedAt = performance.now();
  }
  if (performance.now() - changedAt > STILL) lose();
  else if (state === "no signal") show("lost", "The camera has no picture. It is tried again.");
  else if (state && image.naturalWidth) {
    wait = FIRST_PAUSE;
    show("live", "Live");
  }
}

function press() {
  paused = !paused;
  button.textContent = paused ? "Go on" : "Pause";
  if (paused) {
    stop();
    show("idle", "Paused");
  } else play();
}

button.hidden = false;
button.addEventListener("click", press);
if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
  if (image.naturalWidth) press();
  else image.addEventListener("load", press, { once: true });
}
image.addEventListener("error", () => playing && lose());
// It may have failed before this ran.
if (image.complete && !image.naturalWidth) lose();
addEventListener("online", () => {
  if (playing) return;
  clearTimeout(timer);
  play();
});
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : play()));
// A page that is kept for the back button lets go of its stream.
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => event.persisted && play());
document.getElementById("choices").addEventListener("change", (event) => {
  if (event.target.form.reportValidity()) event.target.form.requestSubmit();
});
refresh();
setInterval(refresh, EVERY);
