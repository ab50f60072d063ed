import { count, counted, duration, percent } from './figures.ts'
import type { PoolFigures } from './pool-figures.ts'

/** Fewer publishes say nothing about reuse: a demo and a process that has just begun open channels too. */
const FEW_PUBLISHES = 100
const LOW_REUSE = 0.95
/** Channels opened in one minute that no quiet pool reaches; a pool that is larger than that opens twice its size. */
const CHURN_PER_MINUTE = 30
/** A wait that a person notices in an answer. */
const LONG_WAIT_MS = 10

/** What the figures of a pool ask for, in plain words, the gravest first; empty when all is well. */
export function adviceFor(pool: PoolFigures): string[] {
  const advice: (string | false)[] = [
    pool.isShared &&
      'totals went backwards without a restart: two pools of one process share this name, and the figures are those of the larger; give each pool a name',
    pool.failures > 0 && `${counted(pool.failures, 'publish')} failed${byCode(pool.failuresByCode)}`,
    (pool.returns ?? 0) > 0 &&
      `${counted(pool.returns ?? 0, 'message')} came back unroutable: a queue or a binding is missing`,
    lowReuse(pool),
    churn(pool),
    size(pool),
    pool.leasesHeld > 0 &&
      `${counted(pool.leasesHeld, 'lease')} ${pool.leasesHeld === 1 ? 'was' : 'were'} held too long; pool.use() gives a lease back on every path, and lease.held lines show who took it`,
    pool.reconnects > 0 &&
      `${counted(pool.reconnects, 'reconnect')}, ${counted(pool.connectionRetries, 'failed attempt')} to connect; connection.close lines say why`,
    pool.blocked > 0 &&
      `the broker blocked publishing ${counted(pool.blocked, 'time')}, for ${duration(pool.blockedMs)} in all: it ran short of memory or disk`,
    ...Object.entries(pool.warnings).map(([reason, times]) =>
      times > 1 ? `${reason} (${count(times)} times)` : reason,
    ),
  ]
  return advice.filter((line) => line !== false)
}

function lowReuse({ publishes, channelsOpened, reuseRatio, closeReasons }: PoolFigures): string | false {
  if (publishes < FEW_PUBLISHES || reuseRatio === null || reuseRatio >= LOW_REUSE) return false
  const [reason, times] = Object.entries(closeReasons)[0] ?? []
  const why = reason === undefined ? '' : `; ${counted(times ?? 0, 'channel')} closed for the reason: ${reason}`
  return `only ${percent(reuseRatio)} reuse: ${counted(channelsOpened, 'channel')} opened for ${counted(publishes, 'publish')}${why}`
}

function churn({ churn, maxChannels }: PoolFigures): string | false {
  const limit = Math.max(CHURN_PER_MINUTE, 2 * (maxChannels ?? 0))
  if (churn === null || churn.openedPerMinute <= limit) return false
  return `${count(churn.openedPerMinute)} channels were opened in the minute from ${churn.at}: raise minChannels or idleTimeoutMs, or look for what closes them`
}

function size({ maxLeased, maxChannels, waitMs }: PoolFigures): string | false {
  if (maxLeased === null || maxChannels === null) return false
  if (maxLeased < maxChannels) {
    return `maxChannels is ${count(maxChannels)} and at most ${count(maxLeased)} ${maxLeased === 1 ? 'was' : 'were'} ever leased at once`
  }
  if (waitMs === null || waitMs.p99 < LONG_WAIT_MS) return false
  return `all ${count(maxChannels)} channels were leased at once and one acquire in a hundred waited ${duration(waitMs.p99)} or longer: raise maxChannels`
}

function byCode(codes: Readonly<Record<string, number>>): string {
  const shown = Object.entries(codes).slice(0, 3)
  return shown.length === 0 ? '' : `: ${shown.map(([code, times]) => `${code} ${count(times)}`).join(', ')}`
}
