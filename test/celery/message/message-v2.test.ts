import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { expect, test } from '@jest/globals'
import { encodeArguments } from '../../../lib/celery/message/arguments.ts'
import { ORIGIN, taskPropertiesV2, taskTimes, type VaryingParts } from '../../../lib/celery/message/message-v2.ts'
import { argsRepr, kwargsRepr } from '../../../lib/celery/message/repr.ts'
import { PROTOCOL_HEADERS } from '../../../lib/celery/message/task-headers.ts'
import { taskOptions } from '../../../lib/celery/options/task-options.ts'

interface Call {
  readonly title: string
  readonly name: string
  readonly args?: unknown[]
  readonly kwargs?: Record<string, unknown>
  readonly options?: Record<string, unknown>
}

interface GoldenMessage {
  readonly title: string
  readonly properties: Record<string, unknown>
  readonly headers: Record<string, unknown>
  readonly body: string
}

interface Golden {
  readonly now: string
  readonly origin: string
  readonly taskId: string
  readonly messages: readonly GoldenMessage[]
}

/** What Celery 5.6 sends and 5.2.6 does not. Source: Celery 5.6, `celery/app/amqp.py`, `as_task_v2`. */
const NEWER_HEADERS = { replaced_task_nesting: 0, stamped_headers: null, stamps: {} }

const CALLS = read('calls.json') as readonly Call[]
const GOLDEN = read('celery-5.2.6.json') as Golden
const NOW = Date.parse(GOLDEN.now)
const PLAIN_PARTS: VaryingParts<string> = { id: 'id-1', argsrepr: '(2, 3)', kwargsrepr: '{}' }

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../golden/${name}`, import.meta.url), 'utf8'))
}

/** The shorthands of calls.json, as make-golden.py reads them. */
function expanded(value: unknown): unknown {
  if (typeof value === 'string') {
    const [, count, text] = /^\$repeat:(\d+):(.*)$/.exec(value) ?? []
    return text === undefined ? value : text.repeat(Number(count))
  }
  if (Array.isArray(value)) {
    const [first] = value
    const count = typeof first === 'string' ? /^\$range:(\d+)$/.exec(first)?.[1] : undefined
    return count === undefined ? value.map(expanded) : Array.from({ length: Number(count) }, (_, i) => i)
  }
  if (typeof value !== 'object' || value === null) return value
  if ('$date' in value) return new Date(value.$date as string)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expanded(item)]))
}

function ourMessage(call: Call) {
  const args = expanded(call.args ?? []) as unknown[]
  const kwargs = expanded(call.kwargs ?? {}) as Record<string, unknown>
  const options = taskOptions(expanded(call.options ?? {}) as object)
  const varying = {
    id: options.taskId ?? GOLDEN.taskId,
    argsrepr: argsRepr(args),
    kwargsrepr: kwargsRepr(kwargs),
  }
  const properties = taskPropertiesV2(call.name, varying, options, GOLDEN.origin, taskTimes(options, NOW))
  return { properties, body: encodeArguments(args, kwargs) }
}

test('the golden messages are those of the calls', () => {
  expect(GOLDEN.messages.map(({ title }) => title)).toEqual(CALLS.map(({ title }) => title))
  expect(CALLS.length).toBeGreaterThanOrEqual(25)
})

test.each(CALLS.map((call, index) => [call.title, call, GOLDEN.messages[index] as GoldenMessage] as const))(
  'a message with %s is the one that Celery sends',
  (_, call, golden) => {
    const { properties, body } = ourMessage(call)

    const { headers, ...others } = properties
    expect(headers).toEqual({ ...golden.headers, ...NEWER_HEADERS })
    expect(JSON.parse(body)).toEqual(JSON.parse(golden.body))

    const { reply_to: replyTo, ...expected } = golden.properties
    // Celery names a reply queue always; without a result backend nobody reads it.
    if (call.options?.replyTo !== undefined) expected.reply_to = replyTo
    const ours = Object.entries(others).map(([name, value]) => [snakeCase(name), value])
    expect(Object.fromEntries(ours)).toEqual(expected)
  },
)

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

test("the headers stand in Celery's order, and the caller's after them", () => {
  const options = taskOptions({ headers: { tenant: 'acme' } })

  const { headers } = taskPropertiesV2('tasks.add', PLAIN_PARTS, options, ORIGIN)

  const own = PROTOCOL_HEADERS.filter((name) => name !== 'compression')
  expect(own).toHaveLength(19)
  expect(Object.keys(headers)).toEqual([...own, 'tenant'])
})

test('the same function makes a template: a slot stands wherever messages differ', () => {
  const slots = { id: { slot: 'id' }, argsrepr: { slot: 'args' }, kwargsrepr: { slot: 'kwargs' } }
  const times = { eta: { slot: 'eta' }, expires: { slot: 'expires' }, expiration: '60000' }

  const { headers, correlationId, expiration } = taskPropertiesV2('tasks.add', slots, taskOptions(), ORIGIN, times)

  expect(headers.id).toBe(slots.id)
  expect(headers.root_id).toBe(slots.id)
  expect(correlationId).toBe(slots.id)
  expect(headers.argsrepr).toBe(slots.argsrepr)
  expect(headers.kwargsrepr).toBe(slots.kwargsrepr)
  expect(headers.eta).toBe(times.eta)
  expect(headers.expires).toBe(times.expires)
  expect(expiration).toBe('60000')
})

test('what an option fixes is no slot any more', () => {
  const slots = { id: { slot: 'id' }, argsrepr: { slot: 'args' }, kwargsrepr: { slot: 'kwargs' } }
  const options = taskOptions({ rootId: 'root', correlationId: 'request', argsrepr: '(***)', kwargsrepr: '{***}' })

  const { headers, correlationId } = taskPropertiesV2('tasks.add', slots, options, ORIGIN)

  expect(headers).toMatchObject({ id: slots.id, root_id: 'root', argsrepr: '(***)', kwargsrepr: '{***}' })
  expect(correlationId).toBe('request')
})

test('properties that are not set are absent, so that their bits are not sent', () => {
  expect(Object.keys(taskPropertiesV2('tasks.add', PLAIN_PARTS, taskOptions(), ORIGIN))).toEqual([
    'contentType',
    'contentEncoding',
    'headers',
    'deliveryMode',
    'priority',
    'correlationId',
  ])
})

test('an expiration over ten years, which RabbitMQ refuses, is ten years; the header keeps the time', () => {
  const seconds = taskTimes(taskOptions({ expires: 400_000_000 }), NOW)
  const date = taskTimes(taskOptions({ expires: '2100-01-01T00:00:00Z' }), NOW)

  expect(seconds).toEqual({ eta: null, expires: '2039-07-26T20:09:24.872000+00:00', expiration: '315360000000' })
  expect(date).toEqual({ eta: null, expires: '2100-01-01T00:00:00+00:00', expiration: '315360000000' })
})

test('options without times share one answer, whatever the time', () => {
  expect(taskTimes(taskOptions(), 1)).toBe(taskTimes(taskOptions({ queue: 'q' }), 2))
})

test('the origin is the process and its host', () => {
  expect(ORIGIN).toBe(`gen${process.pid}@${hostname()}`)
})
