// The page by React: Suspense and use(), no hydration and no client bundle.
// A failure that reaches React leaves the fallback; so it is caught as a value here.
import { createElement as h, Suspense, use } from "react"
import { renderToPipeableStream } from "react-dom/server"
import { serve } from "./serve.mjs"

function Slot({ job }) {
  const slot = use(job.data)
  if (slot.failed) {
    return h("section", { id: slot.id }, h("h2", null, slot.title),
      h("p", { role: "alert" }, `Failed: ${slot.failed}`))
  }
  return h("section", { id: slot.id }, h("h2", null, slot.title), h("p", null, slot.text),
    slot.jobs.map((inner) => h(Waiting, { key: inner.id, job: inner })))
}

function Waiting({ job }) {
  const loading = h("p", { className: "wait" }, "Loading")
  return h(Suspense, { fallback: loading }, h(Slot, { job }))
}

function Page({ title, style, jobs }) {
  return h("html", { lang: "en" },
    h("head", null,
      h("meta", { charSet: "utf-8" }),
      h("meta", { name: "viewport", content: "width=device-width" }),
      h("title", null, title),
      h("style", { dangerouslySetInnerHTML: { __html: style } })),
    h("body", null,
      h("h1", null, title),
      h("main", null, jobs.map((job) => h(Waiting, { key: job.id, job })))))
}

serve((response, page) => {
  const stream = renderToPipeableStream(h(Page, page), {
    onShellReady: () => stream.pipe(response),
    onError: (error) => console.error("A slot failed:", error.message),
  })
}, { caught: true })
