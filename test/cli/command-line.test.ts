import { readFile } from 'node:fs/promises'
import { expect, test } from '@jest/globals'
import { runCommandLine } from '../../lib/cli/command-line.ts'
import { tenMinutes } from '../observe/written-log.ts'
import { writtenTerminal } from './written-terminal.ts'

test('a command is run with the arguments after its name', async () => {
  const terminal = writtenTerminal([Buffer.from(tenMinutes().infoLines.join('\n'))])

  expect(await runCommandLine(['report', '-'], terminal)).toBe(0)
  expect(terminal.out()).toContain('1,000 publishes over 3 channels')
})

test.each(['--help', '-h', 'help'])('%s lists the commands', async (word) => {
  const terminal = writtenTerminal()

  expect(await runCommandLine([word], terminal)).toBe(0)
  expect(terminal.out()).toMatch(/^Usage: pooled-producer COMMAND[\s\S]*\n {2}report /)
})

test('no command at all is wrong usage', async () => {
  const terminal = writtenTerminal()

  expect(await runCommandLine([], terminal)).toBe(2)
  expect(terminal.err()).toMatch(/^Usage: /)
})

test('--version is that of the package', async () => {
  const terminal = writtenTerminal()
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }

  expect(await runCommandLine(['--version'], terminal)).toBe(0)
  expect(terminal.out()).toBe(`${version}\n`)
})

test.each([
  ['reprot', 'did you mean report?'],
  ['rep', 'did you mean report?'],
  ['frobnicate', 'known are '],
  ['constructor', 'there is no command constructor'],
  ['__proto__', 'there is no command __proto__'],
  ['\u001b[2Jx', 'there is no command [2Jx'],
])('%j is no command: exit code 2 and a hint', async (word, hint) => {
  const terminal = writtenTerminal()

  expect(await runCommandLine([word], terminal)).toBe(2)
  expect(terminal.err()).toContain(hint)
})

test('a fault of the program is told without its stack, unless somebody asks for it', async () => {
  const failing = () => {
    const terminal = writtenTerminal()
    const stdout = Object.assign(Object.create(terminal.stdout), {
      write() {
        throw new TypeError('of the program')
      },
    })
    return { ...terminal, stdout }
  }
  const [shown, asked] = [failing(), failing()]

  expect(await runCommandLine(['report', '--help'], shown)).toBe(1)
  process.env.POOLED_PRODUCER_STACK = '1'
  const code = await runCommandLine(['report', '--help'], asked)
  delete process.env.POOLED_PRODUCER_STACK

  expect(shown.err()).toBe('pooled-producer report: of the program; with POOLED_PRODUCER_STACK=1 it says where\n')
  expect(code).toBe(1)
  expect(asked.err()).toMatch(/TypeError: of the program\n\s+at /)
})
