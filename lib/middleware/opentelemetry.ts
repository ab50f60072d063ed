import {
  type Attributes,
  context,
  isSpanContextValid,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { parseBrokerUrl } from '../amqp/broker-url.ts'
import type { Celery } from '../celery/celery.ts'
import type { TaskDraft } from '../celery/task-draft.ts'
import { PooledProducerError } from '../errors.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import { describe } from '../shown-value.ts'

/** What `traceTasks` takes beside the app. */
export interface TraceTasksOptions {
  /** Where the spans go. Default: the provider that is registered globally. */
  readonly tracerProvider?: TracerProvider
}

/** The part of an app that is traced. */
type TracedApp = Pick<Celery, 'pool' | 'wrapSending'>

/**
 * Makes a producer span of OpenTelemetry's for each task that the app sends, from the call to the broker's confirm, as
 * a child of the span that is active where the task is sent; a worker's trace continues it by the headers `traceparent`
 * and `tracestate`. Gives a function that ends the tracing.
 *
 * As with all listeners of an app, each message is encoded anew, which costs about as much as amqplib's own. Names
 * and attributes are those of the semantic conventions for RabbitMQ.
 *
 * @example
 * const app = createCelery({ broker: 'amqp://127.0.0.1' })
 * traceTasks(app)
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION for what is no app, or one that is traced already.
 */
export function traceTasks<Tasks>(app: Celery<Tasks>, options: TraceTasksOptions = {}): () => void {
  const { pool, wrapSending } = (app ?? {}) as Partial<TracedApp>
  if (pool === undefined || typeof wrapSending !== 'function') {
    throw invalid(`traceTasks takes an app of createCelery, got ${describe(app)}`)
  }
  const { tracerProvider = trace.getTracerProvider() } = options
  if (typeof tracerProvider?.getTracer !== 'function') {
    throw invalid(`tracerProvider must be a TracerProvider of OpenTelemetry, got ${describe(tracerProvider)}`)
  }
  const tracer = tracerProvider.getTracer('pooled-producer')
  const server = serverAttributes(pool)
  return app.wrapSending((draft, send) => {
    const name = `publish ${destinationOf(draft)}`
    const attributes = { ...server, ...taskAttributes(draft) }
    const span = tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes })
    const inside = trace.setSpan(context.active(), span)
    try {
      propagation.inject(inside, draft.headers)
      setTraceHeaders(span, draft.headers)
    } catch (error) {
      span.end()
      throw error
    }
    // A tracer of amqplib finds the span here, and makes its own a child of it.
    context.with(inside, send).then(
      () => span.end(),
      (error: PooledProducerError) => endFailed(span, error),
    )
  })
}

/** Source: semantic conventions for messaging, RabbitMQ. */
function taskAttributes(draft: TaskDraft): Attributes {
  const { messageId, correlationId } = draft.properties
  return {
    'messaging.system': 'rabbitmq',
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    'messaging.destination.name': destinationOf(draft),
    'messaging.rabbitmq.destination.routing_key': draft.routingKey,
    // Celery sets no message id: a task's message is known by the task's.
    'messaging.message.id': messageId ?? draft.taskId,
    ...(correlationId !== undefined && { 'messaging.message.conversation_id': correlationId }),
    'celery.task_name': draft.name,
  }
}

function destinationOf({ exchange, routingKey }: TaskDraft): string {
  return [exchange, routingKey].filter((part) => part !== '').join(':')
}

/** Of several nodes nobody knows which one takes a task, when it is sent. */
function serverAttributes({ options }: ProducerPool): Attributes {
  const [broker, ...others] = options.broker
  if (broker === undefined || others.length > 0) return {}
  const { hostname, port, path } = parseBrokerUrl(broker)
  return path === undefined ? { 'server.address': hostname, 'server.port': port } : { 'server.address': path }
}

/** In the form of W3C Trace Context, whatever propagator is registered: workers go by that. */
function setTraceHeaders(span: Span, headers: Record<string, unknown>): void {
  const spanContext = span.spanContext()
  if (!isSpanContextValid(spanContext)) return
  const { traceId, spanId, traceFlags, traceState } = spanContext
  headers.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  const state = traceState?.serialize()
  if (state) headers.tracestate = state
  // Another trace's state says nothing of this one.
  else delete headers.tracestate
}

function endFailed(span: Span, error: PooledProducerError): void {
  span.setAttribute('error.type', error.code)
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message })
  span.end()
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
