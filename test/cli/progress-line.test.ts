import { Writable } from 'node:stream'
import { expect, test } from '@jest/globals'
import { ProgressLine } from '../../lib/cli/progress-line.ts'
import { until } from '../support/condition.ts'
import { writtenTerminal } from './written-terminal.ts'

function terminalWithLines() {
  let written = ''
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString()
      done()
    },
  })
  const terminal = { ...writtenTerminal(), stderr: Object.assign(stderr, { isTTY: true }) }
  return { terminal, written: () => written }
}

test('on a terminal one line is updated until its end', async () => {
  const { terminal, written } = terminalWithLines()
  const progress = new ProgressLine(terminal)
  let done = 0

  progress.begin(() => `${done} done`)
  done = 7
  await until(() => written().includes('7 done'))
  progress.end('all done')

  expect(written().startsWith('\r\u001b[K0 done\r\u001b[K7 done')).toBe(true)
  expect(written().endsWith('\r\u001b[Kall done\n')).toBe(true)
})

test('elsewhere there is a line at the start and one at the end', () => {
  const terminal = writtenTerminal()
  const progress = new ProgressLine(terminal)

  progress.begin(() => '0 done')
  progress.end('all done')

  expect(terminal.err()).toBe('0 done\nall done\n')
})

test('an end without words leaves the terminal a clean line', () => {
  const { terminal, written } = terminalWithLines()
  const progress = new ProgressLine(terminal)

  progress.begin(() => 'under way')
  progress.end()
  progress.end()

  expect(written()).toBe('\r\u001b[Kunder way\r\u001b[K')
})

test('elsewhere a long piece of work writes a line now and then', async () => {
  const terminal = writtenTerminal()
  const progress = new ProgressLine(terminal, 5)
  let done = 0

  progress.begin(() => `${done} done`)
  done = 7
  await until(() => terminal.err().includes('7 done\n'))
  progress.end('all done')

  expect(terminal.err()).toMatch(/^(0 done\n)+(7 done\n)+all done\n$/)
})
