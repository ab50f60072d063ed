import zlib from 'node:zlib'
import { expect, test } from '@jest/globals'
import { type Compressor, Compressors, compressed } from '../../../lib/celery/message/compressors.ts'

const compressors = new Compressors()
const BODY = `[${'1,'.repeat(500)}1]`

test.each(['gzip', 'zlib', 'application/x-gzip'])('%s is zlib’s format under the name that workers know', (name) => {
  const compressor = compressors.get(name)
  const body = compressed(compressor, BODY)

  expect(compressor.contentType).toBe('application/x-gzip')
  // Not gzip's magic number, which a worker chokes on.
  expect([...body.subarray(0, 2)]).toEqual([0x78, 0x9c])
  expect(zlib.inflateSync(body).toString()).toBe(BODY)
})

test('brotli is undone by brotli', () => {
  const compressor = compressors.get('brotli')

  expect(compressor.contentType).toBe('application/x-brotli')
  expect(zlib.brotliDecompressSync(compressed(compressor, Buffer.from(BODY))).toString()).toBe(BODY)
})

test.each([
  ['bzip2', /^bzip2: this Node has no bzip2; there are gzip, zlib, brotli/],
  ['xz', /^xz: this Node has no lzma; there are gzip, zlib, brotli/],
  ['gzipp', /^gzipp is not a compression; did you mean gzip\?$/],
  ['snappy', /^snappy is not a compression; known are gzip, zlib, brotli/],
  ['toString', /^toString is not a compression/],
])('the compression %s is refused', (name, message) => {
  expect(() => compressors.get(name)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', outcome: 'not-sent', message: expect.stringMatching(message) }),
  )
})

test('one of the app’s own takes the place of what Node has not', () => {
  const own: Compressor = { contentType: 'application/x-bz2', compress: (body) => body.subarray(0, 2) }
  const known = new Compressors({ bzip2: own })

  expect(known.get('bzip2')).toBe(own)
  expect(known.get('application/x-bz2')).toBe(own)
  expect(compressed(own, BODY).toString()).toBe('[1')
})

test('one that throws, or gives no bytes, is ERR_INVALID_TASK', () => {
  const cause = new Error('no')
  const throwing = () => {
    throw cause
  }

  expect(() => compressed({ contentType: 'x/own', compress: throwing }, BODY)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', message: 'the compressor of x/own failed', cause }),
  )
  expect(() => compressed({ contentType: 'x/own', compress: (() => 'text') as never }, BODY)).toThrow(
    'the compressor of x/own must give a Uint8Array, and gave a string',
  )
})
