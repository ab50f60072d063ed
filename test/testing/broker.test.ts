import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { connect } from 'amqplib'
import { addressOf, greet } from '../../lib/testing/amqp-greeting.ts'
import { startEmulator } from '../../lib/testing/emulator.ts'
import { type Broker, startBroker } from '../../lib/testing/index.ts'
import { until } from '../support/condition.ts'
import { startScript } from '../support/script.ts'

const NAMES = ['AMQP_URL', 'AMQP_BROKER', 'PATH', 'XDG_CACHE_HOME'] as const
const before = Object.fromEntries(NAMES.map((name) => [name, process.env[name]]))
let progress: string[]
let broker: Broker | undefined
let emptyFolder: string

beforeEach(() => {
  progress = []
  delete process.env.AMQP_URL
  delete process.env.AMQP_BROKER
  emptyFolder = mkdtempSync(join(tmpdir(), 'broker-test-'))
})

afterEach(async () => {
  for (const name of NAMES) {
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
  }
  await broker?.stop()
  broker = undefined
  rmSync(emptyFolder, { recursive: true })
})

function start(options: { prefer?: 'rabbitmq' | 'emulator' } = {}): Promise<Broker> {
  return startBroker({ ...options, onProgress: (line) => progress.push(line) })
}

/** A machine with no Erlang, no apt, and nothing fetched before. */
function hideRabbitmq(): void {
  process.env.PATH = emptyFolder
  process.env.XDG_CACHE_HOME = emptyFolder
}

test('AMQP_URL names the broker, and stop leaves that broker alone', async () => {
  const emulator = await startEmulator()
  process.env.AMQP_URL = emulator.url
  process.env.AMQP_BROKER = 'rabbitmq'
  broker = await start()

  expect(broker).toMatchObject({ url: emulator.url, kind: 'external', product: 'amqp-emulator', version: '0.1.2' })
  const { port } = addressOf(emulator.url)
  expect(progress).toEqual([`broker: amqp-emulator 0.1.2 on 127.0.0.1:${port} (AMQP_URL)`])
  await broker.stop()
  await greet(addressOf(emulator.url))
  await emulator.stop()
})

test('of several nodes in AMQP_URL the first that answers serves', async () => {
  const emulator = await startEmulator()
  process.env.AMQP_URL = `amqp://127.0.0.1:1; ${emulator.url}`
  broker = await start()

  expect(broker.url).toBe(emulator.url)
  await emulator.stop()
})

test('an AMQP_URL that does not answer is an error, and nothing else is tried', async () => {
  process.env.AMQP_URL = 'amqp://user:secret@127.0.0.1:1/vhost'
  const starting = start()

  await expect(starting).rejects.toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: 'AMQP_URL is set, but 127.0.0.1:1 does not serve: connect ECONNREFUSED 127.0.0.1:1',
  })
  expect(progress).toEqual([])
})

test('an AMQP_URL that leads to another kind of server is an error that says so', async () => {
  const server: Server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  process.env.AMQP_URL = `amqp://127.0.0.1:${(server.address() as { port: number }).port}`

  await expect(start()).rejects.toThrow(/not an AMQP 0-9-1 broker/)
  server.close()
})

test('an AMQP_URL that is no AMQP URL is refused without showing it', async () => {
  for (const url of [
    'http://user:secret@127.0.0.1',
    'amqp:/user:secret@127',
    'amqp://user:secret@host:port',
    'secret',
  ]) {
    process.env.AMQP_URL = url
    const error = await start().catch((error) => error)
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION' })
    expect(JSON.stringify(error) + error.stack + error.cause).not.toContain('secret')
  }
})

test('AMQP_BROKER=emulator starts the emulator, which refuses other passwords and vhosts', async () => {
  process.env.AMQP_BROKER = 'emulator'
  broker = await start({ prefer: 'rabbitmq' })

  expect(broker).toMatchObject({ kind: 'emulator', product: 'amqp-emulator', version: '0.1.2' })
  expect(progress).toEqual([expect.stringMatching(/^broker: amqp-emulator 0\.1\.2 on .*its own figures/)])
  const connection = await connect(broker.url)
  await connection.close()
  await expect(connect(broker.url.replace('guest@', 'other@'))).rejects.toThrow(/403/)
  await expect(connect(`${broker.url}/other`)).rejects.toThrow()
})

test('a broker may be preferred', async () => {
  broker = await start({ prefer: 'emulator' })

  expect(broker.kind).toBe('emulator')
})

test('without a RabbitMQ, and without the means to fetch one, the emulator serves', async () => {
  hideRabbitmq()
  broker = await start()

  expect(broker.kind).toBe('emulator')
  expect(progress).toHaveLength(1)
})

test('AMQP_BROKER=rabbitmq allows no other', async () => {
  hideRabbitmq()
  process.env.AMQP_BROKER = 'rabbitmq'

  await expect(start()).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
})

test('an unknown broker is refused', async () => {
  await expect(start({ prefer: 'kafka' as 'rabbitmq' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
  process.env.AMQP_BROKER = 'kafka'
  await expect(start()).rejects.toThrow('AMQP_BROKER must be rabbitmq or emulator, got "kafka"')
})

test('a stopped emulator is gone, and a second stop does nothing', async () => {
  const stopped = await start({ prefer: 'emulator' })
  await stopped.stop()
  await stopped.stop()

  await expect(greet(addressOf(stopped.url))).rejects.toThrow(/ECONNREFUSED/)
})

test('an emulator ends with the process that started it, killed or not, and does not keep it running', async () => {
  const source = `
    import { startEmulator } from '../../lib/testing/emulator.ts'
    const { url } = await startEmulator()
    console.log(url)
  `
  for (const more of ['', 'setInterval(() => {}, 1000)']) {
    const script = startScript(`${source}${more}`)
    const url = await script.nextLine()
    if (more !== '') script.process.kill('SIGKILL')
    await script.ended
    await until(() =>
      greet(addressOf(url)).then(
        () => false,
        () => true,
      ),
    )
  }
})
