import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { readLines } from '../../lib/cli/line-reader.ts'

async function linesOf(...chunks: Buffer[]): Promise<string[]> {
  const lines: string[] = []
  await readLines(Readable.from(chunks), (line) => lines.push(line))
  return lines
}

test('lines come whole, wherever the stream was cut', async () => {
  const bytes = Buffer.from('eins\nzwölf\n\n三\nlast')

  for (let cut = 0; cut <= bytes.length; cut += 1) {
    expect(await linesOf(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(['eins', 'zwölf', '', '三', 'last'])
  }
})

test('a packed stream of several parts is unpacked', async () => {
  expect(await linesOf(gzipSync('a\nb\n'), gzipSync('c\n'))).toEqual(['a', 'b', 'c'])
})

test('a stream of nothing has no line', async () => {
  expect(await linesOf()).toEqual([])
  expect(await linesOf(Buffer.alloc(0))).toEqual([])
})

test('a line without end is handed on in pieces', async () => {
  const lines = await linesOf(...Array.from({ length: 40 }, () => Buffer.alloc(64 * 1_024, 'x')))

  expect(lines.length).toBeGreaterThan(1)
  expect(lines.join('')).toHaveLength(40 * 64 * 1_024)
})

test('a stream that fails gives the lines before, then its error', async () => {
  const lines: string[] = []
  const failing = Readable.from(
    (function* () {
      yield Buffer.from('one\ntwo')
      throw new Error('gone')
    })(),
  )

  await expect(readLines(failing, (line) => lines.push(line))).rejects.toThrow('gone')
  expect(lines).toEqual(['one', 'two'])
})
