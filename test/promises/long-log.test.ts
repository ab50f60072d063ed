import { expect, test } from '@jest/globals'
import { runScript } from '../support/finished-script.ts'

test('a report of ten times the lines holds no more memory', async () => {
  const { finished } = runScript('long-log.ts', { LINES: '500000' })

  const { code, stdout, stderr } = await finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { records, heapMiB } = JSON.parse(stdout)
  const [early, late] = heapMiB
  expect(records).toBeGreaterThanOrEqual(500_000)
  expect(late - early).toBeLessThan(4)
}, 120_000)
