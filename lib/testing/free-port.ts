import { createServer } from 'node:net'

// Below the range from which Linux, macOS and Windows take the ports of outgoing connections: a port that its
// server gives up for a while (a broker that restarts) must still be free when it comes back.
const FIRST = 20_000
const COUNT = 12_000
const ATTEMPTS = 100

const given = new Set<number>()

/** A TCP port of 127.0.0.1 that nothing listens on; never the same one twice in a process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`no free port of 127.0.0.1 found in ${ATTEMPTS} attempts from ${FIRST} to ${FIRST + COUNT - 1}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
