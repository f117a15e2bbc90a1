// Two stopwatches for two frames that load the same page. A frame's own clock says when
// it was asked for; its cards say how far it is: one that waits is marked as busy.

const EVERY = 50; // milliseconds: as often as anybody can read

const again = document.getElementById("again");

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

class Side {
  constructor(section) {
    const part = (name) => section.querySelector(`[data-${name}]`);
    [this.frame, this.clock, this.said, this.bar] = ["frame", "clock", "said", "bar"].map(part);
    this.section = section;
    this.restart();
  }

  restart() {
    this.asked = performance.now();
    this.first = this.filled = this.last = 0;
    this.section.dataset.state = "waiting";
  }

  // What is there of the new page; nothing while the frame still shows the old one.
  get page() {
    const page = this.frame.contentDocument;
    return page && page !== this.old && page.URL !== "about:blank" ? page : null;
  }

  load() {
    this.old = this.frame.contentDocument;
    this.restart();
    this.frame.contentWindow.location.reload();
  }

  look() {
    if (this.last) return;
    const page = this.page;
    const now = performance.now();
    if (page) {
      const began = page.defaultView.performance.timeOrigin - performance.timeOrigin;
      const cards = [...page.querySelectorAll("[data-card]")];
      const ready = cards.filter((card) => !busy(card));
      this.asked = began;
      if (cards.length && !this.first) this.first = now - began;
      this.filled = ready.length;
      if (page.readyState === "complete") {
        const { loadEventStart } = page.defaultView.performance.getEntriesByType("navigation")[0];
        this.last = loadEventStart || now - began;
      }
      if (cards.length) this.section.dataset.state = this.last ? "done" : "filling";
    }
    this.clock.textContent = seconds(this.last || now - this.asked);
    this.bar.value = this.filled;
    const sentence = this.sentence();
    if (this.said.textContent !== sentence) this.said.textContent = sentence;
  }

  sentence() {
    if (!this.first) return "Nothing to see yet";
    const began = `On the screen after ${seconds(this.first)}`;
    return this.last ? began : `${began}, ${this.filled} of ${this.bar.max} cards are filled`;
  }
}

// A card in a card counts for itself.
function busy(card) {
  return [...card.querySelectorAll("[aria-busy]")].some(
    (mark) => mark.closest("[data-card]") === card,
  );
}

const sides = [...document.querySelectorAll("[data-side]")].map((section) => new Side(section));
const asked = new FormData(again).get("pace");

again.addEventListener("submit", (event) => {
  // With another delay the frames have other addresses: that is a new page.
  if (new FormData(again).get("pace") !== asked) return;
  event.preventDefault();
  for (const side of sides) side.load();
});

setInterval(() => sides.forEach((side) => side.look()), EVERY);
