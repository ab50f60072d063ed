import { expect, test } from '@jest/globals'
import { Bell } from '../../lib/amqp/bell.ts'

/** Waits for a bell, and enters a name each time that it rings. */
async function hear(bell: Bell, heard: string[], name: string, times = 1): Promise<void> {
  for (let time = 0; time < times; time++) {
    await bell.next()
    heard.push(name)
  }
}

test('a ring is heard by all who wait, in the order of their coming', async () => {
  const [bell, heard] = [new Bell(), [] as string[]]
  const waiting = [hear(bell, heard, 'first'), hear(bell, heard, 'second')]
  bell.ring()
  await Promise.all(waiting)

  expect(heard).toEqual(['first', 'second'])
})

test('who waits again waits for the next ring', async () => {
  const [bell, heard] = [new Bell(), [] as string[]]
  const waiting = hear(bell, heard, 'again', 2)
  bell.ring()
  await new Promise((resolve) => setImmediate(resolve))
  expect(heard).toEqual(['again'])

  bell.ring()
  await waiting
  expect(heard).toEqual(['again', 'again'])
})

test('a ring that nobody waited for is not heard later', async () => {
  const [bell, heard] = [new Bell(), [] as string[]]
  bell.ring()
  const waiting = hear(bell, heard, 'late')
  await new Promise((resolve) => setImmediate(resolve))
  expect(heard).toEqual([])

  bell.ring()
  await waiting
  expect(heard).toEqual(['late'])
})
