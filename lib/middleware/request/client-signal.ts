import type { ServerResponse } from 'node:http'

/** A signal that is aborted when the client goes away before it has its reply. */
export function clientSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  const abort = () => controller.abort(new Error('the client went away before it had its reply'))
  if (response.destroyed && !response.writableFinished) abort()
  else {
    response.once('close', () => {
      if (!response.writableFinished) abort()
    })
  }
  return controller.signal
}
