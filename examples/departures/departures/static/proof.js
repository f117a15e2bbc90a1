// What came over the connection, counted by the ids: they are dense, so what is missing
// shows, and so does what comes twice. Given the page's first id and each event's.

const split = (id) => {
  const [, epoch, seq] = /^(\w+)-(\d+)$/.exec(id) ?? [];
  return { epoch, seq: Number(seq) };
};

export class Proof {
  seen = 0;
  missing = 0;
  twice = 0;
  lost = null; // since when: { at, seq, missing, twice, until }

  constructor(id) {
    this.anew(id);
  }

  // What is before this id isn't waited for.
  anew(id) {
    this.last = id;
    ({ epoch: this.epoch, seq: this.seq } = split(id));
    this.lost = null;
  }

  take(id) {
    const { epoch, seq } = split(id);
    if (epoch !== this.epoch) [this.epoch, this.seq] = [epoch, seq - 1];
    this.seen++;
    if (seq <= this.seq) this.twice++;
    else this.missing += seq - this.seq - 1;
    this.seq = Math.max(seq, this.seq);
    this.last = id;
  }

  cut() {
    const { seq, missing, twice } = this;
    this.lost ??= { at: performance.now(), seq, missing, twice };
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
      replayed: lost.until - lost.seq,
      missing: this.missing - lost.missing,
      twice: this.twice - lost.twice,
    };
  }
}
