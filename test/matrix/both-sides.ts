import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { type Celery, createCelery } from '../../lib/celery/celery.ts'
import { CELERY } from '../celery/celery-python.ts'
import { until } from '../support/condition.ts'
import { type Call, filledIn, type Side } from './calls.ts'
import { type NormalForm, normalForm, type TaskRecord } from './normal-form.ts'
import { send } from './our-sender.ts'
import type { RecordedWorker } from './recorded-worker.ts'

/** By how much times that hang on the moment of the call may differ: the moment is read before the call. */
const TOLERANCE_SECONDS = 5

/** Where both sides send. */
export interface Place {
  readonly broker: string
  /** The result backend of each side. */
  readonly backend: Readonly<Record<Side, string>>
  readonly queue: string
}

/** What became of making a call. */
export interface Sent {
  /** When it was made, in seconds since 1970. */
  readonly at: number
  readonly error?: unknown
}

/** A call as each side made it, and what a worker wrote down of it. */
export type BothSides = Readonly<Record<Side, { readonly error: unknown; readonly form: NormalForm }>>

/** Makes all calls on both sides: those of the real Celery in one process of its own. */
export async function sendAll(calls: readonly Call[], place: Place): Promise<Record<Side, Sent[]>> {
  const { broker, backend, queue } = place
  const filled = (side: Side) => calls.map((call, index) => filledIn(call, tagOf(index, side), queue))
  const run = spawnSync(CELERY?.python as string, [join(import.meta.dirname, 'matrix_sender.py')], {
    input: JSON.stringify({ broker, backend: backend.celery, queue, calls: filled('celery') }),
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error(`the real Celery could not make the calls: ${run.stderr}`)

  await using app = createCelery({ broker, backend: backend.ours, logger: false, taskDefaultQueue: queue })
  const ours: Sent[] = []
  for (const call of filled('ours')) {
    const at = Date.now() / 1_000
    const error = await send(app, call).catch((thrown) => thrown)
    ours.push({ at, error })
  }
  return { ours, celery: JSON.parse(run.stdout) }
}

/** Makes all calls on both sides and lets the worker run what comes of them. Resolves with both, by title. */
export async function madeByBoth(
  calls: readonly Call[],
  worker: RecordedWorker,
  place: Place,
): Promise<Map<string, BothSides>> {
  await using app = createCelery({ broker: place.broker, logger: false })
  const sent = await worker.pausedWhile(app, () => sendAll(calls, place))
  await everythingRan(worker, app)
  const records = worker.records()
  const sideOf = (side: Side, index: number) => {
    const tag = tagOf(index, side)
    const { at, error } = sent[side][index] as Sent
    return { error, form: normalForm(recordsOf(records, tag), side, tag, at) }
  }
  return new Map(
    calls.map(({ title }, index) => [title, { ours: sideOf('ours', index), celery: sideOf('celery', index) }]),
  )
}

/** Expects that a worker cannot tell the two sides of a call from each other. */
export function expectAlike({ ours, celery }: BothSides): void {
  expect([ours.error, celery.error]).toEqual([undefined, undefined])
  expect(celery.form.records.length).toBeGreaterThan(0)
  expect(ours.form.records).toEqual(celery.form.records)
  expect(ours.form.times).toHaveLength(celery.form.times.length)
  for (const [place, seconds] of ours.form.times.entries()) {
    expect(Math.abs(seconds - (celery.form.times[place] as number))).toBeLessThan(TOLERANCE_SECONDS)
  }
}

/** The text that all tasks of a call have in their arguments; as long for one side as for the other. */
function tagOf(index: number, side: Side): string {
  return `call-${`${index}`.padStart(3, '0')}-${side.padEnd(6, '-')}`
}

async function everythingRan(worker: RecordedWorker, app: Celery): Promise<void> {
  await until(async () => {
    const before = worker.records().length
    await worker.idle(app)
    return !(await worker.hasScheduled(app)) && worker.records().length === before
  })
}

function recordsOf(records: readonly TaskRecord[], tag: string): TaskRecord[] {
  return records.filter((record) => JSON.stringify(record).includes(tag))
}
