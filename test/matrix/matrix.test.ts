import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { createCelery } from '../../lib/celery/celery.ts'
import { CELERY } from '../celery/celery-python.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, hasCelery } from '../support/celery-worker.ts'
import { until } from '../support/condition.ts'
import { useQueues } from '../support/queues.ts'
import { CANVAS_CALLS, type Call, filledIn, OPTION_CALLS, type Side } from './calls.ts'
import { type NormalForm, normalForm, type TaskRecord } from './normal-form.ts'
import { send } from './our-sender.ts'
import { type RecordedWorker, startRecordedWorker } from './recorded-worker.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const CALLS: readonly Call[] = [...OPTION_CALLS, ...CANVAS_CALLS]
/** By how much times that hang on the moment of the call may differ: the moment is read before the call. */
const TOLERANCE_SECONDS = 5

/** What became of making a call. */
interface Sent {
  /** When it was made, in seconds since 1970. */
  readonly at: number
  readonly error?: unknown
}

const forms = new Map<string, NormalForm>()
let sent: Record<Side, Sent[]> = { ours: [], celery: [] }
let worker: RecordedWorker | undefined

beforeAll(async () => {
  if (!hasCelery()) return
  worker = await startRecordedWorker({ brokerUrl: broker.url, backend: 'rpc://', queue: broker.queueName('matrix') })
  await queues.channel.bindQueue(worker.queue, 'amq.direct', worker.queue)
  sent = await sendAll(worker)
  await everythingRan(worker)
  const records = worker.records()
  for (const [index, { title }] of CALLS.entries()) {
    for (const side of SIDES) {
      const tag = tagOf(index, side)
      forms.set(`${side} ${title}`, normalForm(recordsOf(records, tag), side, tag, sent[side][index]?.at as number))
    }
  }
}, 180_000)
afterAll(() => worker?.stop(), 30_000)

describe('a real worker’s request object is the same, whoever made the call:', () => {
  for (const [index, { title }] of CALLS.entries()) {
    celeryTest(title, () => {
      expect(SIDES.map((side) => sent[side][index]?.error)).toEqual([undefined, undefined])
      const [ours, celery] = SIDES.map((side) => forms.get(`${side} ${title}`) as NormalForm) as [
        NormalForm,
        NormalForm,
      ]

      expect(celery.records.length).toBeGreaterThan(0)
      expect(ours.records).toEqual(celery.records)
      expect(ours.times).toHaveLength(celery.times.length)
      for (const [place, seconds] of ours.times.entries()) {
        expect(Math.abs(seconds - (celery.times[place] as number))).toBeLessThan(TOLERANCE_SECONDS)
      }
    })
  }
})

const SIDES: readonly Side[] = ['ours', 'celery']

/** The text that all tasks of a call have in their arguments; as long for one side as for the other. */
function tagOf(index: number, side: Side): string {
  return `call-${`${index}`.padStart(3, '0')}-${side.padEnd(6, '-')}`
}

/** Makes all calls: those of the real Celery in one process of its own. */
async function sendAll({ queue }: RecordedWorker): Promise<Record<Side, Sent[]>> {
  const calls = (side: Side) => CALLS.map((call, index) => filledIn(call, tagOf(index, side), queue))
  const run = spawnSync(CELERY?.python as string, [join(import.meta.dirname, 'matrix_sender.py')], {
    input: JSON.stringify({ broker: broker.url, backend: 'rpc://', queue, calls: calls('celery') }),
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error(`the real Celery could not make the calls: ${run.stderr}`)

  await using app = createCelery({ broker: broker.url, backend: 'rpc://', logger: false, taskDefaultQueue: queue })
  const ours: Sent[] = []
  for (const call of calls('ours')) {
    const at = Date.now() / 1_000
    const error = await send(app, call).catch((thrown) => thrown)
    ours.push({ at, error })
  }
  return { ours, celery: JSON.parse(run.stdout) }
}

async function everythingRan(ran: RecordedWorker): Promise<void> {
  await using app = createCelery({ broker: broker.url, logger: false })
  const haveAllStarted = async () => {
    await ran.idle(app)
    const records = ran.records()
    const counts = (side: Side) => CALLS.map((_, index) => recordsOf(records, tagOf(index, side)).length)
    const [ours, celery] = [counts('ours'), counts('celery')]
    return ours.every((count, index) => count > 0 && count === celery[index])
  }
  // Some tasks have to wait for their time. What does not come in the end is seen as a difference.
  await until(haveAllStarted, 10_000).catch(() => undefined)
}

function recordsOf(records: readonly TaskRecord[], tag: string): TaskRecord[] {
  return records.filter((record) => JSON.stringify(record).includes(tag))
}
