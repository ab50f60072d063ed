import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect } from '@jest/globals'
import {
  canDownloadRabbitmq,
  downloadRabbitmq,
  fetchedRabbitmq,
  obtainRabbitmq,
} from '../../lib/testing/rabbitmq-download.ts'
import { testThatNeeds } from '../support/needs.ts'

const linuxTest = testThatNeeds('Linux', process.platform === 'linux', `this is ${process.platform}`)

// The recipe runs with Debian's tools played by scripts, which write down how they were called; no network.
const before = { PATH: process.env.PATH, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME }
let folder: string
let calls: string
let cache: string
let progress: string[]

const TREE = {
  'usr/lib/erlang/bin/erl': 'if x\n  ROOTDIR=/usr/lib/erlang\nelse\n  ROOTDIR=/usr/lib/erlang\nfi\n',
  'usr/lib/erlang/erts-13/bin/erl': 'ROOTDIR=/usr/lib/erlang\n',
  'usr/lib/rabbitmq/lib/rabbitmq_server-9.9.9/sbin/rabbitmq-server': '#!/bin/sh\n',
  'usr/lib/x86_64-linux-gnu/libsctp.so.1': '',
}

const TOOLS = {
  'apt-cache': `printf '%s\\n' rabbitmq-server '  Depends: adduser' adduser erlang-base erlang-os-mon systemd libc6 socat '<virtual>'`,
  'apt-get': `
case "$*" in
  *--simulate*) echo 'Inst libmissing1 (1.0 Debian [amd64])'; echo 'Inst adduser (1.0 Debian [all])' ;;
  *download*) touch rabbitmq-server.deb ;;
esac`,
  dpkg: '',
  'dpkg-deb': 'cp -r "$TREE/." "$3"',
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rabbitmq-download-'))
  calls = join(folder, 'calls')
  cache = join(folder, 'cache', 'pooled-producer')
  progress = []
  for (const [name, text] of Object.entries(TREE)) write(join('tree', name), text)
  for (const name of Object.keys(TOOLS) as (keyof typeof TOOLS)[]) play(name, TOOLS[name])
  process.env.PATH = `${join(folder, 'bin')}:/usr/bin:/bin`
  process.env.XDG_CACHE_HOME = join(folder, 'cache')
})

afterEach(() => {
  Object.assign(process.env, before)
  if (before.XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME
  rmSync(folder, { recursive: true })
})

function write(name: string, text: string): string {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

function play(tool: string, script: string): void {
  const file = write(
    join('bin', tool),
    `#!/bin/sh\necho "${tool} $*" >> '${calls}'\nTREE='${folder}/tree'\n${script}\n`,
  )
  chmodSync(file, 0o755)
}

function download() {
  return downloadRabbitmq((line) => progress.push(line))
}

linuxTest('the packages that RabbitMQ needs are fetched and unpacked into the cache folder', async () => {
  const install = await download()

  const root = join(cache, 'rabbitmq')
  expect(install.sbin).toBe(join(root, 'usr/lib/rabbitmq/lib/rabbitmq_server-9.9.9/sbin'))
  expect(install.env.PATH).toMatch(`${root}/usr/lib/erlang/bin:${root}/usr/bin:`)
  expect(install.env.LD_LIBRARY_PATH).toBe(`${root}/usr/lib/x86_64-linux-gnu`)
  expect(readFileSync(calls, 'utf8')).toMatch(
    /apt-get .* download rabbitmq-server erlang-base erlang-os-mon socat libmissing1\n/,
  )
  expect(readdirSync(cache)).toEqual(['rabbitmq'])
  expect(progress[0]).toContain(root)
})

linuxTest("apt's state is a folder of our own, so that no root is needed", async () => {
  await download()

  const lines = readFileSync(calls, 'utf8').split('\n')
  for (const line of lines.filter((line) => line.startsWith('apt-'))) {
    expect(line).toContain(`Dir::State=${cache}/rabbitmq.partial-`)
    expect(line).toContain('APT::Sandbox::User= ')
  }
})

linuxTest('the start scripts of Erlang point into the cache folder', async () => {
  await download()

  const erlang = join(cache, 'rabbitmq/usr/lib/erlang')
  const script = `if x\n  ROOTDIR=${erlang}\nelse\n  ROOTDIR=${erlang}\nfi\n`
  expect(readFileSync(join(erlang, 'bin/erl'), 'utf8')).toBe(script)
  expect(readFileSync(join(erlang, 'erts-13/bin/erl'), 'utf8')).toBe(`ROOTDIR=${erlang}\n`)
})

linuxTest('what was fetched once is not fetched again', async () => {
  expect(fetchedRabbitmq()).toBeUndefined()
  const first = await download()
  rmSync(calls)

  expect(fetchedRabbitmq()).toEqual(first)
  // An installed RabbitMQ goes before a fetched one.
  await obtainRabbitmq(() => {})
  expect(existsSync(calls)).toBe(false)
})

linuxTest('two processes may fetch at once', async () => {
  const [first, second] = await Promise.all([download(), download()])

  expect(first).toEqual(second)
  expect(readdirSync(cache)).toEqual(['rabbitmq'])
})

linuxTest("a failure of apt is an error with apt's own words, and leaves nothing behind", async () => {
  play('apt-get', 'echo "E: Failed to fetch http://deb.test" >&2; exit 100')

  await expect(download()).rejects.toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: 'RabbitMQ could not be fetched: E: Failed to fetch http://deb.test',
  })
  expect(readdirSync(cache)).toEqual([])
})

linuxTest('packages without a RabbitMQ are an error', async () => {
  play('dpkg-deb', 'mkdir -p "$3/usr/lib/erlang"')

  await expect(download()).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  expect(readdirSync(cache)).toEqual([])
})

linuxTest('a folder that is no RabbitMQ gives way to one that is', async () => {
  write('cache/pooled-producer/rabbitmq/left/by/something', 'x')

  await download()
  expect(readdirSync(join(cache, 'rabbitmq'))).toEqual(['usr'])
})

linuxTest('where apt can plan no installation the download goes on', async () => {
  play('apt-get', 'case "$*" in *--simulate*) exit 100 ;; *download*) touch rabbitmq-server.deb ;; esac')

  await download()
  expect(readFileSync(calls, 'utf8')).toMatch(/download rabbitmq-server erlang-base erlang-os-mon socat\n/)
})

linuxTest('without apt nothing is fetched', async () => {
  process.env.PATH = folder

  expect(canDownloadRabbitmq()).toBe(false)
  await expect(download()).rejects.toThrow('no apt to fetch it with')
  expect(progress).toEqual([])
})
