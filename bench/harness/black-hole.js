import { connect, createServer } from 'node:net'

/**
 * A door to the broker that can be shut. Open, it passes bytes both ways. `swallow()`: what the client writes
 * is read and thrown away, nothing comes back. `pause()`: what the client writes is not even read, so it stays
 * with the client.
 */
export class BlackHole {
  #server
  #pairs = []
  #target
  #mode = 'open'

  /** Bytes that clients have written while it was open. */
  bytes = 0

  static async start(brokerUrl) {
    const hole = new BlackHole()
    const url = new URL(brokerUrl)
    hole.#target = { host: url.hostname, port: Number(url.port || 5672) }
    hole.#server = createServer((client) => hole.#accept(client))
    await new Promise((resolve) => hole.#server.listen(0, '127.0.0.1', resolve))
    url.hostname = '127.0.0.1'
    url.port = hole.#server.address().port
    hole.url = url.href
    return hole
  }

  swallow() {
    this.#mode = 'swallow'
    for (const { broker } of this.#pairs) broker.pause()
  }

  pause() {
    this.#mode = 'pause'
    for (const { client, broker } of this.#pairs) {
      client.pause()
      broker.pause()
    }
  }

  async stop() {
    for (const { client, broker } of this.#pairs) {
      client.destroy()
      broker.destroy()
    }
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(client) {
    const broker = connect({ ...this.#target, noDelay: true })
    client.setNoDelay(true)
    this.#pairs.push({ client, broker })
    client.on('data', (chunk) => {
      if (this.#mode !== 'open') return
      this.bytes += chunk.length
      broker.write(chunk)
    })
    broker.on('data', (chunk) => client.write(chunk))
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ]) {
      socket.on('error', () => other.destroy())
      socket.on('close', () => other.destroy())
    }
    if (this.#mode === 'pause') client.pause()
  }
}
