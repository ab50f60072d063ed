import { connect, type Socket } from 'node:net'

/** What becomes of the bytes of one direction. */
export type Shape =
  | { readonly kind: 'pass' | 'swallow' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  | { readonly kind: 'slice'; readonly bytes: number }

/** From the client to the broker, or from the broker to the client. */
export type Direction = 'up' | 'down'

type ShapeOf = (direction: Direction) => Shape

/** One connection of a client, with the connection to the target that belongs to it. */
export class ProxyLink {
  readonly #client: Socket
  readonly #target: Socket | undefined
  readonly #streams: readonly Stream[]

  /** Without a target everything that the client sends is swallowed, and nothing is answered. */
  constructor(client: Socket, target: { host: string; port: number } | undefined, shapeOf: ShapeOf) {
    this.#client = client
    client.on('error', ignore)
    if (target === undefined) {
      client.resume()
      this.#streams = []
      return
    }
    this.#target = connect({ ...target, allowHalfOpen: true, noDelay: true })
    this.#target.on('error', ignore)
    this.#streams = [
      new Stream(client, this.#target, () => shapeOf('up')),
      new Stream(this.#target, client, () => shapeOf('down')),
    ]
  }

  get isHeldByClient(): boolean {
    return !this.#client.destroyed
  }

  /** Calls back once both sides are closed. */
  onClosed(callback: () => void): void {
    const sockets = this.#target === undefined ? [this.#client] : [this.#client, this.#target]
    let open = sockets.length
    for (const socket of sockets) {
      socket.once('close', () => {
        open--
        if (open === 0) callback()
      })
    }
  }

  /** Lets the streams look at their shape again. */
  wake(): void {
    for (const stream of this.#streams) stream.wake()
  }

  reset(): void {
    reset(this.#client)
    if (this.#target !== undefined) reset(this.#target)
  }

  end(): void {
    this.#client.end()
    this.#target?.end()
  }
}

// What a delay or a slow receiver may hold back, in bytes per direction; the sender waits from there on.
const MAX_HELD_BYTES = 4 * 2 ** 20
const SLOW_STEP_MS = 20
const END = Buffer.alloc(0)

interface Item {
  bytes: Buffer
  readonly arrivedAt: number
}

/** One direction of a link: what arrives is queued and leaves as the shape of the moment says. */
class Stream {
  readonly #from: Socket
  readonly #to: Socket
  readonly #shape: () => Shape
  readonly #queue: Item[] = []
  #heldBytes = 0
  #isRunning = false
  #isLost = false
  #endSleep: () => void = ignore
  #endStall: () => void = ignore

  constructor(from: Socket, to: Socket, shape: () => Shape) {
    this.#from = from
    this.#to = to
    this.#shape = shape
    from.on('data', (bytes) => this.#push(bytes))
    from.on('end', () => this.#push(END))
    from.on('close', (hadError) => this.#closed(hadError))
    to.on('drain', () => this.#endStall())
    to.on('close', () => this.#endStall())
  }

  wake(): void {
    this.#endSleep()
    this.#endStall()
  }

  #push(bytes: Buffer): void {
    this.#queue.push({ bytes, arrivedAt: Date.now() })
    this.#heldBytes += bytes.length
    if (!this.#isRunning) void this.#run()
    if (this.#heldBytes > 0 && this.#heldBytes >= this.#limit()) this.#from.pause()
  }

  /** Only a delay needs room for what is on its way; in every other shape the sender waits for the receiver. */
  #limit(): number {
    return this.#shape().kind === 'delay' ? MAX_HELD_BYTES : 1
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let item = this.#queue[0]; item !== undefined; item = this.#queue[0]) {
      const pause = this.#forward(item)
      if (pause !== undefined) await pause
      if (this.#heldBytes < this.#limit()) this.#from.resume()
    }
    this.#isRunning = false
  }

  /** Forwards what may leave now; the promise says when to come back. */
  #forward(item: Item): Promise<void> | undefined {
    const shape = this.#shape()
    // A stream with a hole in it must not go on: the receiver would take what follows for what was lost.
    if (shape.kind === 'swallow') this.#isLost = true
    if (this.#isLost || this.#to.destroyed || this.#to.writableEnded) return this.#take(item, item.bytes.length)

    if (shape.kind === 'delay') {
      const waitMs = item.arrivedAt + shape.ms - Date.now()
      if (waitMs > 0) return this.#sleep(waitMs)
    }
    if (item.bytes === END) {
      this.#to.end()
      return this.#take(item, 0)
    }

    let size = item.bytes.length
    if (shape.kind === 'slice') size = shape.bytes
    if (shape.kind === 'slow') size = Math.max(1, Math.floor((shape.bytesPerSecond * SLOW_STEP_MS) / 1_000))
    const part = item.bytes.subarray(0, size)
    const hasRoom = this.#to.write(part, shape.kind === 'slice' ? () => this.#endStall() : undefined)
    this.#take(item, part.length)
    if (shape.kind === 'slice') return this.#flushed()
    if (shape.kind === 'slow') return this.#paced((part.length / shape.bytesPerSecond) * 1_000, hasRoom)
    return hasRoom ? undefined : this.#room()
  }

  #take(item: Item, size: number): undefined {
    this.#heldBytes -= size
    item.bytes = item.bytes.subarray(size)
    if (item.bytes.length === 0) this.#queue.shift()
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#endSleep = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async #paced(ms: number, hasRoom: boolean): Promise<void> {
    await this.#sleep(ms)
    if (!hasRoom && this.#to.writableNeedDrain) await this.#room()
  }

  /** Two pieces that wait in a buffer together would leave in one write. */
  async #flushed(): Promise<void> {
    await this.#room()
    await new Promise((resolve) => setImmediate(resolve))
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#endStall = resolve
    })
  }

  /** A side that was reset resets the other, unless the news is lost too. */
  #closed(hadError: boolean): void {
    if (!hadError || this.#isLost || this.#shape().kind === 'swallow') return
    reset(this.#to)
  }
}

/** libuv refuses to reset a socket in the middle of its orderly end; Node then never closes it, and cannot exit. */
function reset(socket: Socket): void {
  // A Unix domain socket knows no reset.
  const isTcp = 'remoteFamily' in socket && (socket.connecting || socket.remoteFamily !== undefined)
  if (!isTcp || (socket.writableEnded && !socket.writableFinished)) socket.destroy()
  else socket.resetAndDestroy()
}

function ignore(): void {}
