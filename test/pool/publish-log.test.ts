import { beforeEach, expect, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { EventLog } from '../../lib/observe/log.ts'
import type { PooledChannel } from '../../lib/pool/channel-factory.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { PublishLog } from '../../lib/pool/publish-log.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const channel = { id: 7 } as PooledChannel
const error = new PooledProducerError('ERR_CHANNEL_CLOSED', 'cut', { outcome: 'unknown' })
let records: RecordedLog
let log: PublishLog

beforeEach(() => {
  records = new RecordedLog()
  log = new PublishLog(new EventLog(records, 'shop'))
})

/** A task that was written so many times. */
function taskOf(id: string, attempts = 1): PendingPublish {
  const properties = { headers: { id, task: 'shop.ship' } }
  const { template } = prepare({ routingKey: 'celery', body: '', properties }, undefined)
  return Object.assign(new PendingPublish(template, [], 'é', undefined), { attempts })
}

test('whether single publishes are logged is what the logger says at the beginning of a turn', () => {
  expect(log.isDebug).toBe(false)
  log.beginTurn()
  expect(log.isDebug).toBe(true)

  const quiet = new PublishLog(new EventLog(new RecordedLog('info'), 'shop'))
  quiet.beginTurn()
  expect(quiet.isDebug).toBe(false)
})

test('a lease is logged as it begins and as it ends', () => {
  log.leased(channel, 3, true, 1.5)
  log.released(channel, 3, 20, 4)

  expect(records.records).toMatchObject([
    { event: 'channel.acquire', pool: 'shop', channel: 7, lease: 3, reused: true, waitMs: 1.5 },
    { event: 'channel.release', pool: 'shop', channel: 7, lease: 3, heldMs: 20, publishes: 4 },
  ])
})

test('a confirm is logged with the task, its place and its size in bytes', () => {
  log.confirmed(taskOf('a', 2), channel, 1.5)

  expect(records.records).toMatchObject([
    {
      event: 'publish.confirm',
      channel: 7,
      taskId: 'a',
      task: 'shop.ship',
      routingKey: 'celery',
      bytes: 2,
      confirmMs: 1.5,
      attempts: 2,
    },
  ])
})

test('a failure is logged with its task, its outcome and its error', () => {
  log.failed(taskOf('a', 2), error)

  expect(records.records).toMatchObject([
    {
      event: 'publish.fail',
      taskId: 'a',
      task: 'shop.ship',
      code: 'ERR_CHANNEL_CLOSED',
      attempt: 2,
      outcome: 'unknown',
      error: { message: 'cut' },
    },
  ])
})

test('what was wrong before it was a publish was never tried', () => {
  log.refused(error, 'shop.ship', undefined)
  expect(records.records).toMatchObject([{ event: 'publish.fail', task: 'shop.ship', attempt: 0 }])
})

test('ten messages of one fault are logged each, and the others as a number', () => {
  const tasks = Array.from({ length: 12 }, (_, index) => taskOf(`${index}`, 2))
  log.retried(tasks, error)

  const retries = records.of('publish.retry')
  const reason = { code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown' }
  expect(retries.map(({ taskId }) => taskId)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', undefined])
  expect(retries[0]).toMatchObject({ ...reason, task: 'shop.ship', attempt: 2 })
  expect(retries[10]).toMatchObject({ ...reason, more: 2 })
})

test('where ten were all, no number is logged', () => {
  log.retried(
    Array.from({ length: 10 }, (_, index) => taskOf(`${index}`)),
    error,
  )
  expect(records.records.map(({ more }) => more)).toEqual(Array(10).fill(undefined))
})
