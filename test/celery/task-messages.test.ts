import { expect, test } from '@jest/globals'
import { taskOptions } from '../../lib/celery/options/task-options.ts'
import { NOT_CONFIGURED } from '../../lib/celery/results/no-results.ts'
import { TaskResults } from '../../lib/celery/results/task-results.ts'
import { TaskMessages } from '../../lib/celery/task-messages.ts'

const options = taskOptions({ countdown: 10, expires: 60 })
const place = { own: options, options, exchange: '', routingKey: 'q', declaration: undefined, delayedKey: undefined }

test('each message has the times of the moment that it is made in, though those of one moment share them', () => {
  const messages = new TaskMessages('tasks.add', place, new TaskResults(NOT_CONFIGURED))
  const moments = new Set<string>()
  while (moments.size < 3) {
    const before = Date.now()
    const [, , , eta = '', expires = ''] = messages.prepare('id', [], {}).values
    const after = Date.now()
    moments.add(eta)

    expect(Date.parse(eta) - 10_000).toBeGreaterThanOrEqual(before)
    expect(Date.parse(eta) - 10_000).toBeLessThanOrEqual(after)
    expect(Date.parse(expires) - Date.parse(eta)).toBe(50_000)
  }
})
