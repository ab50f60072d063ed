import { expect, test } from '@jest/globals'
import { brokerCommand } from '../../lib/cli/broker-command.ts'
import { addressOf, greet } from '../../lib/testing/amqp-greeting.ts'
import { startScript } from '../support/script.ts'
import { writtenTerminal } from './written-terminal.ts'

const EMULATOR = { AMQP_URL: '', AMQP_BROKER: 'emulator' }

function startCommand(argv: readonly string[]) {
  const source = `
    import { brokerCommand } from '../../lib/cli/broker-command.ts'
    process.exitCode = await brokerCommand(${JSON.stringify(argv)})
  `
  return startScript(source, EMULATOR)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`it prints the URL of a broker that serves until ${signal}, and ends with code 0`, async () => {
    const script = startCommand([])
    const url = await script.nextLine()
    await greet(addressOf(url))
    script.process.kill(signal)

    expect(await script.ended).toEqual({ code: 0, signal: null })
    await expect(greet(addressOf(url))).rejects.toThrow(/ECONNREFUSED/)
  })
}

test('--json prints one JSON object and nothing else', async () => {
  const script = startCommand(['--json'])
  let text = ''
  for (let line = ''; line !== '}'; text += line) line = await script.nextLine()
  script.process.kill('SIGTERM')
  await script.ended

  expect(JSON.parse(text)).toMatchObject({ kind: 'emulator', product: 'amqp-emulator', version: '0.1.2' })
  await expect(script.nextLine()).rejects.toThrow(/without another line/)
})

test('wrong usage is code 2, and help code 0', async () => {
  const terminal = writtenTerminal()

  expect(await brokerCommand(['--port', '1'], terminal)).toBe(2)
  expect(await brokerCommand(['extra'], terminal)).toBe(2)
  expect(terminal.out()).toBe('')
  expect(terminal.err()).toContain("Unknown option '--port'")
  expect(await brokerCommand(['--help'], terminal)).toBe(0)
  expect(terminal.out()).toContain('Usage: pooled-producer broker')
})
