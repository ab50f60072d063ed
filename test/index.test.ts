import { expect, test } from '@jest/globals'
import * as door from '../lib/index.ts'
import { startScript } from './support/script.ts'

/** What users type, and what the README explains: a name more or less is a decision. */
const NAMES = [
  'ERROR_CODES',
  'PooledProducerError',
  'chain',
  'chord',
  'createCelery',
  'createProducerPool',
  'group',
  'withPooledProducer',
]

test('the package gives these names and no others', () => {
  expect(Object.keys(door).sort()).toEqual(NAMES)
})

test('all but the list of codes are functions', () => {
  const others = Object.entries(door).filter(([, value]) => typeof value !== 'function')

  expect(others.map(([name]) => name)).toEqual(['ERROR_CODES'])
})

test('importing the package keeps no process running and listens to none of its events', async () => {
  const script = startScript(`
    const listeners = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]).join()
    const before = listeners()
    await import('../../lib/index.ts')
    console.log(listeners() === before)
  `)

  expect(await script.nextLine()).toBe('true')
  expect(await script.ended).toEqual({ code: 0, signal: null })
})
