import { jest } from '@jest/globals'
import { afterTest } from './cleanup.ts'

/** For the length of a test, time passes only by {@link pass}, while the network goes on. */
export function stopTime(): void {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] })
  afterTest(() => jest.useRealTimers())
}

/** Sets time on by so much, and runs what is due. */
export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms)
}
