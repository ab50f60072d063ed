import { expect, test } from '@jest/globals'
import { checkCallOptions } from '../lib/call-options.ts'

test('the options of a call are checked', () => {
  const { signal } = new AbortController()
  const known = ['timeoutMs', 'signal', 'block'] as const
  const none = { timeoutMs: undefined, signal: undefined, block: undefined }
  for (const good of [{}, { timeoutMs: 1 }, { timeoutMs: 2 ** 31 - 1, signal, block: false }, none]) {
    expect(() => checkCallOptions(good, known)).not.toThrow()
  }
  const bad: [unknown, RegExp][] = [
    [{ timeoutMs: 0 }, /^timeoutMs must be an integer from 1 to 2147483647, got 0$/],
    [{ timeoutMs: 2 ** 31 }, /^timeoutMs must be/],
    [{ timeoutMs: '5s' }, /^timeoutMs must be .* got "5s"$/],
    [{ signal: new AbortController() }, /^signal must be an AbortSignal, got an instance of AbortController$/],
    [{ signal: true }, /^signal must be an AbortSignal, got true$/],
    [{ block: 'no' }, /^block must be true or false, got "no"$/],
    [{ timeout: 5 }, /^timeout is no option here; known are timeoutMs, signal, block$/],
    [null, /^options must be a plain object, got null$/],
    [[], /^options must be a plain object, got an array of 0$/],
  ]
  for (const [options, message] of bad) {
    const check = () => checkCallOptions(options as never, known)
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }))
    expect(check).toThrow(message)
  }
  expect(() => checkCallOptions({ block: true }, ['timeoutMs'])).toThrow(
    /^block is no option here; known are timeoutMs$/,
  )
})
