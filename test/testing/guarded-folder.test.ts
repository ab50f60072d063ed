import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { ended, GuardedFolder, isRunning, signalGroup } from '../../lib/testing/guarded-folder.ts'
import { until } from '../support/condition.ts'
import { type Script, startScript } from '../support/script.ts'

// A ward connects here; the end of its connection is the end of the ward.
let server: Server
let port: number

beforeEach(async () => {
  server = createServer((socket) => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as { port: number }).port
})

afterEach(() => {
  server.close()
})

const WARD = `
import { GuardedFolder } from '../../lib/testing/guarded-folder.ts'
const folder = new GuardedFolder('guarded-folder-test')
const program = "process.on('SIGINT', () => {}); require('node:net').connect(Number(process.argv[1]), '127.0.0.1')"
folder.spawn({ name: 'ward', command: process.execPath, args: ['-e', program, process.env.PORT], env: process.env })
console.log(folder.path)
`

async function startWard(rest: string): Promise<{ script: Script; ward: Socket; path: string }> {
  const script = startScript(`${WARD}${rest}`, { PORT: `${port}` })
  const [ward] = (await once(server, 'connection')) as [Socket]
  return { script, ward, path: await script.nextLine() }
}

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
  test(`a ward and its folder are gone after their process was ended by ${signal}`, async () => {
    const { script, ward, path } = await startWard('setInterval(() => {}, 1000)')
    ward.resume()
    const closed = once(ward, 'close')
    script.process.kill(signal)

    expect(await script.ended).toEqual({ code: null, signal })
    await closed
    await until(() => !existsSync(path))
  })
}

test('a ward does not keep its process running, and ends with it', async () => {
  const { script, ward, path } = await startWard(`
    const timer = setInterval(() => {}, 1000)
    process.once('SIGUSR2', () => clearInterval(timer))
  `)
  ward.resume()
  const closed = once(ward, 'close')
  script.process.kill('SIGUSR2')

  expect(await script.ended).toEqual({ code: 0, signal: null })
  await closed
  await until(() => !existsSync(path))
})

test('what a ward writes can be read, and its folder be removed', async () => {
  const folder = new GuardedFolder('guarded-folder-test')
  writeFileSync(join(folder.path, 'more'), 'x')
  const child = folder.spawn({ name: 'talk', command: '/bin/sh', args: ['-c', 'echo one; echo two >&2'], env: {} })
  await ended(child)

  expect(folder.logTail('talk')).toBe('one\ntwo')
  expect(folder.logTail('talk', 1)).toBe('two')
  await folder.remove()
  await folder.remove()
  expect(existsSync(folder.path)).toBe(false)
})

test('a signal reaches what a ward has started, and one to an ended ward does nothing', async () => {
  const folder = new GuardedFolder('guarded-folder-test')
  const program = `require('node:net').connect(${port}, '127.0.0.1')`
  // The shell waits for Node, so that there are two processes.
  const script = `"${process.execPath}" -e "${program}"; true`
  const child = folder.spawn({ name: 'parent', command: '/bin/sh', args: ['-c', script], env: {} })
  const [grandchild] = (await once(server, 'connection')) as [Socket]
  grandchild.resume()
  const closed = once(grandchild, 'close')
  signalGroup(child, 'SIGKILL')
  await ended(child)
  await closed

  expect(isRunning(child)).toBe(false)
  signalGroup(child, 'SIGKILL')
  await folder.remove()
})

test('a program that does not exist is not running', async () => {
  const folder = new GuardedFolder('guarded-folder-test')
  const child = folder.spawn({ name: 'none', command: '/nonexistent/program', args: [], env: {} })

  expect(isRunning(child)).toBe(false)
  await ended(child)
  await folder.remove()
})
