import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { withTimeLimit } from '../../lib/amqp/time-limit.ts'
import { ended, type GuardedFolder, signalGroup } from '../../lib/testing/guarded-folder.ts'
import { readJournal } from './journal.ts'
import type { Account, KilledLife } from './proof.ts'
import type { Order, PublisherFigures, PublisherSettings, Report } from './protocol.ts'

const LOADER = pathToFileURL(join(import.meta.dirname, '../support/typescript-loader.js')).href
const PROGRAM = join(import.meta.dirname, 'publisher-main.ts')
const START_LIMIT_MS = 90_000
const REST_LIMIT_MS = 60_000
const CLOSE_LIMIT_MS = 30_000

type Listener = (report: Report) => void

/** A publisher in a process of its own, as its parent sees it, over as many lives as it is given. */
export class PublisherProcess {
  /** What was wrong, in a sentence for each. */
  readonly complaints: string[] = []
  readonly #settings: Omit<PublisherSettings, 'first'>
  readonly #guard: GuardedFolder
  readonly #killed: KilledLife[] = []
  readonly #past: PublisherFigures[] = []
  readonly #listeners = new Set<Listener>()
  #current: PublisherFigures | undefined
  #child: ChildProcess | undefined
  #first = 0
  #lastMark = 0

  /** @param guard ends the process with this one. */
  constructor(settings: Omit<PublisherSettings, 'first'>, guard: GuardedFolder) {
    this.#settings = settings
    this.#guard = guard
  }

  /** Figures of all its lives, the oldest first. */
  get figures(): readonly PublisherFigures[] {
    return this.#current === undefined ? this.#past : [...this.#past, this.#current]
  }

  /** What it has written down; complete once it has ended. */
  account(): Account {
    const { folder, publisher } = this.#settings
    return { ...readJournal(folder, publisher), killed: this.#killed }
  }

  /** Starts it, where it left off in its last life. Resolves when it publishes. */
  async start(): Promise<void> {
    const { folder, publisher } = this.#settings
    this.#first = readJournal(folder, publisher).attempted
    const settings: PublisherSettings = { ...this.#settings, first: this.#first }
    const log = openSync(join(folder, `publisher-${publisher}.log`), 'a')
    const child = this.#guard.spawn({
      name: `publisher-${publisher}`,
      command: process.execPath,
      args: ['--import', LOADER, PROGRAM],
      env: { ...process.env, NODE_OPTIONS: '', CHAOS_PUBLISHER: JSON.stringify(settings) },
      stdio: ['ignore', log, log, 'ipc'],
    })
    closeSync(log)
    this.#child = child
    child.on('message', (report: Report) => this.#hear(report))
    const failed = ended(child).then(() => Promise.reject(new Error(`publisher ${publisher} ended as it started`)))
    failed.catch(() => {})
    const ready = Promise.race([this.#report('ready'), failed])
    await withTimeLimit(ready, START_LIMIT_MS, () => new Error(`publisher ${publisher} was not ready in time`))
  }

  /** Ends it as SIGKILL does: it can write down no more. */
  async kill(): Promise<void> {
    const { folder, publisher } = this.#settings
    const child = this.#child as ChildProcess
    signalGroup(child, 'SIGKILL')
    await ended(child)
    this.#killed.push({ from: this.#first, to: readJournal(folder, publisher).attempted })
    this.#bury()
  }

  /** Ends it as SIGTERM does: what it has accepted is settled, and its pool's report must say how. */
  async terminate(): Promise<void> {
    const { publisher } = this.#settings
    const child = this.#child as ChildProcess
    const closed = this.#report('closed')
    signalGroup(child, 'SIGTERM')
    try {
      await withTimeLimit(closed, CLOSE_LIMIT_MS, () => new Error('it did not close in time'))
      await withTimeLimit(ended(child), CLOSE_LIMIT_MS, () => new Error('it did not end after its close'))
      if (child.exitCode !== 0) this.complaints.push(`publisher ${publisher} ended with code ${child.exitCode}`)
    } catch (error) {
      this.complaints.push(`publisher ${publisher} after SIGTERM: ${(error as Error).message}`)
      signalGroup(child, 'SIGKILL')
      await ended(child)
    }
    this.#bury()
  }

  /** Resolves once each queue has confirmed a task of it after now: after how many milliseconds; never: undefined. */
  async resumed(limitMs: number): Promise<number | undefined> {
    const mark = ++this.#lastMark
    const report = this.#report('resumed', (told) => told.mark === mark)
    this.#order({ type: 'mark', mark })
    const { afterMs } = await withTimeLimit(report, limitMs, () => new Error('too late')).catch(() => NEVER)
    return afterMs
  }

  /** Lets it settle what is open and send no more; false when it does not come to rest, or holds more than at first. */
  async rest(): Promise<boolean> {
    const { publisher } = this.#settings
    const report = this.#report('rested')
    this.#order({ type: 'rest' })
    const late = { complaints: [`publisher ${publisher} did not come to rest`] }
    const { complaints } = await withTimeLimit(report, REST_LIMIT_MS, () => new Error('too late')).catch(() => late)
    this.complaints.push(...complaints)
    return complaints.length === 0
  }

  go(): void {
    this.#order({ type: 'go' })
  }

  #bury(): void {
    if (this.#current !== undefined) this.#past.push(this.#current)
    this.#current = undefined
    this.#listeners.clear()
  }

  #order(order: Order): void {
    if (this.#child?.connected) this.#child.send(order)
  }

  #hear(report: Report): void {
    if (report.type === 'status' || report.type === 'closed') this.#current = report
    if (report.type === 'closed') this.complaints.push(...report.complaints)
    for (const listener of this.#listeners) listener(report)
  }

  /** The next report of a type. */
  #report<T extends Report['type']>(
    type: T,
    isWanted: (report: Extract<Report, { type: T }>) => boolean = () => true,
  ): Promise<Extract<Report, { type: T }>> {
    return new Promise((resolve) => {
      const listener: Listener = (report) => {
        const wanted = report as Extract<Report, { type: T }>
        if (report.type !== type || !isWanted(wanted)) return
        this.#listeners.delete(listener)
        resolve(wanted)
      }
      this.#listeners.add(listener)
    })
  }
}

const NEVER: { afterMs: number | undefined } = { afterMs: undefined }
