import { type ChildProcess, execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { PooledProducerError } from '../errors.ts'
import { greet } from './amqp-greeting.ts'
import { freePort } from './free-port.ts'
import { ended, GuardedFolder, isRunning, signalGroup } from './guarded-folder.ts'
import { obtainRabbitmq } from './rabbitmq-download.ts'
import { nodeEnvironment } from './rabbitmq-environment.ts'
import { findEpmd } from './rabbitmq-install.ts'

const execute = promisify(execFile)

const START_TIMEOUT_MS = 90_000
// A node that cannot end gracefully, for want of a majority say, is ended all the same.
const END_TIMEOUT_MS = 30_000
const POLL_MS = 50
// An Erlang crash report is long, and what matters stands above it.
const LOG_LINES = 100
// With these the process goes on; after any other, `kill` waits for its end.
const HARMLESS_SIGNALS = new Set<NodeJS.Signals>(['SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'])

/** What `startRabbitmqNode` takes. */
export interface RabbitmqNodeOptions {
  /** The folder of `rabbitmq-server` and `rabbitmqctl`. Default: the installed RabbitMQ, or one fetched by apt. */
  sbin?: string
  /** The AMQP port of 127.0.0.1. Default: a free one. */
  port?: number
  /** The node's name without its host. Default: a random one. */
  name?: string
  /** Lines for `rabbitmq.conf`, such as `channel_max = 16`. */
  config?: readonly string[]
  /** Added to the environment of the node and of `rabbitmqctl`. */
  env?: NodeJS.ProcessEnv
  /** The port of a running Erlang port mapper. Default: the node has one of its own. */
  epmdPort?: number
  /** The Erlang cookie, which nodes of one cluster share. Default: a random one. */
  cookie?: string
  /** Told what is being fetched, should there be no RabbitMQ. Default: standard error. */
  onProgress?: (line: string) => void
}

/** A program with its arguments and environment. */
export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

interface Settings {
  readonly sbin: string
  readonly port: number
  readonly nodename: string
  readonly env: NodeJS.ProcessEnv
  readonly folder: GuardedFolder
  readonly epmd: ChildProcess | undefined
}

/**
 * Starts a RabbitMQ node of one's own: free ports of 127.0.0.1, its data in a temporary folder, no plugins, the
 * user `guest` with the password `guest`. It ends with this process at the latest and does not keep it running.
 *
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE no RabbitMQ can be had, or it did not start; the message
 * ends with its log.
 */
export async function startRabbitmqNode(options: RabbitmqNodeOptions = {}): Promise<RabbitmqNode> {
  const install =
    options.sbin === undefined ? await obtainRabbitmq(options.onProgress) : { sbin: options.sbin, env: {} }
  const port = options.port ?? (await freePort())
  const distributionPort = await freePort()
  const epmdPort = options.epmdPort ?? (await freePort())
  const nodename = `${options.name ?? `rabbit-${randomBytes(4).toString('hex')}`}@localhost`

  const folder = new GuardedFolder('pooled-producer-rabbitmq')
  const { config, cookie } = options
  const env = {
    ...nodeEnvironment(folder.path, { nodename, port, distributionPort, epmdPort, config, cookie }),
    ...install.env,
    ...options.env,
  }
  const epmd = options.epmdPort === undefined ? startEpmd(folder, epmdPort, env) : undefined
  const node = new RabbitmqNode({ sbin: install.sbin, port, nodename, env, folder, epmd })
  try {
    await node.start()
    return node
  } catch (error) {
    await node.stop()
    throw error
  }
}

/**
 * Starts an Erlang port mapper as a ward of the folder. A node that finds none starts one that outlives it; this
 * one is known, and ends with the folder. Where no `epmd` is found the node does that, on the same port.
 */
export function startEpmd(folder: GuardedFolder, port: number, env: NodeJS.ProcessEnv): ChildProcess | undefined {
  const command = findEpmd(env)
  if (command === undefined) return undefined
  return folder.spawn({ name: 'epmd', command, args: ['-port', `${port}`, '-address', '127.0.0.1'], env })
}

/** A private RabbitMQ node. Made by {@link startRabbitmqNode}. */
export class RabbitmqNode {
  readonly url: string
  readonly port: number
  readonly nodename: string
  readonly #settings: Settings
  #process: ChildProcess | undefined
  #version = 'unknown'
  #isStopped = false

  /** @internal */
  constructor(settings: Settings) {
    this.#settings = settings
    this.port = settings.port
    this.nodename = settings.nodename
    this.url = `amqp://guest:guest@127.0.0.1:${settings.port}`
  }

  /** The pid of the Erlang machine, which is also its process group; undefined while the node is down. */
  get pid(): number | undefined {
    return this.#process !== undefined && isRunning(this.#process) ? this.#process.pid : undefined
  }

  get version(): string {
    return this.#version
  }

  /** What runs `rabbitmqctl` against this node, in this process or another; the arguments are to be appended. */
  get ctlCommand(): Command {
    const { sbin, env } = this.#settings
    return { command: join(sbin, 'rabbitmqctl'), args: ['--quiet', '-n', this.nodename], env }
  }

  /** Runs `rabbitmqctl` and gives its standard output; it takes a second or more. Rejects when it fails. */
  async ctl(...args: string[]): Promise<string> {
    return runCommand(this.ctlCommand, args)
  }

  /**
   * Signals the node. Resolves when the process has ended, or at once for a signal that it survives, such as
   * SIGSTOP. The data stays for the next {@link start}, but for what a killed node had not written yet, such as a queue
   * that was just declared. Default: SIGKILL; SIGTERM ends it gracefully.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#process === undefined) return
    const child = this.#process
    signalGroup(child, signal)
    if (HARMLESS_SIGNALS.has(signal)) return
    // A stopped process takes no other signal before it goes on.
    signalGroup(child, 'SIGCONT')
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), END_TIMEOUT_MS)
    await ended(child)
    clearTimeout(timer)
  }

  /**
   * Starts the node again, on the same ports and data. Resolves when it takes AMQP connections.
   *
   * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE
   */
  async start(): Promise<void> {
    if (this.#isStopped) throw unavailable(`${this.nodename} was stopped, and its data is gone`)
    if (this.pid !== undefined) return
    const { folder, sbin, env } = this.#settings
    this.#process = folder.spawn({ name: 'rabbitmq', command: join(sbin, 'rabbitmq-server'), args: [], env })
    await this.#untilReady(this.#process)
  }

  /** Ends the node gracefully and starts it again. */
  async restart(): Promise<void> {
    await this.kill('SIGTERM')
    await this.start()
  }

  /** Ends the node at once and removes its data. A second call does nothing. */
  async stop(): Promise<void> {
    this.#isStopped = true
    // Its data goes with it, so that there is nothing to end gracefully for.
    await this.kill('SIGKILL')
    const { epmd, folder } = this.#settings
    if (epmd !== undefined) {
      signalGroup(epmd, 'SIGKILL')
      await ended(epmd)
    }
    await folder.remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS
    let lastError: unknown
    while (Date.now() < deadline) {
      if (!isRunning(child)) throw this.#notStarted('it ended', lastError)
      try {
        const { version } = await greet({ host: '127.0.0.1', port: this.port }, 5_000)
        this.#version = version
        return
      } catch (error) {
        lastError = error
      }
      await delay(POLL_MS)
    }
    throw this.#notStarted(`it took no connection in ${START_TIMEOUT_MS} ms`, lastError)
  }

  #notStarted(what: string, cause: unknown): PooledProducerError {
    const log = this.#settings.folder.logTail('rabbitmq', LOG_LINES)
    return unavailable(`RabbitMQ (${this.nodename}) did not start: ${what}. Its log ends with:\n${log}`, cause)
  }
}

/** Runs a command with more arguments and gives its standard output. Rejects when it fails. */
export async function runCommand({ command, args, env }: Command, more: readonly string[]): Promise<string> {
  const { stdout } = await execute(command, [...args, ...more], { env, maxBuffer: 2 ** 26 })
  return stdout
}

function unavailable(message: string, cause?: unknown): PooledProducerError {
  return new PooledProducerError('ERR_BROKER_UNAVAILABLE', message, { cause })
}
