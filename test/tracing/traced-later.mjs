import { broker, createCelery, ignore, instrumentation, logger, queue, step, tracer } from './traced-process.mjs'

instrumentation.disable()
const app = createCelery({ broker, logger })
const add = app.createTask('tasks.add', { queue })
const twice = () => Promise.all([add.delay(1, 2), add.delay(3, 4)]).then(ignore)
const isFast = () => app.pool.use(({ channel }) => channel.isFast)
const inRequest = (name) => tracer.startActiveSpan(name, (span) => add.delay(1, 2).finally(() => span.end()))

await step('before', async () => {
  await twice()
  return isFast()
})

instrumentation.enable()
await step('after', twice)
await step('requests', () => Promise.all(['request 0', 'request 1'].map(inRequest)).then(ignore))
await step('stats', () => {
  const { confirms, retries, failures, channelsOpened } = app.pool.stats()
  return { confirms, retries, failures, channelsOpened }
})
await app.close()
process.exit(0)
