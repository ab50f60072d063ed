import { expect, test } from '@jest/globals'
import { normalForm, type TaskRecord } from './normal-form.ts'

const [A, B] = ['6f1b6f6c-6f0e-4a8e-9d5a-0d5f3a0c7b11', '2d1ea1b0-7c5c-4f7e-9a6e-0f4f6a3d8b11']

function formOf(request: object, side: 'ours' | 'celery' = 'celery') {
  const record: TaskRecord = { kind: 'task', task: 't', at: 0, request: request as Record<string, unknown> }
  return normalForm([record], side, 'call-1', Date.parse('2026-11-26T12:00:00Z') / 1_000)
}

test('ids are known by their places: other ids are the same, an id in another place is not', () => {
  expect(formOf({ id: A, root_id: A, parent_id: B })).toEqual(formOf({ id: B, root_id: B, parent_id: A }))
  expect(formOf({ id: A, root_id: A, parent_id: B })).not.toEqual(formOf({ id: A, root_id: B, parent_id: B }))
})

test('a time near the call is one to be compared by its distance, any other is a text', () => {
  const { records, times } = formOf({ eta: '2026-11-26T12:00:05.500000+00:00', expires: '2030-01-01T00:00:00+00:00' })

  expect(times).toEqual([5.5])
  expect(records[0]?.request).toEqual({ eta: '<time>', expires: '2030-01-01T00:00:00+00:00' })
})

test('the origin and the tag of a call are taken out, nothing else is', () => {
  expect(formOf({ origin: 'gen12@host', kwargs: { tag: 'call-1' }, list: [1, null, 'text'] }).records).toEqual([
    { task: 't', request: { origin: '<origin>', kwargs: { tag: '<tag>' }, list: [1, null, 'text'] } },
  ])
})

test('what only a newer Celery sends may be there on our side, and must be empty', () => {
  const newer = { replaced_task_nesting: 0, stamped_headers: null, stamps: {} }

  expect(formOf({ id: A, ...newer, properties: { application_headers: newer } }, 'ours')).toEqual(
    formOf({ id: A, properties: { application_headers: {} } }),
  )
  expect(formOf({ id: A, ...newer, stamps: { a: 1 } }, 'ours')).not.toEqual(formOf({ id: A }))
})
