// CSV by Node: rows as a stream, piped through csv-stringify into the response.
import http from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import Database from "better-sqlite3"
import { stringify } from "csv-stringify"
import pg from "pg"
import QueryStream from "pg-query-stream"

const port = Number(process.argv[2])
const sql = process.env.BENCH_SQL
const columns = process.env.BENCH_COLUMNS.split(",")
// A timestamp stays the text that it comes as: csv-stringify would write a Date as a number.
pg.types.setTypeParser(pg.types.builtins.TIMESTAMP, (text) => text)
const csv = () => stringify({ header: true, columns, record_delimiter: "windows" })

const answers = {
  async sqlite(rows, response) {
    const database = new Database(process.env.BENCH_SQLITE, { readonly: true })
    const found = database.prepare(`${sql} LIMIT ${rows}`).raw().iterate()
    await pipeline(Readable.from(found), csv(), response)
    database.close()
  },
  async postgres(rows, response) {
    const client = new pg.Client()
    await client.connect()
    const options = { rowMode: "array", batchSize: 1000 }
    const found = client.query(new QueryStream(`${sql} LIMIT ${rows}`, [], options))
    await pipeline(found, csv(), response)
    await client.end()
  },
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost")
  if (url.pathname === "/ping") return response.end("pong")
  response.setHeader("Content-Type", "text/csv")
  const database = url.pathname.slice(1, -".csv".length)
  await answers[database](Number(url.searchParams.get("rows")), response)
})
server.listen(port, "127.0.0.1")
