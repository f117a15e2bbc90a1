// The page by Marko: <await> in <try>, compiled here for production when it starts.
import fs from "node:fs"
import * as compiler from "@marko/compiler"
import translator from "marko/translator"
import { serve } from "./serve.mjs"

const { code } = await compiler.compileFile(new URL("page.marko", import.meta.url).pathname, {
  output: "html",
  translator,
  modules: "esm",
  optimize: true,
})
fs.writeFileSync(new URL("page.marko.mjs", import.meta.url), code)
const { default: template } = await import("./page.marko.mjs")

serve((response, page) => template.render(page).pipe(response), { caught: false })
