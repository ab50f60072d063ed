import { expect, test } from '@jest/globals'
import { SendBuffer } from '../../lib/amqp/send-buffer.ts'
import { Slab } from '../../lib/amqp/slab.ts'

const { start: START, bytes } = new Slab()
const FRAME_BYTES = bytes.length - START

function write(buffer: SendBuffer, text: string): Slab {
  const slab = buffer.reserve(text.length) as Slab
  buffer.commit(buffer.end + slab.bytes.write(text, buffer.end))
  return slab
}

test('what was written leaves in one piece, in its order', () => {
  const buffer = new SendBuffer()
  write(buffer, 'first ')
  write(buffer, 'second')

  expect(buffer.take()?.toString()).toBe('first second')
})

test('nothing is taken twice, and nothing from an empty buffer', () => {
  const buffer = new SendBuffer()
  expect(buffer.take()).toBeUndefined()
  write(buffer, 'x')
  buffer.take()

  expect(buffer.take()).toBeUndefined()
})

test('what was reserved and not committed is not sent', () => {
  const buffer = new SendBuffer()
  write(buffer, 'sent')
  buffer.reserve(10)?.bytes.write('dropped', buffer.end)

  expect(buffer.take()?.toString()).toBe('sent')
})

test('what was taken keeps its bytes while the next is written', () => {
  const buffer = new SendBuffer()
  write(buffer, 'on its way')
  const sent = buffer.take()
  write(buffer, 'next')

  expect(sent?.toString()).toBe('on its way')
  expect(buffer.take()?.toString()).toBe('next')
})

test('the memory is used again once the kernel has taken it', () => {
  const buffer = new SendBuffer()
  const first = write(buffer, 'first')
  buffer.take()
  buffer.reuse()

  expect(buffer.end).toBe(START)
  expect(write(buffer, 'second')).toBe(first)
})

test('a full buffer is sent before more is written, and what is still queued keeps its own memory', () => {
  const buffer = new SendBuffer()
  write(buffer, 'x'.repeat(FRAME_BYTES - 10))
  expect(buffer.reserve(11)).toBeUndefined()
  const sent = buffer.take()
  const next = write(buffer, 'y'.repeat(11))

  expect(sent?.every((byte) => byte === 'x'.charCodeAt(0))).toBe(true)
  expect(next.bytes.buffer).not.toBe(sent?.buffer)
  expect(buffer.take()?.toString()).toBe('y'.repeat(11))
})

test('it takes exactly what it has room for', () => {
  const buffer = new SendBuffer()
  write(buffer, 'x'.repeat(10))

  expect(buffer.reserve(FRAME_BYTES - 10)).toBeDefined()
  expect(buffer.reserve(FRAME_BYTES - 9)).toBeUndefined()
})

test('a message larger than the buffer gets memory of its own, which is not kept', () => {
  const buffer = new SendBuffer()
  const large = buffer.reserve(3 * FRAME_BYTES)
  expect(large?.isLarge).toBe(true)
  buffer.commit(buffer.end + 3 * FRAME_BYTES)
  expect(buffer.take()).toHaveLength(3 * FRAME_BYTES)
  buffer.reuse()

  expect(buffer.reserve(1)?.isLarge).toBe(false)
})
