import { setTimeout as delay } from 'node:timers/promises'

/** Resolves when the condition holds; asks every few milliseconds, and fails after the time given. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`the condition did not hold in ${timeoutMs} ms: ${condition.toString()}`)
    await delay(5)
  }
}
