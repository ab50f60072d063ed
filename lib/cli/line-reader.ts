import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** A longer line is cut: a file that is no log at all may be one line. Ours have a few hundred characters. */
const MAX_LINE = 2 ** 20

/**
 * Calls `onLine` for each line of a stream, without its line break, whether the stream is packed with gzip
 * or not. A last line without a break counts.
 *
 * @throws what the stream threw, after the lines before it: a packed file may lack its end.
 */
export async function readLines(input: Readable, onLine: (line: string) => void): Promise<void> {
  let rest = ''
  try {
    for await (const text of unpacked(input)) {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine(line)
      if (rest.length > MAX_LINE) {
        onLine(rest)
        rest = ''
      }
    }
  } finally {
    if (rest !== '') onLine(rest)
  }
}

/** Whether a file that begins with these bytes is packed with gzip (RFC 1952, 2.3.1). */
export function isPacked(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

async function* unpacked(input: Readable): AsyncGenerator<string> {
  const chunks: AsyncIterator<Buffer> = input[Symbol.asyncIterator]()
  const first = await chunks.next()
  if (first.done === true) return
  const all = Readable.from(resumed(first.value, chunks))
  // The reader of the last stream gets the error of any.
  const bytes = isPacked(first.value) ? pipeline(all, createGunzip(), ignore) : all
  const decoder = new TextDecoder()
  for await (const chunk of bytes) yield decoder.decode(chunk as Buffer, { stream: true })
  yield decoder.decode()
}

async function* resumed(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* { [Symbol.asyncIterator]: () => rest }
}

function ignore(): void {}
