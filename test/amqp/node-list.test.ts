import { expect, jest, test } from '@jest/globals'
import { parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import { NodeList } from '../../lib/amqp/node-list.ts'

const [a, b, c] = ['amqp://a', 'amqp://b', 'amqp://c'].map((url) => parseBrokerUrl(url)) as [Node, Node, Node]
type Node = ReturnType<typeof parseBrokerUrl>

/** Stops the clock, and gives what sets it on. */
function stopClock(): (ms: number) => void {
  let now = 1_000
  jest.spyOn(performance, 'now').mockImplementation(() => now)
  return (ms) => {
    now += ms
  }
}

test('the nodes come in turn, from the one asked for, and a round is one turn of each', () => {
  const nodes = new NodeList([a, b, c], 4)
  const seen: [Node, number][] = []
  for (let turn = 0; turn < 5; turn++) {
    seen.push([nodes.current, nodes.rounds])
    nodes.advance()
  }

  expect(seen).toEqual([
    [b, 0],
    [c, 0],
    [a, 0],
    [b, 1],
    [c, 1],
  ])
  nodes.restart()
  expect([nodes.current, nodes.rounds]).toEqual([a, 0])
})

test('a node that refused is passed over for half a minute, in a new round too', () => {
  const pass = stopClock()
  const nodes = new NodeList([a, b, c], 0)
  nodes.refused(b)
  nodes.advance()
  expect([nodes.current, nodes.isExhausted, nodes.pauseMs]).toEqual([c, false, 0])

  nodes.refused(c)
  nodes.restart()
  expect(nodes.current).toBe(a)
  pass(29_999)
  nodes.advance()
  expect(nodes.current).toBe(a)
  pass(1)
  nodes.advance()
  expect(nodes.current).toBe(b)
})

test('when every node has refused there is none to try, until the pause of the first is over', () => {
  const pass = stopClock()
  const nodes = new NodeList([a, b], 0)
  nodes.refused(a)
  pass(10_000)
  expect([nodes.isExhausted, nodes.pauseMs]).toEqual([false, 0])
  nodes.refused(b)

  expect([nodes.isExhausted, nodes.pauseMs]).toEqual([true, 20_000])
  pass(20_000)
  expect([nodes.isExhausted, nodes.pauseMs]).toEqual([false, 0])
})

test('a node that takes us is the one in use, and has not refused us', () => {
  const nodes = new NodeList([a, b, c], 0)
  nodes.refused(c)
  nodes.accepted(c)
  expect(nodes.current).toBe(c)
  nodes.advance()
  nodes.advance()
  nodes.advance()

  expect(nodes.current).toBe(c)
})
