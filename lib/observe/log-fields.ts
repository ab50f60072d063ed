import { types } from 'node:util'
import { describe } from '../shown-value.ts'

/** Deeper than this, fields and chains of causes are cut: they are for people to read. */
const MAX_DEPTH = 5

// Only white space ends the secret: a password may hold an unencoded slash, quote or at sign. The next URL of
// a list ends it too. Rather too much is hidden than too little.
const CREDENTIALS = /(amqp(?:s|\+unix)?:\/\/[^\s:]*):(?:(?!amqp(?:s|\+unix)?:\/\/)\S)*@/gi

/** An error as a record holds it. */
export interface LoggedError {
  readonly message: string
  readonly code?: string | number
  readonly cause?: LoggedError
}

/** The text with `amqp://user:***@` in place of a URL's password. */
export function withoutSecrets(text: string): string {
  return text.includes('://') ? text.replace(CREDENTIALS, '$1:***@') : text
}

/**
 * A copy of the fields that is safe to write: no password of a broker's URL in any string, errors cut down
 * to code, message and causes, and no object whose class we do not know. An `error` that is given as text
 * takes the form of an error, so that the field has one shape.
 */
export function safeFields(fields: Record<string, unknown>): Record<string, unknown> {
  const safe: Record<string, unknown> = {}
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    safe[name] =
      name === 'error' && typeof value === 'string' ? { message: withoutSecrets(value) } : safeValue(value, 1)
  }
  return safe
}

function safeValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return withoutSecrets(value)
  if (typeof value !== 'object' || value === null) return value
  if (isError(value)) return loggedError(value, depth)
  if (value instanceof Date) return value
  const prototype = Object.getPrototypeOf(value)
  const isPlain = Array.isArray(value) || prototype === Object.prototype || prototype === null
  // An instance of a class, a URL or a socket for one, may show a secret under any name.
  if (!isPlain || depth === MAX_DEPTH) return describe(value)
  if (Array.isArray(value)) return value.map((item) => safeValue(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, safeValue(item, depth + 1)]))
}

function loggedError(error: Error & { code?: unknown; errors?: unknown }, depth: number): LoggedError {
  // A refused connection to a name with two addresses is an error of several without a message of its own.
  const { code, cause, errors } = error
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined
  const message = error.message || (isError(first) ? first.message : '') || error.name
  return {
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message: withoutSecrets(`${message}`),
    ...(isError(cause) && depth < MAX_DEPTH ? { cause: loggedError(cause, depth + 1) } : {}),
  }
}

/** Also an error of another realm (a vm context), and one that is none of the language's own (an AbortError). */
function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error
}
