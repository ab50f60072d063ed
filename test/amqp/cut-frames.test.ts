import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Hole } from '../../lib/amqp/constant-frames.ts'
import { CutFrames } from '../../lib/amqp/cut-frames.ts'

/** A part of a template: constant letters, a place of the id, or one of the text with that number. */
type Part = 'letters' | 'id' | 0 | 1 | 2 | 3

/** The texts with the numbers 0 and 1 are steady. */
const LAST_STEADY = 1

/** The places of a template. As in real frames a letter, the type, stands before each text. */
function placesOf(parts: readonly Part[], id: string): { constant: string; ids: number[]; holes: Hole[] } {
  let constant = ''
  const ids: number[] = []
  const holes: Hole[] = []
  for (const part of parts) {
    if (part === 'letters') constant += 'abc'
    else if (part === 'id') {
      ids.push(constant.length)
      constant += id
    } else {
      constant += 'S'
      holes.push({ at: constant.length, value: part, isSteady: part <= LAST_STEADY })
    }
  }
  return { constant, ids, holes }
}

function framesOf(...parts: Part[]): CutFrames {
  const { constant, ids, holes } = placesOf(parts, '#')
  return new CutFrames(Buffer.from(constant), ids, holes)
}

/** A text behind its length, a character per byte. */
function sized(text: string): string {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes]).toString('latin1')
}

/** What a template makes of texts, put together from its beginning. */
function expected(parts: readonly Part[], values: readonly string[], id: string): string {
  const { constant, holes } = placesOf(parts, id)
  const starts = [0, ...holes.map(({ at }) => at)]
  const texts = [...holes.map(({ value }) => sized(values[value] as string)), '']
  return texts.map((text, index) => constant.slice(starts[index], starts[index + 1]) + text).join('')
}

/** The same from the pieces. */
function made(frames: CutFrames, values: readonly string[], id: string): string {
  const texts = [...frames.texts.map((value) => sized(values[value] as string)), '']
  const pieces = frames.pieces.map((piece, index) => {
    const bytes = Buffer.from(piece)
    for (const at of frames.ids[index] as number[]) bytes.write(id, at)
    return bytes.toString('latin1') + texts[index]
  })
  return pieces.join('')
}

test('the pieces with the texts between them are the message, whatever the one before it had', () => {
  const parts = fc.array(fc.constantFrom<Part>('letters', 'id', 0, 1, 2, 3), { maxLength: 12 })
  const text = fc.oneof(fc.constantFrom('', 'a', 'b', 'é', '世界'), fc.string())
  const values = fc.array(text, { minLength: 4, maxLength: 4 })
  const property = fc.property(parts, fc.array(values, { minLength: 1, maxLength: 4 }), (template, messages) => {
    const frames = framesOf(...template)
    for (const message of messages) {
      frames.fit(message)
      expect(made(frames, message, '!')).toBe(expected(template, message, '!'))
    }
  })
  fc.assert(property, { numRuns: 100 })
})

test('it is as long as its pieces, and before the first message the steady texts are empty', () => {
  const frames = framesOf('letters', 0, 2, 'letters')
  expect(frames.pieces.map(String)).toEqual(['abcS\0\0\0\0S', 'abc'])
  expect(frames.length).toBe(12)
  frames.fit(['steady', '', 'of its own', ''])

  expect(frames.pieces.map(String)).toEqual(['abcS\0\0\0\x06steadyS', 'abc'])
  expect(frames.length).toBe(18)
})

test('only texts that are not steady cut it, in their order', () => {
  const frames = framesOf(3, 0, 'letters', 2, 'id', 3)

  expect(frames.texts).toEqual([3, 2, 3])
  expect(frames.pieces).toHaveLength(4)
})

test('an id right behind a text stands at the beginning of the piece, and nowhere else', () => {
  expect(framesOf(2, 'id', 'letters').ids).toEqual([[], [0]])
  expect(framesOf(0, 'id', 'letters').ids).toEqual([[5]])
})

test('a steady text of the same length is written in the place of the one before, without a new cut', () => {
  const frames = framesOf(0, 2, 1)
  frames.fit(['one', 'four', '', ''])
  const before = frames.pieces
  frames.fit(['two', 'five', '', ''])

  expect(frames.pieces).toBe(before)
  expect(frames.pieces.map(String)).toEqual(['S\0\0\0\x03twoS', 'S\0\0\0\x04five'])
})
