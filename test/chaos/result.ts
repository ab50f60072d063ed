import type { ChaosProof } from './proof.ts'
import type { PublisherFigures } from './protocol.ts'
import type { Scope, Strike } from './strikes.ts'

/** What a chaos run prints. */
export interface ChaosResult extends ChaosProof {
  readonly seed: number
  readonly minutes: number
  readonly passed: boolean
  /** Why it has not passed, in a sentence for each. */
  readonly reasons: readonly string[]
  readonly faults: number
  /** How often each kind of fault struck. */
  readonly faultsByKind: Readonly<Record<string, number>>
  /** Tasks without an outcome at a time, over all publishers, at most. */
  readonly window: number
  /** From the broker's return until every publisher had a confirm from every queue: the slowest. */
  readonly recoveryMs: Readonly<Record<Scope, number>>
  /** What a client without a pool needed at most, from connecting to its last confirm: it is added to the limits. */
  readonly slowestProbeMs: number
  readonly maxConfirmGapMs: number
  readonly tasksPerSecond: number
  readonly retries: number
  readonly channelsOpened: number
  readonly channelsClosedByFault: number
  readonly poolBaselineRestored: boolean
  /** Milliseconds for which the worst publisher held its own event loop up. */
  readonly eventLoopDelayP99: number
  readonly rssMiB: number
  readonly versions: Readonly<Record<string, string>>
}

/** What is known when a run has ended. */
export interface Evidence {
  readonly seed: number
  readonly minutes: number
  readonly window: number
  readonly elapsedMs: number
  readonly proof: ChaosProof
  readonly strikes: readonly Strike[]
  readonly figures: readonly PublisherFigures[]
  /** What the publishers and the broker had to say against it. */
  readonly complaints: readonly string[]
  readonly versions: Readonly<Record<string, string>>
}

/** The figures of a run, and whether it holds what is promised. */
export function resultOf(evidence: Evidence): ChaosResult {
  const { seed, minutes, window, elapsedMs, proof, strikes, figures, versions } = evidence
  const kinds = strikes.flatMap((strike) => strike.kinds)
  const faultsByKind: Record<string, number> = {}
  for (const kind of kinds.sort()) faultsByKind[kind] = (faultsByKind[kind] ?? 0) + 1
  const reasons = reasonsAgainst(evidence, kinds.length)
  const sum = (of: (figures: PublisherFigures) => number) => figures.reduce((total, one) => total + of(one), 0)
  const most = (of: (figures: PublisherFigures) => number) => Math.max(0, ...figures.map(of))
  return {
    seed,
    minutes,
    passed: reasons.length === 0,
    reasons,
    faults: kinds.length,
    faultsByKind,
    ...proof,
    window,
    recoveryMs: {
      cluster: slowest(strikes, 'cluster'),
      network: slowest(strikes, 'network'),
      publisher: slowest(strikes, 'publisher'),
    },
    slowestProbeMs: Math.max(0, ...strikes.map(({ probeMs }) => probeMs)),
    maxConfirmGapMs: most((one) => one.maxConfirmGapMs),
    tasksPerSecond: Math.round((proof.confirmed / elapsedMs) * 1_000),
    retries: sum(({ stats }) => stats.retries),
    channelsOpened: sum(({ stats }) => stats.channelsOpened),
    channelsClosedByFault: sum(({ stats }) => stats.channelsClosed),
    poolBaselineRestored: strikes.every((strike) => strike.isRestored),
    eventLoopDelayP99: most((one) => one.eventLoopDelayP99),
    rssMiB: Math.round(most((one) => one.rssBytes) / 2 ** 20),
    versions,
  }
}

function reasonsAgainst({ proof, strikes, complaints, window }: Evidence, faults: number): string[] {
  const reasons = [...complaints]
  const forbidden = ['lost', 'unexpected', 'unsettled'] as const
  for (const name of forbidden) if (proof[name] > 0) reasons.push(`${name} is ${proof[name]}, and must be 0`)
  if (proof.confirmed === 0) reasons.push('nothing was confirmed')
  if (proof.duplicated > window * faults) {
    reasons.push(`${proof.duplicated} duplicates are more than ${faults} faults times the window of ${window}`)
  }
  for (const { kinds, resumedMs, isInTime } of strikes) {
    const name = kinds.join(' with ')
    if (resumedMs === undefined) reasons.push(`publishing did not go on after ${name}`)
    else if (!isInTime) reasons.push(`publishing went on only ${resumedMs} ms after ${name}`)
  }
  return reasons
}

function slowest(strikes: readonly Strike[], scope: Scope): number {
  return Math.max(0, ...strikes.filter((strike) => strike.scope === scope).map(({ resumedMs }) => resumedMs ?? 0))
}
