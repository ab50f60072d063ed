import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { makeProxy } from '../support/pools.ts'
import { startFaultRun } from './support/fault-run.ts'

const broker = useBroker()

for (const [row, how, cut] of [
  [16, 'a reset', 'reset'],
  [17, 'a clean close by something between', 'end'],
] as const) {
  rabbitmqTest(`row ${row}: after ${how} publishing goes on over a new connection`, async () => {
    const proxy = await makeProxy(broker.url)
    const run = await startFaultRun({ pool: { broker: proxy.url }, url: broker.url })
    await run.warm()

    proxy[cut]()
    run.brokerIsBack()

    await run.confirmMore(1_000)
    await run.endWithin({ faults: 1 })
  })
}
