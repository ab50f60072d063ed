import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import type { Celery } from '../../lib/celery/celery.ts'
import { type CeleryWorker, type CeleryWorkerOptions, startCeleryWorker } from '../support/celery-worker.ts'
import { until } from '../support/condition.ts'
import type { TaskRecord } from './normal-form.ts'

/** A real worker that writes down the request of each task that it starts. */
export interface RecordedWorker {
  readonly queue: string
  /** What it has written down so far. */
  records(): TaskRecord[]
  /** Runs `send` while the worker takes nothing from its queue: how far it has come must not order what comes of it. */
  pausedWhile<T>(app: Celery, send: () => Promise<T>): Promise<T>
  /** Resolves when all that was sent before has run, and so has all that came of it and need not wait for its time. */
  idle(app: Celery): Promise<void>
  /** Whether it has tasks that wait for their time. */
  hasScheduled(app: Celery): Promise<boolean>
  stop(): Promise<void>
}

/** A workflow of the matrix has fewer steps one after the other. */
const MAX_ROUNDS = 20

/** Starts a worker with the tasks of `matrix_tasks.py`. */
export async function startRecordedWorker(options: CeleryWorkerOptions & { queue: string }): Promise<RecordedWorker> {
  const { queue } = options
  const folder = mkdtempSync(join(tmpdir(), 'matrix-'))
  const file = join(folder, 'records.jsonl')
  writeFileSync(file, '')
  const env = { MATRIX_RECORDS: file, MATRIX_QUEUE: queue }
  const tasks = join(import.meta.dirname, 'matrix_tasks.py')
  const worker: CeleryWorker = await startCeleryWorker({ ...options, tasks, env, queues: [queue] })

  const records = (): TaskRecord[] => {
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line))
  }
  let marks = 0
  /** How many tasks had started when one that was sent last came to its turn. */
  const startedUntilNow = async (app: Celery): Promise<number> => {
    const mark = `end ${++marks}`
    await app.sendTask('matrix.end', [mark], {}, { queue })
    await until(() => readFileSync(file, 'utf8').includes(`"${mark}", "at"`), 60_000).catch((error) => {
      throw new Error(`the worker does not go on; its log ends in\n${worker.output().slice(-3_000)}`, { cause: error })
    })
    return records().filter((record) => !isEnd(record)).length
  }
  return {
    queue,
    records: () => records().filter((record) => !isEnd(record)),
    async pausedWhile(app, send) {
      const { node } = worker
      const asked = { destination: node, reply: true, timeoutMs: 20_000 }
      const obeyed = expect.objectContaining({ ok: expect.anything() })
      expect(await app.control.cancelConsumer(queue, asked)).toEqual([{ [node]: obeyed }])
      const sent = await send()
      expect(await app.control.addConsumer(queue, asked)).toEqual([{ [node]: obeyed }])
      return sent
    },
    async idle(app) {
      // Tasks run one at a time, in their order, and a task sends those that follow it before the next one starts.
      let before = -1
      for (let rounds = 0; rounds < MAX_ROUNDS; rounds++) {
        const now = await startedUntilNow(app)
        if (now === before) return
        before = now
      }
      throw new Error(`tasks follow each other without end: ${JSON.stringify(records().slice(-4))}`)
    },
    async hasScheduled(app) {
      const { node } = worker
      const scheduled = await app.control.inspect({ destination: node, timeoutMs: 20_000 }).scheduled()
      expect(scheduled).toEqual({ [node]: expect.any(Array) })
      return (scheduled[node] as unknown[]).length > 0
    },
    async stop() {
      await worker.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

function isEnd({ kind, task }: TaskRecord): boolean {
  return kind === 'end' || task === 'matrix.end'
}
