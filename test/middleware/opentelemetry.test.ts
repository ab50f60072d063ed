import { afterAll, beforeEach, describe, expect, test } from '@jest/globals'
import { context, createTraceState, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import type { Celery } from '../../lib/celery/celery.ts'
import { traceTasks } from '../../lib/middleware/opentelemetry.ts'
import { createTestCelery } from '../../lib/testing/recorded-celery.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const { hostname, port } = new URL(broker.url)

const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
provider.register()
const tracer = provider.getTracer('test')

beforeEach(() => exporter.reset())
afterAll(() => {
  for (const api of [trace, context, propagation]) api.disable()
  return provider.shutdown()
})

function tracedApp(): Celery {
  const app = makeApp({ broker: broker.url })
  traceTasks(app)
  return app
}

function traceparentOf(span: ReadableSpan | undefined): string {
  const { traceId, spanId } = span?.spanContext() ?? {}
  return `00-${traceId}-${spanId}-01`
}

async function headersOf(queue: string): Promise<Record<string, unknown>> {
  const [message] = await queues.take(queue, 1)
  return message?.properties.headers ?? {}
}

describe('a task', () => {
  test('has a producer span by the semantic conventions, which ends at the confirm', async () => {
    const queue = queues.name()
    const { taskId } = await tracedApp().sendTask('tasks.add', [1, 2], {}, { queue })

    const [span] = exporter.getFinishedSpans()
    expect(exporter.getFinishedSpans()).toHaveLength(1)
    expect(span).toMatchObject({
      name: `publish ${queue}`,
      kind: SpanKind.PRODUCER,
      status: { code: SpanStatusCode.UNSET },
      instrumentationScope: { name: 'pooled-producer' },
    })
    expect(span?.attributes).toEqual({
      'messaging.system': 'rabbitmq',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': queue,
      'messaging.rabbitmq.destination.routing_key': queue,
      'messaging.message.id': taskId,
      'messaging.message.conversation_id': taskId,
      'celery.task_name': 'tasks.add',
      'server.address': hostname,
      'server.port': Number(port || 5_672),
    })
    expect(await headersOf(queue)).toMatchObject({ traceparent: traceparentOf(span), task: 'tasks.add', id: taskId })
  })

  test('names its destination by exchange and routing key', async () => {
    const exchange = await queues.declareExchange()
    const app = tracedApp()
    await app.sendTask('tasks.add', [], {}, { exchange, routingKey: 'sums', declare: false, mandatory: false })

    expect(exporter.getFinishedSpans()[0]).toMatchObject({
      name: `publish ${exchange}:sums`,
      attributes: { 'messaging.destination.name': `${exchange}:sums` },
    })
  })

  test('is a child of the span that is active where it is sent, whose state goes on too', async () => {
    const app = tracedApp()
    const [first, second] = [queues.name(), queues.name()]
    const caller = trace.setSpanContext(context.active(), {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
      traceState: createTraceState('vendor=1'),
    })
    const send = (queue: string) => app.sendTask('tasks.add', [], {}, { queue, headers: { tracestate: 'old=1' } })
    await Promise.all([
      context.with(caller, () => send(first)),
      tracer.startActiveSpan('request', (request) => send(second).finally(() => request.end())),
    ])

    const spans = exporter.getFinishedSpans()
    const [inCaller, inRequest] = [first, second].map((queue) => spans.find(({ name }) => name === `publish ${queue}`))
    const request = spans.find(({ name }) => name === 'request')
    expect(inCaller?.parentSpanContext?.spanId).toBe('b7ad6b7169203331')
    expect(inRequest?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId)
    expect(await headersOf(first)).toMatchObject({ traceparent: traceparentOf(inCaller), tracestate: 'vendor=1' })
    const headers = await headersOf(second)
    expect(headers.traceparent).toBe(traceparentOf(inRequest))
    expect(headers).not.toHaveProperty('tracestate')
  })

  test.each([
    [
      'that no queue takes',
      (app: Celery) => app.sendTask('tasks.add', [], {}, { queue: queues.name(), declare: false }),
      'ERR_UNROUTABLE',
    ],
    [
      'that a listener has spoilt',
      (app: Celery) => {
        app.on('beforeTaskPublish', ({ headers }) => {
          delete headers.id
        })
        return app.sendTask('tasks.add')
      },
      'ERR_INVALID_TASK',
    ],
  ])('%s has a span that says so', async (_, send, code) => {
    const error = await failureOf(send(tracedApp()))

    expect(error.code).toBe(code)
    expect(exporter.getFinishedSpans()).toEqual([
      expect.objectContaining({
        status: { code: SpanStatusCode.ERROR, message: error.message },
        attributes: expect.objectContaining({ 'error.type': code }),
      }),
    ])
  })

  test('is seen by beforeTaskPublish first, whose route the span tells', async () => {
    const app = tracedApp()
    const other = await queues.declare()
    app.on('beforeTaskPublish', (draft) => {
      draft.routingKey = other
    })
    await app.sendTask('tasks.add', [], {}, { queue: queues.name() })

    expect(exporter.getFinishedSpans()[0]?.name).toBe(`publish ${other}`)
  })

  test('that is not sampled says so in its headers', async () => {
    const app = makeApp({ broker: broker.url })
    traceTasks(app, { tracerProvider: new NodeTracerProvider({ sampler: new AlwaysOffSampler() }) })
    const queue = queues.name()
    await app.sendTask('tasks.add', [], {}, { queue })

    expect((await headersOf(queue)).traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-00$/)
  })

  test('is sent once though its tracer throws, which is logged', async () => {
    const logger = new RecordedLog()
    const app = makeApp({ broker: broker.url, logger })
    const tracerProvider = {
      getTracer: () => ({
        startSpan: () => {
          throw new Error('no')
        },
      }),
    }
    traceTasks(app, { tracerProvider: tracerProvider as never })
    const queue = queues.name()
    await app.sendTask('tasks.add', [], {}, { queue })

    expect(await queues.depth(queue)).toBe(1)
    expect(logger.of('pool.warning')).toEqual([expect.objectContaining({ reason: 'the tracing of tasks.add threw' })])
  })

  celeryTest(
    'carries its trace to a real worker',
    async () => {
      const worker = await startCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })
      afterTest(() => worker.stop())
      const app = makeApp({ broker: broker.url, backend: 'rpc://' })
      traceTasks(app)
      const result = await app.sendTask('tasks.request_info', [], {}, { queue: worker.queue })
      const info = await result.get({ timeoutMs: 20_000 })

      expect(info).toMatchObject({ id: result.taskId, traceparent: traceparentOf(exporter.getFinishedSpans()[0]) })
    },
    90_000,
  )
})

describe('an app', () => {
  test('of several nodes gives no server, for nobody knows which', async () => {
    const app = makeApp({ broker: [broker.url, broker.url] })
    traceTasks(app)
    await app.sendTask('tasks.add', [], {}, { queue: queues.name() })

    expect(Object.keys(exporter.getFinishedSpans()[0]?.attributes ?? {}).join()).not.toContain('server.')
  })

  test('without a broker is traced too', async () => {
    const app = createTestCelery()
    traceTasks(app)
    await app.sendTask('tasks.add')

    expect(exporter.getFinishedSpans()).toHaveLength(1)
    expect(app.sent[0]?.headers.traceparent).toMatch(/^00-/)
  })

  test('is traced until it is told to stop', async () => {
    const app = makeApp({ broker: broker.url })
    const stop = traceTasks(app)
    const queue = queues.name()
    await app.sendTask('tasks.add', [], {}, { queue })
    stop()
    await app.sendTask('tasks.add', [], {}, { queue })
    const [, untraced] = await queues.take(queue, 2)

    expect(exporter.getFinishedSpans()).toHaveLength(1)
    expect(untraced?.properties.headers).not.toHaveProperty('traceparent')
    expect(traceTasks(app)).toBeInstanceOf(Function)
  })

  test.each([
    [() => traceTasks({} as never), /traceTasks takes an app of createCelery, got an object/],
    [() => traceTasks(undefined as never), /traceTasks takes an app of createCelery, got undefined/],
    [
      () => traceTasks(makeApp({ broker: NOWHERE }), { tracerProvider: {} as never }),
      /tracerProvider must be a TracerProvider of OpenTelemetry, got an object/,
    ],
    [
      () => {
        const app = makeApp({ broker: NOWHERE })
        traceTasks(app)
        traceTasks(app)
      },
      /the tasks of this app are traced already/,
    ],
  ])('that is none, or traced already, is ERR_INVALID_OPTION: %s', (call, message) => {
    expect(call).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) }),
    )
  })
})
