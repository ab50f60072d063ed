// Types only: tsc checks this file, nothing runs it.
import {
  type AsyncResult,
  type BatchOutcome,
  type Celery,
  createCelery,
  createProducerPool,
  type Task,
  type TaskOptions,
} from '../../lib/index.ts'
import { type Equal, holds } from './equal.ts'

const app: Celery = createCelery({ broker: 'amqp://127.0.0.1', maxChannels: 2, taskDefaultQueue: 'math' })
createCelery({ pool: createProducerPool() })
createCelery()
// @ts-expect-error a misspelled option
createCelery({ brokers: 'amqp://127.0.0.1' })
// @ts-expect-error a pool is an object
createCelery({ pool: 'amqp://127.0.0.1' })

// The arguments and the result of a task are known, once they are given.
const add = app.createTask<[number, number], number>('tasks.add', { queue: 'math' })
holds<Equal<typeof add, Task<[number, number], number>>>()
const result = await add.delay(2, 3)
holds<Equal<typeof result, AsyncResult<number>>>()
holds<Equal<typeof result.taskId, string>>()

// What a task returns is what its result gives.
const sum = await result.get({ timeoutMs: 1_000, signal: AbortSignal.timeout(5) })
holds<Equal<typeof sum, number>>()
holds<Equal<typeof result.result, number | undefined>>()
const polled = app.asyncResult<number>('an id')
holds<Equal<typeof polled, AsyncResult<number>>>()
for await (const { state, info } of result.progress()) {
  holds<Equal<typeof state, string>>()
  holds<Equal<typeof info, unknown>>()
}
// @ts-expect-error misspelled
void result.get({ timeout: 5 })
createCelery({ backend: 'rpc://', resultExpires: 60, resultTimeoutMs: 5_000, maxKeptResults: 10 })
// @ts-expect-error seconds are a number
createCelery({ backend: 'rpc://', resultExpires: '60' })

// @ts-expect-error one argument too few
void add.delay(2)
// @ts-expect-error one argument too many
void add.delay(2, 3, 4)
// @ts-expect-error not a number
void add.delay(2, '3')
await add.applyAsync([2, 3], {}, { countdown: 10, expires: 60, priority: 5 })
// @ts-expect-error args are an array
void add.applyAsync(2, 3)

// Named and optional arguments, and those with a rest.
const mail = app.createTask<[to: string, copies?: number], void>('mail.send')
void mail.delay('ada')
void mail.delay('ada', 2)
// @ts-expect-error not a number
void mail.delay('ada', 'two')
const total = app.createTask<number[], number>('tasks.sum')
void total.delay(1, 2, 3)
// @ts-expect-error not a number
void total.delay(1, '2')

// Without them, any arguments go.
const echo = app.createTask('tasks.echo')
void echo.delay()
void echo.delay(1, 'two', [3])
const unknownResult = await echo.applyAsync([1], { two: 2 })
holds<Equal<typeof unknownResult, AsyncResult<unknown>>>()

// Options: Celery's words in camelCase, and no others.
app.createTask('t', { countdown: 1.5, eta: new Date(), expires: '2030-01-01T00:00:00Z', deliveryMode: 'transient' })
app.createTask('t', { queue: undefined, taskId: null })
// @ts-expect-error misspelled
app.createTask('t', { countDown: 1 })
// @ts-expect-error Python's spelling
app.createTask('t', { task_id: 'x' })
// @ts-expect-error seconds are a number
app.createTask('t', { countdown: '10' })
// @ts-expect-error no such mode
app.createTask('t', { deliveryMode: 3 })
// @ts-expect-error no such mode
app.createTask('t', { deliveryMode: 'durable' })
// @ts-expect-error a lease, not its number
app.createTask('t', { producer: 5 })
// @ts-expect-error misspelled
void add.applyAsync([2, 3], {}, { que: 'math' })
// @ts-expect-error misspelled
void app.sendTask('t', [], {}, { expire: 5 })
const options: TaskOptions = { headers: { trace: 'x', list: [1, null] }, timeLimit: 60, signal: AbortSignal.timeout(5) }
void app.sendTask('t', [1], { a: 1 }, options)
// @ts-expect-error options are read-only
options.queue = 'other'

// A batch has an outcome for each item.
const outcomes = await add.delayMany([[[1, 2]], [[3, 4], { base: 10 }]])
holds<Equal<typeof outcomes, BatchOutcome<number>[]>>()
for (const outcome of outcomes) {
  if (outcome.status === 'confirmed') outcome.result satisfies AsyncResult<number>
  else outcome.error satisfies Error
  // @ts-expect-error the result is there only when it is confirmed
  void outcome.result
}
// @ts-expect-error not a number
void add.delayMany([[[1, '2']]])
const sent = await app.sendTasks([{ name: 't' }, { name: 't', args: [1], kwargs: { a: 1 }, options: { queue: 'q' } }])
holds<Equal<typeof sent, BatchOutcome[]>>()
// @ts-expect-error a task has a name
void app.sendTasks([{ args: [1] }])
// @ts-expect-error misspelled
void app.sendTasks([{ name: 't', options: { que: 'q' } }])
