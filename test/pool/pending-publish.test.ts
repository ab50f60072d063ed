import { expect, test } from '@jest/globals'
import { PublishTemplate } from '../../lib/amqp/publish-template.ts'
import type { TemplateFields } from '../../lib/amqp/template-fields.ts'
import { ID_SLOT, textSlot } from '../../lib/amqp/template-fields.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { failureOf } from '../support/failure.ts'

const ID = '0f8fad5b-d9cb-469f-a165-70867728950e'

function templateOf(properties: TemplateFields['properties'], isShared = true): PublishTemplate {
  return new PublishTemplate({ exchange: '', routingKey: 'q', mandatory: false, properties }, isShared)
}

function publishOf(properties: TemplateFields['properties'], values: string[] = []): PendingPublish {
  const results = values.length === 0 ? undefined : { resultOf: () => 'result' }
  return new PendingPublish(templateOf(properties), values, '', results)
}

test('it counts the bytes of its body and its values, and those of a template of its own', () => {
  const shared = templateOf({ correlationId: ID_SLOT, headers: { argsrepr: textSlot(1) } })
  expect(new PendingPublish(shared, [ID, 'four'], 'é', undefined).bytes).toBe(36 + 4 + 2)

  const own = templateOf({}, false)
  expect(own.heldBytes).toBeGreaterThan(0)
  expect(new PendingPublish(own, [], Buffer.alloc(5), undefined).bytes).toBe(own.heldBytes + 5)
})

test('each has a promise of its own, which it settles', async () => {
  const [resolved, rejected] = [publishOf({}), publishOf({})]
  const error = new Error('no')
  resolved.resolve('outcome')
  rejected.reject(error)

  expect(await resolved.promise).toBe('outcome')
  expect(await failureOf(rejected.promise)).toBe(error)
})

test('a task made from a template has its id in its first value', () => {
  const publish = new PendingPublish(templateOf({ correlationId: ID_SLOT }), [ID], '', undefined)
  expect([publish.taskId, publish.id]).toEqual([ID, ID])
})

test('a task with headers of its own has its id and its name there', () => {
  const publish = publishOf({ headers: { id: 'a', task: 'shop.ship' }, messageId: 'm' })
  expect([publish.taskId, publish.id, publish.task]).toEqual(['a', 'a', 'shop.ship'])
})

test('a task of protocol 1 has its id in its first value, though no slot takes it', () => {
  const publish = publishOf({}, ['a'])
  expect([publish.taskId, publish.id]).toEqual(['a', 'a'])
})

test.each([
  ['nothing', {}],
  ['no texts', { headers: { id: 1, task: 2 } }],
  ['headers of another kind', { headers: {} }],
])('a message with %s is no task', (_, properties) => {
  const publish = publishOf(properties)
  expect([publish.taskId, publish.task, publish.id]).toEqual([undefined, undefined, ''])
})

test('a message that is no task is told by its own id', () => {
  expect(publishOf({ messageId: 'm' }).id).toBe('m')
})

test('a new one has no place, no nack and no doubt, is no suspect, was never written and is not settled', () => {
  expect(publishOf({})).toMatchObject({
    place: undefined,
    nacked: undefined,
    attempts: 0,
    isInDoubt: false,
    isSuspect: false,
    isSettled: false,
    deadline: 0,
  })
})
