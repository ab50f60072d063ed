/** What is read of V8's CPU profile (Chrome DevTools Protocol, `Profiler.Profile`). Times are in microseconds. */
export interface CpuProfile {
  /** The tree of calls, the root first. */
  readonly nodes: readonly ProfileNode[]
  readonly startTime: number
  readonly endTime: number
  /** The id of the node that ran at each sample. */
  readonly samples?: readonly number[] | undefined
  /** From the sample before, or the start, to each sample. */
  readonly timeDeltas?: readonly number[] | undefined
}

/** A function, called by way of the nodes above. */
export interface ProfileNode {
  readonly id: number
  readonly callFrame: CallFrame
  readonly children?: readonly number[] | undefined
}

/** Where a function stands. */
export interface CallFrame {
  readonly functionName: string
  /** Empty for what is part of the engine. */
  readonly url: string
  /** From 0. */
  readonly lineNumber: number
  readonly columnNumber: number
}

/** The time of each node without that of its children: a sample's node ran until the next sample. */
export function selfMicros({ samples = [], timeDeltas = [], startTime, endTime }: CpuProfile): Map<number, number> {
  const micros = new Map<number, number>()
  let at = startTime
  samples.forEach((node, index) => {
    at += timeDeltas[index] ?? 0
    const span = timeDeltas[index + 1] ?? endTime - at
    // Samples may come out of order by a little.
    micros.set(node, (micros.get(node) ?? 0) + Math.max(0, span))
  })
  return micros
}
