import { expect, test } from '@jest/globals'
import { taskOptions } from '../../../lib/celery/options/task-options.ts'

test('a signature is completed to the six keys that a worker needs, and what else it holds is kept', () => {
  const { link, chord } = taskOptions({
    link: { task: 'tasks.log' },
    chord: { task: 'tasks.xsum', options: { task_id: 'b' }, ...{ chord_size: 3 } },
  })

  const whole = { args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false }
  expect(link).toEqual([{ task: 'tasks.log', ...whole }])
  expect(chord).toEqual({ task: 'tasks.xsum', ...whole, options: { task_id: 'b' }, chord_size: 3 })
})

test('one signature or several can be linked', () => {
  const [a, b] = [{ task: 'a' }, { task: 'b' }]

  expect(taskOptions({ linkError: [a, b] }).linkError).toMatchObject([a, b])
  expect(taskOptions({ link: a }).link).toMatchObject([a])
})

test.each([
  [{ link: 'tasks.log' }, /^link must be a signature, .*, got "tasks.log"$/],
  [{ link: { task: '' } }, /^link must be a signature/],
  [{ linkError: [{ task: 'a' }, null] }, /^linkError\[1\] must be a signature, .*, got null$/],
  [{ chain: { task: 'a' } }, /^chain must be an array of signatures, got an object$/],
  [{ chain: [{ task: 'a', args: 'xy' }] }, /^chain\[0\]\.args must be an array, got "xy"$/],
  [{ chord: { task: 'a', kwargs: [] } }, /^chord\.kwargs must be a plain object, got an array of 0$/],
  [{ chord: { task: 'a', options: null } }, /^chord\.options must be a plain object, got null$/],
  [{ chord: { task: 'a', immutable: 1 } }, /^chord\.immutable must be true or false, got 1$/],
  [{ chord: { task: 'a', subtask_type: 7 } }, /^chord\.subtask_type must be a string or null, got 7$/],
])('%j is refused', (options, message) => {
  expect(() => taskOptions(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(message) }),
  )
})
