import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { FATES, type Fate } from '../support/proof-counts.ts'

/** A record is one number: the place of what the publisher was told in these bits, the task's number in those below. */
const NUMBER_RANGE = 2 ** 28

/** What one publisher has written down, over all its lives. */
export interface Journal {
  /** Tasks 0, 1, 2, ... up to, and without, this one were attempted. */
  readonly attempted: number
  readonly records: Uint32Array
}

/** One record of a journal. */
export interface JournalRecord {
  readonly task: number
  readonly fate: Fate
}

export function encodeRecord({ task, fate }: JournalRecord): number {
  return FATES.indexOf(fate) * NUMBER_RANGE + task
}

export function decodeRecord(record: number): JournalRecord {
  return { task: record % NUMBER_RANGE, fate: FATES[Math.floor(record / NUMBER_RANGE)] as Fate }
}

/**
 * Writes down what a publisher attempts, before it does, and what became of it, after it knows. What was written
 * survives the death of the process, SIGKILL included: the operating system has it.
 */
export class JournalWriter {
  readonly #attempts: number
  readonly #outcomes: number
  readonly #end = new Uint32Array(1)
  #records: number[] = []

  constructor(folder: string, publisher: number) {
    const { attempts, outcomes } = filesOf(folder, publisher)
    this.#attempts = openSync(attempts, existsSync(attempts) ? 'r+' : 'w')
    this.#outcomes = openSync(outcomes, 'a')
  }

  /** Tasks before this number are about to be attempted. */
  attempt(end: number): void {
    this.#end[0] = end
    writeSync(this.#attempts, this.#end, 0, 4, 0)
  }

  /** Written at the end of the turn, with all others of the turn. */
  settle(task: number, fate: Fate): void {
    if (this.#records.length === 0) setImmediate(() => this.flush())
    this.#records.push(encodeRecord({ task, fate }))
  }

  flush(): void {
    if (this.#records.length > 0) writeSync(this.#outcomes, Uint32Array.from(this.#records))
    this.#records = []
  }

  close(): void {
    this.flush()
    closeSync(this.#attempts)
    closeSync(this.#outcomes)
  }
}

/** What a publisher has written down so far; nothing when it has not begun. */
export function readJournal(folder: string, publisher: number): Journal {
  const { attempts, outcomes } = filesOf(folder, publisher)
  const [attempted = 0] = numbersOf(attempts)
  return { attempted, records: numbersOf(outcomes) }
}

function filesOf(folder: string, publisher: number): { attempts: string; outcomes: string } {
  const file = (kind: string) => join(folder, `publisher-${publisher}.${kind}`)
  return { attempts: file('attempts'), outcomes: file('outcomes') }
}

/** The whole numbers of a file; one that was being written when its process died is left out. */
function numbersOf(file: string): Uint32Array {
  if (!existsSync(file)) return new Uint32Array(0)
  const bytes = readFileSync(file)
  const whole = bytes.subarray(0, bytes.length - (bytes.length % 4))
  return new Uint32Array(Uint8Array.from(whole).buffer)
}
