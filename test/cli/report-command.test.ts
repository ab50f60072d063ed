import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { reportCommand } from '../../lib/cli/report-command.ts'
import type { ReuseReportResult } from '../../lib/observe/reuse-report.ts'
import { tenMinutes, WrittenLog } from '../observe/written-log.ts'
import { writtenTerminal } from './written-terminal.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pooled-producer-report-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

test('a log gives a page of tables and exit code 0', async () => {
  const terminal = writtenTerminal()
  const path = await file('app.log', `Server listening\n${text(tenMinutes().infoLines)}`)

  expect(await reportCommand([path], terminal)).toBe(0)

  expect(terminal.out()).toMatchInlineSnapshot(`
"17 records of 1 pool, 2026-11-22 10:00:00 to 2026-11-22 10:10:00 UTC; passed over 1 line not JSON

99.7 % channel reuse: 1,000 publishes over 3 channels, 333 per channel

pool default (pid 12 on api-1)
publishes  leases  channels  per channel   reuse  retries  failures  reconnects
    1,000      31         3          333  99.7 %        1         1           1

ms                     p50  p99  max  from
wait for a channel     0.5  0.5  0.5  pool.summary
confirm by the broker    4    4    4  pool.summary

closed: lost 1, idle 1
failed: ERR_UNROUTABLE 1
sent again: ERR_CHANNEL_CLOSED 1

channel  connection  publishes  leases    lived  end
2        1                 310      11  5.5 min  idle
1        1                 300      10  5.2 min  lost
3        1                   -       -        -  open

from, each 32 s      publishes  opened    reuse
2026-11-22 10:00:00         64       2  96.87 %
2026-11-22 10:00:32         64       0    100 %
2026-11-22 10:01:04         64       0    100 %
2026-11-22 10:01:36         64       0    100 %
2026-11-22 10:02:08         64       0    100 %
2026-11-22 10:02:40         64       0    100 %
2026-11-22 10:03:12         64       0    100 %
2026-11-22 10:03:44         64       0    100 %
2026-11-22 10:04:16         64       0    100 %
2026-11-22 10:04:48         51       1  98.03 %
2026-11-22 10:05:20         42       0    100 %
2026-11-22 10:05:52         43       0    100 %
2026-11-22 10:06:24         43       0    100 %
2026-11-22 10:06:56         42       0    100 %
2026-11-22 10:07:28         43       0    100 %
2026-11-22 10:08:00         43       0    100 %
2026-11-22 10:08:32         42       0    100 %
2026-11-22 10:09:04         43       0    100 %
2026-11-22 10:09:36         32       0    100 %

- 1 publish failed: ERR_UNROUTABLE 1
- 1 message came back unroutable: a queue or a binding is missing
- maxChannels is 8 and at most 2 were ever leased at once
- 1 lease was held too long; pool.use() gives a lease back on every path, and lease.held lines show who took it
- 1 reconnect, 1 failed attempt to connect; connection.close lines say why
- the broker blocked publishing 1 time, for 10 s in all: it ran short of memory or disk
- the fast path is off
"
`)
  expect(terminal.err()).toBe('')
})

test('--json prints one object with the same figures', async () => {
  const terminal = writtenTerminal()
  const path = await file('app.log', text(tenMinutes().lines))

  expect(await reportCommand([path, '--json'], terminal)).toBe(0)

  const { totals } = JSON.parse(terminal.out()) as ReuseReportResult
  expect(totals).toMatchObject({ publishes: 1_000, channelsOpened: 3, reuseRatio: 0.997 })
})

test.each([
  ['-', ['-']],
  ['no file at all', []],
])('with %s the log comes from the standard input', async (_, argv) => {
  const bytes = Buffer.from(text(tenMinutes().infoLines))
  // Odd pieces: line breaks and characters come apart in a pipe.
  const pieces = Array.from({ length: Math.ceil(bytes.length / 101) }, (_, i) => bytes.subarray(i * 101, i * 101 + 101))
  const terminal = writtenTerminal(pieces)

  expect(await reportCommand(argv, terminal)).toBe(0)
  expect(terminal.out()).toContain('1,000 publishes over 3 channels')
})

test('a packed log is read, from a file and from the standard input', async () => {
  const packed = gzipSync(text(tenMinutes().infoLines))
  const [fromFile, fromStdin] = [writtenTerminal(), writtenTerminal([packed])]

  expect(await reportCommand([await file('app.log.2.gz', packed)], fromFile)).toBe(0)
  expect(await reportCommand(['-'], fromStdin)).toBe(0)

  expect(fromFile.out()).toContain('1,000 publishes over 3 channels')
  expect(fromStdin.out()).toBe(fromFile.out())
})

test('a packed log that ends early gives what it holds, and a word of warning', async () => {
  const many = Array.from({ length: 50 }, (_, pid) => text(tenMinutes({ pid }).infoLines)).join('')
  const packed = gzipSync(many)
  const terminal = writtenTerminal()

  expect(await reportCommand([await file('app.log.gz', packed.subarray(0, -200))], terminal)).toBe(0)

  expect(terminal.out()).toContain('channel reuse')
  expect(terminal.err()).toContain('ends early')
})

test('rotated files are read in the order of their times, packed or not', async () => {
  const lines = tenMinutes().infoLines
  const older = await file('app.log.1.gz', gzipSync(text(lines.slice(0, 9))))
  const newer = await file('app.log', text(lines.slice(9)))
  const [listed, whole] = [writtenTerminal(), writtenTerminal()]

  await reportCommand([newer, older, '--json'], listed)
  await reportCommand([await file('whole.log', text(lines)), '--json'], whole)

  expect(JSON.parse(listed.out())).toEqual(JSON.parse(whole.out()))
})

test.each([[[]], [['--json']]])('a log with nothing of ours ends with exit code 1 (%j)', async (options) => {
  const terminal = writtenTerminal()
  const path = await file('app.log', 'Server listening\n{"level":30,"msg":"request completed"}\n')

  expect(await reportCommand([path, ...options], terminal)).toBe(1)

  expect(terminal.err()).toContain('no line of a pool in the log (1 other record, 1 line not JSON)')
})

test('an empty log ends with exit code 1', async () => {
  const terminal = writtenTerminal([])

  expect(await reportCommand([], terminal)).toBe(1)
  expect(terminal.err()).toContain('it is empty')
})

test.each([
  ['no log at a terminal', []],
  ['an unknown option', ['--jsno', 'app.log']],
  ['a file that is not there', ['no-such.log']],
  ['a folder', [tmpdir()]],
])('%s is wrong usage, exit code 2', async (_, argv) => {
  const terminal = writtenTerminal()

  expect(await reportCommand(argv, terminal)).toBe(2)

  expect(terminal.out()).toBe('')
  expect(terminal.err()).toMatch(/^pooled-producer report: /)
})

test('--help prints the usage', async () => {
  const terminal = writtenTerminal()

  expect(await reportCommand(['--help'], terminal)).toBe(0)
  expect(terminal.out()).toMatch(/^Usage: pooled-producer report LOG/)
})

test.each([[[]], [['--json']]])('names from the log cannot speak to the terminal (%j)', async (options) => {
  const evil = 'x\u001b[2J\u009b2J\u202e\n\ry'
  const log = new WrittenLog()
    .write('channel.open', { channel: evil, connection: evil }, { pool: evil, hostname: evil })
    .write('channel.close', { channel: evil, reason: evil }, { pool: evil, hostname: evil })
    .write('publish.fail', { code: evil }, { pool: evil, hostname: evil })
    .write('pool.warning', { reason: evil }, { pool: evil, hostname: evil })
  const terminal = writtenTerminal()

  expect(await reportCommand([await file('app.log', text(log.lines)), ...options], terminal)).toBe(0)

  const unprintable = Array.from(terminal.out()).filter((character) => character !== '\n' && /\p{C}/u.test(character))
  expect(unprintable).toEqual([])
})

test('headings are bold only where the terminal shows colours', async () => {
  const path = await file('app.log', text(tenMinutes().infoLines))
  const [plain, coloured] = [writtenTerminal(), writtenTerminal(undefined, true)]

  await reportCommand([path], plain)
  await reportCommand([path], coloured)

  expect(plain.out()).not.toContain('\u001b')
  expect(coloured.out()).toContain('\u001b[1m99.7 % channel reuse')
})

test('--html writes a page beside the text, and says where', async () => {
  const [log, page] = [await file('server.log', text(tenMinutes().lines)), join(folder, 'reuse.html')]
  const terminal = writtenTerminal()

  expect(await reportCommand([log, '--html', page], terminal)).toBe(0)

  expect(await readFile(page, 'utf8')).toMatch(/^<!doctype html>.*99\.7 %/s)
  expect(terminal.err()).toContain(`wrote ${page}`)
  expect(terminal.out()).toContain('99.7 % channel reuse')
})

test('a page that cannot be written is wrong usage, and says why', async () => {
  const log = await file('server.log', text(tenMinutes().lines))
  const terminal = writtenTerminal()

  expect(await reportCommand([log, '--html', join(folder, 'none', 'reuse.html')], terminal)).toBe(2)

  expect(terminal.err()).toMatch(/can't write .*ENOENT/)
})
