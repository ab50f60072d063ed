import process from 'node:process'

/** A person's wish to end a command. */
export interface Interruption {
  /** Aborted on the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  /** Listens no longer. */
  stop(): void
}

/** Listens for SIGINT and SIGTERM; a second one ends the process as usual. */
export function listenForInterruption(): Interruption {
  const controller = new AbortController()
  const stop = (): void => {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
  const interrupt = (): void => {
    stop()
    controller.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return { signal: controller.signal, stop }
}
