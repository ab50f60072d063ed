import { type Profiler, Session } from 'node:inspector/promises'

/** Often enough for a run of a second. */
const SAMPLING_MICROS = 500

/** V8's own profile, as DevTools reads it from a `.cpuprofile` file. */
export type RawProfile = Profiler.Profile

/** Runs something under V8's sampling profiler, within this process. */
export async function profiled<T>(run: () => Promise<T>): Promise<{ value: T; profile: RawProfile }> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: SAMPLING_MICROS })
    await session.post('Profiler.start')
    const value = await run()
    const { profile } = await session.post('Profiler.stop')
    return { value, profile }
  } finally {
    session.disconnect()
  }
}
