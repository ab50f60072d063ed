import { expect, test } from '@jest/globals'
import { connectPlainly } from '../../lib/amqp/plain-connection.ts'
import { freePort } from '../../lib/testing/free-port.ts'
import { useBroker } from '../support/broker.ts'

const broker = useBroker()

test('a plain connection is open and closes', async () => {
  const connection = await connectPlainly(broker.url, { noDelay: true })
  const channel = await connection.createConfirmChannel()

  await channel.close()
  await connection.close()
})

test('a broker that does not answer is ERR_BROKER_UNAVAILABLE', async () => {
  const url = `amqp://127.0.0.1:${await freePort()}`

  await expect(connectPlainly(url)).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
})

test('a wrong password is ERR_BROKER_REFUSED, and is not shown', async () => {
  const url = new URL(broker.url)
  url.password = 'wrong-secret'

  const failure = await connectPlainly(url.href).catch((error: Error) => error)

  expect(failure).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
  expect((failure as Error).message).not.toContain('wrong-secret')
})
