/**
 * One turn of a contestant: so many messages, or as many as fit in a time, with never more than `inFlight`
 * unconfirmed, each awaited to its confirm.
 *
 * @returns {Promise<{ count: number, wallMs: number, cpuUs: number }>} `cpuUs` is of the whole process, both
 * user and system.
 */
export async function turn(contestant, { count, ms, inFlight }) {
  const deadline = performance.now() + (ms ?? 0)
  const cpu = process.cpuUsage()
  const begun = performance.now()
  let sent
  if (count !== undefined) {
    await sendAll(contestant, count, inFlight)
    sent = count
  } else {
    sent = await sendUntil(contestant, deadline, inFlight)
  }
  const wallMs = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  return { count: sent, wallMs, cpuUs: user + system }
}

async function sendAll({ send, run }, count, inFlight) {
  // A limit that has no promise per message drives itself.
  if (run) return run(count)
  let left = count
  const lane = async () => {
    while (left > 0) await send(left--)
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane))
}

async function sendUntil({ send, run }, deadline, inFlight) {
  let sent = 0
  if (run) {
    for (; performance.now() < deadline; sent += inFlight) await run(inFlight)
    return sent
  }
  const lane = async () => {
    while (performance.now() < deadline) await send(sent++)
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  return sent
}

/**
 * The time of each of so many calls, made one at a time, in microseconds. A few calls before them are not
 * counted: the process has just been woken.
 */
export async function latencies({ send }, { count, before }) {
  for (let number = 0; number < before; number++) await send(number)
  const micros = []
  for (let number = 0; number < count; number++) {
    const begun = performance.now()
    await send(number)
    micros.push((performance.now() - begun) * 1e3)
  }
  return { micros }
}
