import { beforeAll, describe, expect, test } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { startScript } from '../support/script.ts'

const broker = useBroker()

interface Span {
  readonly name: string
  readonly kind: number
  readonly traceparent: string
  readonly parent: string | null
}

/** What a step left: the spans that have ended, the headers of the messages that arrived, the warnings. */
interface Step {
  readonly name: string
  readonly result?: unknown
  readonly traceparents: (string | null)[]
  readonly spans: Span[]
  readonly warnings: string[]
}

/** OpenTelemetry's number for the kind of a span that sends a message. */
const PRODUCER = 3

/** Runs a scenario in a process of its own: the instrumentation must load amqplib. */
async function run(scenario: string): Promise<Map<string, Step>> {
  const script = startScript(`await import('../tracing/${scenario}')`, { TRACED_QUEUE: broker.queueName('traced') })
  const steps = new Map<string, Step>()
  try {
    for (;;) {
      const step = JSON.parse(await script.nextLine()) as Step
      steps.set(step.name, step)
    }
  } catch (error) {
    // There is no other line: it has ended.
    expect({ ...(await script.ended), error }).toMatchObject({ code: 0 })
    return steps
  } finally {
    script.process.kill('SIGKILL')
  }
}

function stepOf(steps: Map<string, Step>, name: string): Step {
  const step = steps.get(name)
  if (step === undefined) throw new Error(`there was no step ${name}, only ${[...steps.keys()].join(', ')}`)
  return step
}

function expectTraced({ spans, traceparents }: Step, count: number): void {
  const publishes = spans.filter(({ kind }) => kind === PRODUCER)
  expect(publishes).toHaveLength(count)
  expect(new Set(publishes.map(({ traceparent }) => traceparent)).size).toBe(count)
  expect(traceparents.toSorted()).toEqual(publishes.map(({ traceparent }) => traceparent).toSorted())
}

/** Each request's span must have exactly one publish below it. */
function expectParents({ spans }: Step, requests: readonly string[]): void {
  const children = spans.filter(({ kind }) => kind === PRODUCER)
  for (const name of requests) {
    const request = spans.find((span) => span.name === name)
    expect(children.filter(({ parent }) => parent === request?.traceparent)).toHaveLength(1)
  }
}

describe('with a tracer from the start', () => {
  let steps: Map<string, Step>
  beforeAll(async () => {
    steps = await run('traced-from-the-start.mjs')
  })

  test.each([
    ['delay', 50],
    ['lease', 1],
    ['publish', 1],
    ['celery-node', 1],
    ['fastPath: false', 1],
  ])('every message has a producer span that ends, and its trace in the headers: %s', (name, count) => {
    expectTraced(stepOf(steps, name), count)
  })

  test('a span is the child of the one that was active where its message was published', () => {
    const step = stepOf(steps, 'requests')

    expectTraced(step, 3)
    expectParents(step, ['request 0', 'request 1', 'request 2'])
  })

  test('a message that no queue took has a span that ends too', () => {
    const { spans, result } = stepOf(steps, 'unroutable')

    expect(result).toBe('ERR_UNROUTABLE')
    expect(spans).toHaveLength(1)
  })

  test('one warning of a pool says that the fast path is off, and none where it was not asked for', () => {
    const warnings = [...steps.values()].map((step) => [step.name, step.warnings])

    expect(warnings).toEqual([
      ['delay', [expect.stringContaining("amqplib's publish was replaced")]],
      ['requests', []],
      ['lease', []],
      ['publish', []],
      ['unroutable', []],
      ['celery-node', [expect.stringContaining("amqplib's publish was replaced")]],
      ['fastPath: false', []],
    ])
  })
})

describe('with a tracer that patches amqplib after the pool was opened', () => {
  let steps: Map<string, Step>
  beforeAll(async () => {
    steps = await run('traced-later.mjs')
  })

  test('messages take the fast path before', () => {
    expect(stepOf(steps, 'before')).toMatchObject({ result: true, spans: [], traceparents: [null, null], warnings: [] })
  })

  test('and are traced from then on, with one warning', () => {
    const step = stepOf(steps, 'after')

    expectTraced(step, 2)
    expect(step.warnings).toEqual([expect.stringContaining("amqplib's publish was replaced")])
    expectTraced(stepOf(steps, 'requests'), 2)
    expectParents(stepOf(steps, 'requests'), ['request 0', 'request 1'])
  })

  test('and none is lost or sent twice in the change', () => {
    expect(stepOf(steps, 'stats').result).toEqual({ confirms: 6, retries: 0, failures: 0, channelsOpened: 2 })
  })
})

describe('with traceTasks beside the instrumentation of amqplib', () => {
  let steps: Map<string, Step>
  beforeAll(async () => {
    steps = await run('traced-tasks.mjs')
  })

  test('the request’s span holds the task’s, which holds that of amqplib’s publish, whose trace is in the headers', () => {
    const { spans, traceparents } = stepOf(steps, 'requests')
    const below = (span: Span | undefined) => spans.filter(({ parent }) => parent === span?.traceparent)

    expect(traceparents).toHaveLength(3)
    for (const name of ['request 0', 'request 1', 'request 2']) {
      const tasks = below(spans.find((span) => span.name === name))
      expect(tasks).toEqual([
        expect.objectContaining({ kind: PRODUCER, name: expect.stringMatching(/^publish traced/) }),
      ])
      const publishes = below(tasks[0])
      expect(publishes).toEqual([expect.objectContaining({ kind: PRODUCER })])
      expect(traceparents).toContain(publishes[0]?.traceparent)
    }
  })

  test('every message arrives once, with a trace of its own', () => {
    const { spans, traceparents } = stepOf(steps, 'many')

    expect(new Set(traceparents).size).toBe(50)
    expect(spans.filter(({ kind }) => kind === PRODUCER)).toHaveLength(100)
  })
})
