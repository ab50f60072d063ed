import { parseArgs } from 'node:util'
import { parseBrokerUrl } from '../amqp/broker-url.ts'
import { taskName } from '../celery/options/task-options.ts'
import { closestName } from '../closest-name.ts'
import { integer } from '../integer.ts'
import { poolOptions } from '../options.ts'
import { isObject } from '../plain-object.ts'
import { describe } from '../shown-value.ts'
import { LOAD_MODES, type LoadMode } from './load-modes.ts'
import type { ProfileRequest } from './load-profile.ts'
import { plainTask } from './per-call-ways.ts'

const MAX_TASKS = 100_000_000
const MAX_SECONDS = 86_400
const MAX_CONCURRENCY = 10_000
/** Celery's workers log a task that they do not know, and drop it. */
const DEFAULT_TASK = 'pooled_producer.load_test'
const DEFAULT_TASKS = 10_000

/** What the arguments of `load-test` ask for. */
export interface LoadTestRequest {
  readonly urls: readonly string[]
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** Undefined: one of the test's own. */
  readonly queue: string | undefined
  readonly tasks: number
  readonly timeLimitMs: number
  readonly concurrency: number
  readonly modes: readonly LoadMode[]
  readonly isForced: boolean
  readonly isJson: boolean
  readonly profile: ProfileRequest | undefined
}

/**
 * Reads the arguments; undefined when they ask for help.
 *
 * @throws what is wrong with them.
 */
export function parseLoadTest(argv: readonly string[]): LoadTestRequest | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      broker: { type: 'string' },
      task: { type: 'string', default: DEFAULT_TASK },
      args: { type: 'string', default: '[]' },
      kwargs: { type: 'string', default: '{}' },
      queue: { type: 'string' },
      count: { type: 'string' },
      seconds: { type: 'string' },
      concurrency: { type: 'string', default: '100' },
      mode: { type: 'string', default: 'pooled' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
      include: { type: 'string' },
      exclude: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined

  const { broker, queue, force: isForced, json: isJson } = values
  const urls = poolOptions(broker === undefined ? {} : { broker }).broker
  for (const url of urls) parseBrokerUrl(url)
  const task = taskName(values.task)
  const args = parseJson('--args', values.args, 'an array such as [2, 3]', Array.isArray) as unknown[]
  const kwargs = parseJson('--kwargs', values.kwargs, 'an object such as {"x": 2}', isObject) as Record<string, unknown>
  // Made once to see that it can be.
  plainTask(task, args, kwargs)
  if (queue === '') throw new Error('--queue must not be empty')
  const modes = parseModes(values.mode)
  return {
    urls,
    task,
    args,
    kwargs,
    queue,
    ...limits(values.count, values.seconds),
    concurrency: wholeNumber('--concurrency', values.concurrency, MAX_CONCURRENCY),
    modes,
    isForced,
    isJson,
    profile: profileRequest(values, modes),
  }
}

interface ProfileValues {
  readonly profile?: string | undefined
  readonly include?: string | undefined
  readonly exclude?: string | undefined
}

function profileRequest({ profile, include, exclude }: ProfileValues, modes: readonly LoadMode[]) {
  if (profile === undefined) {
    if (include !== undefined || exclude !== undefined) throw new Error('--include and --exclude need --profile')
    return undefined
  }
  if (profile === '') throw new Error('--profile must name a file')
  if (modes.length > 2) throw new Error('--profile draws one mode, or two side by side')
  return { file: profile, include: names(include), exclude: names(exclude) }
}

function names(list: string | undefined): string[] {
  return list === undefined ? [] : list.split(',').map((name) => name.trim())
}

function limits(tasks: string | undefined, seconds: string | undefined): { tasks: number; timeLimitMs: number } {
  if (tasks !== undefined && seconds !== undefined) throw new Error('give --count or --seconds, not both')
  if (seconds === undefined) {
    const most = tasks === undefined ? DEFAULT_TASKS : wholeNumber('--count', tasks, MAX_TASKS)
    return { tasks: most, timeLimitMs: Number.POSITIVE_INFINITY }
  }
  return {
    tasks: Number.POSITIVE_INFINITY,
    timeLimitMs: wholeNumber('--seconds', seconds, MAX_SECONDS) * 1_000,
  }
}

function parseModes(text: string): LoadMode[] {
  const modes = names(text)
  const known = Object.keys(LOAD_MODES)
  for (const [index, name] of modes.entries()) {
    if (!known.includes(name)) {
      const near = closestName(name, known)
      const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`
      throw new Error(`--mode: there is no mode ${describe(name)}; ${hint}`)
    }
    if (modes.indexOf(name) !== index) throw new Error(`--mode: ${name} is given twice`)
  }
  return modes as LoadMode[]
}

function parseJson(name: string, text: string, expected: string, isExpected: (value: unknown) => boolean): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${name} is no JSON: ${(error as Error).message}`)
  }
  if (!isExpected(value)) throw new Error(`${name} must be ${expected}, got ${describe(value)}`)
  return value
}

function wholeNumber(name: string, text: string, max: number): number {
  return integer(name, /^\d+$/.test(text) ? Number(text) : text, 1, max)
}
