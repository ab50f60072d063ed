import { expect, test } from '@jest/globals'
import type { ProxyMode } from '../../lib/testing/fault-proxy.ts'
import { useBroker } from '../support/broker.ts'
import { runScript } from '../support/finished-script.ts'
import { makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** Less than any of the pool's own times, and long enough for a machine that has much else to do. */
const LONGEST_MS = 4_000

test.each<[state: string, first?: ProxyMode, then?: ProxyMode]>([
  ['idle'],
  ['busy'],
  ['leased'],
  ['connecting'],
  ['unused'],
  ['app'],
  ['silent broker', 'silent'],
  ['black hole', 'pass', 'black-hole'],
])(
  'after the close of a pool that was in the state "%s" nothing keeps the process running',
  async (state, first = 'pass', then) => {
    const proxy = await makeProxy(broker.url)
    await proxy.set(first)
    const { script, finished } = runScript('process-end.ts', { BROKER: proxy.url, STATE: state, QUEUE: queues.name() })
    if (then !== undefined) {
      expect(await script.nextLine()).toBe('ready')
      await proxy.set(then)
      script.process.kill('SIGUSR2')
    }
    const { code, stderr, stdout } = await finished

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [closedAt, exitedAt] = stdout.trimEnd().split('\n').slice(-2).map(Number) as [number, number]
    expect(exitedAt - closedAt).toBeLessThan(LONGEST_MS)
  },
)
