import { setTimeout as delay } from 'node:timers/promises'
import type { FaultProxy, ProxyMode, ProxySettings } from '../../lib/testing/index.ts'
import type { Random } from '../support/random.ts'
import type { Fault } from './node-faults.ts'

/** What befalls the network before the brokers. */
export function proxyFaults(proxies: readonly FaultProxy[]): Record<string, Fault> {
  /** One path is broken, or all are. */
  const chosen = (random: Random) => {
    const index = random(proxies.length * 2)
    return index < proxies.length ? proxies.slice(index, index + 1) : proxies
  }
  const shaped = (mode: ProxyMode, forMs: (random: Random) => number, settings?: (random: Random) => ProxySettings) => {
    return async (random: Random) => {
      const struck = chosen(random)
      await Promise.all(struck.map((proxy) => proxy.set(mode, settings?.(random))))
      await delay(forMs(random))
      await Promise.all(struck.map((proxy) => proxy.set('pass')))
    }
  }
  /** Old connections are reset, and new ones get what the mode says. */
  const cut = (mode: ProxyMode): Fault => {
    return async (random) => {
      const struck = chosen(random)
      await Promise.all(struck.map((proxy) => proxy.set(mode)))
      for (const proxy of struck) proxy.reset()
      await delay(random(2_000))
      await Promise.all(struck.map((proxy) => proxy.set('pass')))
    }
  }
  /**
   * Longer than a pool needs to know of it: the time limit of a confirm, and a second for the close of the channel. TCP
   * loses no bytes, and what the hole has swallowed is lost: at its end all connections are reset, so that one over which
   * nothing was sent meanwhile does not stay dead behind it.
   */
  const hole = (mode: ProxyMode): Fault => {
    return async (random) => {
      const struck = chosen(random)
      await Promise.all(struck.map((proxy) => proxy.set(mode)))
      await delay(3_200 + random(3_000))
      await Promise.all(struck.map((proxy) => proxy.set('pass')))
      for (const proxy of struck) proxy.reset()
    }
  }
  const moment = (random: Random) => 500 + random(2_500)
  return {
    'network-reset': async (random) => {
      for (const proxy of chosen(random)) proxy.reset()
    },
    'network-end': async (random) => {
      for (const proxy of chosen(random)) proxy.end()
    },
    'network-refuse': cut('refuse'),
    'network-reset-new': cut('reset'),
    'network-silent': cut('silent'),
    'network-flap': async (random) => {
      for (let times = 1 + random(3); times > 0; times--) {
        await cut('refuse')(random)
        await delay(random(500))
      }
    },
    'black-hole': hole('black-hole'),
    'black-hole-up': hole('black-hole-up'),
    'black-hole-down': hole('black-hole-down'),
    'network-delay': shaped('delay', moment, (random) => ({ ms: 1 + random(200) })),
    'network-slow': shaped('slow', moment, (random) => ({ bytesPerSecond: 200_000 + random(800_000) })),
    'network-slice': shaped('slice', moment, (random) => ({ bytes: 16 + random(500) })),
  }
}
