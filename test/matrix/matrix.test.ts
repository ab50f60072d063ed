import { afterAll, beforeAll, describe } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { celeryTest, hasCelery } from '../support/celery-worker.ts'
import { useQueues } from '../support/queues.ts'
import { type BothSides, expectAlike, madeByBoth } from './both-sides.ts'
import { CANVAS_CALLS, type Call, OPTION_CALLS } from './calls.ts'
import { type RecordedWorker, startRecordedWorker } from './recorded-worker.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const CALLS: readonly Call[] = [...OPTION_CALLS, ...CANVAS_CALLS]

let made = new Map<string, BothSides>()
let worker: RecordedWorker | undefined

beforeAll(async () => {
  if (!hasCelery()) return
  worker = await startRecordedWorker({ brokerUrl: broker.url, backend: 'rpc://', queue: broker.queueName('matrix') })
  await queues.channel.bindQueue(worker.queue, 'amq.direct', worker.queue)
  const backend = { ours: 'rpc://', celery: 'rpc://' }
  made = await madeByBoth(CALLS, worker, { broker: broker.url, backend, queue: worker.queue })
}, 180_000)
afterAll(() => worker?.stop())

describe('a real worker’s request object is the same, whoever made the call:', () => {
  for (const { title } of CALLS) celeryTest(title, () => expectAlike(made.get(title) as BothSides))
})
