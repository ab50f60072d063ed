import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ChannelModel } from 'amqplib'
import { asError } from '../errors.ts'

interface InnerConnection {
  on(event: 'error', listener: (error: unknown) => void): unknown
}

/** A method as amqplib decodes it. */
interface Method {
  readonly id?: number
  readonly fields?: { readonly replyCode?: unknown; readonly replyText?: unknown }
}

type OnFrame = (error: Error | null, frame: Method | null) => void

/** How amqplib takes one frame of the handshake. */
type Step = (this: InnerConnection, onFrame: OnFrame) => void

/** What amqplib runs once the broker has said open-ok, before anybody can listen to the connection. */
type AcceptLoop = (this: InnerConnection) => void

/** connection.close as amqplib numbers it: its class and its method. */
const CONNECTION_CLOSE = (10 << 16) | 50

/** Why connections broke before their owners had them. */
const earlyErrors = new WeakMap<object, Error>()
let isGuarded = false

/**
 * Keeps the process alive when the broker's open-ok comes in one piece with what ends the connection: a
 * connection.close, say, or bytes that are no frame. amqplib reads on before it hands the connection over, and an
 * error that nobody can listen for yet would be thrown out of a socket's event, where nobody can catch it. And has it
 * tell why the broker closes instead of open-ok, which amqplib leaves out: a vhost that does not exist stays away, one
 * that is down, or a broker that shuts down, comes back. Where amqplib is not built as expected nothing is guarded.
 */
export function guardHandshakes(): void {
  if (isGuarded) return
  isGuarded = true
  const connection = innerPrototype()
  if (typeof connection?.acceptLoop !== 'function') return
  const { acceptLoop, step } = connection
  connection.acceptLoop = function guarded(this: InnerConnection): void {
    this.on('error', (error) => {
      if (!earlyErrors.has(this)) earlyErrors.set(this, asError(error))
    })
    acceptLoop.call(this)
  }
  if (typeof step !== 'function') return
  connection.step = function guarded(this: InnerConnection, onFrame: OnFrame): void {
    step.call(this, (error, frame) => {
      const closed = closeError(frame)
      if (closed === undefined) onFrame(error, frame)
      else onFrame(closed, null)
    })
  }
}

/** What a connection.close says; undefined for any other frame. */
function closeError(frame: Method | null): Error | undefined {
  if (frame?.id !== CONNECTION_CLOSE || frame.fields === undefined) return undefined
  const { replyCode, replyText } = frame.fields
  return new Error(`Handshake terminated by server: ${replyCode} (${replyText})`)
}

/** Why a connection broke as it was opened; undefined when it did not, or nobody knows. */
export function earlyErrorOf(model: ChannelModel): Error | undefined {
  return earlyErrors.get(model.connection)
}

function innerPrototype(): { acceptLoop?: AcceptLoop; step?: Step } | undefined {
  try {
    const require = createRequire(import.meta.url)
    // amqplib's `exports` do not show it; a bundle does not have it as a file.
    const { Connection } = require(join(dirname(require.resolve('amqplib')), 'lib', 'connection.js'))
    return Connection.prototype
  } catch {
    return undefined
  }
}
