/** What ties a task to the trace that sent it. Source: W3C Trace Context. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string | undefined
}

/** A {@link TraceContext} that is one. */
export interface ValidTrace {
  readonly traceparent: string
  readonly tracestate?: string
}

/** Gives the trace context of whoever sends a task; undefined: there is none. */
export type TraceContextSource = () => TraceContext | undefined

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/
/** A longer one need not be passed on (Trace Context, 3.3.1.5). */
const MAX_TRACESTATE = 512

/**
 * The trace context that a source gives at this moment. A task is never lost for its trace: what throws or is
 * no trace context is none.
 */
export function traceNow(source: TraceContextSource): ValidTrace | undefined {
  try {
    const given: unknown = source()
    if (typeof given !== 'object' || given === null) return undefined
    const { traceparent, tracestate } = given as Partial<TraceContext>
    if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return undefined
    const hasState = typeof tracestate === 'string' && tracestate !== '' && tracestate.length <= MAX_TRACESTATE
    return hasState ? { traceparent, tracestate } : { traceparent }
  } catch {
    return undefined
  }
}
