import type { Hole } from './constant-frames.ts'

const LENGTH_BYTES = 4

/** A steady text that is joined in. */
interface Joined {
  readonly value: number
  readonly at: number
  readonly bytes: number
  text: string
}

/** The constant bytes with the steady texts of a message joined in, and what they are cut into. */
interface Cut {
  readonly whole: Buffer
  readonly joined: readonly Joined[]
  readonly pieces: readonly Buffer[]
  readonly ids: readonly (readonly number[])[]
}

/**
 * The constant bytes of a template, cut where each message has a text of its own. A text that many messages on end
 * have in common is joined in as if it were constant, and written anew for a message that has another.
 */
export class CutFrames {
  /** After each piece but the last, which value follows. */
  readonly texts: readonly number[]
  readonly #constant: Buffer
  readonly #ids: readonly number[]
  readonly #holes: readonly Hole[]
  #cut: Cut

  /**
   * @param ids where the id goes.
   * @param holes where texts go, in their order.
   */
  constructor(constant: Buffer, ids: readonly number[], holes: readonly Hole[]) {
    this.texts = holes.filter(({ isSteady }) => !isSteady).map(({ value }) => value)
    this.#constant = constant
    this.#ids = ids
    this.#holes = holes
    this.#cut = this.#cutWith([])
  }

  get pieces(): readonly Buffer[] {
    return this.#cut.pieces
  }

  /** Per piece, where the id goes. */
  get ids(): readonly (readonly number[])[] {
    return this.#cut.ids
  }

  /** All pieces together, in bytes. */
  get length(): number {
    return this.#cut.whole.length
  }

  /** Joins in the steady texts of a message. The pieces are its own until the next call. */
  fit(values: readonly string[]): void {
    const { whole, joined: all } = this.#cut
    for (let i = 0; i < all.length; i++) {
      const joined = all[i] as Joined
      const text = values[joined.value] as string
      if (text === joined.text) continue
      if (Buffer.byteLength(text) !== joined.bytes) {
        this.#cut = this.#cutWith(values)
        return
      }
      whole.write(text, joined.at)
      joined.text = text
    }
  }

  #cutWith(values: readonly string[]): Cut {
    const steady = this.#holes.filter(({ isSteady }) => isSteady)
    const parts: Buffer[] = []
    let from = 0
    let shift = 0
    const joined = steady.map(({ at, value }) => {
      const text = values[value] ?? ''
      const bytes = Buffer.byteLength(text)
      const part = Buffer.alloc(LENGTH_BYTES + bytes)
      part.writeUInt32BE(bytes)
      part.write(text, LENGTH_BYTES)
      parts.push(this.#constant.subarray(from, at), part)
      from = at
      shift += part.length
      return { value, at: at + shift - bytes, bytes, text }
    })
    const whole = Buffer.concat([...parts, this.#constant.subarray(from)])

    const moved = (place: number): number => {
      return joined.reduce((sum, { bytes }, i) => {
        return (steady[i] as Hole).at <= place ? sum + LENGTH_BYTES + bytes : sum
      }, place)
    }
    const ids = this.#ids.map(moved)
    const cuts = this.#holes.filter(({ isSteady }) => !isSteady)
    const ends = [...cuts.map(({ at }) => moved(at)), whole.length]
    const starts = [0, ...ends]
    return {
      whole,
      joined,
      pieces: ends.map((end, i) => whole.subarray(starts[i], end)),
      ids: ends.map((end, i) => {
        const start = starts[i] as number
        return ids.filter((id) => id >= start && id < end).map((id) => id - start)
      }),
    }
  }
}
