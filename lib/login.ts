import type { ConnectionOptions } from 'node:tls'
import { PooledProducerError } from './errors.ts'
import { isObject } from './plain-object.ts'

/** A user name and a password for the broker, in place of those in its URL. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/**
 * The broker knows us by the certificate in `tls` (the SASL mechanism EXTERNAL, for which RabbitMQ needs its plugin
 * `rabbitmq_auth_mechanism_ssl`).
 */
export interface ExternalLogin {
  readonly mechanism: 'EXTERNAL'
}

/** How a connection says who it is. */
export type Login = Credentials | ExternalLogin

/** Something, or what gives it anew at each attempt to connect. */
export type Renewable<T> = T | (() => T | PromiseLike<T>)

/**
 * Checks a login. Its values are not shown: one of them is a password.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION
 */
export function checkLogin(login: unknown): asserts login is Login {
  const { username, password, mechanism } = isObject(login) ? login : {}
  if (mechanism === 'EXTERNAL' && username === undefined && password === undefined) return
  if (typeof username === 'string' && typeof password === 'string' && mechanism === undefined) return
  const text =
    "credentials must be an object with a username and a password, both strings, or { mechanism: 'EXTERNAL' }, " +
    'or a function that gives one'
  throw new PooledProducerError('ERR_INVALID_OPTION', text)
}

/** A copy of a login whose password neither JSON nor an inspector shows. */
export function concealed(login: Login): Login {
  if ('mechanism' in login) return Object.freeze({ mechanism: login.mechanism })
  const { username, password } = login
  return Object.defineProperty({ username } as Credentials, 'password', { value: password, enumerable: false })
}

/** Whether these options of `tls.connect` take whoever answers for the broker. */
export function trustsAnybody(tls: ConnectionOptions | undefined): boolean {
  return tls?.rejectUnauthorized === false
}
