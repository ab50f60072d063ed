/**
 * Before any round counts, everybody runs until its code is compiled for good: a server that lives for months
 * is what is compared, not its first seconds. At 10,000 tasks a second to a durable queue a round is too short.
 */
const WARM_UP_TASKS = 150_000
const WARM_UP_SECONDS = 4
const CALIBRATION_MS = 300
/** How fast a contestant is shows with fewer in flight too, and one of the slow would take long for more. */
const MOST_CALIBRATING = 1_000

/**
 * Finds out how fast a contestant is, and warms it up.
 *
 * @returns {Promise<number>} Tasks per second; rejects when the contestant cannot send.
 */
export async function warmUp(contestant, inFlight) {
  const first = { ms: CALIBRATION_MS, inFlight: Math.min(inFlight, MOST_CALIBRATING) }
  const { count, wallMs } = await contestant.ask('turn', first)
  const rate = (count / wallMs) * 1e3
  await contestant.ask('turn', { count: Math.ceil(Math.min(WARM_UP_TASKS, rate * WARM_UP_SECONDS)), inFlight })
  return rate
}
