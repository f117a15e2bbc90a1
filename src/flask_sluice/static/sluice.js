// `Live` is an EventSource that comes back, and that the tabs of a site share. How it is
// used is in docs/events.md, how it works in script.py, which serves it without spaces.

// The place that an id names: {a: 1, b: 2} for "a-1.b-2", {} for one of another kind.
let parse = id =>
    /^\w+-\d+(\.\w+-\d+)*$/.test(id) ? Object.fromEntries(id.split(".").map(p => p.split("-"))) : {},
  // Is place a further than b in any channel?
  past = (a, b) => Object.keys(a).some(k => !(+a[k] <= b[k])),
  // The id of what two places have in common (pick is Math.min), or of both (Math.max).
  join = (pick, a, b) =>
    Object.keys({ ...a, ...b }).sort().map(k => k + "-" + pick(a[k] ?? b[k], b[k] ?? a[k])).join(".");

export class Live extends EventTarget {
  state = "connecting";
  status = 0;
  readyState = 0;

  constructor(url, { cursor, shared: N, credentials, heartbeat = 15 } = {}) {
    super();
    // A: alive, from start() to stop(). T: the turn, a connection in it. W: the last id on
    // the wire. L: the last id that this tab has seen. O: what comes is old to it.
    // K: ends the wait between two turns. D: the next one is due. N: the name that is shared.
    let A, T, W, L, O, K, D, R = 2e3, off = new AbortController,
      ID = "last_event_id", TYPE = "text/event-stream",
      { searchParams: q } = url = new URL(url, document.baseURI),
      fire = type => this.dispatchEvent(new Event(type)),
      // n is the status of the last response, as a number.
      set = (state, n) => {
        let was = this.state;
        if (was == "closed") return;
        this.status = n;
        if (was == state) return;
        this.state = state;
        this.readyState = { live: 1, closed: 2 }[state] ?? 0;
        if (state == "closed") off.abort(), stop();
        fire("statechange");
        if (state == "live") fire("open");
        else if (state == "closed" ? n : was == "live") fire("error");
      },
      // A block of the stream, or a state: from the connection, or from the tab that leads.
      take = ({ state, n, id, type, data, from }) => {
        if (state) return set(state, n);
        if (id != null) {
          let a = N ? parse(id) : {}, b = parse(L), all = from == L || !past(a, {});
          O = !all && !past(a, b);
          if (!O) this.lastEventId = L = all ? id : join(Math.max, a, b);
        }
        if (data == null || O) return;
        let e = new MessageEvent(type || "message", { data, lastEventId: L, origin: url.origin });
        try {
          if (type == "reset") Object.assign(e, JSON.parse(data));
        } catch {}
        this.dispatchEvent(e);
      },
      cut = () => {
        T?.abort();
        T = null;
      },
      again = () => {
        D = 1;
        cut();
        K?.();
      },
      stop = () => {
        A?.abort();
        A?.bus?.close();
        A = null;
        again();
      },
      start = () => {
        if (A) return;
        // h is the tab that leads.
        let own = A = new AbortController, me = Math.random(), h, bus,
          post = m => bus.postMessage({ by: me, ...m }),
          ask = () => post({ ask: L }),
          run = () => {
            post({ leads: h = me });
            return lead(own, post);
          };
        if (!N) return lead(own, () => {});
        own.bus = bus = new BroadcastChannel(N);
        bus.onmessage = ({ data: m }) => {
          if (m.leads) {
            h = 0;
            ask();
          } else if (m.to == me) {
            h = m.by;
            this.lastEventId = L ||= m.id;
            set(m.state, m.n);
          } else if (m.by == h) {
            take(m);
            // A hidden tab's timers are slow: one that isn't hidden counts along.
            if (m.wait) setTimeout(() => own == A && !document.hidden && post({ over: m.wait }), m.wait);
          } else if (h == me && m.over) m.over == K?.wait && K();
          else if (h == me) {
            post({ to: m.by, id: L, state: this.state, n: this.status });
            let a = parse(W), b = parse(m.ask), ks = Object.keys(b);
            if (!m.ask || !(past(a, b) || (!W && ks[0]))) return;
            // That tab has missed something: it is read again, for it alone.
            W = ks[0] && ks.every(k => a[k]) ? join(Math.min, a, b) : m.ask;
            again();
          }
        };
        ask();
        navigator.locks.request(N, { signal: own.signal }, run).catch(() => own == A && run());
      },
      // Connects again and again. k: failures in a row.
      lead = async (own, post) => {
        let k = 0, say = m => {
          post(m);
          take(m);
        };
        W = L;
        while (A == own) {
          // t: this turn. b: the block so far. s: a text, then its lines. w: the watch.
          let t = T = new AbortController, n = 0, wait = 50, from = W, b = {}, rest = "", cr, r, g, s, w,
            hear = () => {
              clearTimeout(w);
              if (heartbeat) w = setTimeout(() => t.abort(), heartbeat * 2500);
            };
          D = 0;
          try {
            hear();
            W ? q.set(ID, W) : q.delete(ID);
            ({ body: r, headers: g, status: n } = await fetch(url, {
              signal: t.signal,
              cache: "no-store",
              credentials,
              headers: { Accept: TYPE },
            }));
            if (n != 200 || g.get("Content-Type")?.split(";")[0] != TYPE) {
              if (n < 500 && ![408, 425, 429].includes(n)) return say({ state: "closed", n });
              wait = g.get("Retry-After") * 1e3 || wait;
              throw 0;
            }
            k = -1;
            say({ state: "live", n });
            r = r.pipeThrough(new TextDecoderStream).getReader();
            while (T == t && (s = (await r.read()).value)) {
              hear();
              if (cr) s = s.replace(/^\n/, "");
              cr = s.endsWith("\r");
              s = (rest + s).split(/\r\n|\r|\n/);
              rest = s.pop();
              for (let line of s) {
                if (T != t) break;
                let { id, data } = b, [, f, v] = /^([^:]*):?\x20?([^]*)/.exec(line);
                if (f == "data") b.data = data == null ? v : data + "\n" + v;
                if (f == "event") b.type = v;
                if (f == "id" && !v.includes("\0")) b.id = v;
                if (f == "retry" && /^\d+$/.test(v)) R = +v;
                if (line) continue;
                W = id ?? W;
                if ((id ?? data) != null) say({ ...b, from }), from = null;
                b = {};
              }
            }
          } catch {}
          clearTimeout(w);
          t.abort();
          if (D || A != own) continue;
          wait = Math.min(Math.max(wait, R * (++k ? 2 ** Math.min(k, 4) * (0.5 + Math.random()) : 1)), 2e9);
          say({ state: k || !navigator.onLine ? "offline" : "connecting", n, wait });
          await new Promise(r => setTimeout(K = r, K.wait = wait));
          K = null;
        }
      },
      on = (types, run) =>
        types.split(",").map(type => addEventListener(type, run, { capture: 1, signal: off.signal }));

    this.lastEventId = L = cursor ?? q.get(ID) ?? "";
    q.delete(ID);
    this.url = url.href;
    N &&= navigator.locks && "sluice" + [N, credentials, url];
    on("online,visibilitychange", () => K && !document.hidden && K());
    on("offline", cut);
    on("pagehide,freeze", stop);
    on("pageshow,resume", start);
    for (let type of ["open", "message", "error", "reset", "statechange"])
      this.addEventListener(type, e => this["on" + type]?.(e));
    this.close = () => set("closed", 0);
    start();
  }
}
