// What the two Node servers share: the page's plan, the slots' promises, the port.
import fs from "node:fs"
import http from "node:http"

const pages = JSON.parse(fs.readFileSync(new URL("pages.json", import.meta.url)))
export const style = fs
  .readFileSync(new URL("page.css", import.meta.url), "utf8")
  .replaceAll("\n", "")

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Starts the work of a slot; what is nested starts when what it stands in is there.
export function begin(slot, caught) {
  const job = async () => {
    await wait(slot.ms)
    if (slot.fails) throw new Error("no answer")
    return { ...slot, jobs: (slot.nested ?? []).map((inner) => begin(inner, caught)) }
  }
  const data = caught ? job().catch((error) => ({ ...slot, failed: error.message })) : job()
  data.catch(() => {}) // the renderer reports it; Node must not end for it
  return { id: slot.id, title: slot.title, data }
}

// `answer(response, page, url)` writes one page; `caught` asks for failures as values.
export function serve(answer, { caught }) {
  const server = http.createServer((request, response) => {
    const url = new URL(request.url, "http://localhost")
    if (url.pathname === "/ping") return response.end("pong")
    response.setHeader("Content-Type", "text/html; charset=utf-8")
    response.setHeader("X-Start", String(performance.timeOrigin + performance.now()))
    const { title, slots } = pages[url.searchParams.get("page") ?? "bench"]
    const ordered = url.searchParams.get("order") === "desc" ? [...slots].reverse() : slots
    const catching = caught && !url.searchParams.has("raise")
    answer(response, { title, style, jobs: ordered.map((slot) => begin(slot, catching)) })
  })
  server.listen(Number(process.argv[2]), "127.0.0.1")
}
