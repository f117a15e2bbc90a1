// Lines of text out of a streamed response, as an async generator. It ends when the
// server ends the stream, and throws when the connection breaks or stays silent.

export class Silence extends Error {}

export async function* lines(address, { patience, signal }) {
  const stop = new AbortController();
  const abort = () => stop.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Silence()), patience);
  };
  wait();
  try {
    const answer = await fetch(address, { cache: "no-store", signal: stop.signal });
    if (!answer.ok) {
      const error = new Error(`status ${answer.status}`);
      error.retryAfter = Number(answer.headers.get("Retry-After")) || 0;
      throw error;
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      wait();
      const parts = (rest + value).split("\n");
      rest = parts.pop(); // an unfinished line waits for its end
      yield* parts;
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    stop.abort();
  }
}
