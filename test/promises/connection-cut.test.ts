import { expect, test } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { runScript } from '../support/finished-script.ts'
import { makeProxy } from '../support/pools.ts'

const broker = useBroker()

test.each([
  ['refused', 'refuse', /ECONNREFUSED/],
  ['reset', 'reset', /ECONNRESET|closed|ended/i],
] as const)(
  'with the connection cut and new ones %s, a hundred waiters end by their own deadlines and hold up nothing',
  async (_, mode, cause) => {
    const proxy = await makeProxy(broker.url)
    const { script, finished } = runScript('waiters.ts', { BROKER: proxy.url })
    expect(await script.nextLine()).toBe('waiting')
    await proxy.set(mode)
    proxy.reset()

    const { code, stderr, stdout } = await finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = JSON.parse(stdout.split('\n')[1] as string)
    const codes = report.settled.map((rejection: { code: string }) => rejection.code)
    expect(codes.filter((_: string, index: number) => index % 2 === 0)).toEqual(Array(100).fill('ERR_ACQUIRE_TIMEOUT'))
    expect(codes.filter((_: string, index: number) => index % 2 === 1)).toEqual(
      Array(100).fill('ERR_BROKER_UNAVAILABLE'),
    )
    for (const { message, cause: deeper, lateMs } of report.settled) {
      expect(`${message} ${deeper}`).toMatch(cause)
      // Not before its time but for the rounding of timers, and after it no longer than the process was held up.
      expect(lateMs).toBeGreaterThan(-10)
      expect(lateMs).toBeLessThan(250 + 2 * report.longestGapMs)
    }
    expect(report.longestHeldMs).toBeLessThan(50)
    // Others take the processor too; a factory that fails at once, and is called at once again, lets no timer run.
    expect(report.ticks).toBeGreaterThan(report.expectedTicks / 10)
  },
)
