import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, test } from '@jest/globals'
import { ERROR_CODES, PooledProducerError, quiet } from '../lib/errors.ts'

const ROOT = join(import.meta.dirname, '..')
const README = join(ROOT, 'README.md')

const RAISED = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file !== 'errors.ts')
  .map((file) => readFileSync(join(ROOT, 'lib', file), 'utf8'))
  .join('\n')

test.each(ERROR_CODES)('%s is raised somewhere', (code) => {
  expect(RAISED.includes(`'${code}'`)).toBe(true)
})

test('every code stands in the README', () => {
  const readme = readFileSync(README, 'utf8')

  expect(ERROR_CODES.filter((code) => !readme.includes(code))).toEqual([])
})

test('an error says what it knows', () => {
  const cause = new Error('ECONNRESET')
  const stats = { leased: 8 }
  const details = { cause, outcome: 'unknown', taskId: 'id', stats, retryable: false } as const
  const error = new PooledProducerError('ERR_PUBLISH_TIMEOUT', 'no confirm', details)

  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({
    name: 'PooledProducerError',
    code: 'ERR_PUBLISH_TIMEOUT',
    message: 'no confirm',
    cause,
    outcome: 'unknown',
    taskId: 'id',
    stats,
    retryable: false,
  })
})

test('what an error does not know is absent', () => {
  const error = new PooledProducerError('ERR_ACQUIRE_TIMEOUT', 'x', { taskId: undefined, cause: undefined })

  expect(Object.keys(error).sort()).toEqual(['code', 'name', 'retryable'])
  expect('cause' in error).toBe(false)
})

test('whether the same call can work later follows from the code, unless the error says better', () => {
  const retryable = ERROR_CODES.filter((code) => new PooledProducerError(code, 'x').retryable)

  expect(retryable).toEqual([
    'ERR_ACQUIRE_TIMEOUT',
    'ERR_POOL_EXHAUSTED',
    'ERR_BROKER_UNAVAILABLE',
    'ERR_BROKER_BLOCKED',
    'ERR_NACKED',
    'ERR_PUBLISH_TIMEOUT',
    'ERR_ABORTED',
    'ERR_RESULT_TIMEOUT',
  ])
  expect(new PooledProducerError('ERR_CHANNEL_CLOSED', 'x', { retryable: true }).retryable).toBe(true)
})

test('the log of an error shows its code, its stack and its cause', () => {
  const error = new PooledProducerError('ERR_NACKED', 'the broker said no', { cause: new Error('full') })
  const shown = inspect(error)

  expect(shown).toMatch(/^PooledProducerError: the broker said no\n {4}at /)
  expect(shown).toContain("code: 'ERR_NACKED'")
  expect(shown).toContain('Error: full')
})

test('a rejection that nobody awaits does not end the process, and who awaits it still gets it', async () => {
  const rejected = quiet(Promise.reject(new Error('unheard')))
  await new Promise((resolve) => setImmediate(resolve))

  await expect(rejected).rejects.toThrow('unheard')
  expect(await quiet(Promise.resolve(1))).toBe(1)
})
