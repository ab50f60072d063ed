import { expect } from '@jest/globals'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { runScript } from '../support/finished-script.ts'
import { makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

rabbitmqTest(
  'with no listener and no promise awaited a process survives all that can go wrong, and ends by itself',
  async () => {
    const proxy = await makeProxy(broker.url)
    const { script, finished } = runScript('survivor.ts', {
      BROKER: broker.url,
      PROXY: proxy.url,
      QUEUE: queues.name(),
    })
    let line = ''
    while (line !== 'reset') line = await script.nextLine()
    proxy.reset()
    const { code, signal, stderr, stdout } = await finished

    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    const { codes, stats } = JSON.parse(lines.find((text) => text.startsWith('{"codes"')) as string)
    expect(codes).toEqual([
      'ERR_NOT_LEASED',
      'ERR_NOT_LEASED',
      'ERR_NOT_LEASED',
      'ERR_INVALID_OPTION',
      'ERR_INVALID_TASK',
    ])
    expect(stats).toMatchObject({ state: 'open', waiting: 0, inFlight: 0, leased: 0 })
    expect(stats.publishes).toBe(stats.confirms + stats.failures)
    // Whatever nobody awaited stands in the log, each failure at level error.
    const logged = lines.filter((text) => text.startsWith('{"level":50')).map((text) => JSON.parse(text))
    const failuresOf = (pool: string) => logged.filter((record) => record.pool === pool).map(({ code }) => code)
    expect(failuresOf('away')).toEqual(
      expect.arrayContaining(['ERR_BROKER_UNAVAILABLE', 'ERR_INVALID_OPTION', 'ERR_INVALID_TASK', 'ERR_ABORTED']),
    )
    expect(failuresOf('refused')).toEqual(
      expect.arrayContaining(['ERR_BROKER_REFUSED', 'ERR_INVALID_OPTION', 'ERR_INVALID_TASK']),
    )
    expect(failuresOf('proxied')).toEqual(
      expect.arrayContaining(['ERR_CHANNEL_CLOSED', 'ERR_UNROUTABLE', 'ERR_INVALID_OPTION', 'ERR_POOL_CLOSED']),
    )
    expect(stdout).not.toContain('wrong@')
  },
  60_000,
)
