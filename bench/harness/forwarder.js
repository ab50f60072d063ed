import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, connect as open } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from './serve.js'

/**
 * Two doors to the broker, a TCP port and a Unix domain socket, in a process of their own: RabbitMQ listens on no such
 * socket itself. What the forwarding costs is the same for both.
 */
const servers = []
let folder

serve({
  async open({ url }) {
    const { hostname, port, username, password } = new URL(url)
    const target = { host: hostname, port: Number(port || 5_672) }
    folder = await mkdtemp(join(tmpdir(), 'pooled-producer-bench-'))
    const path = join(folder, 'broker.sock')
    const tcp = await listen(target, 0)
    await listen(target, path)
    const user = `${username}:${password}`
    return {
      tcp: `amqp://${user}@127.0.0.1:${tcp.address().port}`,
      unix: `amqp+unix://${user}@localhost${path}`,
    }
  },
  async close() {
    for (const server of servers) server.close()
    await rm(folder, { recursive: true, force: true })
  },
})

async function listen(target, place) {
  const server = createServer({ noDelay: true }, (client) => {
    const broker = open({ ...target, noDelay: true })
    client.pipe(broker).pipe(client)
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ]) {
      socket.on('error', () => other.destroy())
      socket.on('close', () => other.destroy())
    }
  })
  servers.push(server)
  await new Promise((resolve) => server.listen(...(place === 0 ? [0, '127.0.0.1'] : [place]), resolve))
  return server
}
