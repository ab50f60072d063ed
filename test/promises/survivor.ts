// All that can go wrong, with no listener and no promise awaited: this process must live through it. Run by
// survival.test.ts; what it logs goes to standard output.
/* oxlint-disable typescript/no-floating-promises -- that nobody awaits them is the test */
import { createCelery, createProducerPool, type Producer } from '../../lib/index.ts'
import { until } from '../support/condition.ts'

const broker = process.env.BROKER as string
const proxied = process.env.PROXY as string
const nowhere = 'amqp://127.0.0.1:1'
const missing = { exchange: 'no-such-exchange', routingKey: '', body: 'x' }
const unroutable = { routingKey: 'no-such-queue', body: 'x', mandatory: true }
const good = { exchange: 'amq.fanout', routingKey: '', body: 'x' }
const wrong = undefined as never

const pool = createProducerPool({ broker: proxied, name: 'proxied', publishTimeoutMs: 5_000, maxChannels: 2 })
const away = createProducerPool({ broker: nowhere, name: 'away', publishTimeoutMs: 200, acquireTimeoutMs: 200 })
const refused = createProducerPool({ broker, name: 'refused', credentials: { username: 'guest', password: 'wrong' } })
const app = createCelery({ pool, taskDefaultQueue: process.env.QUEUE as string })
const awayApp = createCelery({ pool: away })
const refusedApp = createCelery({ pool: refused })

/** Everything that a pool can be asked for. */
function ask(kept: typeof pool): void {
  kept.publish(good)
  kept.publish(missing)
  kept.publish(unroutable)
  kept.publish(wrong)
  kept.publish({ ...good, properties: { headers: { f: () => 1 } } })
  kept.publish({ ...good, properties: { expiration: 'never' } })
  kept.publish(good, { timeoutMs: 1 })
  kept.publish(good, { timeoutMs: 'soon' as never })
  kept.publish(good, { signal: AbortSignal.abort() })
  kept.acquire().then((producer) => {
    producer.publish(good)
    producer.publish(missing)
    producer.publish(wrong)
    producer.release()
    producer.publish(good)
    released.push(producer)
  }, ignore)
  kept.acquire({ timeoutMs: 1 }).then(giveBack, ignore)
  kept.acquire({ block: false }).then(giveBack, ignore)
  kept.acquire({ signal: AbortSignal.abort() })
  kept.acquire({ timeoutMs: -1 })
  kept.acquire('soon' as never)
  kept.use((producer) => producer.publish(unroutable))
  kept.use((producer) => producer.release())
  kept.use(wrong)
  kept.ready({ timeoutMs: 1 })
  kept.ready({ timeoutMs: Number.NaN })
  kept.drain()
  kept.close({ timeoutMs: -1 })
}

function askApp(celery: typeof app): void {
  const task = celery.createTask('tasks.add')
  task.delay(1, 2)
  task.delay(undefined)
  task.applyAsync(wrong, wrong, wrong)
  task.applyAsync('12' as never)
  task.applyAsync([1], {}, { queue: 'no-such-queue', declare: false })
  task.applyAsync([1], {}, { exchange: 'no-such-exchange' })
  task.applyAsync([1], {}, { eta: 'soon' })
  task.delayMany([[[1]], [[Number.NaN]]])
  task.delayMany(wrong)
  celery.sendTask(wrong)
  celery.sendTask('tasks.add', [1n])
  celery.sendTasks([{ name: 'tasks.add' }, { name: '' }])
  celery.sendTasks([null] as never)
}

function giveBack(producer: Producer): void {
  producer.release()
}

function ignore(): void {}

function thrown(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return (error as { code: unknown }).code
  }
  return 'nothing'
}

const released: Producer[] = []
const failed = (kept: typeof pool) => kept.stats().failures > 0 && kept.stats().waiting === 0

await until(() => pool.state === 'open')
ask(pool)
askApp(app)
ask(away)
askApp(awayApp)
ask(refused)
askApp(refusedApp)
// One signal for many: nobody is warned of listeners that are taken off again.
const { signal } = new AbortController()
for (let n = 0; n < 50; n++) {
  pool.publish(good, { signal })
  pool.acquire({ signal }).then(giveBack, ignore)
  pool.ready({ signal })
  app.sendTask('tasks.add', [n], {}, { signal })
}
await until(() => released.length > 0 && failed(pool) && failed(away) && failed(refused))
const codes = [
  thrown(() => pool.release(released[0] as Producer)),
  thrown(() => released[0]?.release()),
  thrown(() => pool.release(wrong)),
  thrown(() => createProducerPool({ maxChannels: 0 })),
  thrown(() => app.createTask(wrong)),
]

// The reader of the next line resets all connections.
for (let n = 0; n < 100; n++) pool.publish(good)
console.log('reset')
await until(() => pool.stats().connections === 0)
ask(pool)
askApp(app)
await until(() => pool.stats().connections === 1)
await pool.drain()
await until(() => pool.stats().leased === 0)
console.log(JSON.stringify({ codes, stats: pool.stats() }))
pool.close()
away.close()
refused.close()
pool.publish(good)
pool.acquire()
app.sendTask('tasks.add')
