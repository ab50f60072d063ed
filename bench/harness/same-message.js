import { Contestant } from './contestant.js'

const HEADERS = 19

/**
 * Lets each contestant send one message to a queue, reads it back, and tells what it lacks of the message
 * that all should send. An empty text: it is the same message.
 *
 * @returns {Promise<{ differences: Map<string, string>, absent: Map<string, string> }>} By the contestant's
 * name; absent is who could not send even one, with the reason.
 */
export async function messageDifferences(broker, entries) {
  const differences = new Map()
  const absent = new Map()
  for (const entry of entries) {
    if (entry.name === 'message-alone') continue
    await broker.purge()
    try {
      const contestant = await Contestant.start(entry, { ...broker.destination(entry, true), inFlight: 1 })
      await contestant.ask('turn', { count: 1, inFlight: 1 })
      differences.set(entry.name, difference(await firstMessage(broker, entry)))
      await contestant.stop()
    } catch (error) {
      absent.set(entry.name, error.message)
    }
  }
  await broker.purge()
  return { differences, absent }
}

async function firstMessage(broker, entry) {
  // A contestant without confirms has written its message, but the broker may not have it yet.
  const deadline = performance.now() + 5_000
  while (performance.now() < deadline) {
    const message = await broker.take(entry)
    if (message) return message
  }
  throw new Error('its message did not reach the queue')
}

function difference({ properties, content }) {
  const { headers, deliveryMode, correlationId } = properties
  const parts = []
  const count = Object.keys(headers).length
  if (count !== HEADERS) parts.push(`${count} headers instead of ${HEADERS}`)
  if (deliveryMode !== 2) parts.push('not persistent')
  if (correlationId !== headers.id) parts.push('no correlation id')
  const body = JSON.parse(content)
  if (!Array.isArray(body) || body.length !== 3) parts.push('a body of another shape')
  return parts.join(', ')
}
