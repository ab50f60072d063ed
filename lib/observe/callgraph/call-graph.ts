import { type CallFrame, type CpuProfile, type ProfileNode, selfMicros } from './cpu-profile.ts'
import { packageOf, placeOf } from './package-of.ts'

/** What of a profile is drawn. */
export interface CallGraphOptions {
  /** The URL of this package's folder, with a slash at its end. */
  readonly home: string
  /** Only functions of these packages; empty: of all. */
  readonly include?: readonly string[]
  /** No functions of these. */
  readonly exclude?: readonly string[]
  /** Functions at most, those of the longest total time. Default: 60. */
  readonly most?: number
}

/** A function in the graph. Shares are of the time in which the processor was busy. */
export interface GraphFunction {
  /** What tells it from all others. */
  readonly id: string
  readonly name: string
  readonly package: string
  /** `file.js:12`; empty for the engine. */
  readonly place: string
  /** Itself, and what it called of functions that are not in the graph. */
  readonly self: number
  /** With all that it called. */
  readonly total: number
}

/** That one function called another, perhaps by way of some that are not in the graph. */
export interface GraphCall {
  readonly from: string
  readonly to: string
  /** The time of the one called, for this caller. */
  readonly share: number
}

/** Who called whom, and how long it took. */
export interface CallGraph {
  readonly busyMs: number
  readonly samples: number
  /** The longest self time first. */
  readonly functions: readonly GraphFunction[]
  readonly calls: readonly GraphCall[]
  /** The self time of each package, all functions counted, the longest first. */
  readonly packages: readonly { readonly name: string; readonly share: number }[]
}

const MOST_FUNCTIONS = 60
/** What takes less is not drawn. */
const LEAST_SHARE = 0.005
/** Names that V8 gives to what is no function. */
const [ROOT, IDLE] = ['(root)', '(idle)']

/** The graph of a profile, without what does not count and what there is no room for. */
export function callGraph(profile: CpuProfile, options: CallGraphOptions): CallGraph {
  const { home, include = [], exclude = [], most = MOST_FUNCTIONS } = options
  const tree = new CallTree(profile)
  const isAsked = (frame: CallFrame) => {
    const name = packageOf(frame, home)
    return (include.length === 0 || include.includes(name)) && !exclude.includes(name)
  }

  const all = tree.times(() => true)
  const share = (micros: number) => (tree.busyMicros === 0 ? 0 : micros / tree.busyMicros)
  const kept = [...all.functions]
    .filter(([, { frame, total }]) => isAsked(frame) && share(total) >= LEAST_SHARE)
    .sort(([, a], [, b]) => b.total - a.total)
    .slice(0, most)
  const keptIds = new Set(kept.map(([id]) => id))

  const { functions, calls } = tree.times((id) => keptIds.has(id))
  return {
    busyMs: tree.busyMicros / 1_000,
    samples: profile.samples?.length ?? 0,
    functions: [...functions]
      .map(([id, { frame, self, total }]) => ({
        id,
        name: frame.functionName || '(anonymous)',
        package: packageOf(frame, home),
        place: placeOf(frame),
        self: share(self),
        total: share(total),
      }))
      .sort((a, b) => b.self - a.self),
    calls: [...calls.values()]
      .map(({ from, to, micros }) => ({ from, to, share: share(micros) }))
      .filter((call) => call.share >= LEAST_SHARE),
    packages: sharesOf(all.functions, home, share),
  }
}

function sharesOf(functions: Times['functions'], home: string, share: (micros: number) => number) {
  const packages = new Map<string, number>()
  for (const { frame, self } of functions.values()) {
    const name = packageOf(frame, home)
    packages.set(name, (packages.get(name) ?? 0) + share(self))
  }
  return [...packages].map(([name, share]) => ({ name, share })).sort((a, b) => b.share - a.share)
}

interface Times {
  readonly functions: Map<string, { readonly frame: CallFrame; self: number; total: number }>
  readonly calls: Map<string, { readonly from: string; readonly to: string; micros: number }>
}

/** The tree of calls that V8 writes, in which a function stands once for each way to it. */
class CallTree {
  readonly busyMicros: number
  readonly #root: ProfileNode | undefined
  readonly #nodes: ReadonlyMap<number, ProfileNode>
  readonly #self: ReadonlyMap<number, number>

  constructor(profile: CpuProfile) {
    this.#root = profile.nodes[0]
    this.#nodes = new Map(profile.nodes.map((node) => [node.id, node]))
    this.#self = selfMicros(profile)
    let busyMicros = 0
    for (const { id, callFrame } of profile.nodes) {
      if (!isNoFunction(callFrame)) busyMicros += this.#self.get(id) ?? 0
    }
    this.busyMicros = busyMicros
  }

  /** The times of those functions that are kept. Self time of another is that of the nearest kept one above. */
  times(isKept: (id: string) => boolean): Times {
    const times: Times = { functions: new Map(), calls: new Map() }
    if (this.#root !== undefined) this.#walk(this.#root, undefined, new Set(), isKept, times)
    return times
  }

  /**
   * @param caller the nearest kept function above.
   * @param open functions and calls on the way here: what calls itself must not count twice.
   * @returns the time of the node with all that it called.
   */
  #walk(
    { id: node, callFrame, children = [] }: ProfileNode,
    caller: string | undefined,
    open: Set<string>,
    isKept: (id: string) => boolean,
    times: Times,
  ): number {
    const id = idOf(callFrame)
    const isDrawn = !isNoFunction(callFrame) && isKept(id)
    const below = isDrawn ? id : caller
    const call = `${caller}\n${id}`
    const isNew = isDrawn && !open.has(id)
    const isNewCall = isDrawn && caller !== undefined && !open.has(call)
    if (isNew) open.add(id)
    if (isNewCall) open.add(call)

    const self = isNoFunction(callFrame) ? 0 : (this.#self.get(node) ?? 0)
    if (isDrawn && !times.functions.has(id)) times.functions.set(id, { frame: callFrame, self: 0, total: 0 })
    const owner = below === undefined ? undefined : times.functions.get(below)
    if (owner !== undefined) owner.self += self

    let micros = self
    for (const child of children) {
      const next = this.#nodes.get(child)
      if (next !== undefined) micros += this.#walk(next, below, open, isKept, times)
    }

    if (isNew) {
      open.delete(id)
      if (owner !== undefined) owner.total += micros
    }
    if (isNewCall) {
      open.delete(call)
      const known = times.calls.get(call)
      if (known === undefined) times.calls.set(call, { from: caller, to: id, micros })
      else known.micros += micros
    }
    return micros
  }
}

function isNoFunction({ functionName, url }: CallFrame): boolean {
  return url === '' && (functionName === ROOT || functionName === IDLE)
}

function idOf({ functionName, url, lineNumber, columnNumber }: CallFrame): string {
  return url === '' ? functionName : `${functionName} ${url}:${lineNumber + 1}:${columnNumber + 1}`
}
