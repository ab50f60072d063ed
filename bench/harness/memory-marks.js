import { setImmediate, setTimeout } from 'node:timers/promises'

/**
 * Starts so many sends that no confirm will end, and tells the memory that they hold once it stands still.
 *
 * @returns {Promise<{ heapBytes: number, rssBytes: number }>} The growth; `heapBytes` counts the heap and the
 * buffers outside it, after garbage collection.
 */
export async function hold({ send }, { count }) {
  let refused
  process.on('unhandledRejection', (error) => {
    refused ??= error
  })
  const before = await settledMemory()
  for (let number = 0; number < count; number++) {
    send(number)
    // A server gets its calls over many turns of the event loop.
    if (number % 500 === 499) await setImmediate()
  }
  const after = await settledMemory()
  // What was refused is not in flight, and would flatter the figure.
  if (refused !== undefined) throw refused
  return { heapBytes: after.heapBytes - before.heapBytes, rssBytes: after.rssBytes - before.rssBytes }
}

/** Memory in use when two samples in a row differ by less than 1 %, garbage collected before each. */
async function settledMemory() {
  let last = memoryInUse()
  for (;;) {
    await setTimeout(200)
    const now = memoryInUse()
    if (Math.abs(now.heapBytes - last.heapBytes) < last.heapBytes / 100) return now
    last = now
  }
}

function memoryInUse() {
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heapBytes: heapUsed + external, rssBytes: rss }
}

/**
 * Sends so many messages and tells the resident memory at each mark: the median of 20 samples over the last
 * tenth of the way there, because it swings with the young generation.
 */
export async function march({ send }, { marks, inFlight }) {
  const count = marks.at(-1)
  const samples = marks.map(() => [])
  const step = Math.max(1, Math.floor(marks[0] / 200))
  let left = count

  const lane = async () => {
    while (left > 0) {
      left -= 1
      const done = count - left
      if (done % step === 0) {
        const index = marks.findIndex((mark) => done > mark - marks[0] / 10 && done <= mark)
        if (index !== -1) samples[index].push(process.memoryUsage.rss())
      }
      await send(done)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  return { rssBytes: samples.map((each) => each.sort((a, b) => a - b)[Math.floor(each.length / 2)]) }
}
