import fc from 'fast-check'

type Run<Model, Real> = (model: Model, real: Real) => void | Promise<void>

/** A number from 0 up to 1, for one of so many. */
export const place: fc.Arbitrary<number> = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

/**
 * Makes commands of a property: what each needs, what it does to the model and to the real thing, which are compared
 * after it, and its name when a run is shown.
 */
export function commandsOf<Model extends object, Real>(
  compare: Run<Model, Real>,
): (name: string, isPossible: (model: Model) => boolean, run: Run<Model, Real>) => fc.AsyncCommand<Model, Real> {
  return (name, isPossible, run) => ({
    check: isPossible,
    async run(model, real) {
      await run(model, real)
      await compare(model, real)
    },
    toString: () => name,
  })
}
