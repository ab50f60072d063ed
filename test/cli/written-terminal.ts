import { Readable, Writable } from 'node:stream'
import type { Terminal } from '../../lib/cli/terminal.ts'

/** A terminal that keeps what was printed. */
export interface WrittenTerminal extends Terminal {
  readonly out: () => string
  readonly err: () => string
}

/** A terminal with this input; with no input, one at which a person sits. */
export function writtenTerminal(input?: Iterable<Buffer>, hasColors = false): WrittenTerminal {
  const printed = { out: '', err: '' }
  const sink = (name: 'out' | 'err') =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        printed[name] += chunk.toString()
        done()
      },
    })
  return {
    stdin: Object.assign(Readable.from(input ?? []), { isTTY: input === undefined }),
    stdout: Object.assign(sink('out'), { isTTY: hasColors, hasColors: () => hasColors }),
    stderr: sink('err'),
    out: () => printed.out,
    err: () => printed.err,
  }
}
