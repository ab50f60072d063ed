/** Gives an integer from 0 up to, and without, the one given. */
export type Random = (below: number) => number

/** The same numbers in each run (Lehmer's generator, modulus 2^31 - 1). */
export function sequence(seed: number): Random {
  let state = (seed % 2_147_483_646) + 1
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}
