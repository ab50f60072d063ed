import type { TestRun } from './global-setup.ts'

export default async function tearDown(): Promise<void> {
  await (globalThis as { testRun?: TestRun }).testRun?.close()
}
