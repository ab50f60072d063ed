const FIRST_SIZE = 2 ** 16
const MOST_COPIES = 255
/** The body of a task of ours: its publisher's number and its own, as positional arguments. */
const ARGUMENTS = /^\[\[(\d{1,4}), ?(\d{1,9})\]/
const ARGUMENTS_BYTES = 24

/** What the consumer needs to know of a message. */
export interface ArrivedTask {
  readonly content: Buffer
  readonly fields: { readonly redelivered: boolean }
}

/** What has arrived of each publisher's tasks, at a byte for each. */
export class Arrivals {
  /** Messages so far. */
  messages = 0
  /** Tasks so far, each once. */
  tasks = 0
  /** Copies that the broker says it delivered before, to a consumer that was then cut off. */
  redelivered = 0
  /** Messages that are no task of ours. */
  foreign = 0
  readonly #publishers: Uint8Array[]

  constructor(publishers: number) {
    this.#publishers = Array.from({ length: publishers }, () => new Uint8Array(FIRST_SIZE))
  }

  add({ content, fields }: ArrivedTask): void {
    this.messages++
    const [, publisher, task] = ARGUMENTS.exec(content.toString('latin1', 0, ARGUMENTS_BYTES)) ?? []
    if (task !== undefined && Number(publisher) < this.#publishers.length) {
      this.note(Number(publisher), Number(task), fields.redelivered)
    } else if (content.toString() !== PROBE) {
      this.foreign++
    }
  }

  note(publisher: number, task: number, isRedelivered = false): void {
    const copies = this.#copiesOf(publisher, task)
    const before = copies[task] as number
    if (before === 0) this.tasks++
    // The broker may have both kept a copy for the consumer and sent it: one message, and no duplicate.
    if (before > 0 && isRedelivered) this.redelivered++
    else if (before < MOST_COPIES) copies[task] = before + 1
  }

  /** The copies of each task of a publisher, by its number; beyond the end there are none. */
  copies(publisher: number): Uint8Array {
    return this.#publishers[publisher] as Uint8Array
  }

  #copiesOf(publisher: number, task: number): Uint8Array {
    const copies = this.copies(publisher)
    if (task < copies.length) return copies
    const grown = new Uint8Array(Math.max(task + 1, copies.length * 2))
    grown.set(copies)
    this.#publishers[publisher] = grown
    return grown
  }
}

/** The body of a message that only tells whether a queue takes messages. */
export const PROBE = 'probe'
