import { expect, test } from '@jest/globals'
import { runScript } from '../support/finished-script.ts'

test('fifty thousand tasks whose deadline comes at once hold up nothing', async () => {
  const { code, stderr, stdout } = await runScript('many-deadlines.ts').finished

  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { longestHeldMs, codes, stats } = JSON.parse(stdout)
  expect(codes).toEqual({ ERR_BROKER_UNAVAILABLE: 50_000 })
  expect(stats).toMatchObject({ failures: 50_000, waiting: 0, bufferedBytes: 0 })
  expect(longestHeldMs).toBeLessThan(50)
})
