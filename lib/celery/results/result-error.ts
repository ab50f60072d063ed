import { PooledProducerError, type RemoteException } from '../../errors.ts'
import { saferepr } from '../message/repr.ts'
import type { TaskMeta } from './task-meta.ts'

/** The error of a task that did not succeed: what its worker raised, or why it was never run. */
export function resultError(meta: TaskMeta): PooledProducerError {
  if (meta.fault !== undefined) return meta.fault
  const { taskId, status } = meta
  const remote = remoteException(meta)
  if (status === 'REVOKED') {
    return new PooledProducerError('ERR_TASK_REVOKED', `task ${taskId} was revoked: ${remote.message}`, {
      taskId,
      remote,
    })
  }
  const text = `task ${taskId} failed: ${remote.type}${remote.message === '' ? '' : `: ${remote.message}`}`
  return new PooledProducerError('ERR_TASK_FAILED', text, { taskId, remote })
}

/** Source: Celery, `celery/backends/base.py`, `Backend.prepare_exception`. */
function remoteException({ result, traceback }: TaskMeta): RemoteException {
  const { exc_type, exc_message, exc_module } = (typeof result === 'object' && result !== null ? result : {}) as Record<
    string,
    unknown
  >
  return {
    type: typeof exc_type === 'string' ? exc_type : 'Exception',
    message: messageOf(exc_message ?? (typeof result === 'string' ? result : undefined)),
    module: typeof exc_module === 'string' ? exc_module : undefined,
    traceback,
  }
}

/** Much as Python's `str(exception)` has it: the one argument as it is, several as a tuple. */
function messageOf(given: unknown): string {
  const args = Array.isArray(given) ? given : [given ?? '']
  if (args.length > 1) return `(${args.map((arg) => saferepr(arg)).join(', ')})`
  const [arg = ''] = args
  return typeof arg === 'string' ? arg : saferepr(arg)
}
