import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { profiled } from '../../lib/cli/cpu-profiler.ts'
import { loadGraphviz } from '../../lib/cli/graphviz.ts'
import { loadTestCommand } from '../../lib/cli/load-test-command.ts'
import { useBroker } from '../support/broker.ts'
import { failureOf } from '../support/failure.ts'
import { writtenTerminal } from './written-terminal.ts'

const broker = useBroker()
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pooled-producer-load-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

test('--profile draws two modes side by side, and writes their profiles beside the page', async () => {
  const [file, terminal] = [join(folder, 'calls.html'), writtenTerminal()]
  const argv = ['--broker', broker.url, '--mode', 'pooled,channel-per-call', '--count', '200', '--profile', file]

  expect(await loadTestCommand(argv, terminal)).toBe(0)

  expect((await readdir(folder)).sort()).toEqual([
    'calls.channel-per-call.cpuprofile',
    'calls.html',
    'calls.pooled.cpuprofile',
  ])
  for (const name of await readdir(folder)) expect(terminal.err()).toContain(`wrote ${join(folder, name)}`)
  const page = await readFile(file, 'utf8')
  expect(page).toMatch(/^<!doctype html>.*<h2>pooled<\/h2>.*<svg.*<h2>channel-per-call<\/h2>.*<svg/s)
  expect(page).toMatch(/>200 tasks, [\d,]+ us of CPU each; [\d,]+ samples? of [\d,]+ ms of work</)
  expect(page).toMatch(/<td>amqplib<\/td><td class="n">/)
  expect(page).not.toMatch(/<script|<link|src=| id="/)
  const profile = JSON.parse(await readFile(join(folder, 'calls.channel-per-call.cpuprofile'), 'utf8'))
  expect(profile).toMatchObject({ nodes: expect.any(Array), samples: expect.any(Array), timeDeltas: expect.any(Array) })
}, 60_000)

test('--include draws functions of these packages only', async () => {
  const file = join(folder, 'calls.html')
  const argv = ['--broker', broker.url, '--mode', 'channel-per-call', '--count', '200', '--profile', file]

  expect(await loadTestCommand([...argv, '--include', 'amqplib, node:'], writtenTerminal())).toBe(0)

  const page = await readFile(file, 'utf8')
  const frames = [...page.matchAll(/class="cluster package">.*?<text[^>]*>([^<]*)</gs)].map(([, label]) => label)
  expect(frames.length).toBeGreaterThan(0)
  for (const label of frames) expect(label).toMatch(/^(amqplib|node:)/)
}, 60_000)

test('a page that cannot be written is known before anything is sent', async () => {
  const terminal = writtenTerminal()
  const argv = ['--broker', broker.url, '--profile', join(folder, 'none', 'calls.html')]

  expect(await loadTestCommand(argv, terminal)).toBe(2)

  expect(terminal.err()).toMatch(/^pooled-producer load-test: can't write .*calls\.html: ENOENT/)
  expect(terminal.out()).toBe('')
})

test('without the package that draws, the error names it', async () => {
  const failure = await failureOf(loadGraphviz(() => Promise.reject(new Error("Cannot find package '@hpcc-js'"))))

  expect(failure.message).toBe(
    'the picture is drawn by @hpcc-js/wasm-graphviz, which cannot be loaded: npm install @hpcc-js/wasm-graphviz',
  )
})

test('the profiler gives what the run gave, and ends with it, also when it fails', async () => {
  const { value, profile } = await profiled(async () => 42)
  const failure = await failureOf(profiled(() => Promise.reject(new Error('no broker'))))

  expect(value).toBe(42)
  expect(profile.nodes[0]?.callFrame.functionName).toBe('(root)')
  expect(failure.message).toBe('no broker')
})
