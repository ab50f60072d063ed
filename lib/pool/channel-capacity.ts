/** AMQP 0-9-1, section 1.2: the client tried to work with something that it may not. */
const NOT_ALLOWED = 530
/** RabbitMQ's words when a user, or a node, may have no more channels. */
const TOO_MANY_CHANNELS = /number of channels opened(?:.*limit of \((\d+)\))?/

/**
 * How many channels a pool may open: `maxChannels`, or fewer where the broker allows fewer. RabbitMQ answers one
 * channel too many by closing the whole connection, so what it has said once is kept to.
 */
export class ChannelCapacity {
  readonly #warn: (reason: string) => void
  #most: number
  #lastRefusal: Error | undefined
  #isWarnedOfChannelMax = false

  constructor(maxChannels: number, warn: (reason: string) => void) {
    this.#most = maxChannels
    this.#warn = warn
  }

  /** Channels open at most. */
  get most(): number {
    return this.#most
  }

  /** Warns, once, when as many connections as this cannot hold the channels that the pool may open. */
  agreed(channelMax: number, connections: number): void {
    if (this.#isWarnedOfChannelMax || channelMax * connections >= this.#most) return
    this.#isWarnedOfChannelMax = true
    const channels = `${channelMax} ${channelMax === 1 ? 'channel' : 'channels'}`
    this.#warn(
      `maxChannels is ${this.#most}, but no more than ${channels} on each connection are agreed on with the broker ` +
        `(channel_max), and connections is ${connections}: the pool keeps to ${channelMax * connections}`,
    )
  }

  /**
   * A channel was not opened. Where the broker has said that there are too many, fewer are opened from now on.
   *
   * @param error why the connection was lost.
   * @param open how many channels were open before.
   */
  refused(error: Error | undefined, open: number): void {
    if (error === undefined || error === this.#lastRefusal) return
    const said = (error as { code?: unknown }).code === NOT_ALLOWED ? TOO_MANY_CHANNELS.exec(error.message) : null
    if (said === null) return
    this.#lastRefusal = error
    const before = this.#most
    // The limit may be shared with other processes: each refusal takes at least one channel off.
    this.#most = Math.max(1, Math.min(said[1] === undefined ? open : Number(said[1]), before - 1))
    this.#warn(
      `the broker allows no more channels, and closed the connection over one: the pool keeps to ${this.#most} ` +
        `instead of ${before} (${error.message})`,
    )
  }
}
