// Brings the numbers of /stats up to date every other second while the page is seen.

import { size } from "./units.js";

const EVERY = 2000;
const line = document.getElementById("line");
const said = document.getElementById("said");
const newest = document.getElementById("newest");

function span(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (parts[0]) return `${parts[0]} h ${parts[1]} min`;
  return parts[1] ? `${parts[1]} min ${parts[2]} s` : `${parts[2]} s`;
}

const WRITTEN = { number: (n) => n.toLocaleString("en"), size, span };

function at(numbers, path) {
  return path.split(".").reduce((part, name) => part?.[name], numbers) ?? 0;
}

function row(stream) {
  const tr = document.createElement("tr");
  const texts = [
    stream.path,
    stream.driver,
    stream.seconds.toFixed(1),
    size(stream.bytes_sent),
    stream.chunks.toLocaleString("en"),
  ];
  texts.forEach((text, index) => {
    const td = tr.insertCell();
    td.textContent = text;
    if (index > 1) td.className = "num";
  });
  return tr;
}

function nobody() {
  const tr = document.createElement("tr");
  const td = tr.insertCell();
  td.colSpan = 5;
  td.textContent = "No stream is open.";
  return tr;
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(line.dataset.source, { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const numbers = await answer.json();
    for (const place of document.querySelectorAll("[data-path]")) {
      place.textContent = WRITTEN[place.dataset.as](at(numbers, place.dataset.path));
    }
    const rows = numbers.open.newest.map(row);
    newest.replaceChildren(...(rows.length ? rows : [nobody()]));
    line.dataset.state = "live";
    said.textContent = "Live";
  } catch {
    line.dataset.state = "lost";
    said.textContent = "The server does not answer";
  }
}

refresh();
setInterval(refresh, EVERY);
