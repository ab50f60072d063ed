// Publishes more than a pool holds while the broker reads nothing; tells how its memory grew. Run by alarms.test.ts,
// which raises the alarm once this has written "ready", and clears it after "full".
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createCelery, type PooledProducerError } from '../../lib/index.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Publishes that are refused, for the pool is full. */
const SURPLUS = 200
const BATCH = 100
const app = createCelery({
  broker: process.env.BROKER as string,
  fastPath: process.env.FAST_PATH === 'true',
  publishTimeoutMs: 120_000,
  failFastAfterMs: 0,
  logger: false,
})
const { pool } = app
// An exchange that drops everything.
const task = app.createTask('tasks.echo', { exchange: 'amq.fanout', mandatory: false, declare: false })
const BODY_BYTES = Number(process.env.BODY_BYTES)
const codes = new Set<string>()
let refused = 0

/** A body of its own: shared by all, it would take no memory. */
function publish(): void {
  const publishing: Promise<unknown> =
    process.env.KIND === 'tasks'
      ? task.delay('x'.repeat(BODY_BYTES))
      : pool.publish({ exchange: 'amq.fanout', routingKey: '', body: Buffer.alloc(BODY_BYTES, 'x') })
  publishing.catch(({ code }: PooledProducerError) => {
    codes.add(code)
    refused++
  })
}

/** What lives: what the allocator keeps for later says nothing of the pool. */
async function memory(): Promise<number> {
  collectGarbage()
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

await pool.ready()
for (let n = 0; n < 20; n++) {
  for (let m = 0; m < 20; m++) publish()
  await pool.drain()
}
const before = await memory()
console.log('ready')
while (pool.state !== 'blocked') {
  publish()
  await new Promise((resolve) => setImmediate(resolve))
}
while (refused < SURPLUS) {
  for (let n = 0; n < BATCH; n++) publish()
  await new Promise((resolve) => setImmediate(resolve))
}
const grownBytes = (await memory()) - before
console.log('full')
await pool.drain()
const { maxBufferedBytes } = pool.options
console.log(JSON.stringify({ grownBytes, maxBufferedBytes, codes: [...codes], stats: pool.stats() }))
await app.close()
