import { createClient } from 'celery-node'
import { broker, createCelery, ignore, logger, queue, step, tracer, withPooledProducer } from './traced-process.mjs'

const app = createCelery({ broker, logger, maxChannels: 2 })
const add = app.createTask('tasks.add', { queue })
await step('delay', () => Promise.all(Array.from({ length: 50 }, (_, index) => add.delay(index, 1))).then(ignore))

const inRequest = (name) => tracer.startActiveSpan(name, (span) => add.delay(1, 2).finally(() => span.end()))
await step('requests', () => Promise.all(['request 0', 'request 1', 'request 2'].map(inRequest)).then(ignore))

const producer = await app.pool.acquire()
await step('lease', () => add.applyAsync([1, 2], {}, { producer }).then(ignore))
producer.release()

await step('publish', () => app.pool.publish({ routingKey: queue, body: 'hello' }).then(ignore))

const nowhere = app.createTask('tasks.add', { queue: `${queue}.nowhere`, declare: false })
await step('unroutable', () => nowhere.delay(1, 2).catch(({ code }) => code))
await app.close()

const client = withPooledProducer(createClient(broker, broker, queue), { broker, logger })
await step('celery-node', () => client.createTask('tasks.add').delay(1, 2).published.then(ignore))
await client.producerPool.close()

const asked = createCelery({ broker, logger, fastPath: false })
await step('fastPath: false', () => asked.sendTask('tasks.add', [1, 2], {}, { queue }).then(ignore))
await asked.close()
process.exit(0)
