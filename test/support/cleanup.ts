import { afterEach } from '@jest/globals'

type CleanUp = () => unknown

const pending: CleanUp[] = []

/** Runs when the test is over, whatever became of it; the last added runs first. */
export function afterTest(cleanUp: CleanUp): void {
  pending.push(cleanUp)
}

afterEach(async () => {
  for (const cleanUp of pending.splice(0).reverse()) await cleanUp()
})
