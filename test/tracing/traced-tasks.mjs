import { broker, createCelery, ignore, logger, queue, step, tracer } from './traced-process.mjs'

const { traceTasks } = await import('../../lib/middleware/opentelemetry.ts')

const app = createCelery({ broker, logger })
traceTasks(app)
const add = app.createTask('tasks.add', { queue })
const inRequest = (name) => tracer.startActiveSpan(name, (span) => add.delay(1, 2).finally(() => span.end()))
await step('requests', () => Promise.all(['request 0', 'request 1', 'request 2'].map(inRequest)).then(ignore))
await step('many', () => Promise.all(Array.from({ length: 50 }, (_, index) => add.delay(index, 1))).then(ignore))
await app.close()
process.exit(0)
