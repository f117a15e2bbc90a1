// better-sse: a session for each client, all in one channel.
import http from "node:http";
import { createChannel, createSession } from "better-sse";

const channel = createChannel();
const padding = "x".repeat(100);
let number = 0;

async function publish(count, rate) {
  let due = performance.now();
  for (let i = 0; i < count; i++) {
    number += 1;
    const data = `tick ${number} ${process.hrtime.bigint()} ${padding}`;
    // Its own serializer is JSON, and would put quotes around the text.
    channel.broadcast(data, "message", { eventId: String(number) });
    if (rate) {
      due += 1000 / rate;
      await new Promise((go) => setTimeout(go, Math.max(0, due - performance.now())));
    }
  }
}

http
  .createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname === "/events") {
      const session = await createSession(request, response, {
        serializer: (data) => data,
      });
      channel.register(session);
      session.push("hello", "greeting");
    } else if (url.pathname === "/publish") {
      publish(+url.searchParams.get("count"), +url.searchParams.get("rate"));
      response.end();
    } else response.end("pong");
  })
  .listen({ port: +process.argv[2], host: "127.0.0.1", backlog: 4096 });
