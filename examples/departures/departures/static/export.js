// The progress of a download, by its receipt. A download shows its headers to no script,
// so an id for the receipt is asked for first, and goes along with the download. Without
// scripts the links are plain downloads.

const EVERY = 250; // milliseconds: as often as receipts are written
const PATIENCE = 60; // looks for a receipt before it is there

const box = document.getElementById("progress");
const part = (name) => box.querySelector(`[data-${name}]`);
const number = new Intl.NumberFormat("en");
const VERDICTS = {
  waiting: "The database is at work.",
  running: "On its way.",
  complete: "The file is whole.",
  failed: "It failed: the file isn’t whole.",
  left: "It was stopped: the file isn’t whole.",
  lost: "The download didn’t begin.",
};
let current = 0;

const pause = () => new Promise((resolve) => setTimeout(resolve, EVERY));

function size(bytes) {
  return bytes < 1e6 ? `${number.format(Math.ceil(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function say(name, text) {
  const place = part(name);
  if (place.textContent !== text) place.textContent = text; // a change is read out
}

function show({ status, filename, rows = 0, bytes = 0, seconds = 0, sha256 }, total) {
  const whole = status === "complete";
  const state = status === "running" && !rows ? "waiting" : status;
  box.dataset.status = status;
  box.querySelector("progress").value = whole ? 1 : rows / total;
  if (filename) say("name", filename);
  say("rows", number.format(rows));
  say("said", whole ? `row${rows === 1 ? "" : "s"}` : `of ${number.format(total)} rows`);
  say("size", bytes ? `${size(bytes)} in ${seconds.toFixed(1)} s` : "");
  say("verdict", VERDICTS[state]);
  say("digest", sha256 ? `SHA-256 ${sha256}` : "");
  return status !== "running";
}

async function watch(url, total, turn) {
  let looks = 0;
  while (turn === current) {
    const response = await fetch(url);
    if (response.ok) {
      const record = await response.json();
      if (turn !== current || show(record, total)) return;
    } else if (++looks > PATIENCE) {
      show({ status: "lost" }, total);
      return;
    }
    await pause();
  }
}

function download(url) {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}

async function start(link) {
  const turn = ++current;
  const url = new URL(link.href);
  let asked;
  try {
    asked = await (await fetch(box.dataset.ask, { method: "POST" })).json();
  } catch {
    download(url); // without a receipt, but all the same
    return;
  }
  if (turn !== current) return;
  url.searchParams.set("receipt", asked.receipt);
  box.hidden = false;
  part("name").textContent = url.pathname.split("/").pop();
  show({ status: "running" }, asked.total);
  download(url);
  // The receipt is there when the download begins; sooner it would be a 404 in the log.
  await pause();
  await watch(asked.url, asked.total, turn);
}

for (const link of document.querySelectorAll("[data-export]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    start(link);
  });
}
