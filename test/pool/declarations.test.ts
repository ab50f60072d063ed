import { once } from 'node:events'
import { afterEach, expect, test } from '@jest/globals'
import type { RawChannel } from '../../lib/amqp/connection.ts'
import { type Declaration, Declarations } from '../../lib/pool/declarations.ts'
import { closeConnections, openConnection } from '../amqp/recorded-owners.ts'
import { useBroker } from '../support/broker.ts'

const broker = useBroker()

afterEach(closeConnections)

test('a declaration that the broker does not answer after a reconnect leaves no channel open', async () => {
  const { connection } = await openConnection(broker.url)
  const declarations = new Declarations(() => {})
  const seen: RawChannel[] = []
  const declaration: Declaration = {
    name: 'a queue whose home node is frozen',
    isDeclared: false,
    async declare(channel) {
      seen.push(channel)
      // The second time is on the new connection.
      if (seen.length > 1) await new Promise(() => {})
    },
  }
  const channel = await connection.openChannel()
  await declarations.declareOn(declaration, { raw: channel, retire: () => {} })

  await expect(declarations.restore(connection)).rejects.toThrow(/did not answer the declaration of a queue whose home/)
  await once(seen[1] as RawChannel, 'close')
  expect(seen).toHaveLength(2)
}, 15_000)
