import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { LiveReport, sparkline } from '../../lib/cli/live-report.ts'
import { ReuseReport } from '../../lib/observe/reuse-report.ts'
import { tenMinutes } from '../observe/written-log.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { startScript } from '../support/script.ts'
import { writtenTerminal } from './written-terminal.ts'

test('on a terminal the picture is drawn over itself, and makes room at the end', async () => {
  const report = new ReuseReport()
  const terminal = writtenTerminal(undefined, true)
  const live = new LiveReport(report, terminal)
  afterTest(() => live.stop())
  expect(terminal.out()).toContain('no line of a pool yet')
  for (const line of tenMinutes().lines) report.add(line)
  await until(() => terminal.out().includes('99.7 % reuse'))
  live.stop()

  // Up by as many lines as were drawn, and clear what is below.
  const [first] = terminal.out().split('\u001b[3A\u001b[J')
  expect(first?.split('\n').length).toBe(4)
  expect(terminal.out()).toMatch(/2 of 8/)
  expect(terminal.out().endsWith('\u001b[J')).toBe(true)
})

test('a row of bars shows how values went', () => {
  expect(sparkline([0, 1, 2, 4, 8])).toBe('▁▂▃▅█')
  expect(sparkline([])).toBe('')
  expect(sparkline(Array.from({ length: 100 }, () => 3))).toHaveLength(30)
})

test('a packed log is not followed: that is wrong usage, and what was followed beside it is left', async () => {
  const script = startScript(`
    import { mkdtempSync, writeFileSync } from 'node:fs'
    import { tmpdir } from 'node:os'
    import { join } from 'node:path'
    import { gzipSync } from 'node:zlib'
    const folder = mkdtempSync(join(tmpdir(), 'pooled-producer-live-'))
    const [path, packed] = [join(folder, 'server.log'), join(folder, 'server.log.1.gz')]
    writeFileSync(path, '')
    writeFileSync(packed, gzipSync('{}'))
    const { runCommandLine } = await import('../../lib/cli/command-line.ts')
    process.exitCode = await runCommandLine(['report', path, packed, '--follow'])
  `)
  afterTest(() => script.process.kill('SIGKILL'))
  let said = ''
  script.process.stderr?.on('data', (text) => {
    said += text
  })

  expect(await script.ended).toMatchObject({ code: 2 })
  await until(() => said.includes('server.log.1.gz is packed with gzip, and does not grow: leave --follow out'))
})

test('followed without a terminal, a report goes by lines, without a control character, and ends whole on Ctrl-C', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pooled-producer-live-'))
  afterTest(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'server.log')
  writeFileSync(
    path,
    tenMinutes()
      .lines.map((line) => `${line}\n`)
      .join(''),
  )
  const script = startScript(`
    const { runCommandLine } = await import('../../lib/cli/command-line.ts')
    process.exitCode = await runCommandLine(['report', ${JSON.stringify(path)}, '--follow'])
  `)
  const closed = once(script.process, 'close')
  afterTest(() => script.process.kill('SIGKILL'))
  let out = await script.nextLine()
  script.process.kill('SIGINT')
  script.process.stdout?.on('data', (text) => {
    out += text
  })
  const [code] = await closed

  expect(out).toMatch(
    /^10:10:00 1,000 publishes over 3 channels, 99\.7 % reuse, confirm p99 4 ms, 1 message sent again, 1 failure/,
  )
  expect(out).toMatch(/99\.7 % channel reuse/)
  expect(out).not.toContain('\u001b')
  expect(code).toBe(130)
})
