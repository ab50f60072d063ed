import { asError, PooledProducerError } from '../errors.ts'

/**
 * Faults that the same attempt meets again until somebody changes something, by what shows them. The broker's code
 * comes before its text, which may hold any number. What amqplib expected is all that there is to go by where
 * handshakes are not guarded.
 */
const REFUSALS: readonly { readonly shown: RegExp; readonly means: string; readonly isOfLogin?: boolean }[] = [
  { shown: /^\D*403\b|ACCESS[_-]REFUSED/i, means: 'the user name or the password is wrong', isOfLogin: true },
  {
    shown: /^\D*530\b|NOT[_-]ALLOWED|Expected ConnectionOpenOk; got <ConnectionClose/i,
    means: 'the vhost does not exist, the user has no access to it, or a limit on connections is reached',
  },
  { shown: /SASL mechanism/i, means: 'the broker does not offer the way of logging in' },
  {
    shown: /exceeds maxFrameSize|Invalid frame|Unknown frame type|below the protocol minimum/i,
    means: 'what answers there is not an AMQP 0-9-1 server',
  },
]
/** OpenSSL's and Node's codes for a handshake that fails for its settings, not for the network. */
const TLS_CODE = /^(ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO$)/

/** What the next attempt gets anew: a refusal over it may not be the last word. */
export interface Renewals {
  readonly tls?: boolean
  readonly login?: boolean
}

/**
 * What a failed attempt to connect means: ERR_BROKER_REFUSED when trying again cannot help, or only with other
 * settings, which the next attempt may get; ERR_BROKER_UNAVAILABLE when it can.
 */
export function connectError(cause: unknown, broker: string, renewals: Renewals = {}): PooledProducerError {
  if (cause instanceof PooledProducerError) return cause
  const error = asError(cause)
  const code = (error as NodeJS.ErrnoException).code
  if (typeof code === 'string' && TLS_CODE.test(code)) {
    const isPlain = code === 'ERR_SSL_WRONG_VERSION_NUMBER'
    const hint = isPlain ? '; is it a port without TLS?' : ''
    const text = `TLS with ${broker} failed: ${error.message.trim()} (${code})${hint}`
    return refused(text, error, renewals.tls === true && !isPlain)
  }
  // An error of the network has a code and may name any number; the handshake's have only their text.
  const refusal = code !== undefined ? undefined : REFUSALS.find(({ shown }) => shown.test(error.message))
  if (refusal !== undefined) {
    const isRenewed = renewals.login === true && refusal.isOfLogin === true
    return refused(`${broker} refused the connection: ${refusal.means}`, error, isRenewed)
  }

  const isAbrupt = /closed abruptly/i.test(error.message)
  const hint = isAbrupt ? '; is it a port for TLS, or is the broker starting?' : ''
  // A host with several addresses fails with one error for each.
  const reasons = 'errors' in error ? (error.errors as Error[]).map(({ message }) => message).join(', ') : error.message
  return new PooledProducerError('ERR_BROKER_UNAVAILABLE', `${broker} cannot be reached: ${reasons}${hint}`, { cause })
}

function refused(message: string, cause: Error, retryable: boolean): PooledProducerError {
  return new PooledProducerError('ERR_BROKER_REFUSED', message, { cause, retryable })
}
