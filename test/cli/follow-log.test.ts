import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { followLog } from '../../lib/cli/follow-log.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'

/** A log that is followed until the test ends. */
async function followed(
  content?: string,
): Promise<{ path: string; lines: string[]; ended: Promise<void>; end: () => void }> {
  const folder = await mkdtemp(join(tmpdir(), 'pooled-producer-follow-'))
  const path = join(folder, 'server.log')
  if (content !== undefined) await writeFile(path, content)
  const controller = new AbortController()
  const lines: string[] = []
  const ended = followLog(path, (line) => lines.push(line), controller.signal)
  afterTest(async () => {
    controller.abort()
    await ended
    await rm(folder, { recursive: true })
  })
  return { path, lines, ended, end: () => controller.abort() }
}

test('lines that are there and lines that come are read, each once and whole', async () => {
  const { path, lines } = await followed('one\ntwo\nthr')
  await until(() => lines.length === 2)
  await appendFile(path, 'ee\nfö')
  await until(() => lines.length === 3)
  await appendFile(path, 'ur\n')
  await until(() => lines.length === 4)

  expect(lines).toEqual(['one', 'two', 'three', 'föur'])
})

test('a rotated file is read to its end, and the new one from its begin', async () => {
  const { path, lines } = await followed('one\n')
  await until(() => lines.length === 1)
  await appendFile(path, 'two\n')
  await rename(path, `${path}.1`)
  await writeFile(path, 'three\n')
  await until(() => lines.length === 3)

  expect(lines).toEqual(['one', 'two', 'three'])
})

test('a file that was cut to nothing is read anew', async () => {
  const { path, lines } = await followed('one, and long\n')
  await until(() => lines.length === 1)
  await truncate(path)
  await appendFile(path, 'two\n')
  await until(() => lines.length === 2)

  expect(lines).toEqual(['one, and long', 'two'])
})

test('a file that is not there yet is waited for', async () => {
  const { path, lines } = await followed()
  await writeFile(path, 'one\n')
  await until(() => lines.length === 1)

  expect(lines).toEqual(['one'])
})

test('what was written just before the end is read', async () => {
  const { path, lines, ended, end } = await followed('one\n')
  await until(() => lines.length === 1)
  await appendFile(path, 'two\n')
  end()
  await ended

  expect(lines).toEqual(['one', 'two'])
})
