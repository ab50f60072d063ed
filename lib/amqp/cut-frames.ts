import type { Hole } from './constant-frames.ts'

const LENGTH_BYTES = 4

/** A steady text that is joined in. */
interface Joined {
  readonly value: number
  readonly at: number
  readonly bytes: number
  text: string
}

/**
 * The constant bytes of a template, cut where each message has a text of its own. A text that many messages on end
 * have in common is joined in as if it were constant, and written anew for a message that has another.
 */
export class CutFrames {
  readonly #constant: Buffer
  readonly #ids: readonly number[]
  readonly #holes: readonly Hole[]
  /** The constant bytes with the steady texts joined in. */
  #whole: Buffer = Buffer.alloc(0)
  #joined: Joined[] = []
  #pieces: Buffer[] = []
  #idsOfPieces: number[][] = []
  #texts: number[] = []

  /**
   * @param ids where the id goes.
   * @param holes where texts go, in their order.
   */
  constructor(constant: Buffer, ids: readonly number[], holes: readonly Hole[]) {
    this.#constant = constant
    this.#ids = ids
    this.#holes = holes
    this.#cut([])
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  /** Per piece, where the id goes. */
  get ids(): readonly (readonly number[])[] {
    return this.#idsOfPieces
  }

  /** After each piece but the last, which value follows. */
  get texts(): readonly number[] {
    return this.#texts
  }

  /** All pieces together, in bytes. */
  get length(): number {
    return this.#whole.length
  }

  /** Joins in the steady texts of a message. The pieces are its own until the next call. */
  fit(values: readonly string[]): void {
    for (let i = 0; i < this.#joined.length; i++) {
      const joined = this.#joined[i] as Joined
      const text = values[joined.value] as string
      if (text === joined.text) continue
      if (Buffer.byteLength(text) !== joined.bytes) return this.#cut(values)
      this.#whole.write(text, joined.at)
      joined.text = text
    }
  }

  #cut(values: readonly string[]): void {
    const steady = this.#holes.filter(({ isSteady }) => isSteady)
    const parts: Buffer[] = []
    let from = 0
    let shift = 0
    this.#joined = steady.map(({ at, value }) => {
      const text = values[value] ?? ''
      const bytes = Buffer.byteLength(text)
      const joined = Buffer.alloc(LENGTH_BYTES + bytes)
      joined.writeUInt32BE(bytes)
      joined.write(text, LENGTH_BYTES)
      parts.push(this.#constant.subarray(from, at), joined)
      from = at
      shift += joined.length
      return { value, at: at + shift - bytes, bytes, text }
    })
    this.#whole = Buffer.concat([...parts, this.#constant.subarray(from)])

    const moved = (place: number): number => {
      return (
        place +
        this.#joined.reduce((sum, { bytes }, i) => {
          return (steady[i] as Hole).at <= place ? sum + LENGTH_BYTES + bytes : sum
        }, 0)
      )
    }
    const ids = this.#ids.map(moved)
    const cuts = this.#holes.filter(({ isSteady }) => !isSteady)
    const ends = [...cuts.map(({ at }) => moved(at)), this.#whole.length]
    const starts = [0, ...ends]
    this.#texts = cuts.map(({ value }) => value)
    this.#pieces = ends.map((end, i) => this.#whole.subarray(starts[i], end))
    this.#idsOfPieces = ends.map((end, i) => {
      const start = starts[i] as number
      return ids.filter((id) => id >= start && id < end).map((id) => id - start)
    })
  }
}
