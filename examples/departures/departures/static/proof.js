// What came over the connection, counted. A replay numbers its changes without a gap, so
// what is missing shows; ids only grow, so what comes twice shows.

const split = (id) => {
  const [, epoch, seq] = /^(\w+)-(\d+)$/.exec(id) ?? [];
  return { epoch, seq: Number(seq) };
};

export class Proof {
  seen = 0;
  missing = 0;
  twice = 0;
  lost = null; // since the connection was: { at, missing, twice, came, until }

  constructor(id, number) {
    this.anew(id, number);
  }

  // What is before this id, and up to this number, isn't waited for.
  anew(id, number) {
    this.last = id;
    ({ epoch: this.epoch, seq: this.seq } = split(id));
    this.number = number;
    this.lost = null;
  }

  // An event, and its number if it is a change or a whole board.
  take(id, type, number) {
    const { epoch, seq } = split(id);
    this.seen++;
    if (epoch === this.epoch && seq <= this.seq) this.twice++;
    if (type === "change") this.missing += Math.max(0, number - this.number - 1);
    if (type === "board") this.number = number;
    else if (type === "change") this.number = Math.max(this.number, number);
    Object.assign(this, { last: id, epoch, seq });
    this.lost?.came.push(seq);
  }

  cut() {
    const { missing, twice } = this;
    this.lost ??= { at: performance.now(), missing, twice, came: [] };
    this.lost.until = null;
  }

  // The server says what was the last event when the connection was there again.
  back(id) {
    const { epoch, seq } = split(id);
    if (this.lost && epoch === this.epoch) this.lost.until = seq;
  }

  // How it went, as soon as all of that is here; null until then.
  outcome() {
    const { lost } = this;
    if (!lost || lost.until === null || this.seq < lost.until) return null;
    this.lost = null;
    return {
      seconds: (performance.now() - lost.at) / 1000,
      replayed: lost.came.filter((seq) => seq <= lost.until).length,
      missing: this.missing - lost.missing,
      twice: this.twice - lost.twice,
    };
  }
}
