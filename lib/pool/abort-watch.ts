/**
 * Listens to callers' signals, once per signal: a request's signal may bound many publishes, and Node warns
 * of a leak at the eleventh listener.
 */
export class AbortWatch {
  readonly #watched = new WeakMap<AbortSignal, { callbacks: Set<() => void>; abort: () => void }>()

  /** Calls back when the signal, which is not aborted yet, is aborted; gives what ends the watch. */
  watch(signal: AbortSignal, callback: () => void): () => void {
    const { callbacks, abort } = this.#watched.get(signal) ?? this.#listen(signal)
    callbacks.add(callback)
    return () => {
      if (!callbacks.delete(callback) || callbacks.size > 0) return
      signal.removeEventListener('abort', abort)
      this.#watched.delete(signal)
    }
  }

  #listen(signal: AbortSignal): { callbacks: Set<() => void>; abort: () => void } {
    const callbacks = new Set<() => void>()
    const abort = () => {
      for (const callback of [...callbacks]) callback()
    }
    const watched = { callbacks, abort }
    this.#watched.set(signal, watched)
    signal.addEventListener('abort', abort, { once: true })
    return watched
  }
}
