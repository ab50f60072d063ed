import type { PendingPublish } from '../../lib/pool/pending-publish.ts'

/** A channel that takes so many messages, and keeps them. */
export class ScriptedChannel {
  readonly id: number
  readonly written: PendingPublish[] = []
  /** How many were written at each flush. */
  readonly flushed: number[] = []
  room: number
  /** It was in use before. */
  publishes = 40
  leases = 0
  isUsable = true
  isFast = true
  isBypassed = false
  /** The reason for which it was retired. */
  retiredFor: string | undefined
  /** What a write throws. */
  fault: Error | undefined
  /** Told of each write. */
  wrote: () => void = () => {}

  constructor(id: number, room: number) {
    this.id = id
    this.room = room
  }

  get isFull(): boolean {
    return this.isUsable && this.room <= 0
  }

  get bodies(): unknown[] {
    return this.written.map(({ body }) => body)
  }

  write(publish: PendingPublish): void {
    if (this.fault !== undefined) throw this.fault
    this.wrote()
    this.written.push(publish)
    this.room--
    this.publishes++
  }

  flush(): void {
    this.flushed.push(this.written.length)
  }

  retire(reason: string): void {
    this.retiredFor = reason
    this.isUsable = false
    this.room = 0
  }
}

/** Channels of which some are at hand; others come when they are lent. */
export class ScriptedChannels {
  readonly atHand: ScriptedChannel[]
  idle: number
  /** As the pool counts them. */
  leased = 1
  canGrow = false
  /** What was asked of it, in order. */
  readonly steps: string[] = []
  #waiters: ((channel: ScriptedChannel) => void)[] = []

  constructor(...atHand: ScriptedChannel[]) {
    this.atHand = atHand
    this.idle = atHand.length
  }

  takeNow(): ScriptedChannel | undefined {
    const channel = this.atHand.shift()
    if (channel === undefined) return undefined
    this.steps.push(`take ${channel.id}`)
    this.idle--
    return channel
  }

  take(): Promise<ScriptedChannel> {
    this.steps.push('wait')
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** Gives one to whoever waits, and lets the loop turn. */
  async lend(channel: ScriptedChannel): Promise<void> {
    this.#waiters.shift()?.(channel)
    await new Promise((resolve) => setImmediate(resolve))
  }

  give({ id }: ScriptedChannel): void {
    this.steps.push(`give ${id}`)
  }

  grow(): void {
    this.steps.push('grow')
  }
}
