import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PooledProducerError } from '../errors.ts'
import { ended, isRunning } from './guarded-folder.ts'

/** A running amqp-emulator. */
export interface Emulator {
  readonly url: string
  readonly version: string
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 20_000
// As RabbitMQ does, it then refuses other passwords and vhosts; without these options it takes any.
const PROGRAM = `
import { readFileSync } from 'node:fs'
const entry = import.meta.resolve('amqp-emulator')
const { AmqpServer } = await import(entry)
const { version } = JSON.parse(readFileSync(new URL('../package.json', entry), 'utf8'))
const server = new AmqpServer({
  version,
  vhosts: ['/'],
  authenticate: (user, password) => user === 'guest' && password === 'guest',
})
const { port } = await server.listen()
process.on('disconnect', () => process.exit())
process.send({ port, version })
`

/**
 * Starts amqp-emulator, a broker in JavaScript, in a child process: it takes no time from this process's event
 * loop, ends with it, and does not keep it running.
 *
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE the package is not installed, or it did not start.
 */
export async function startEmulator(): Promise<Emulator> {
  // The child resolves the package from its working folder: first as a peer of this package, then as the user's own.
  const folders = [dirname(fileURLToPath(import.meta.url)), process.cwd()]
  let failure: unknown
  for (const folder of folders) {
    try {
      return await startIn(folder)
    } catch (error) {
      failure ??= error
    }
  }
  const message = 'amqp-emulator did not start; is it installed? (npm install --save-dev amqp-emulator@0.1.2)'
  throw new PooledProducerError('ERR_BROKER_UNAVAILABLE', message, { cause: failure })
}

async function startIn(folder: string): Promise<Emulator> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    cwd: folder,
    // What the parent was started with (loaders, inspector ports) is not meant for the child.
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // On a terminal's Ctrl-C the parent decides when its broker ends.
    detached: process.platform !== 'win32',
    windowsHide: true,
  })
  const { port, version } = await greeting(child)
  child.unref()
  child.channel?.unref()
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    version,
    stop: () => end(child),
  }
}

function greeting(child: ChildProcess): Promise<{ port: number; version: string }> {
  return new Promise((resolve, reject) => {
    let output = ''
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`amqp-emulator did not listen in ${START_TIMEOUT_MS} ms: ${output}`))
    }, START_TIMEOUT_MS)
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      reject(new Error(`amqp-emulator ended with code ${code}: ${output.trim()}`))
    })
    child.once('message', (message) => {
      clearTimeout(timer)
      // Nobody reads on, but an unread pipe would stop it once full, and a closed one would end it.
      child.stderr?.removeAllListeners('data').resume()
      ;(child.stderr as Socket | null)?.unref()
      resolve(message as { port: number; version: string })
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return
  child.kill('SIGKILL')
  await ended(child)
}
