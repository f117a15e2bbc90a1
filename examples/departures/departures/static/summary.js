// A text that is typed. What the page has as it was sent is followed by the events after
// it, and the last one says how it ended. A connection that is lost is taken up again
// by sluice.js, and a reload by the page's own cursor: neither begins anew.

const at = (id) => document.getElementById(id);
const paper = at("paper");
const text = at("text");
const line = at("line");

const WORDS = { done: "Done", stopped: "Stopped" };

let count = Number(paper.dataset.n);
let first = null; // when the first token came, and how many there were
let resumed = paper.dataset.state === "typing" && count > 0;
let isBack = false;

function say(state, sentence) {
  line.dataset.state = state;
  at("said").textContent = sentence;
}

function take({ n, text: more }) {
  const now = performance.now();
  if (resumed) {
    at("resumed").textContent = `resumed at token ${count}`;
    resumed = false;
  }
  count = n;
  text.append(more);
  text.normalize();
  at("count").textContent = n;
  first ??= { now, n };
  const seconds = (now - first.now) / 1000;
  if (seconds > 0.5) at("rate").textContent = `, ${Math.round((n - first.n) / seconds)} a second`;
}

function end(live, state) {
  live.close();
  paper.dataset.state = state;
  paper.setAttribute("aria-busy", "false");
  say("idle", WORDS[state]);
  at("stopping")?.remove();
}

if (paper.dataset.state === "typing") {
  const { Live } = await import(paper.dataset.script);
  const live = new Live(paper.dataset.events, { cursor: paper.dataset.cursor });
  live.onstatechange = () => {
    if (live.state === "live") {
      say("live", "Being written");
      resumed ||= isBack && count > 0;
    } else if (live.state !== "closed") {
      isBack = true;
      say("lost", "Connection lost. It goes on where it was");
    }
  };
  live.addEventListener("token", (event) => take(JSON.parse(event.data)));
  live.addEventListener("done", () => end(live, "done"));
  live.addEventListener("stopped", () => end(live, "stopped"));
  live.onreset = () => {
    live.close();
    say("lost", "The rest isn’t kept any more. Write it again.");
  };
  at("stopping").addEventListener("submit", (event) => {
    event.preventDefault();
    fetch(event.target.action, { method: "POST", redirect: "manual" });
  });
}
