import { PooledProducerError } from '../../errors.ts'
import { describe } from '../../shown-value.ts'
import { parsePythonJson } from './python-json.ts'

/** What a worker says of a task: one message, or one value of a store. */
export interface TaskMeta {
  readonly taskId: string
  /** Celery's word: `STARTED`, `RETRY`, `SUCCESS`, `FAILURE`, `REVOKED`, or one of the task's own. */
  readonly status: string
  /** The return value; what a task's own state came with; or the exception, as Celery writes one. */
  readonly result: unknown
  readonly traceback: string | undefined
  /** The results of what the task has started, as Celery's tuples. */
  readonly children: unknown
  /** Why what came cannot be read; the task has ended all the same, and this is its outcome. */
  readonly fault: PooledProducerError | undefined
}

/** The bytes of a result, and what they are said to be. */
export interface ResultContent {
  readonly content: Buffer
  readonly contentType: string
}

/** What of a result is read. */
export interface ResultLimits {
  readonly maxResultBytes: number
}

/** Why a message is no result at all. */
export type NoResult = 'not a result'

/** Celery's `READY_STATES`: nothing comes after them. */
const FINAL: ReadonlySet<string> = new Set(['SUCCESS', 'FAILURE', 'REVOKED'])

/** Whether the task has ended. */
export function isFinal({ status }: TaskMeta): boolean {
  return FINAL.has(status)
}

/**
 * What a worker wrote. Only JSON is read: pickle runs code of whoever can write to the queue. Source: Celery,
 * `celery/backends/rpc.py`, `RPCBackend._to_result`, and `celery/backends/base.py`, `Backend._get_result_meta`.
 *
 * @param expectedId the task that it is about, where something beside the content says so.
 */
export function readMeta(
  given: ResultContent,
  expectedId: string | undefined,
  limits: ResultLimits,
): TaskMeta | NoResult {
  const { content, contentType } = given
  const about = expectedId === undefined ? '' : ` of task ${expectedId}`
  const refuse = (reason: string): TaskMeta | NoResult => {
    if (expectedId === undefined) return 'not a result'
    const fault = new PooledProducerError('ERR_INVALID_OPTION', `the result${about} ${reason}`, { taskId: expectedId })
    return { taskId: expectedId, status: 'FAILURE', result: undefined, traceback: undefined, children: null, fault }
  }
  if (content.length > limits.maxResultBytes) {
    return refuse(`has ${content.length} bytes, more than maxResultBytes (${limits.maxResultBytes})`)
  }
  if (contentType !== 'application/json') {
    return refuse(
      `came as ${describe(contentType)}, and only application/json is read: set the worker's result_serializer`,
    )
  }
  let value: unknown
  try {
    value = parsePythonJson(content.toString())
  } catch {
    return refuse('is no JSON')
  }
  return metaOf(value) ?? 'not a result'
}

function metaOf(value: unknown): TaskMeta | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { task_id: taskId, status, result, traceback, children } = value as Record<string, unknown>
  if (typeof taskId !== 'string' || typeof status !== 'string') return undefined
  const text = typeof traceback === 'string' ? traceback : undefined
  return { taskId, status, result, traceback: text, children, fault: undefined }
}
