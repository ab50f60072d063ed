import { constants } from 'node:fs'
import { access, writeFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { callGraph } from '../observe/callgraph/call-graph.ts'
import { dotText } from '../observe/callgraph/dot-text.ts'
import { count, counted } from '../observe/figures.ts'
import { callGraphPage, type DrawnGraph } from '../observe/page/call-graph-page.ts'
import { profiled, type RawProfile } from './cpu-profiler.ts'
import { type DrawGraph, loadGraphviz } from './graphviz.ts'
import type { LoadMode } from './load-modes.ts'
import type { LoadResult } from './load-test.ts'

/** What `--profile` asks for. */
export interface ProfileRequest {
  /** The page; the profiles are written beside it. */
  readonly file: string
  /** Packages whose functions are drawn; empty: all. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** The folder of this package, in the sources and as it is installed. */
const HOME = new URL('../../', import.meta.url).href

/** Profiles the modes of a load test, and draws their call graphs. */
export class LoadProfile {
  readonly #request: ProfileRequest
  readonly #draw: DrawGraph
  readonly #profiles = new Map<LoadMode, RawProfile>()

  private constructor(request: ProfileRequest, draw: DrawGraph) {
    this.#request = request
    this.#draw = draw
  }

  /**
   * Makes ready, so that what is missing is known before anything is sent.
   *
   * @throws when the file cannot be written, or the package that draws is not installed.
   */
  static async prepare(request: ProfileRequest): Promise<LoadProfile> {
    try {
      await access(dirname(resolve(request.file)), constants.W_OK)
    } catch (cause) {
      throw new Error(`can't write ${request.file}: ${(cause as Error).message}`, { cause })
    }
    return new LoadProfile(request, await loadGraphviz())
  }

  /** Runs the calls of one mode under the profiler. */
  async watch<T>(mode: LoadMode, calls: () => Promise<T>): Promise<T> {
    const { value, profile } = await profiled(calls)
    this.#profiles.set(mode, profile)
    return value
  }

  /** Writes the page, and each profile for DevTools; gives the names of the files. */
  async write({ runs }: LoadResult): Promise<string[]> {
    const { file, include, exclude } = this.#request
    const stem = file.slice(0, file.length - extname(file).length)
    const graphs: DrawnGraph[] = []
    const files: string[] = []
    for (const [mode, profile] of this.#profiles) {
      const graph = callGraph(profile, { home: HOME, include, exclude })
      const run = runs.find((candidate) => candidate.mode === mode)
      const about = run && `${counted(run.tasks, 'task')}, ${count(run.cpuMicrosPerTask)} us of CPU each`
      graphs.push({ title: mode, about: about ?? '', graph, svg: this.#draw(dotText(graph)) })
      files.push(`${stem}.${mode}.cpuprofile`)
      await writeFile(`${stem}.${mode}.cpuprofile`, JSON.stringify(profile))
    }
    if (graphs.length === 0) return []
    await writeFile(file, callGraphPage(graphs))
    return [file, ...files]
  }
}
