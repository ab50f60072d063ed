/**
 * What a block of the README takes for granted: the code before it, and after it what shows that it did what it says.
 * Both are typed and run with it.
 */
export interface Surroundings {
  /** The heading under which the block stands. */
  readonly heading: string
  /** What the block does. */
  readonly does: string
  readonly before?: string
  readonly after: string
  /** Where the worker has its results that must run its tasks; undefined: it needs no worker. */
  readonly results?: 'rpc' | 'redis'
}

const SERVER = "import Fastify from 'fastify'\nconst server = Fastify()"
const APP = "import { createCelery } from 'pooled-producer'\nconst app = createCelery({ broker: 'amqp://127.0.0.1' })"
const ADD = "const add = app.createTask<[number, number], number>('tasks.add', { queue: 'math' })"

const ONE_ORDER = `
const answer = await server.inject({ method: 'POST', url: '/orders', payload: { email: 'ada@example.org' } })
console.assert(answer.statusCode === 202 && /^[0-9a-f-]{36}$/.test(answer.json().taskId))
await server.close()`

/** Of each block of TypeScript, in the order of the README. */
export const SURROUNDINGS: readonly Surroundings[] = [
  {
    heading: '1. Under a publisher that you have',
    does: 'wraps celery-node',
    after: 'console.assert(client.producerPool.stats().confirms === 1)',
  },
  {
    heading: '2. In an API server',
    does: 'answers an order',
    before: SERVER,
    after: ONE_ORDER,
  },
  {
    heading: '2. In an API server',
    does: 'answers an order through the plugin',
    before: SERVER,
    after: ONE_ORDER,
  },
  {
    heading: '2. In an API server',
    does: 'publishes on a lease',
    after: 'console.assert(pool.stats().confirms === 1 && pool.stats().leased === 0)\nawait pool.close()',
  },
  {
    heading: "Celery's options",
    does: 'changes a message before it goes',
    before: `
import { createTestCelery } from 'pooled-producer/testing'
const app = createTestCelery()
const currentTenant = () => 'acme'`,
    after: `
await app.sendTask('tasks.add', [2, 3])
console.assert(app.sent[0]?.headers.tenant === 'acme')`,
  },
  {
    heading: 'Routing',
    does: 'routes by name, glob, expression and function',
    before: "import { createCelery } from 'pooled-producer'",
    after: `
await app.sendTask('tasks.add', [2, 3], { tenant: 7 })
for (const name of ['orders.ship', 'mail.send', 'feeds.import', 'other']) await app.sendTask(name)
console.assert(app.pool.stats().confirms === 5)
await app.close()`,
  },
  {
    heading: 'Canvas',
    does: 'runs a chain, a group, a chord, links and chunks',
    results: 'redis',
    after: `
console.assert((await result.get()) === 9 && (await result.parent?.get()) === 5)
console.assert((await both.get()).join() === '2,14')
await app.close()`,
  },
  {
    heading: 'Control',
    does: 'revokes, asks and commands',
    results: 'rpc',
    before: `
import { randomUUID } from 'node:crypto'
${APP}
${ADD}
const [id, otherId] = [randomUUID(), randomUUID()]`,
    after: `
console.assert((await app.control.ping({ destination: ['celery@host'] })).length === 1)
await app.close()`,
  },
  {
    heading: 'Typed tasks',
    does: 'knows the tasks of a type',
    after: 'await app.close()',
  },
  {
    heading: 'Results',
    does: 'awaits a result and its progress',
    results: 'rpc',
    before: "import { createCelery } from 'pooled-producer'",
    after: `
console.assert(result.state === 'SUCCESS' && result.ready() && result.result === 5)
await app.close()`,
  },
  {
    heading: 'Metrics and traces',
    does: 'gives the metrics of a pool',
    before: `
${SERVER}
import { createProducerPool } from 'pooled-producer'
const pool = createProducerPool({ broker: 'amqp://127.0.0.1' })
await pool.ready()`,
    after: `
const scraped = await server.inject('/metrics')
console.assert(scraped.body.includes('pooled_producer_channels_opened_total{pool="default"} 1'))
await server.close()
await pool.close()`,
  },
  {
    heading: 'Metrics and traces',
    does: 'puts the trace into the headers',
    before: `
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { createTestCelery } from 'pooled-producer/testing'
new NodeTracerProvider().register()
const app = createTestCelery()`,
    after: `
await app.sendTask('tasks.add', [2, 3])
console.assert(/^00-[0-9a-f]{32}-/.test(app.sent[0]?.headers.traceparent as string))`,
  },
  {
    heading: 'Testing without a broker',
    does: 'reads what was sent and says what becomes of it',
    before: `
import { expect } from 'expect'
import type { Celery } from 'pooled-producer'
let taskId = ''
const error = new Error('the broker is away')
async function signUp(app: Celery, email: string) {
  const sent = await app.sendTask('mail.welcome', [email])
  taskId = sent.taskId
}`,
    after: `
const sum = await app.asyncResult(taskId).get()
console.assert(sum === 5)
const rejected = await app.sendTask('math.add', [2, 3]).catch((reason) => reason)
console.assert(rejected === error)
console.assert((await (await app.sendTask('math.add', [2, 3])).get()) === 5)`,
  },
]

/** The type that the block about typed tasks imports. */
export const TASKS_MODULE = `
export interface Tasks {
  'shop.add': { args: [x: number, y?: number]; result: number }
  'shop.report': { args?: []; kwargs: { year: number; format?: 'pdf' | 'csv' }; result: string }
}`
