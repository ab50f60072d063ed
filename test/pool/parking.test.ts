import { expect, test } from '@jest/globals'
import type { Declaration } from '../../lib/pool/declarations.ts'
import { Parking } from '../../lib/pool/parking.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { PublishQueue } from '../../lib/pool/publish-queue.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
const [ONE, OTHER] = ['one', 'other'].map((name) => ({ name, isDeclared: false }) as unknown as Declaration) as [
  Declaration,
  Declaration,
]

/** A parking whose declarations are over when they are told to be. */
class TestParking {
  readonly count = { waiting: 0 }
  /** What is being declared, in the order of asking, and what ends it. */
  readonly declaring: [Declaration, () => void][] = []
  readonly delivered: [Declaration, unknown[]][] = []
  readonly #parking = new Parking(
    (declaration) => new Promise((resolve) => this.declaring.push([declaration, resolve])),
    (publishes, declaration) => this.delivered.push([declaration, publishes.map(({ body }) => body)]),
    () => new PublishQueue(this.count),
  )

  hold(body: string, declaration: Declaration): PendingPublish {
    const publish = new PendingPublish(template, [], body, undefined)
    this.#parking.hold(publish, declaration)
    return publish
  }

  isHolding(declaration: Declaration): boolean {
    return this.#parking.isHolding(declaration)
  }

  async declared(index: number): Promise<void> {
    this.declaring[index]?.[1]()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('what waits for one declaration has it made once, and goes on in its order when it is', async () => {
  const parking = new TestParking()
  for (const body of ['a', 'b', 'c']) parking.hold(body, ONE)
  expect(parking.declaring.map(([declaration]) => declaration)).toEqual([ONE])
  expect([parking.count.waiting, parking.delivered]).toEqual([3, []])
  await parking.declared(0)

  expect(parking.delivered).toEqual([[ONE, ['a', 'b', 'c']]])
  expect(parking.count.waiting).toBe(0)
})

test('declarations do not wait for each other', async () => {
  const parking = new TestParking()
  parking.hold('a', ONE)
  parking.hold('b', OTHER)
  await parking.declared(1)

  expect(parking.delivered).toEqual([[OTHER, ['b']]])
  expect(parking.count.waiting).toBe(1)
})

test('a declaration is held to, and no other, until it is over', async () => {
  const parking = new TestParking()
  parking.hold('a', ONE)
  expect([ONE, OTHER].map((declaration) => parking.isHolding(declaration))).toEqual([true, false])
  await parking.declared(0)

  expect(parking.isHolding(ONE)).toBe(false)
})

test('what comes after the declaration is over has it made again', async () => {
  const parking = new TestParking()
  parking.hold('a', ONE)
  await parking.declared(0)
  parking.hold('b', ONE)
  expect(parking.declaring).toHaveLength(2)
  await parking.declared(1)

  expect(parking.delivered).toEqual([
    [ONE, ['a']],
    [ONE, ['b']],
  ])
})

test('what was settled as it waited does not go on', async () => {
  const parking = new TestParking()
  const publish = parking.hold('a', ONE)
  parking.hold('b', ONE)
  publish.isSettled = true
  publish.place?.noteSettled()
  await parking.declared(0)

  expect(parking.delivered).toEqual([[ONE, ['b']]])
})
