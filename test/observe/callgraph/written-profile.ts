import type { CpuProfile, ProfileNode } from '../../../lib/observe/callgraph/cpu-profile.ts'

/** The folder that counts as this package's own in these tests. */
export const HOME = 'file:///app/'
export const AMQPLIB = 'file:///app/node_modules/amqplib/lib/channel.js'

/** A function as it was called: its own time, in milliseconds, and what it called. */
export interface Called {
  readonly name: string
  readonly url?: string
  readonly line?: number
  readonly self?: number
  readonly calls?: readonly Called[]
}

/** The profile of a run in which each call took the time given. */
export function profileOf(...called: readonly Called[]): CpuProfile {
  const nodes: ProfileNode[] = []
  const [samples, timeDeltas]: [number[], number[]] = [[], []]
  let delta = 0
  const add = ({ name, url = `${HOME}lib/own.js`, line = 1, self = 0, calls = [] }: Called): number => {
    const id = nodes.length + 1
    const children: number[] = []
    nodes.push({ id, callFrame: { functionName: name, url, lineNumber: line - 1, columnNumber: 0 }, children })
    if (self > 0) {
      samples.push(id)
      timeDeltas.push(delta)
      delta = self * 1_000
    }
    for (const call of calls) children.push(add(call))
    return id
  }
  add({ name: '(root)', url: '', calls: called })
  const startTime = 1_000_000
  const endTime = timeDeltas.reduce((sum, micros) => sum + micros, startTime + delta)
  return { nodes, startTime, endTime, samples, timeDeltas }
}
