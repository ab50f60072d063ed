import { expect, test } from '@jest/globals'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { newAuthority } from '../support/certificates.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, readyPool } from '../support/pools.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { startTlsFront } from '../support/tls-front.ts'

const broker = useBroker()
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }
const REFUSED = { code: 'ERR_BROKER_REFUSED', outcome: 'not-sent', retryable: false }

/** The refusal of a pool that is asked again and again, which must be no reason to connect again and again. */
async function refusalOf(options: Parameters<typeof makePool>[0], attempts: () => number): Promise<string> {
  const pool = makePool(options)
  const errors = [await failureOf(pool.publish(GOOD))]
  for (let n = 0; n < 20; n++) errors.push(await failureOf(pool.publish(GOOD)))
  for (const error of errors) {
    expect(error).toMatchObject(REFUSED)
    expect(error.retryAfterMs).toBeGreaterThan(1_000)
  }
  expect(pool.state).toBe('refused')
  expect(attempts()).toBe(1)
  return (errors[0] as Error).message
}

rabbitmqTest('row 38: a wrong password is tried once, not for ever, and stands in no error', async () => {
  const proxy = await makeProxy(broker.url)
  const url = Object.assign(new URL(proxy.url), { username: 'guest', password: 's3cret' }).href
  const logger = new RecordedLog()
  const message = await refusalOf({ broker: url, logger }, () => proxy.connections)

  expect(message).toMatch(/the user name or the password is wrong$/)
  expect(logger.of('pool.warning')).toHaveLength(1)
  expect(JSON.stringify(logger.records)).not.toContain('s3cret')
})

rabbitmqTest('row 49: an unknown authority is refused once, by its code', async () => {
  const front = await startTlsFront(broker.url, newAuthority().issue())
  const message = await refusalOf({ broker: front.url }, () => front.connections)

  expect(message).toContain('(UNABLE_TO_VERIFY_LEAF_SIGNATURE)')
})

rabbitmqTest("row 50: another host's certificate is refused once, by its code", async () => {
  const authority = newAuthority()
  const front = await startTlsFront(broker.url, authority.issue({ host: 'another.example' }))
  const message = await refusalOf({ broker: front.url, tls: { ca: authority.cert } }, () => front.connections)

  expect(message).toContain('(ERR_TLS_CERT_ALTNAME_INVALID)')
})

rabbitmqTest(
  'row 51: an expired certificate is refused once; with a function for tls it is retried until renewed',
  async () => {
    const authority = newAuthority()
    const front = await startTlsFront(broker.url, authority.issue({ days: -1 }))
    const message = await refusalOf({ broker: front.url, tls: { ca: authority.cert } }, () => front.connections)
    expect(message).toContain('(CERT_HAS_EXPIRED)')

    const logger = new RecordedLog()
    const pool = makePool({ broker: front.url, tls: () => ({ ca: authority.cert }), logger })
    const publishing = pool.publish(GOOD)
    await until(() => logger.of('connection.retry').length > 1)
    front.show(authority.issue())
    await publishing
    expect(pool.state).toBe('open')
  },
)

rabbitmqTest("row 52: a missing client's certificate is refused once; with one the pool opens", async () => {
  const authority = newAuthority()
  const server = { ...authority.issue(), ca: authority.cert, requestCert: true }
  const front = await startTlsFront(broker.url, server)
  const message = await refusalOf({ broker: front.url, tls: { ca: authority.cert } }, () => front.connections)
  expect(message).toMatch(/ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED/)

  const pool = makePool({ broker: front.url, tls: { ca: authority.cert, ...authority.issue({ host: 'client' }) } })
  await pool.publish(GOOD)
})

rabbitmqTest('row 53: a server with an old protocol only is refused once, by its code', async () => {
  const authority = newAuthority()
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  const front = await startTlsFront(broker.url, { ...authority.issue(), ...old })
  const message = await refusalOf({ broker: front.url, tls: { ca: authority.cert } }, () => front.connections)

  expect(message).toMatch(/ERR_SSL_(TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|WRONG_VERSION_NUMBER)/)
})

rabbitmqTest(
  'row 54: TLS to a port without it is refused, no TLS to a port with it is not reached; both hint at it',
  async () => {
    const proxy = await makeProxy(broker.url)
    const plain = await refusalOf({ broker: proxy.url.replace(/^amqp:/, 'amqps:') }, () => proxy.connections)
    expect(plain).toMatch(/^TLS with amqps:.* failed: /)

    const front = await startTlsFront(broker.url, newAuthority().issue())
    const pool = makePool({ broker: front.url.replace(/^amqps:/, 'amqp:') })
    const error = await failureOf(pool.publish(GOOD, { timeoutMs: 500 }))
    expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', retryable: true })
    expect(error.message).toMatch(/is it a port for TLS/)
  },
)

rabbitmqTest('row 55: a pool that trusts anybody connects, and warns of it once', async () => {
  const front = await startTlsFront(broker.url, newAuthority().issue())
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: front.url, connections: 2, tls: { rejectUnauthorized: false }, logger })
  await until(() => pool.stats().connections === 2)

  expect(logger.of('pool.warning').map(({ reason }) => reason)).toEqual([
    'rejectUnauthorized is false: whoever answers in place of the broker is trusted, and is told the password',
  ])
})

test('certificates of a function are those of the attempt, not of the pool', async () => {
  const [before, after] = [newAuthority(), newAuthority()]
  const front = await startTlsFront(broker.url, before.issue())
  let known = before
  const pool = await readyPool({ broker: front.url, tls: async () => ({ ca: known.cert }) })
  front.show(after.issue())
  known = after
  front.reset()

  await until(() => front.clients.length === 2)
  await pool.publish(GOOD)
})
