import { PooledProducerError } from '../errors.ts'
import { describe } from '../shown-value.ts'
import { addressOf, greet } from './amqp-greeting.ts'
import { startEmulator } from './emulator.ts'
import { canDownloadRabbitmq, fetchedRabbitmq } from './rabbitmq-download.ts'
import { installedRabbitmq } from './rabbitmq-install.ts'
import { type RabbitmqNode, startRabbitmqNode } from './rabbitmq-node.ts'

/** Where a broker came from: started here, or named by `AMQP_URL`. */
export type BrokerKind = 'rabbitmq' | 'emulator' | 'external'

/** A broker to work with until `stop`. */
export interface Broker extends AsyncDisposable {
  readonly url: string
  readonly kind: BrokerKind
  /** What it calls itself: `RabbitMQ`, `amqp-emulator`, ... */
  readonly product: string
  readonly version: string
  /** Ends the broker, if it was started here. A second call does nothing. */
  stop(): Promise<void>
  /** The private node, to break and mend; only of kind `rabbitmq`. */
  readonly node?: RabbitmqNode
}

/** What `startBroker` takes. */
export interface BrokerOptions {
  /** Which to start when both can be had. `AMQP_BROKER` outranks it. Default: `rabbitmq`. */
  prefer?: 'rabbitmq' | 'emulator'
  /** Told what is fetched and which broker serves. Default: standard error. */
  onProgress?: (line: string) => void
}

type Source = (onProgress: (line: string) => void) => Promise<Broker>

/**
 * Gives a broker, and says which: the one that `AMQP_URL` names, else a private node of an installed RabbitMQ, else
 * of a RabbitMQ fetched by apt (no root needed), else amqp-emulator. `AMQP_BROKER=rabbitmq` or `=emulator` allows
 * only that one. What is started here ends with this process at the latest.
 *
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE `AMQP_URL` does not answer, which is never passed over in
 * silence, or no broker could be started. ERR_INVALID_OPTION
 * @example
 * await using broker = await startBroker()
 * const pool = createProducerPool({ broker: broker.url })
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { onProgress = toStandardError } = options
  const broker = await (process.env.AMQP_URL ? externalBroker(process.env.AMQP_URL) : startFirst(options, onProgress))
  const origin = {
    rabbitmq: 'a private node',
    emulator: 'its own figures, not those of RabbitMQ',
    external: 'AMQP_URL',
  }
  const { host, port } = addressOf(broker.url)
  onProgress(`broker: ${broker.product} ${broker.version} on ${host}:${port} (${origin[broker.kind]})`)
  return broker
}

async function startFirst({ prefer }: BrokerOptions, onProgress: (line: string) => void): Promise<Broker> {
  const sources: Record<'rabbitmq' | 'emulator', Source> = { rabbitmq: rabbitmqBroker, emulator: emulatorBroker }
  const forced = chosen('AMQP_BROKER', process.env.AMQP_BROKER || undefined)
  if (forced !== undefined) return sources[forced](onProgress)

  const first = chosen('prefer', prefer) ?? 'rabbitmq'
  const second = first === 'rabbitmq' ? 'emulator' : 'rabbitmq'
  // Without anything to get RabbitMQ from there is nothing to report; with it, a failure is told.
  if (first === 'rabbitmq' && !canHaveRabbitmq()) return sources[second](onProgress)
  try {
    return await sources[first](onProgress)
  } catch (error) {
    onProgress(`${(error as Error).message}; trying ${second} instead`)
    return sources[second](onProgress)
  }
}

async function rabbitmqBroker(onProgress: (line: string) => void): Promise<Broker> {
  const node = await startRabbitmqNode({ onProgress })
  const { url, version } = node
  return broker({ url, kind: 'rabbitmq', product: 'RabbitMQ', version, node, stop: () => node.stop() })
}

async function emulatorBroker(): Promise<Broker> {
  const emulator = await startEmulator()
  const { url, version } = emulator
  return broker({ url, kind: 'emulator', product: 'amqp-emulator', version, stop: () => emulator.stop() })
}

/** The broker that `AMQP_URL` names; of several nodes, separated by semicolons as in Celery, the first to answer. */
async function externalBroker(list: string): Promise<Broker> {
  let failure: unknown
  for (const url of list.split(';').map((part) => part.trim())) {
    if (!/^amqps?:\/\//.test(url) || !URL.canParse(url)) {
      // Neither the value nor a parser's error is shown: both hold the password.
      throw new PooledProducerError(
        'ERR_INVALID_OPTION',
        'AMQP_URL must be a URL such as amqp://user:password@host/vhost',
      )
    }
    const address = addressOf(url)
    try {
      const { product, version } = await greet(address)
      return broker({ url, kind: 'external', product, version, stop: async () => {} })
    } catch (error) {
      const message = `AMQP_URL is set, but ${address.host}:${address.port} does not serve: ${(error as Error).message}`
      failure = new PooledProducerError('ERR_BROKER_UNAVAILABLE', message, { cause: error })
    }
  }
  throw failure
}

function broker(parts: Omit<Broker, typeof Symbol.asyncDispose>): Broker {
  return { ...parts, [Symbol.asyncDispose]: () => parts.stop() }
}

function canHaveRabbitmq(): boolean {
  return installedRabbitmq() !== undefined || fetchedRabbitmq() !== undefined || canDownloadRabbitmq()
}

function chosen(name: string, value: unknown): 'rabbitmq' | 'emulator' | undefined {
  if (value === undefined || value === 'rabbitmq' || value === 'emulator') return value
  throw new PooledProducerError('ERR_INVALID_OPTION', `${name} must be rabbitmq or emulator, got ${describe(value)}`)
}

function toStandardError(line: string): void {
  process.stderr.write(`${line}\n`)
}
