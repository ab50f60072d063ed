import { expect, test } from '@jest/globals'
import { taskPropertiesV1, taskTableV1 } from '../../../lib/celery/message/message-v1.ts'
import { taskTimes } from '../../../lib/celery/message/message-v2.ts'
import { JSON_SERIALIZER } from '../../../lib/celery/message/serializers.ts'
import { taskOptions } from '../../../lib/celery/options/task-options.ts'
import { celeryTest } from '../../support/celery-worker.ts'
import { runPython } from '../celery-python.ts'

const NOW = Date.parse('2026-11-22T05:02:44.872Z')

celeryTest('is what Celery makes of the same call, field by field and in its order', () => {
  const calls = [
    {},
    { countdown: 10.5 },
    { eta: new Date('2030-01-02T03:04:05Z'), expires: 60 },
    { timeLimit: 5, softTimeLimit: 4, retries: 1, groupId: 'g', groupIndex: 2 },
    { link: { task: 'a' }, linkError: [{ task: 'b' }], chord: { task: 'c' } },
  ]
  const ours = calls.map((call) => {
    const options = taskOptions(call)
    const { link = null, linkError = null, chord = null } = options
    const embed = { callbacks: link, errbacks: linkError, chord }
    const table = taskTableV1('tasks.add', 'id-1', [2, 3], { z: 'é' }, options, taskTimes(options, NOW), embed)
    return JSON_SERIALIZER.encodeTable(table)
  })
  const program = `
import json, sys
from datetime import datetime, timezone
from celery import Celery
app = Celery()
now = datetime(2026, 11, 22, 5, 2, 44, 872000, tzinfo=timezone.utc)
def body(call):
    if 'eta' in call: call['eta'] = datetime.fromisoformat(call['eta'].replace('Z', '+00:00'))
    return app.amqp.as_task_v1('id-1', 'tasks.add', [2, 3], {'z': 'é'}, now=now, **call).body
print(json.dumps([json.dumps(body(call), ensure_ascii=False, separators=(',', ':')) for call in json.load(sys.stdin)]))
`
  const six = { args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false }
  const theirs = runPython(program, [
    {},
    { countdown: 10.5 },
    { eta: '2030-01-02T03:04:05Z', expires: 60 },
    { time_limit: 5, soft_time_limit: 4, retries: 1, group_id: 'g', group_index: 2 },
    { callbacks: [{ task: 'a', ...six }], errbacks: [{ task: 'b', ...six }], chord: { task: 'c', ...six } },
  ])

  expect(ours).toEqual(theirs)
})

test('the headers are the caller’s alone, and that of the compression', () => {
  const options = taskOptions({ headers: { tenant: 'acme' }, replyTo: 'r', priority: 3, argsrepr: 'x', rootId: 'r' })
  const format = { contentType: 'application/json', contentEncoding: 'utf-8', compression: 'application/x-gzip' }

  expect(taskPropertiesV1('id-1', options, '500', format)).toEqual({
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { compression: 'application/x-gzip', tenant: 'acme' },
    deliveryMode: 2,
    priority: 3,
    correlationId: 'id-1',
    replyTo: 'r',
    expiration: '500',
  })
})
