import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Ledger } from '../../lib/amqp/ledger.ts'

/** What the ledger is to be: the unconfirmed messages by tag, in a map. */
class Model {
  readonly unconfirmed = new Map<number, string>()
  readonly times = new Map<number, number>()
  next: number

  constructor(firstTag: number) {
    this.next = firstTag
  }

  get span(): number {
    const [oldest] = this.unconfirmed.keys()
    return oldest === undefined ? 0 : this.next - oldest
  }

  get oldestAt(): number | undefined {
    const [oldest] = this.unconfirmed.keys()
    return oldest === undefined ? undefined : this.times.get(oldest)
  }

  add(item: string, now: number): void {
    this.times.set(this.next, now)
    this.unconfirmed.set(this.next++, item)
  }

  /** The message with the time of its writing. */
  take(tag: number): Taken | undefined {
    const item = this.unconfirmed.get(tag)
    if (item === undefined) return undefined
    this.unconfirmed.delete(tag)
    return [item, this.times.get(tag) as number]
  }

  takeUpTo(tag: number): Taken[] {
    const tags = [...this.unconfirmed.keys()].filter((each) => tag === 0 || each <= tag)
    return tags.map((each) => this.take(each) as Taken)
  }
}

type Taken = readonly [item: string, writtenAt: number]

type Step = (ledger: Ledger<string>, model: Model) => void

function takeAllUpTo<T>(ledger: Ledger<T>, tag: number): [T, number][] {
  const taken: [T, number][] = []
  for (let item = ledger.takeUpTo(tag); item !== undefined; item = ledger.takeUpTo(tag)) {
    taken.push([item, ledger.takenAt])
  }
  return taken
}

/** A tag around those in use: settled, unconfirmed, not given yet, and now and then nonsense. */
const tag = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: -0.2, max: 1.2, noNaN: true }).map((place) => ({ place })) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, Number.NaN, Number.MAX_SAFE_INTEGER).map((exact) => ({ exact })) },
)

function tagIn(model: Model, given: { place: number } | { exact: number }): number {
  if ('exact' in given) return given.exact
  const [oldest = model.next] = model.unconfirmed.keys()
  return Math.round(oldest + given.place * (model.next - oldest))
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 90 }).map<Step>((count) => (ledger, model) => {
      for (let i = 0; i < count; i++) {
        if (ledger.nextTag !== model.next) throw new Error(`the next tag is ${ledger.nextTag}, not ${model.next}`)
        const item = `message ${model.next}`
        const writtenAt = model.next / 8
        ledger.add(item, writtenAt)
        model.add(item, writtenAt)
      }
    }),
  },
  {
    weight: 6,
    arbitrary: fc.array(tag, { minLength: 1, maxLength: 40 }).map<Step>((tags) => (ledger, model) => {
      const taken: unknown[] = []
      const expected: unknown[] = []
      for (const given of tags) {
        const tag = tagIn(model, given)
        // Each acknowledgement comes twice.
        const item = ledger.take(tag)
        taken.push(item === undefined ? undefined : [item, ledger.takenAt], ledger.take(tag))
        expected.push(model.take(tag), undefined)
      }
      expect(taken).toEqual(expected)
    }),
  },
  {
    weight: 3,
    arbitrary: tag.map<Step>((given) => (ledger, model) => {
      const tag = tagIn(model, given)
      expect(takeAllUpTo(ledger, tag)).toEqual(model.takeUpTo(tag))
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Step>((ledger, model) => {
      expect(ledger.clear()).toEqual(model.takeUpTo(0).map(([item]) => item))
    }),
  },
)

function checkAgainstModel(firstTag: fc.Arbitrary<number>): void {
  const property = fc.property(firstTag, fc.array(step, { maxLength: 30 }), (first, steps) => {
    const ledger = new Ledger<string>(first)
    const model = new Model(first)
    for (const run of steps) {
      run(ledger, model)
      const items = [...model.unconfirmed.values()]
      expect(ledger.size).toBe(items.length)
      expect(ledger.span).toBe(model.span)
      if (items.length > 0) expect(ledger.oldestAt).toBe(model.oldestAt)
      expect([...ledger]).toEqual(items)
    }
  })
  fc.assert(property, { numRuns: 200 })
}

test('it answers any sequence of publishes and acknowledgements as a map would', () => {
  checkAgainstModel(fc.constant(1))
})

test('tags beyond 31, 32 and 48 bits are told apart', () => {
  const edges = fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 48)
  checkAgainstModel(fc.tuple(edges, fc.integer({ min: -300, max: 50 })).map(([edge, offset]) => edge + offset))
})

test('the first message has tag 1', () => {
  const ledger = new Ledger<string>()
  ledger.add('a', 0)

  expect(ledger.take(1)).toBe('a')
})

test('however many are unconfirmed, each comes once, and the next tag takes none of them', () => {
  for (let count = 1; count <= 200; count++) {
    const ledger = new Ledger<number>()
    for (let tag = 1; tag <= count; tag++) ledger.add(tag, 0)

    expect(ledger.take(count + 1)).toBeUndefined()
    expect([...ledger]).toEqual(Array.from({ length: count }, (_, index) => index + 1))
    expect(ledger.takeUpTo(0)).toBe(1)
  }
})

test('a message settled between others is gone, and settling it again changes nothing', () => {
  const ledger = new Ledger<string>()
  for (const item of ['a', 'b', 'c']) ledger.add(item, 0)

  expect([ledger.take(2), ledger.take(2)]).toEqual(['b', undefined])
  expect([...ledger]).toEqual(['a', 'c'])
  expect(ledger).toMatchObject({ size: 2, span: 3, head: 1 })
  ledger.take(1)
  expect(ledger).toMatchObject({ size: 1, span: 1, head: 3 })
})

test('a message that waits in front of many settled ones keeps its place', () => {
  const ledger = new Ledger<number>()
  for (let tag = 1; tag <= 100_000; tag++) ledger.add(tag, tag)
  const late = Array.from({ length: 99_999 }, (_, index) => ledger.take(index + 2))

  expect(late.every((item, index) => item === index + 2)).toBe(true)
  expect(ledger).toMatchObject({ size: 1, span: 100_000, oldestAt: 1 })
  expect(takeAllUpTo(ledger, 100_000)).toEqual([[1, 1]])
  expect(ledger).toMatchObject({ size: 0, span: 0, nextTag: 100_001 })
})

test('after clear, tags go on from where they were', () => {
  const ledger = new Ledger<string>()
  ledger.add('a', 0)
  ledger.add('b', 0)

  expect(ledger.clear()).toEqual(['a', 'b'])
  ledger.add('c', 0)
  expect([ledger.take(1), ledger.take(2), ledger.take(3)]).toEqual([undefined, undefined, 'c'])
})
