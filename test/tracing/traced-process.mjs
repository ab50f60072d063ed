// A process with OpenTelemetry's instrumentation of amqplib, which has to be there before amqplib is. It runs the
// steps of a scenario, and writes what came of each as a line of JSON.
import { AmqplibInstrumentation } from '@opentelemetry/instrumentation-amqplib'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'

const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
provider.register()
export const instrumentation = new AmqplibInstrumentation()
instrumentation.setTracerProvider(provider)
export const tracer = provider.getTracer('test')

const { connect } = await import('amqplib')
export const { createCelery } = await import('../../lib/celery/celery.ts')
export const { withPooledProducer } = await import('../../lib/middleware/with-pooled-producer.ts')

export const broker = process.env.TEST_BROKER_URL
export const queue = process.env.TRACED_QUEUE
const reader = await (await connect(broker, { noDelay: true })).createChannel()
await reader.assertQueue(queue, { durable: true })

const warnings = []
export const ignore = () => {}
export const logger = { debug: ignore, info: ignore, warn: ({ reason }) => warnings.push(reason), error: ignore }

/** Runs a step, and tells what it left: ended spans, trace headers in messages, warnings, what it returned. */
export async function step(name, run) {
  exporter.reset()
  const result = await run()
  const traceparents = []
  for (;;) {
    const message = await reader.get(queue, { noAck: true })
    if (message === false) break
    traceparents.push(message.properties.headers.traceparent ?? null)
  }
  const spans = exporter.getFinishedSpans().map((span) => ({
    name: span.name,
    kind: span.kind,
    traceparent: traceparentOf(span.spanContext()),
    parent: span.parentSpanContext === undefined ? null : traceparentOf(span.parentSpanContext),
  }))
  console.log(JSON.stringify({ name, result, traceparents, spans, warnings: warnings.splice(0) }))
}

function traceparentOf({ traceId, spanId }) {
  return `00-${traceId}-${spanId}-01`
}
