import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import type { Fault } from './node-faults.ts'
import type { PublisherProcess } from './publisher-process.ts'

/** What befalls the publishing processes; each is started again, and goes on where it was. */
export function publisherFaults(publishers: readonly PublisherProcess[]): Record<string, Fault> {
  const anyPublisher = (random: Random) => publishers[random(publishers.length)] as PublisherProcess
  return {
    'publisher-sigterm': async (random) => {
      const publisher = anyPublisher(random)
      await publisher.terminate()
      await delay(random(500))
      await publisher.start()
    },
    'publisher-sigkill': async (random) => {
      const publisher = anyPublisher(random)
      await publisher.kill()
      await delay(random(500))
      await publisher.start()
    },
  }
}
