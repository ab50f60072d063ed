import type { ChannelModel } from 'amqplib'
import { PooledProducerError } from '../errors.ts'
import { backoffMs } from './backoff.ts'
import type { BrokerAddress } from './broker-url.ts'
import { ConnectAttempt, type ConnectListener, type ConnectSettings, paceMs } from './connect-attempt.ts'
import { NodeList } from './node-list.ts'

/** Who is told how the dialling goes. */
export interface DiallerOwner extends ConnectListener {
  /** A node has answered, and no attempt is under way any more. */
  opened(model: ChannelModel, details: { openMs: number; attempts: number }): void
  retrying(details: { attempt: number; delayMs: number; error: Error }): void
  /** Every node has refused us: nothing is tried until {@link Dialler.start}. */
  refused(error: PooledProducerError): void
}

/** A broker that refuses what is renewed at each attempt is asked less and less often, but this often at least. */
const RENEWAL_PAUSE_MS = 5_000

/** Tries the nodes of one cluster in turn, until one answers or all have refused us. */
export class Dialler {
  readonly #id: number
  readonly #nodes: NodeList
  readonly #settings: ConnectSettings
  readonly #owner: DiallerOwner
  readonly #paceMs: number
  #attempts = 0
  /** Until the next attempt. */
  #timer: NodeJS.Timeout | undefined
  #nextAttemptAt = 0
  /** Attempts under way: one that gets no answer does not keep the next from being made. */
  readonly #pending = new Set<ConnectAttempt>()
  /** The one whose failure is followed by another; undefined: that is on its way already. */
  #latest: ConnectAttempt | undefined

  /** @param id the connection's: several begin with different nodes, so that they spread over a cluster. */
  constructor(id: number, nodes: readonly BrokerAddress[], settings: ConnectSettings, owner: DiallerOwner) {
    this.#id = id
    this.#nodes = new NodeList(nodes, id - 1)
    this.#settings = settings
    this.#owner = owner
    this.#paceMs = paceMs(settings.connectTimeoutMs)
  }

  /** The node in use or tried next, without a password. */
  get broker(): string {
    return this.#nodes.current.display
  }

  /** Whether every node has refused us a moment ago, so that there is none to try. */
  get isExhausted(): boolean {
    return this.#nodes.isExhausted
  }

  /** Milliseconds until a node may be tried that has refused us; 0: one may be tried now. */
  get pauseMs(): number {
    return this.#nodes.pauseMs
  }

  /** Milliseconds until the next attempt; 0: it is under way. */
  get nextAttemptMs(): number {
    return Math.max(0, this.#nextAttemptAt - performance.now())
  }

  /** Begins with the next node that can be tried; the nodes must not be exhausted. */
  start(): void {
    this.#attempts = 0
    this.#nodes.restart()
    void this.#attempt()
  }

  /** Begins anew after `delayMs`, with the node after the one that was lost. */
  goOn(delayMs: number): void {
    this.#nodes.advance()
    this.#nodes.restart()
    this.#attemptIn(delayMs)
  }

  /** Gives up what is under way. */
  stop(): void {
    clearTimeout(this.#timer)
    for (const attempt of this.#pending) attempt.giveUp()
    this.#pending.clear()
  }

  async #attempt(): Promise<void> {
    const attempt = new ConnectAttempt(this.#nodes.current, this.#settings)
    this.#pending.add(attempt)
    this.#latest = attempt
    this.#attempts++
    this.#nextIn(this.#paceMs, () => this.#unanswered(attempt))
    try {
      const model = await attempt.connect(this.#id, this.#owner)
      if (this.#pending.delete(attempt)) this.#opened(model, attempt)
      else void model.close().catch(ignore)
    } catch (cause) {
      if (this.#pending.delete(attempt)) this.#failed(attempt, cause as PooledProducerError)
    }
  }

  /** The attempt goes on, and may still be the one that succeeds, but the next node need not wait for it. */
  #unanswered({ address }: ConnectAttempt): void {
    this.#latest = undefined
    const text = `${address.display} cannot be reached: no answer in ${this.#paceMs} ms`
    this.#retry(new PooledProducerError('ERR_BROKER_UNAVAILABLE', text), 0)
  }

  #opened(model: ChannelModel, { address, elapsedMs: openMs }: ConnectAttempt): void {
    const attempts = this.#attempts
    this.#attempts = 0
    this.stop()
    this.#nodes.accepted(address)
    this.#owner.opened(model, { openMs, attempts })
  }

  #failed(attempt: ConnectAttempt, error: PooledProducerError): void {
    if (!error.retryable) this.#nodes.refused(attempt.address)
    if (this.#nodes.isExhausted) {
      this.stop()
      this.#owner.refused(error)
      return
    }
    // One that was passed over has been followed by another already.
    if (attempt === this.#latest) this.#retry(error)
  }

  #retry(error: PooledProducerError, pauseMs?: number): void {
    // The other nodes are tried at once; a pause stands only between the rounds.
    const { rounds } = this.#nodes
    this.#nodes.advance()
    const delayMs = pauseMs ?? (this.#nodes.rounds > rounds ? this.#pauseAfter(error) : 0)
    this.#owner.retrying({ attempt: this.#attempts, delayMs, error })
    this.#attemptIn(delayMs)
  }

  #pauseAfter({ code }: PooledProducerError): number {
    const { rounds } = this.#nodes
    return code === 'ERR_BROKER_REFUSED' ? backoffMs(rounds, Math.random, RENEWAL_PAUSE_MS) : backoffMs(rounds)
  }

  #attemptIn(delayMs: number): void {
    this.#nextAttemptAt = performance.now() + delayMs
    this.#nextIn(delayMs, () => void this.#attempt())
  }

  #nextIn(ms: number, run: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(run, ms)
  }
}

function ignore(): void {}
